/* SPDX-License-Identifier: ISC */
/*
 * The requests that a machine has not answered, in the order in which they were put: replies
 * belong to them by position.  Bounded in count and in bytes.
 */
#ifndef FSM_PENDING_H
#define FSM_PENDING_H

#include "request.h"

struct ask;

struct pending_one {
	enum request_kind kind;
	const char *unfit;  /* ours to answer: what the data holds that the program cannot be given;
			       NULL: it was asked */
	uint64_t index;     /* of an entry */
	uint64_t reply_max; /* bytes that the answer may have */
	uint64_t before;    /* all up to here was delivered before it */
	uint64_t serial;    /* of an entry */
	struct raft_sid session;
	uint32_t size;   /* of its data */
	struct ask *ask; /* of a query */
};

enum { PENDING_MAX = 8192, PENDING_BYTES_MAX = 4 << 20 };

struct pending {
	struct pending_one ring[PENDING_MAX];
	size_t first, count;
	size_t bytes;
};

/* One larger than the limit is taken when it is alone. */
bool pending_room(const struct pending *pending);
/* Before: pending_room.  Filled by the caller but for what is given. */
struct pending_one *pending_put(struct pending *pending, enum request_kind kind, size_t size);
/* The oldest; NULL: none. */
struct pending_one *pending_first(struct pending *pending);
void pending_drop_first(struct pending *pending);

#endif
