/* SPDX-License-Identifier: ISC */
/*
 * Majorities of voters: which index is committed (§3.5, §3.6.2), which round is
 * confirmed (§6.4), when a majority was last heard.
 *
 * Ours: a voter that recovers without a valid mark may have voted in a term it
 * has forgotten, so what it acknowledges counts for nothing until it has recovered.
 */
#include "core.h"

bool
raft_quorum_self_votes(const struct raft *raft)
{
	const struct raft_member *self = raft_config_find(raft_core_config(raft), &raft->id);

	return self != NULL && self->role == RAFT_VOTER;
}

bool
raft_quorum_self_needed(const struct raft *raft)
{
	const struct raft_rlog *log = &raft->log;
	const struct raft_member *self;

	if (raft_quorum_self_votes(raft))
		return true;
	if (raft_rlog_config(log)->index <= raft->commit || log->configs_count < 2)
		return false;
	self = raft_config_find(&log->configs[log->configs_count - 2].config, &raft->id);
	return self != NULL && self->role == RAFT_VOTER;
}

bool
raft_quorum_sole_voter(const struct raft *raft)
{
	return raft_quorum_self_votes(raft) && raft_config_voters(raft_core_config(raft)) == 1;
}

size_t
raft_quorum_size(const struct raft *raft)
{
	return raft_config_voters(raft_core_config(raft)) / 2 + 1;
}

/* Keeps values in falling order. */
static void
values_insert(uint64_t *values, size_t count, uint64_t value)
{
	while (count > 0 && values[count - 1] < value) {
		values[count] = values[count - 1];
		count--;
	}
	values[count] = value;
	must(count == 0 || values[count - 1] >= value);
}

uint64_t
raft_quorum_value(const struct raft *raft,
    uint64_t (*value)(const struct raft *raft, const struct raft_peer *peer),
    const struct raft_peer *without)
{
	uint64_t values[RAFT_MEMBERS_MAX];
	size_t count = 0;

	if (raft_quorum_self_votes(raft))
		values_insert(values, count++, value(raft, NULL));
	for (size_t i = 0; i < raft->peers_count; i++) {
		const struct raft_peer *peer = &raft->peers[i];

		if (peer->role == RAFT_VOTER)
			values_insert(values, count++, peer == without ? 0 : value(raft, peer));
	}
	must(count == raft_config_voters(raft_core_config(raft)));
	must(count >= raft_quorum_size(raft));
	return values[raft_quorum_size(raft) - 1];
}

static bool
peer_counts(const struct raft_peer *peer)
{
	return !peer->recovering || peer->mark_valid;
}

static uint64_t
value_match(const struct raft *raft, const struct raft_peer *peer)
{
	if (peer == NULL)
		return raft->store.durable;
	return peer_counts(peer) ? peer->match : 0;
}

static uint64_t
value_round(const struct raft *raft, const struct raft_peer *peer)
{
	(void)raft;
	if (peer == NULL)
		return UINT64_MAX;
	return peer_counts(peer) ? peer->round_acked : 0;
}

static uint64_t
value_lead_round(const struct raft *raft, const struct raft_peer *peer)
{
	if (peer != NULL && (peer->lead_round == 0 || peer->round_acked < peer->lead_round))
		return 0;
	return value_round(raft, peer);
}

static uint64_t
value_heard(const struct raft *raft, const struct raft_peer *peer)
{
	return peer == NULL ? raft->now.ms : peer->heard_at.ms;
}

uint64_t
raft_quorum_match_without(const struct raft *raft, const struct raft_peer *without)
{
	return raft_quorum_value(raft, value_match, without);
}

uint64_t
raft_quorum_round(const struct raft *raft)
{
	return raft_quorum_value(raft, value_round, NULL);
}

uint64_t
raft_quorum_lead_round(const struct raft *raft)
{
	return raft_quorum_value(raft, value_lead_round, NULL);
}

struct mono_ms
raft_quorum_heard(const struct raft *raft)
{
	return (struct mono_ms){raft_quorum_value(raft, value_heard, NULL)};
}

/* Only an entry of the own term commits by counting, and all before it with it (§3.6.2). */
void
raft_quorum_commit(struct raft *raft)
{
	uint64_t index;

	if (raft->role != RAFT_LEADER)
		return;
	must(raft->term_first > 0 && raft->term_first <= raft->log.last);
	index = raft_quorum_match_without(raft, NULL);
	must(index <= raft->log.last);
	if (index > raft->commit && index >= raft->term_first)
		raft_commit_advance(raft, index);
	raft_recover_peer_commit(raft);
}

/* ------------------------------------------------------------- commit */

bool
raft_commit_own_term(const struct raft *raft)
{
	return raft->role == RAFT_LEADER && raft->commit >= raft->term_first;
}

void
raft_commit_advance(struct raft *raft, uint64_t index)
{
	must(index > raft->commit);
	must(index <= raft->log.last);
	/* A leader commits by counting what is of its own term, and nothing else (§3.6.2). */
	must(raft->role != RAFT_LEADER || raft_rlog_pos(&raft->log, index).term == raft->term);
	while (raft->commit < index) {
		const struct raft_entry *entry = raft_rlog_entry(&raft->log, ++raft->commit);

		must(entry != NULL);
		must(raft->uncommitted_size >= entry->size);
		raft->uncommitted_size -= entry->size;
		raft_sessions_apply(raft->sessions, raft->commit, entry);
		if (entry->kind == RAFT_LEVEL)
			raft->level = max_u64(raft->level, raft_entry_level(entry));
		if (entry->kind == RAFT_CONTRACT)
			raft_contract_take(&raft->contract, raft->commit, entry);
	}
	must(raft->commit < raft->log.last || raft->uncommitted_size == 0);
	raft->commit_changed = true;
	raft_rlog_configs_committed(&raft->log, raft->commit);
	if (raft->role != RAFT_LEADER)
		return;
	raft_answer_committed(raft);
	raft_leader_addresses(raft);
}
