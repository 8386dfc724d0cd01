/* SPDX-License-Identifier: ISC */
/* Removed members, for a while. */
#include "leavers.h"

#include <string.h>

static void
drop(struct leavers *leavers, size_t at)
{
	leavers->gone_count--;
	memmove(&leavers->gone[at], &leavers->gone[at + 1], (leavers->gone_count - at) * sizeof leavers->gone[0]);
}

void
leavers_take(struct leavers *leavers, const struct raft_config *members, struct mono_ms until)
{
	for (size_t i = leavers->gone_count; i-- > 0;)
		if (raft_config_find(members, &leavers->gone[i].member.id))
			drop(leavers, i);
	for (size_t i = 0; i < leavers->members.count && leavers->gone_count < RAFT_MEMBERS_MAX; i++) {
		const struct raft_member *member = &leavers->members.members[i];
		if (raft_config_find(members, &member->id))
			continue;
		leavers->gone[leavers->gone_count].member = *member;
		leavers->gone[leavers->gone_count].member.role = RAFT_LEARNER;
		leavers->gone[leavers->gone_count++].until = until;
	}
	leavers->members = *members;
}

void
leavers_all(const struct leavers *leavers, struct raft_config *all)
{
	*all = leavers->members;
	/* For the transport nobody is retired. */
	all->retired_count = 0;
	for (size_t i = 0; i < leavers->gone_count && all->count < RAFT_MEMBERS_MAX; i++) {
		struct raft_config with = *all;
		with.members[with.count++] = leavers->gone[i].member;
		/* Its key may be another member's by now. */
		if (raft_config_normalise(&with))
			*all = with;
	}
}

bool
leavers_expire(struct leavers *leavers, struct mono_ms now)
{
	size_t before = leavers->gone_count;
	for (size_t i = leavers->gone_count; i-- > 0;)
		if (leavers->gone[i].until.ms <= now.ms)
			drop(leavers, i);
	return leavers->gone_count < before;
}

uint64_t
leavers_next_ms(const struct leavers *leavers)
{
	uint64_t next = UINT64_MAX;
	for (size_t i = 0; i < leavers->gone_count; i++)
		if (leavers->gone[i].until.ms < next)
			next = leavers->gone[i].until.ms;
	return next;
}
