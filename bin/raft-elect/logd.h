/* SPDX-License-Identifier: ISC */
/*
 * The link to raft-logd: it tells its log, takes writes and the commit index, and
 * gives entries and sessions back.
 *
 * Frames to it are written in the order in which they are put: that the commit index follows the
 * writes, and a question about a session the commit index, is what others rely on.
 */
#ifndef ELECT_LOGD_H
#define ELECT_LOGD_H

#include "local/link.h"
#include "raft/raft.h"
#include "load.h"

struct node;

struct logd_link {
	struct link *link;
	struct node *node;
	struct load *load;            /* while it is telling its log */
	struct msg_hello_reply hello; /* of this connection */
	bool ready;                   /* it has told its log, and there is a core */
	uint64_t written;             /* the number of the last write sent */
};

/* Errors: false and a sentence in why when the path of the socket is too long. */
bool logd_open(struct logd_link *logd, struct node *node, char *why);
/* Before, for all of these: there is a core. */
void logd_write(struct logd_link *logd, const struct raft_write *write);
void logd_commit(struct logd_link *logd, struct raft_pos commit);
void logd_fetch(struct logd_link *logd, const struct raft_fetch *fetch);
/* The answer comes as opens_session. */
void logd_session(struct logd_link *logd, uint64_t request, const struct raft_sid *sid);
/* The newest snapshot; the answer comes as courier_opened. */
void logd_snap_open(struct logd_link *logd, uint64_t request);
/* A piece of the one that is open; the answer comes as courier_data.  size 0: it is closed. */
void logd_snap_read(struct logd_link *logd, uint64_t request, uint64_t offset, uint32_t size);
/* A piece from a leader; the answer comes as inbox_taken. */
void logd_snap_put(
    struct logd_link *logd, uint64_t request, const struct msg_raft_snap_chunk *chunk);
/* Writes now what has been put. */
void logd_flush(struct logd_link *logd);

#endif
