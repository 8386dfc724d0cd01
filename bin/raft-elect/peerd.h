/* SPDX-License-Identifier: ISC */
/* The link to raft-peerd: messages of the core to and from the other nodes. */
#ifndef ELECT_PEERD_H
#define ELECT_PEERD_H

#include "local/link.h"
#include "raft/raft.h"
#include "removed.h"

struct node;

struct peerd_link {
	struct link *link;
	struct node *node;
	struct removed removed;
	uint64_t told_index;     /* of the last committed configuration */
	struct wire_buf scratch; /* a frame up to its entries */
	bool lossy;              /* too much waits for raft-peerd: messages are dropped */
	uint64_t malformed;      /* frames that were */
	uint64_t malformed_said; /* of them, when that was last said */
	struct mono_ms said_at;
};

/* Errors: false and a sentence in why when the path of the socket is too long. */
bool peerd_open(struct peerd_link *peerd, struct node *node, char *why);
/* Tells who is who now.  Nothing while raft-peerd or the core is not there. */
void peerd_tell_config(struct peerd_link *peerd);
/* Another configuration is in force. */
void peerd_new_config(struct peerd_link *peerd);
/* The core has advanced: what raft-peerd knows as uncommitted may be committed. */
void peerd_committed(struct peerd_link *peerd);
/* At the end of a turn; when it wants the next one, UINT64_MAX: never. */
uint64_t peerd_turn(struct peerd_link *peerd, struct mono_ms now);
/* Without raft-peerd, and while too much waits for it, the message is lost. */
void peerd_send(struct peerd_link *peerd, const struct raft_message *message);
/* Pieces of snapshots, and the answers to them: in class bulk, lost like any message. */
void peerd_send_chunk(
    struct peerd_link *peerd, const struct raft_id *to, const struct msg_raft_snap_chunk *chunk);
void peerd_send_ack(
    struct peerd_link *peerd, const struct raft_id *to, const struct msg_raft_snap_ack *ack);
/* Writes now what has been put. */
void peerd_flush(struct peerd_link *peerd);

#endif
