/* SPDX-License-Identifier: ISC */
/*
 * Single-server membership change (§4.1, §4.2).
 *
 * A change is computed from the configuration in force, and takes effect when its
 * entry is appended.  The leader takes one at a time, and none before an entry of its own
 * term is committed: else two leaders could change the same configuration in two ways
 * whose majorities do not meet (Ongaro's correction of 2015).
 *
 * Ours: a new member is a learner first, always, and an id is used once.
 */
#include "core.h"

#include <string.h>

/* ------------------------------------------------- what comes of a change */

static struct raft_member *
member_of(struct raft_config *config, const struct raft_id *id)
{
	for (size_t i = 0; i < config->count; i++)
		if (raft_id_equal(&config->members[i].id, id))
			return &config->members[i];
	return NULL;
}

/* Addresses may be empty only in the first configuration. */
static bool
address_taken(const struct raft_config *config, const struct raft_member *wanted)
{
	for (size_t i = 0; i < config->count; i++)
		if (!raft_id_equal(&config->members[i].id, &wanted->id) &&
		    strcmp(config->members[i].address, wanted->address) == 0)
			return true;
	return false;
}

static enum raft_reason
config_add(struct raft_config *config, const struct raft_member *wanted)
{
	static const uint8_t no_key[RAFT_KEY_SIZE];
	struct raft_member *member;

	if (raft_config_retired(config, &wanted->id))
		return RAFT_REASON_ID_USED;
	if (wanted->address[0] == '\0' || memcmp(wanted->key, no_key, sizeof no_key) == 0)
		return RAFT_REASON_MALFORMED;
	if (raft_config_find(config, &wanted->id) != NULL || address_taken(config, wanted))
		return RAFT_REASON_MEMBER_EXISTS;
	if (config->count == RAFT_MEMBERS_MAX)
		return RAFT_REASON_MEMBERS_FULL;
	member = &config->members[config->count++];
	*member = *wanted;
	member->role = RAFT_LEARNER;
	memset(member->key_next, 0, sizeof member->key_next);
	/* What is left is a key that another member has. */
	return raft_config_normalise(config) ? RAFT_REASON_NONE : RAFT_REASON_MEMBER_EXISTS;
}

static enum raft_reason
config_role(struct raft_config *config, struct raft_member *member, enum raft_member_role role)
{
	if (member->role == role)
		return RAFT_REASON_NOT_ALLOWED;
	if (role == RAFT_LEARNER && raft_config_voters(config) == 1)
		return RAFT_REASON_LAST_VOTER;
	member->role = role;
	return RAFT_REASON_NONE;
}

static enum raft_reason
config_remove(struct raft_config *config, struct raft_member *member)
{
	size_t place = (size_t)(member - config->members);

	if (member->role == RAFT_VOTER && raft_config_voters(config) == 1)
		return RAFT_REASON_LAST_VOTER;
	if (config->retired_count == RAFT_RETIRED_MAX)
		memmove(config->retired, config->retired + 1,
		    --config->retired_count * sizeof *config->retired);
	must(place < config->count);
	must(config->retired_count < RAFT_RETIRED_MAX);
	config->retired[config->retired_count++] = member->id;
	config->count--;
	memmove(member, member + 1, (config->count - place) * sizeof *member);
	memset(&config->members[config->count], 0, sizeof *member);
	return RAFT_REASON_NONE;
}

static enum raft_reason
config_address(
    struct raft_config *config, struct raft_member *member, const struct raft_member *wanted)
{
	if (wanted->address[0] == '\0')
		return RAFT_REASON_MALFORMED;
	/* D16: else two members could be taken for each other at one place. */
	if (address_taken(config, wanted))
		return RAFT_REASON_MEMBER_EXISTS;
	memcpy(member->address, wanted->address, sizeof member->address);
	return RAFT_REASON_NONE;
}

static enum raft_reason
config_key_add(struct raft_config *config, struct raft_member *member, const uint8_t *key)
{
	static const uint8_t no_key[RAFT_KEY_SIZE];

	if (memcmp(key, no_key, sizeof no_key) == 0)
		return RAFT_REASON_MALFORMED;
	if (raft_member_two_keys(member))
		return RAFT_REASON_NOT_ALLOWED;
	memcpy(member->key_next, key, RAFT_KEY_SIZE);
	return raft_config_normalise(config) ? RAFT_REASON_NONE : RAFT_REASON_MEMBER_EXISTS;
}

static enum raft_reason
config_key_drop(struct raft_member *member, const uint8_t *key)
{
	bool first = memcmp(member->key, key, RAFT_KEY_SIZE) == 0;

	if (!raft_member_two_keys(member) ||
	    (!first && memcmp(member->key_next, key, RAFT_KEY_SIZE) != 0))
		return RAFT_REASON_NOT_ALLOWED;
	if (first)
		memcpy(member->key, member->key_next, RAFT_KEY_SIZE);
	memset(member->key_next, 0, RAFT_KEY_SIZE);
	must(!raft_member_two_keys(member));
	return RAFT_REASON_NONE;
}

static enum raft_reason
change_apply(struct raft_config *config, const struct raft_change *change)
{
	struct raft_member *member = member_of(config, &change->member.id);

	if (change->op == RAFT_CHANGE_ADD)
		return config_add(config, &change->member);
	if (member == NULL)
		return RAFT_REASON_NO_MEMBER;
	switch (change->op) {
	case RAFT_CHANGE_PROMOTE:
		return config_role(config, member, RAFT_VOTER);
	case RAFT_CHANGE_DEMOTE:
		return config_role(config, member, RAFT_LEARNER);
	case RAFT_CHANGE_REMOVE:
		return config_remove(config, member);
	case RAFT_CHANGE_ADDRESS:
		return config_address(config, member, &change->member);
	case RAFT_CHANGE_KEY_ADD:
		return config_key_add(config, member, change->member.key);
	case RAFT_CHANGE_KEY_DROP:
		return config_key_drop(member, change->member.key);
	case RAFT_CHANGE_ADD:
		break;
	}
	return RAFT_REASON_MALFORMED;
}

