/* SPDX-License-Identifier: ISC */
/*
 * The one place where role, leader and term change (§3.3, §3.4).
 */
#include "core.h"

#include <string.h>

const char *
raft_role_name(enum raft_role role)
{
	static const char *const names[] = {
#define R(NAME, text) [RAFT_##NAME] = text,
	    RAFT_ROLES(R)
#undef R
	};
	_Static_assert(sizeof names / sizeof names[0] == RAFT_ROLES_COUNT, "a name for each role");

	return (unsigned)role < RAFT_ROLES_COUNT ? names[role] : "unknown";
}

/*
 * Another leader, or none: what rested on the former one ends.  Not so what its
 * appends have verified: a term has but one leader, which has been told of it and
 * will not send it again.
 */
static void
leader_changes(struct raft *raft, const struct raft_id *leader)
{
	raft->leader = *leader;
	raft->state_changed = true;
	raft_forward_fail(raft, RAFT_REASON_LEADER_CHANGED);
	raft_read_forwards_fail(raft, RAFT_REASON_LEADER_CHANGED);
	must(raft->forwards.queue.count == 0);
	must(raft->reads.forwards_count == 0);
}

void
raft_role_set(struct raft *raft, enum raft_role role, const struct raft_id *leader)
{
	enum raft_role was = raft->role;

	must(role != RAFT_LEADER || was == RAFT_CANDIDATE);
	must(role != RAFT_CANDIDATE || was == RAFT_PRE_CANDIDATE || was == RAFT_FOLLOWER);
	must(role == RAFT_FOLLOWER || was != RAFT_LEADER);
	must((role == RAFT_LEADER) == raft_id_equal(leader, &raft->id));
	if (was == RAFT_LEADER && role != RAFT_LEADER)
		raft_leader_end(raft);
	if (!raft_id_equal(&raft->leader, leader))
		leader_changes(raft, leader);
	if (was == role)
		return;
	raft->role = role;
	raft->was = was;
	raft->state_changed = true;
}

void
raft_role_follow(struct raft *raft, uint64_t term, const struct raft_id *leader)
{
	must(term >= raft->term);
	if (term > raft->term) {
		/* The old term's answers leave in the old term: they need no new one on disk. */
		raft_role_set(raft, RAFT_FOLLOWER, &RAFT_NOBODY);
		raft->term = term;
		raft->vote = RAFT_NOBODY;
		raft->store.hard_dirty = true;
		raft->state_changed = true;
		raft_append_reset(raft);
	}
	raft_role_set(raft, RAFT_FOLLOWER, leader);
	must(raft->role == RAFT_FOLLOWER);
	must(raft->sessions_last == NULL);
}

void
raft_role_higher_term(
    struct raft *raft, const struct raft_message *message, const struct raft_id *leader)
{
	must(message->term > raft->term);
	raft_why_start(raft, "term ");
	raft_why_number(raft, message->term);
	raft_why_text(raft, " heard from ");
	raft_why_id(raft, &message->from);
	raft_role_follow(raft, message->term, leader);
}
