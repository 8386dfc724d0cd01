/* SPDX-License-Identifier: ISC */
/*
 * One peer: its links, what is heard of it, and the sessions in which it sends to us.
 *
 * For each class there is one live incoming session and a few that wait for their first
 * sealed message: a replayed hello makes another of these, and displaces nothing.
 */
#ifndef PEERD_PEER_H
#define PEERD_PEER_H

#include "route.h"

enum { PEER_WAITING_MAX = 3, PEER_STARTS_MAX = 8 };

struct incoming {
	bool valid;
	struct mono_ms born;
	uint64_t session;
	uint8_t key[SEAL_KEY_SIZE]; /* of the peer, with which it was made */
	struct channel_rx rx;
};

struct peer {
	struct peerd *peerd;
	struct raft_member member; /* with the address that is dialled */
	bool has_next;             /* of its two keys it showed the second one last */
	struct route routes[WIRE_CLASSES_COUNT];
	struct {
		struct incoming live;
		struct incoming waiting[PEER_WAITING_MAX];
		size_t next; /* of waiting, to be taken */
	} incoming[WIRE_CLASSES_COUNT];
	uint64_t start;                   /* of its raft-peerd; 0: not known */
	uint64_t starts[PEER_STARTS_MAX]; /* those that were replaced */
	size_t starts_count;
	struct mono_ms started; /* when `start` became known */
	struct mono_ms heard;   /* the last authenticated message; 0: never */
	struct mono_ms sent;
	uint64_t ping;         /* number of the ping that is under way; 0: none */
	struct mono_ms pinged; /* when the last ping was sent */
	uint64_t pinged_us;
	uint64_t round_trip_us; /* of the last ping that came back; 0: none has */
	/* Somebody calls with its key: if this ping comes back on the connection that was there
	 * before, there are two. */
	struct {
		uint64_t ping; /* 0: none */
		uint32_t pipe;
		char address[PULL_ADDRESS_SIZE]; /* of the other */
	} doubt;
	uint64_t lost_turn; /* raft-elect has been told in this turn */
	uint64_t received_bytes;
	uint64_t refusals;
	struct throttle refused, twins;
	struct mono_ms hinted;
};

struct peer *peer_new(struct peerd *peerd, const struct raft_member *member);
void peer_free(struct peer *peer);
/* Another address: connected anew. */
void peer_move(struct peer *peer, const char *address);
/* Other keys: the sessions that were made with one it no longer has end. */
void peer_rekey(struct peer *peer, const struct raft_member *member);
/* Its keys, one or two while it is being replaced; the first is the one it showed last. */
const uint8_t *peer_key(const struct peer *peer, unsigned number);
unsigned peer_keys_count(const struct peer *peer);
bool peer_has_key(const struct peer *peer, const uint8_t key[SEAL_KEY_SIZE]);
/* It has proved that it holds this key. */
void peer_showed(struct peer *peer, const uint8_t key[SEAL_KEY_SIZE]);
/* What was sent to the peer may be lost: raft-elect is told, once a turn. */
void peer_lost(struct peer *peer);
/*
 * The start number of its raft-peerd, from a handshake that began at `since`.  False: of a process
 * that has been replaced since then; the session is void.
 */
bool peer_started(struct peer *peer, uint64_t start, struct mono_ms since);
void peer_heard(struct peer *peer);
/* Two processes run with its key: one line now and then says so. */
void peer_twins(struct peer *peer, const char *why);
/* A slot for a session that the peer has asked for. */
struct incoming *peer_waiting(struct peer *peer, enum wire_class class);
/* The session, live or waiting; NULL when it is not known. */
struct incoming *peer_incoming(struct peer *peer, enum wire_class class, uint64_t session);
/* The waiting session has proved itself: it replaces the live one. */
void peer_promote(struct peer *peer, enum wire_class class, struct incoming *waiting);
/* It came on that pipe. */
void peer_pong(struct peer *peer, uint64_t number, uint32_t pipe);
/* A process calls from that address, while the peer's own connection is `pipe`. */
void peer_doubt(struct peer *peer, uint32_t pipe, const char *address);
/* This process was stopped for a while: nobody is to be blamed for the silence. */
void peer_excuse(struct peer *peer);
void peer_tick(struct peer *peer, struct mono_ms now);

#endif
