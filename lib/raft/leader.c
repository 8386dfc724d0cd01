/* SPDX-License-Identifier: ISC */
/*
 * A leader's term: its beginning with a no-op (§6.4), its heartbeats, and its
 * ends: no quorum heard (§6.2), a silent disk, a full disk.
 */
#include "core.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

/* In election timeouts. */
enum { STALL_PENALTY_MAX = 16, STALL_FORGET = 64 };

/* What is admitted is new to its session and fits it: that is why it was admitted (§6.3). */
static void
applied_check(
    const struct raft_sessions_change *change, uint64_t index, const struct raft_entry *entry)
{
	switch (entry->kind) {
	case RAFT_CLIENT:
	case RAFT_ACK:
		must(change->touched != NULL && change->touched->serial == entry->serial);
		must(change->touched->last_index == index);
		break;
	case RAFT_SESSION_OPEN:
	case RAFT_CURSOR_OPEN:
		must(change->touched != NULL && change->touched->epoch == index);
		break;
	case RAFT_SESSION_DROP:
		must(raft_sid_equal(&change->gone, &entry->session));
		break;
	case RAFT_NOOP:
	case RAFT_CONFIG:
	case RAFT_LEVEL:
	case RAFT_CONTRACT:
	case RAFT_KINDS_COUNT:
		must(change->touched == NULL);
	}
}

/* Level and contract of the log with this entry as its last. */
static void
leader_note(struct raft *raft, uint64_t index, const struct raft_entry *entry)
{
	if (entry->kind == RAFT_LEVEL)
		raft->level_last = max_u64(raft->level_last, raft_entry_level(entry));
	if (entry->kind == RAFT_CONTRACT)
		raft_contract_take(&raft->contract_last, index, entry);
}

static void
leader_append(struct raft *raft, const struct raft_entry *entry)
{
	struct raft_sessions_change change;

	must(raft->role == RAFT_LEADER);
	must(entry->term == raft->term);
	must(bytes_get_u64(entry->bytes) == raft->term);
	raft_rlog_append(&raft->log, entry);
	raft->uncommitted_size += entry->size;
	change = raft_sessions_apply(raft->sessions_last, raft->log.last, entry);
	applied_check(&change, raft->log.last, entry);
	if (entry->kind == RAFT_CONFIG)
		raft_peers_update(raft);
	leader_note(raft, raft->log.last, entry);
}

void
raft_leader_append_all(struct raft *raft, const struct raft_entry *entries, size_t count,
    const struct raft_origin *origin)
{
	struct raft_stamp stamp = raft_stamp_now(raft, origin);
	struct raft_entry *copy =
	    raft_stamp_copy(entries, count, raft->term, raft_stamps_wanted(raft) ? &stamp : NULL);

	for (size_t i = 0; i < count; i++)
		leader_append(raft, &copy[i]);
	raft_stamp_copy_free(copy, count);
}

void
raft_leader_append_own(struct raft *raft, enum raft_kind kind, const uint8_t *data,
    uint32_t data_size, const struct raft_origin *origin)
{
	static const struct raft_sid none;
	uint8_t record[RAFT_ENTRY_HEADER_SIZE + RAFT_CONFIG_SIZE_MAX];
	struct raft_entry entry;
	bool decoded;

	must(data_size <= RAFT_CONFIG_SIZE_MAX);
	raft_entry_header(record, raft->term, kind, &none, 0, data_size);
	if (data_size > 0)
		memcpy(record + RAFT_ENTRY_HEADER_SIZE, data, data_size);
	decoded = raft_entry_decode(&entry, NULL, record, RAFT_ENTRY_HEADER_SIZE + data_size);
	must(decoded);
	raft_leader_append_all(raft, &entry, 1, origin);
}

void
raft_leader_append_noop(struct raft *raft)
{
	raft_leader_append_own(raft, RAFT_NOOP, NULL, 0, NULL);
}

void
raft_leader_append_config(
    struct raft *raft, const struct raft_config *config, const struct raft_origin *origin)
{
	uint8_t data[RAFT_CONFIG_SIZE_MAX];

	must(raft_config_voters(config) > 0);
	must(raft_commit_own_term(raft));
	must(raft_rlog_config(&raft->log)->index <= raft->commit);
	raft_leader_append_own(
	    raft, RAFT_CONFIG, data, (uint32_t)raft_config_encode(config, data), origin);
}