/* One server at a time (§4.1): so the majorities before and after have a member in common. */
enum raft_reason
raft_change_apply(struct raft_config *config, const struct raft_change *change)
{
	size_t voters = raft_config_voters(config);
	size_t count = config->count;
	enum raft_reason reason = change_apply(config, change);

	if (reason != RAFT_REASON_NONE)
		return reason;
	must(raft_config_voters(config) > 0);
	must(raft_config_voters(config) + 1 >= voters && raft_config_voters(config) <= voters + 1);
	must(config->count + 1 >= count && config->count <= count + 1);
	must(config->count <= RAFT_MEMBERS_MAX && config->retired_count <= RAFT_RETIRED_MAX);
	return reason;
}

/* ------------------------------------------------------------ the leader */

/*
 * §4.2.1: a learner has caught up when a round of replication, from what the log held
 * then to its end, took it no longer than an election timeout.
 */
static bool
caught_up(const struct raft *raft, const struct raft_peer *peer)
{
	return peer != NULL && raft_peer_well(raft, peer) && peer->match >= raft->term_first &&
	       peer->match >= raft->catch_up_last;
}

/*
 * Ours: of those that vote after the change a majority must be heard and whole now.  Else the last
 * voter that can tell is sent away while another recovers, and nobody could be elected any more.
 */
static bool
majority_stays(struct raft *raft, const struct raft_config *config)
{
	size_t well = 0;

	for (size_t i = 0; i < config->count; i++) {
		const struct raft_member *member = &config->members[i];
		const struct raft_peer *peer = raft_peer_find(raft, &member->id);

		if (member->role == RAFT_VOTER && (raft_id_equal(&member->id, &raft->id) ||
						      (peer != NULL && raft_peer_well(raft, peer))))
			well++;
	}
	return 2 * well > raft_config_voters(config);
}

/* Why no change may be made now; NONE: one may. */
static enum raft_reason
change_gate(const struct raft *raft, const struct raft_proposal *proposal)
{
	if (proposal->fence != 0 && proposal->fence != raft->term)
		return RAFT_REASON_FENCED;
	if (raft->full)
		return RAFT_REASON_DISK_FULL;
	if (!raft_commit_own_term(raft))
		return RAFT_REASON_TERM_YOUNG;
	if (raft_rlog_config(&raft->log)->index > raft->commit)
		return RAFT_REASON_CHANGE_PENDING;
	return RAFT_REASON_NONE;
}

void
raft_change_admit(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal)
{
	const struct raft_entry *entry = &proposal->entries[0];
	enum raft_reason reason = change_gate(raft, proposal);
	struct raft_config config = *raft_core_config(raft);
	struct raft_answer answer = {0};
	struct raft_change change;
	bool decoded =
	    raft_change_decode(&change, raft_entry_data(entry), raft_entry_data_size(entry));

	must(decoded);
	must(raft->role == RAFT_LEADER);
	if (reason == RAFT_REASON_NONE)
		reason = raft_change_apply(&config, &change);
	if (reason == RAFT_REASON_NONE && change.op == RAFT_CHANGE_PROMOTE &&
	    !caught_up(raft, raft_peer_find(raft, &change.member.id)))
		reason = RAFT_REASON_NOT_CAUGHT_UP;
	if (reason == RAFT_REASON_NONE &&
	    raft_config_voters(&config) < raft_config_voters(raft_core_config(raft)) &&
	    !majority_stays(raft, &config))
		reason = RAFT_REASON_FEW_VOTERS;
	if (reason != RAFT_REASON_NONE) {
		raft_propose_refuse(raft, origin, proposal, reason);
		return;
	}
	raft_leader_append_config(raft, &config, origin);
	answer.verdict = RAFT_COMMITTED;
	answer.count = 1;
	answer.pos = raft_rlog_last(&raft->log);
	must(raft_rlog_config(&raft->log)->index == answer.pos.index);
	raft_answer_later(raft, origin, &answer, answer.pos.index);
}

/* Where the log ended one election timeout ago: what a learner must have to be caught up. */
void
raft_change_tick(struct raft *raft)
{
	if (raft->now.ms - raft->catch_up_at.ms < raft->settings.election_timeout_ms)
		return;
	must(raft->catch_up_last <= raft->catch_up_next);
	must(raft->catch_up_next <= raft->log.last);
	raft->catch_up_last = raft->catch_up_next;
	raft->catch_up_next = raft->log.last;
	raft->catch_up_at = raft->now;
}

bool
raft_change_leaves(const struct raft *raft)
{
	return raft->role == RAFT_LEADER && !raft_quorum_self_votes(raft) &&
	       raft_rlog_config(&raft->log)->index <= raft->commit;
}

/*
 * §4.2.2: a leader that is no voter any more leads until that is committed, and
 * not counting itself; then it goes.
 */
void
raft_change_leave(struct raft *raft)
{
	if (!raft_change_leaves(raft))
		return;
	raft_transfer_nudge(raft);
	raft_why_start(raft, "no longer a voter since entry ");
	raft_why_number(raft, raft_rlog_config(&raft->log)->index);
	raft_role_follow(raft, raft->term, &RAFT_NOBODY);
}
