/* SPDX-License-Identifier: ISC */
/* Removed members, for a while. */
#include "removed.h"

#include <string.h>

static void
removed_drop(struct removed *removed, size_t at)
{
	removed->gone_count--;
	memmove(&removed->gone[at], &removed->gone[at + 1],
	    (removed->gone_count - at) * sizeof removed->gone[0]);
}

const struct raft_member *
removed_find(const struct removed *removed, const struct raft_id *id)
{
	const struct raft_member *member = raft_config_find(&removed->members, id);
	for (size_t i = 0; i < removed->gone_count && member == NULL; i++)
		if (raft_id_equal(&removed->gone[i].member.id, id))
			member = &removed->gone[i].member;
	return member;
}

void
removed_take(struct removed *removed, const struct raft_config *members, struct mono_ms until)
{
	for (size_t i = removed->gone_count; i-- > 0;)
		if (raft_config_find(members, &removed->gone[i].member.id))
			removed_drop(removed, i);
	for (size_t i = 0; i < removed->members.count && removed->gone_count < RAFT_MEMBERS_MAX;
	     i++) {
		const struct raft_member *member = &removed->members.members[i];
		if (raft_config_find(members, &member->id))
			continue;
		removed->gone[removed->gone_count].member = *member;
		removed->gone[removed->gone_count].member.role = RAFT_LEARNER;
		removed->gone[removed->gone_count++].until = until;
	}
	removed->members = *members;
}

void
removed_all(const struct removed *removed, struct raft_config *all)
{
	*all = removed->members;
	/* For the transport nobody is retired. */
	all->retired_count = 0;
	for (size_t i = 0; i < removed->gone_count && all->count < RAFT_MEMBERS_MAX; i++) {
		struct raft_config with = *all;
		with.members[with.count++] = removed->gone[i].member;
		/* Its key may be another member's by now. */
		if (raft_config_normalise(&with))
			*all = with;
	}
}

bool
removed_expire(struct removed *removed, struct mono_ms now)
{
	size_t before = removed->gone_count;
	for (size_t i = removed->gone_count; i-- > 0;)
		if (removed->gone[i].until.ms <= now.ms)
			removed_drop(removed, i);
	return removed->gone_count < before;
}

uint64_t
removed_next_ms(const struct removed *removed)
{
	uint64_t next = UINT64_MAX;
	for (size_t i = 0; i < removed->gone_count; i++)
		if (removed->gone[i].until.ms < next)
			next = removed->gone[i].until.ms;
	return next;
}
