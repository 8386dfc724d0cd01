/* SPDX-License-Identifier: ISC */
/*
 * raft-peerd: the one state of the program, and its limits.
 *
 * serve.c    run/peer: raft-elect and status clients
 * peers.c    who the peers are
 * peer.c     one peer: its start numbers, what is heard of it, the sessions it sends in
 * route.c    one outgoing direction: connection, handshake, queue, session
 * rate.c     how much bulk traffic may be sent
 * inbound.c  what comes from the network, message by message
 * pipes.c    the incoming connections
 * push.c, pull.c, nng_events.c  NNG, and nowhere else
 */
#ifndef PEERD_PEERD_H
#define PEERD_PEERD_H

#include "conf/conf.h"
#include "local/server.h"
#include "seal/envelope.h"
#include "unix/conn.h"
#include "prog/daemon.h"
#include "wire/message.h"
#include "nng_events.h"
#include "pull.h"
#include "throttle.h"

enum {
	/* A raft_* frame: the largest append (16 MiB of records) with room to spare. */
	PEER_FRAME_MAX = 17 << 20,
	/* Frames that go into one message; a single larger one goes alone. */
	PEER_BATCH_MAX = 4 << 20,
	/* A message on the network. */
	PEER_MESSAGE_MAX = PEER_FRAME_MAX + ENVELOPE_HEAD_SIZE + CHANNEL_TAG_SIZE + 64,
	/* Incoming connections, and those among them that have not proved who they are. */
	PIPES_MAX = 512,
	STRANGERS_MAX = 32,
	STRANGER_MS = 10000,
	/* Bytes that may wait for raft-elect before nothing more is taken from the network. */
	ELECTOR_OUT_HIGH = 8 << 20
};

struct rate;
struct peer;
struct pipes;

struct peerd {
	struct daemon daemon;
	struct loop *loop;
	const struct conf *conf;
	struct raft_id self;
	struct seal_pair pair;
	bool two_keys;     /* that of this node is being replaced: the pair is one of the two */
	uint64_t start;    /* number of this process, random */
	uint64_t renew;    /* a session is renewed after so many messages, */
	uint64_t renew_ms; /* and after so long */
	struct mono_ms since;
	bool have_cluster; /* raft-elect has said who is who */
	struct raft_hash cluster;
	struct raft_config members; /* in force by this node's log */
	uint64_t members_index;     /* of the last committed one, which is that or one before it */
	struct raft_config
	    learned; /* of a peer's log that is ahead, at learned_index; 0: of none */
	uint64_t learned_index;
	struct peer *peers[RAFT_MEMBERS_MAX];
	size_t peers_count;
	struct nng_events *events;
	struct pull *pull;
	struct pipes *pipes;
	struct server *server;
	struct server_client *elector; /* one of its clients, or NULL */
	struct rate *rate;
	uv_timer_t tick;
	uint64_t tick_ms;
	struct mono_ms ticked;
	uint64_t turn; /* counts the turns of the loop */
	bool stopping;
	struct mono_ms stop_by;
	/* Since the start. */
	uint64_t refusals;
	uint64_t unheard; /* frames that came while no raft-elect was there */
	struct throttle refused;
};

/* The tick is due soon: a handshake is under way. */
void peerd_hurry(struct peerd *peerd);
/* Lower-case hexadecimal of a hash of the key: what people compare. */
enum { FINGERPRINT_SIZE = 17 };
void peerd_fingerprint(char out[FINGERPRINT_SIZE], const uint8_t key[SEAL_KEY_SIZE]);
/* The answer to "status"; arg: the struct peerd. */
void peerd_status(void *arg, struct wire_buf *out);

#endif
