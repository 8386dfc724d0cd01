/* SPDX-License-Identifier: ISC */
/*
 * Group commit: all that waits to be written goes into one transaction a turn.
 *
 * The elector's writes wait in a queue, checked when they come against what the
 * log will be after those before them.  A commit index that names an entry still in
 * the queue waits there in its order.  Cursors, the session table and the commit
 * index go in with whatever is written.
 */
#ifndef LOGD_WRITER_H
#define LOGD_WRITER_H

#include "raft/array.h"
#include "wire/message.h"

struct logd;
struct snapshot;

/* A log_write, or (number 0) a log_commit. */
struct writer_item {
	uint64_t number;
	struct raft_pos commit;
	uint64_t term;
	struct raft_id vote;
	bool truncate;
	bool recovered;
	struct snapshot *install; /* replaces the log first of all; NULL: nothing does.  A reference
				     of its own */
	uint64_t truncate_after;
	uint64_t first_index;
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	uint32_t count;
	size_t size; /* of the records */
};

struct writer {
	RAFT_QUEUE(struct writer_item) queue;
	size_t size; /* of all records in the queue */
	/* What will be when the queue is written. */
	struct raft_pos last;
	uint64_t term;
	struct raft_id vote;
	uint64_t number;
	bool commit_due; /* store the commit index though there is nothing else */
	bool flush;      /* store the session table though it is not due */
	uint64_t stored; /* transactions at the last writer_tick */
};

/*
 * From the elector.  False with a sentence (1 KiB) when the write cannot be: then the
 * connection is to be dropped.  The message points into the frame; all is copied.
 */
bool writer_take(struct logd *logd, const struct msg_log_write *m, char *why);
void writer_take_commit(struct logd *logd, struct raft_pos commit);
/* Another elector, or none: what waits is forgotten. */
void writer_drop(struct logd *logd);

/* The transaction of this turn, if one is wanted. */
void writer_turn(struct logd *logd);
/* Once a second. */
void writer_tick(struct logd *logd);
/* Something is to be stored or moved when it stays quiet. */
bool writer_unsettled(const struct logd *logd);
/* A clean stop: all that is known becomes durable, and is moved out of the write-ahead log. */
void writer_finish(struct logd *logd);

#endif
