/* SPDX-License-Identifier: ISC */
/* The newest entries in memory, so that those who follow the log need no disk. */
#ifndef LOGD_TAIL_H
#define LOGD_TAIL_H

#include "raft/types.h"

struct tail {
	struct raft_entry *entries; /* gapless; each holds a reference of its chunk */
	size_t at;                  /* of the first one in the array */
	size_t count;
	size_t room;
	uint64_t first_index;
	size_t size; /* bytes of the records */
	size_t size_max;
};

void tail_init(struct tail *tail, size_t size_max);
/* `first_index` is the one after the last in the tail, unless the tail is empty.  The oldest go
 * when there are too many. */
void tail_put(
    struct tail *tail, uint64_t first_index, const struct raft_entry *entries, size_t count);
/* Removes all above index. */
void tail_cut(struct tail *tail, uint64_t index);
/* The entries from index on, side by side; NULL when the tail does not have it. */
const struct raft_entry *tail_from(const struct tail *tail, uint64_t index, size_t *count);

#endif
