/* SPDX-License-Identifier: ISC */
/* Entries as they came from the log, and the batch that is cut from them. */
#ifndef EACH_BATCH_H
#define EACH_BATCH_H

#include "client/framing.h"
#include "wire/message.h"

struct each_batch {
	struct wire_buf records;
	size_t at;     /* the first record after the batch */
	uint64_t next; /* its index */
	uint64_t end;  /* the index after the last record */

	/* The batch. */
	size_t begin; /* its first record */
	uint64_t begin_index;
	uint64_t count;       /* entries of clients in it; 0: none, so there is nothing to run */
	uint64_t first, last; /* their indexes */
	struct wire_buf data; /* framed */
};

struct batch_limits {
	enum framing framing;
	uint64_t count; /* entries of clients */
	uint64_t last;  /* no entry after this index */
};

/* Replaces the records.  False: one of them cannot be read. */
bool batch_fill(struct each_batch *batch, const struct msg_log_entries *entries);
/* Whether records are left after the batch. */
bool batch_left(const struct each_batch *batch);
/* The next batch: up to the next entry that the limits exclude. */
void batch_cut(struct each_batch *batch, const struct batch_limits *limits);
/* The records of the batch are left again. */
void batch_undo(struct each_batch *batch);

#endif
