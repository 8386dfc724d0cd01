/* SPDX-License-Identifier: ISC */
/*
 * raft-peerd: the one state of the program, and its limits.
 *
 * serve.c    run/peer: raft-elect and status clients
 * peers.c    who the peers are
 * peer.c     one peer: its start numbers, what is heard of it
 * route.c    the way to a peer: dialling, what waits to be sent, the connection that is open
 * connection.c  one connection: records both ways
 * handshake.c  its beginning
 * renewal.c  its next keys
 * delivery.c  what goes to raft-elect, from any thread
 * strangers.c  how many may connect who have not shown who they are
 * rate.c     how much bulk traffic may be sent
 * resolve.c  names into addresses
 * stream.c   NNG, and nowhere else
 */
#ifndef PEERD_PEERD_H
#define PEERD_PEERD_H

#include "conf/conf.h"
#include "local/server.h"
#include "seal/channel.h"
#include "unix/conn.h"
#include "prog/daemon.h"
#include "wire/message.h"
#include "throttle.h"

/* A raft_* frame: the largest append (16 MiB of records) with room to spare. */
enum { PEER_FRAME_MAX = 17 << 20 };

struct connection;
struct delivery;
struct streams;
struct rate;
struct peer;

struct peerd {
	struct daemon daemon;
	struct loop *loop;
	const struct conf *conf;
	struct raft_id self;
	struct seal_pair pair;
	uint64_t start;    /* number of this process, random */
	uint64_t renew;    /* a connection's keys are renewed after this many records, */
	uint64_t renew_ms; /* and after so long */
	struct mono_ms since;
	bool have_cluster; /* raft-elect has said who is who */
	struct raft_hash cluster;
	struct raft_config members; /* in force by this node's log */
	uint64_t members_index;     /* of the last committed one, which is that or one before it */
	struct raft_config
	    learned; /* of a peer's log that is ahead, at learned_index; 0: of none */
	uint64_t learned_index;
	struct raft_config
	    moved; /* members when the file's addresses were taken: theirs are void */
	struct peer *peers[RAFT_MEMBERS_MAX];
	size_t peers_count;
	struct streams *streams;
	struct connection *connections; /* all; the newest first */
	struct delivery *delivery;
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
	struct throttle refused;
};

/* The tick is due soon: an attempt to connect is to be made. */
void peerd_hurry(struct peerd *peerd);
/* Lower-case hexadecimal of a hash of the key: what people compare. */
enum { FINGERPRINT_SIZE = 17 };
void peerd_fingerprint(char out[FINGERPRINT_SIZE], const uint8_t key[SEAL_KEY_SIZE]);
/* The answer to "status"; arg: the struct peerd. */
void peerd_status(void *arg, struct wire_buf *out);

#endif
