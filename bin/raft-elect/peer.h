/* SPDX-License-Identifier: ISC */
/* The link to raft-peerd: messages of the core to and from the other nodes. */
#ifndef ELECT_PEER_H
#define ELECT_PEER_H

#include "../../lib/raft/raft.h"
#include "leavers.h"
#include "link.h"

struct node;

struct peer {
	struct link link;
	struct node *node;
	struct leavers leavers;
	uint64_t told_index; /* of the last committed configuration */
	struct wire_buf scratch; /* a frame up to its entries */
	bool lossy;              /* too much waits for raft-peerd: messages are dropped */
	uint64_t malformed;      /* frames that were */
	uint64_t malformed_said; /* of them, when that was last said */
	struct mono_ms said_at;
};

/* Errors: false and a sentence in why when the path of the socket is too long. */
bool peer_open(struct peer *peer, struct node *node, char *why);
/* Tells who is who now.  Nothing while raft-peerd or the core is not there. */
void peer_tell_config(struct peer *peer);
/* Another configuration is in force. */
void peer_new_config(struct peer *peer);
/* The core has advanced: what raft-peerd knows as uncommitted may be committed. */
void peer_committed(struct peer *peer);
/* At the end of a turn; when it wants the next one, UINT64_MAX: never. */
uint64_t peer_turn(struct peer *peer, struct mono_ms now);
/* Without raft-peerd, and while too much waits for it, the message is lost. */
void peer_send(struct peer *peer, const struct raft_message *message);
/* Pieces of snapshots, and the answers to them: in class bulk, lost like any message. */
void peer_send_chunk(struct peer *peer, const struct raft_id *to, const struct msg_raft_snap_chunk *chunk);
void peer_send_ack(struct peer *peer, const struct raft_id *to, const struct msg_raft_snap_ack *ack);
/* Writes now what has been put. */
void peer_flush(struct peer *peer);

#endif