/* Sessions, level and contract at the last index: what is committed, and the rest of the own log.
 */
static void
leader_log(struct raft *raft)
{
	must(raft->sessions_last == NULL);
	raft->level_last = raft->level;
	raft->contract_last = raft->contract;
	raft->sessions_last = raft_sessions_dup(raft->sessions);
	must(raft->sessions_last != NULL);
	for (uint64_t index = raft->commit + 1; index <= raft->log.last; index++) {
		const struct raft_entry *entry = raft_rlog_entry(&raft->log, index);

		raft_sessions_apply(raft->sessions_last, index, entry);
		leader_note(raft, index, entry);
	}
}

static void
leader_peer_begin(struct raft *raft, struct raft_peer *peer)
{
	raft_progress_reset(raft, peer);
	peer->lead_round = 0;
	peer->round_acked = 0;
	peer->heard = false;
	peer->heard_at = raft->now;
	peer->level = 0;
	peer->clock = 0;
	peer->first = 0;
	peer->recovering = false;
	peer->mark_valid = false;
	peer->contact_round = 0;
	peer->clean_commit = 0;
	must(peer->role != RAFT_LEAVING);
	must(peer->flights_count == 0);
	must(peer->fetched == NULL);
}

void
raft_leader_begin(struct raft *raft)
{
	must(raft->role == RAFT_LEADER);
	must(raft->pendings.count == 0 && raft->reads.waits_count == 0);
	must(!raft->transfer.active && !raft->round_wanted);
	raft_lead_begin(raft);
	leader_log(raft);
	raft_peers_leave(raft, true);
	for (size_t i = 0; i < raft->peers_count; i++)
		leader_peer_begin(raft, &raft->peers[i]);
	raft->term_first = raft->log.last + 1;
	raft->heartbeat_at = raft->now;
	raft->catch_up_last = raft->catch_up_next = raft->term_first;
	raft->catch_up_at = raft->now;
	raft_leader_append_noop(raft);
	must(raft->log.last == raft->term_first);
	must(raft->commit < raft->term_first);
}

void
raft_leader_end(struct raft *raft)
{
	must(raft->role == RAFT_LEADER);
	raft_transfer_end(raft);
	raft_answer_stepped_down(raft);
	raft_read_stepped_down(raft);
	raft_sessions_free(raft->sessions_last);
	raft->sessions_last = NULL;
	raft->round_wanted = false;
	for (size_t i = 0; i < raft->peers_count; i++)
		raft_progress_fetch_forget(&raft->peers[i]);
	raft->heard_at = raft->now;
	raft_election_timer_reset(raft);
	must(!raft->transfer.active);
	must(raft->pendings.count == 0 && raft->reads.waits_count == 0);
}

static void
leader_step_down(struct raft *raft)
{
	must(raft->role == RAFT_LEADER);
	raft_role_follow(raft, raft->term, &RAFT_NOBODY);
}

void
raft_leader_disk(struct raft *raft)
{
	if (raft->role != RAFT_LEADER || !raft->full || raft_quorum_sole_voter(raft))
		return;
	raft_why_start(raft, "disk full");
	raft_transfer_nudge(raft);
	leader_step_down(raft);
}

/*
 * Ours: a disk that hangs again and again must not depose leader after leader.  Each time that it
 * costs this node the leadership it stays out of elections twice as long, up to a limit, so that
 * others come first; a while without that and all is forgotten.
 */
static void
stall_noted(struct raft *raft)
{
	uint64_t timeout = raft->settings.election_timeout_ms;
	uint64_t since = raft->now.ms - raft->stalled_at.ms;

	if (raft->stall_penalty_ms == 0 || since > STALL_FORGET * timeout)
		raft->stall_penalty_ms = 2 * timeout;
	else if (raft->stall_penalty_ms < STALL_PENALTY_MAX * timeout)
		raft->stall_penalty_ms *= 2;
	raft->stalled_at = raft->now;
	must(raft->stall_penalty_ms >= 2 * timeout);
	must(raft->stall_penalty_ms <= STALL_PENALTY_MAX * timeout);
}

static bool
leader_stalled(struct raft *raft)
{
	if (raft_quorum_sole_voter(raft) || !raft_store_stalled(raft, raft->now))
		return false;
	raft_why_start(raft, "disk silent for ");
	raft_why_number(raft, raft_store_silence_ms(raft, raft->now));
	raft_why_text(raft, " ms");
	stall_noted(raft);
	return true;
}

