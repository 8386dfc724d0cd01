/* SPDX-License-Identifier: ISC */
/*
 * Who may be talked to: the members, and for a while those that were removed.
 *
 * A configuration is in force as soon as its entry is in the log (§4.1), before it is committed.  A
 * leader that was removed must be heard until then, and a node that was removed may still be told
 * so.
 */
#ifndef ELECT_REMOVED_H
#define ELECT_REMOVED_H

#include "raft/types.h"

struct removed {
	struct raft_config members; /* as last told */
	struct {
		struct raft_member member;
		struct mono_ms until;
	} gone[RAFT_MEMBERS_MAX];
	size_t gone_count;
};

/* A member, or one that lingers; NULL: neither. */
const struct raft_member *removed_find(const struct removed *removed, const struct raft_id *id);
/* Another configuration is in force: who is not in it any more lingers until then. */
void removed_take(struct removed *removed, const struct raft_config *members, struct mono_ms until);
/* The members, and as learners those that linger. */
void removed_all(const struct removed *removed, struct raft_config *all);
/* True: somebody's time is over, and all are to be told anew. */
bool removed_expire(struct removed *removed, struct mono_ms now);
/* When somebody's time is over; UINT64_MAX: nobody lingers. */
uint64_t removed_next_ms(const struct removed *removed);

#endif
