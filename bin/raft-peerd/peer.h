/* SPDX-License-Identifier: ISC */
/* One peer: its routes, its keys, what is heard of it. */
#ifndef PEERD_PEER_H
#define PEERD_PEER_H

#include "route.h"

enum { PEER_STARTS_MAX = 8 };

struct peer {
	struct peerd *peerd;
	struct raft_member member; /* with the address that is dialled */
	struct route routes[WIRE_CLASSES_COUNT];
	uint64_t start;                   /* of its raft-peerd; 0: not known */
	uint64_t starts[PEER_STARTS_MAX]; /* those that were replaced */
	size_t starts_count;
	struct mono_ms started;        /* when `start` became known */
	atomic_uint_fast64_t heard_ms; /* the last record; 0: never */
	uint64_t ping;                 /* number of the ping that has not been answered; 0: none */
	struct mono_ms pinged;         /* when the last ping was sent */
	uint64_t pinged_us;
	uint64_t round_trip_us; /* of the last ping that came back; 0: none has */
	uint64_t lost_turn;     /* raft-elect has been told in this turn */
	uint64_t refusals;
	struct throttle refused, twins;
};

struct peer *peer_new(struct peerd *peerd, const struct raft_member *member);
void peer_free(struct peer *peer);
/* Another address: connected anew. */
void peer_move(struct peer *peer, const char *address);
/* Other keys: the sessions that were made with one it no longer has end. */
void peer_rekey(struct peer *peer, const struct raft_member *member);
/* Its keys, one or two while it is being replaced; number is taken modulo how many there are. */
const uint8_t *peer_key(const struct peer *peer, unsigned number);
unsigned peer_keys_count(const struct peer *peer);
bool peer_has_key(const struct peer *peer, const uint8_t key[SEAL_KEY_SIZE]);
/* What was sent to the peer may be lost: raft-elect is told, once a turn. */
void peer_lost(struct peer *peer);
/*
 * The start number of its raft-peerd, on a connection that was begun at `since`.  False: of a
 * process that has been replaced since then.
 */
bool peer_started(struct peer *peer, uint64_t start, struct mono_ms since);
/* A frame of its raft-peerd.  False: malformed, or unknown. */
bool peer_take(struct peer *peer, const struct wire_frame *frame);
/*
 * Time has passed.  blind: this process was stopped for a while, or receives nothing since
 * raft-elect does not read: the peer is not judged by its silence.
 */
void peer_tick(struct peer *peer, struct mono_ms now, bool blind);

#endif