static bool
leader_alone(struct raft *raft)
{
	uint64_t silence = raft->now.ms - raft_quorum_heard(raft).ms;

	must(silence <= raft->now.ms);
	if (silence < raft->settings.election_timeout_ms)
		return false;
	raft_why_start(raft, "no quorum for ");
	raft_why_number(raft, silence);
	raft_why_text(raft, " ms");
	return true;
}

void
raft_leader_check(struct raft *raft)
{
	if (raft->role == RAFT_LEADER && (leader_stalled(raft) || leader_alone(raft)))
		leader_step_down(raft);
}

/* Reads share rounds: the next one begins when a majority has answered the one under way. */
static bool
round_due(const struct raft *raft)
{
	if (raft->now.ms >= raft->heartbeat_at.ms)
		return true;
	return raft->round_wanted && raft_quorum_round(raft) >= raft->round;
}

static bool
peer_is_quiet(const struct raft *raft, const struct raft_peer *peer)
{
	return peer->heard && peer->state == PROGRESS_PIPELINE &&
	       peer->accepted == raft->log.last && peer->match == raft->log.last &&
	       peer->check_round == 0 && !peer->recovering;
}

/*
 * Ours: a heartbeat needs no answer while nothing is under way and each peer has answered within
 * a quarter of the election timeout.  Without a new round it gets none: an idle cluster sends a
 * third less.
 */
static bool
leader_is_quiet(const struct raft *raft)
{
	if (raft->round_wanted || raft->reads.waits_count > 0)
		return false;
	for (size_t i = 0; i < raft->peers_count; i++)
		if (!peer_is_quiet(raft, &raft->peers[i]))
			return false;
	return raft->now.ms - raft->round_at.ms < raft->settings.election_timeout_ms / 4;
}

void
raft_leader_tick(struct raft *raft)
{
	raft_leader_check(raft);
	if (raft->role != RAFT_LEADER)
		return;
	raft_change_tick(raft);
	raft_level_tick(raft);
	raft_peers_leave(raft, false);
	if (!round_due(raft))
		return;
	if (!leader_is_quiet(raft)) {
		raft->round++;
		raft->round_at = raft->now;
		raft->round_wanted = false;
		raft_lead_round(raft);
	}
	raft->heartbeat_at.ms = raft->now.ms + raft->settings.heartbeat_ms;
	for (size_t i = 0; i < raft->peers_count; i++)
		raft->peers[i].round_due = true;
	must(raft->heartbeat_at.ms > raft->now.ms);
	must(!raft->round_wanted);
}

/* ---------------------------------------------------------- addresses */

/* The address that the member lacks and this node knows; NULL: none. */
static const char *
address_known(const struct raft *raft, const struct raft_member *member)
{
	if (member->address[0] != '\0')
		return NULL;
	const struct raft_member *known = raft_config_find(&raft->settings.addresses, &member->id);
	if (known == NULL || known->address[0] == '\0' ||
	    memcmp(member->key, known->key, RAFT_KEY_SIZE) != 0)
		return NULL;
	return known->address;
}

/* Whether a member's address is known that the configuration lacks. */
static bool
addresses_wanted(const struct raft *raft, const struct raft_config *config)
{
	for (size_t i = 0; i < config->count; i++)
		if (address_known(raft, &config->members[i]))
			return true;
	return false;
}

static void
addresses_complete(const struct raft *raft, struct raft_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		struct raft_member *member = &config->members[i];
		const char *address = address_known(raft, member);

		if (address)
			memcpy(member->address, address, sizeof member->address);
	}
	must(raft_config_voters(config) == raft_config_voters(raft_core_config(raft)));
}

/*
 * The first configuration, index 0 of every log, has no addresses, so that logs
 * made from differing YAMLs are equal.  Only after the no-op is committed, and
 * with no other configuration under way (§4.1 and its correction of 2015).
 */
void
raft_leader_addresses(struct raft *raft)
{
	struct raft_config config;

	if (!raft_commit_own_term(raft) || raft->full ||
	    raft_rlog_config(&raft->log)->index > raft->commit)
		return;
	/* After each commit: the copy is made only when it is needed. */
	if (!addresses_wanted(raft, raft_core_config(raft)))
		return;
	config = *raft_core_config(raft);
	addresses_complete(raft, &config);
	raft_leader_append_config(raft, &config, NULL);
}
