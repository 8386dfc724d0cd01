/* SPDX-License-Identifier: ISC */
/*
 * Admission (§6.3, ours): which proposals a leader takes into its log.
 *
 * The session is looked up in the leader's own log, committed or not, so that the
 * log never holds a serial twice.  What is there already is answered; only what
 * is new must then pass the fence, the disk, the contract and the room.
 */
#include "core.h"

#include <string.h>

/* --------------------------------------------------------- appending */

/*
 * Whether every replica can deliver the entry to its state machine.  By the newest contract of the
 * log: it is in force for this entry if both are committed, and if it is not, neither is this
 * entry.
 */
static enum raft_reason
contract_gate(const struct raft *raft, const struct raft_entry *entry)
{
	const struct raft_contract_at *at = &raft->contract_last;
	uint32_t size;

	if (at->index == 0 || entry->kind != RAFT_CLIENT)
		return RAFT_REASON_NONE;
	size = raft_entry_data_size(entry);
	if (raft_contract_allows(&at->contract, raft_entry_data(entry), size))
		return RAFT_REASON_NONE;
	return size > at->contract.entry_max ? RAFT_REASON_TOO_LARGE : RAFT_REASON_CONTRACT;
}

/* Whether the cursor stays within the log: one beyond its end would skip entries to come. */
static enum raft_reason
position_gate(const struct raft *raft, const struct raft_entry *entry)
{
	if (entry->kind == RAFT_ACK && raft_entry_position(entry) > raft->log.last)
		return RAFT_REASON_CURSOR_AHEAD;
	return RAFT_REASON_NONE;
}

/* Why nothing new may be appended now; NONE: it may. */
static enum raft_reason
append_gate(const struct raft *raft, const struct raft_proposal *proposal, size_t from)
{
	enum raft_reason reason = position_gate(raft, &proposal->entries[from]);
	uint64_t size = 0;

	if (proposal->fence != 0 && proposal->fence != raft->term)
		return RAFT_REASON_FENCED;
	if (raft->full)
		return RAFT_REASON_DISK_FULL;
	for (size_t i = from; i < proposal->entries_count && reason == RAFT_REASON_NONE; i++) {
		reason = contract_gate(raft, &proposal->entries[i]);
		size += proposal->entries[i].size;
	}
	if (reason != RAFT_REASON_NONE)
		return reason;
	if (raft->uncommitted_size > 0 &&
	    raft->uncommitted_size + size > raft->settings.uncommitted_size_max)
		return RAFT_REASON_BUSY;
	return RAFT_REASON_NONE;
}

/* Appends the entries from the given one on, and owes one answer for them. */
static void
append_new(struct raft *raft, const struct raft_origin *origin,
    const struct raft_proposal *proposal, size_t from, uint64_t last_serial)
{
	struct raft_answer answer = {0};
	enum raft_reason reason = append_gate(raft, proposal, from);

	must(from < proposal->entries_count);
	answer.serial = proposal->entries[from].serial;
	answer.count = proposal->entries_count - from;
	if (reason != RAFT_REASON_NONE) {
		raft_answer_refuse(raft, origin, answer.serial, answer.count, reason);
		return;
	}
	answer.verdict = RAFT_COMMITTED;
	answer.pos.index = raft->log.last + 1;
	answer.pos.term = raft->term;
	if (raft_kind_opens(proposal->entries[from].kind))
		answer.epoch = answer.pos.index;
	answer.last_serial = last_serial;
	raft_leader_append_all(raft, proposal->entries + from, answer.count, origin);
	must(raft->log.last == answer.pos.index + answer.count - 1);
	raft_answer_later(raft, origin, &answer, raft->log.last);
}

/* -------------------------------------------------------- duplicates */

/*
 * Serials [serial, serial + count) stand in the log from pos on; they are answered once committed.
 */
static void
duplicate_run(struct raft *raft, const struct raft_origin *origin, uint64_t serial, uint64_t count,
    struct raft_pos pos, uint64_t wait)
{
	struct raft_answer answer = {0};

	if (count == 0)
		return;
	answer.verdict = RAFT_COMMITTED;
	answer.serial = serial;
	answer.count = count;
	answer.pos = pos;
	must(pos.index == 0 || wait <= raft->log.last);
	raft_answer_later(raft, origin, &answer, wait);
}

/*
 * Finds the indexes of serials [first, last] of a session, which are in the log,
 * walking back from its last entry as far as memory goes.  Each run of
 * neighbours gets one answer; what isn't found has index 0.
 */
static void
duplicates_answer(struct raft *raft, const struct raft_origin *origin,
    const struct raft_session *session, uint64_t first, uint64_t last)
{
	struct raft_pos run = {0, 0};
	uint64_t run_serial = last + 1;
	uint64_t run_count = 0;
	uint64_t wanted = last;
	uint64_t index = session->last_index;

	must(first <= last && last <= session->serial);
	for (size_t steps = 0; wanted >= first && steps < CORE_DUPLICATE_SCAN_MAX;
	     steps++, index--) {
		const struct raft_entry *entry = raft_rlog_entry(&raft->log, index);

		if (entry == NULL)
			break;
		if ((entry->kind != RAFT_CLIENT && entry->kind != RAFT_ACK) ||
		    entry->serial != wanted || !raft_sid_equal(&entry->session, &session->sid))
			continue;
		if (run_count == 0 || index + 1 != run.index || entry->term != run.term) {
			duplicate_run(
			    raft, origin, run_serial, run_count, run, run.index + run_count - 1);
			run_count = 0;
		}
		run = (struct raft_pos){index, entry->term};
		run_serial = wanted--;
		run_count++;
		must(run_serial + run_count <= last + 1);
	}
	duplicate_run(raft, origin, run_serial, run_count, run, run.index + run_count - 1);
	run = (struct raft_pos){0, 0};
	duplicate_run(raft, origin, first, wanted + 1 - first, run,
	    raft_rlog_entry(&raft->log, index) == NULL ? 0 : session->last_index);
}

/* --------------------------------------------------------- admission */

/* The first entry of an anonymous session opens it; a late duplicate of an opening must show. */
static void
admit_opening(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal)
{
	struct raft_answer answer = {0};
	uint64_t last = raft->log.last;

	answer.reason = RAFT_REASON_NONE;
	if (last < proposal->seen)
		answer.reason = RAFT_REASON_AHEAD;
	else if (last - proposal->seen > RAFT_SESSION_WINDOW)
		answer.reason = RAFT_REASON_TOO_OLD;
	if (answer.reason == RAFT_REASON_NONE) {
		append_new(raft, origin, proposal, 0, 0);
		return;
	}
	answer.verdict = RAFT_REFUSED;
	answer.serial = proposal->entries[0].serial;
	answer.count = proposal->entries_count;
	answer.epoch = last;
	raft_answer_give(raft, origin, &answer);
}

/* Clients' entries, and those that move a cursor: whatever takes serials. */
static void
admit_serials(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal)
{
	const struct raft_sid *sid = &proposal->entries[0].session;
	const struct raft_session *session = raft_sessions_find(raft->sessions_last, sid);
	uint64_t first = proposal->entries[0].serial;
	uint64_t last = first + proposal->entries_count - 1;
	uint64_t have;

	if (session != NULL && session->cursor != (proposal->entries[0].kind == RAFT_ACK)) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_MALFORMED);
		return;
	}
	if (session == NULL && (raft_sid_named(sid) || first != 1)) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_EXPIRED);
		return;
	}
	if (session == NULL) {
		admit_opening(raft, origin, proposal);
		return;
	}
	if (raft_sid_named(sid) && proposal->epoch != session->epoch) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_OLD_EPOCH);
		return;
	}
	have = session->serial;
	if (first > have + 1) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_GAP);
		return;
	}
	if (first <= have)
		duplicates_answer(raft, origin, session, first, last < have ? last : have);
	if (last > have)
		append_new(raft, origin, proposal, (size_t)(have + 1 - first), 0);
}

/* The run that is asked for is the present one: the same answer again. */
static void
admit_open_again(
    struct raft *raft, const struct raft_origin *origin, const struct raft_session *session)
{
	struct raft_answer answer = {0};

	answer.verdict = RAFT_COMMITTED;
	answer.count = 1;
	answer.pos.index = session->epoch;
	if (!raft_rlog_term_at(&raft->log, session->epoch, &answer.pos.term))
		answer.pos.index = 0;
	answer.epoch = session->epoch;
	answer.last_serial = session->serial;
	raft_answer_later(raft, origin, &answer, session->epoch);
}

static void
admit_open(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal)
{
	const struct raft_entry *entry = &proposal->entries[0];
	const struct raft_session *session =
	    raft_sessions_find(raft->sessions_last, &entry->session);
	uint64_t epoch = session == NULL ? 0 : session->epoch;
	struct raft_answer answer = {0};
	struct raft_session_open open;
	bool decoded =
	    raft_session_open_decode(&open, raft_entry_data(entry), raft_entry_data_size(entry));

	must(decoded);
	if (session != NULL && session->cursor != (entry->kind == RAFT_CURSOR_OPEN)) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_MALFORMED);
		return;
	}
	if (session != NULL && memcmp(session->run, open.run, sizeof open.run) == 0) {
		admit_open_again(raft, origin, session);
		return;
	}
	if (open.replaces != epoch) {
		answer.verdict = RAFT_REFUSED;
		answer.reason = RAFT_REASON_OLD_EPOCH;
		answer.count = 1;
		answer.epoch = epoch;
		answer.last_serial = session == NULL ? 0 : session->serial;
		raft_answer_give(raft, origin, &answer);
		return;
	}
	if (session == NULL &&
	    raft_sessions_count(raft->sessions_last, true) >= RAFT_SESSIONS_NAMED_MAX) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_SESSIONS_FULL);
		return;
	}
	append_new(raft, origin, proposal, 0, session == NULL ? 0 : session->serial);
}

static void
admit_drop(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal)
{
	if (raft_sessions_find(raft->sessions_last, &proposal->entries[0].session) == NULL)
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_EXPIRED);
	else
		append_new(raft, origin, proposal, 0, 0);
}

/*
 * Of two that replace the same one only the first is taken, so that no contract replaces one that
 * its proposer did not know.  One equal to the present contract is a contract as any other.
 */
static void
admit_contract(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal)
{
	if (proposal->epoch != raft->contract_last.index)
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_CONTRACT_CHANGED);
	else
		append_new(raft, origin, proposal, 0, 0);
}

/* Whether every member understands such an entry. */
static enum raft_reason
level_gate(const struct raft *raft, enum raft_kind kind)
{
	uint64_t level = raft_kind_level(kind);

	if (level == 1)
		return RAFT_REASON_NONE;
	if (!raft_commit_own_term(raft)) /* until then the level is not known either */
		return RAFT_REASON_TERM_YOUNG;
	return raft->level < level ? RAFT_REASON_LEVEL : RAFT_REASON_NONE;
}

void
raft_admit(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal)
{
	enum raft_reason reason;

	must(raft->role == RAFT_LEADER);
	must(proposal->entries_count > 0);
	if (!raft_answer_room(raft)) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_BUSY);
		return;
	}
	if (raft->transfer.active) {
		raft_propose_refuse(raft, origin, proposal, RAFT_REASON_TRANSFERRING);
		return;
	}
	reason = level_gate(raft, proposal->entries[0].kind);
	if (reason != RAFT_REASON_NONE) {
		raft_propose_refuse(raft, origin, proposal, reason);
		return;
	}
	switch (proposal->entries[0].kind) {
	case RAFT_CLIENT:
	case RAFT_ACK:
		admit_serials(raft, origin, proposal);
		break;
	case RAFT_SESSION_OPEN:
	case RAFT_CURSOR_OPEN:
		admit_open(raft, origin, proposal);
		break;
	case RAFT_SESSION_DROP:
		admit_drop(raft, origin, proposal);
		break;
	case RAFT_NOOP:
		append_new(raft, origin, proposal, 0, 0);
		break;
	case RAFT_CONFIG:
		raft_change_admit(raft, origin, proposal);
		break;
	case RAFT_CONTRACT:
		admit_contract(raft, origin, proposal);
		break;
	case RAFT_LEVEL:
	case RAFT_KINDS_COUNT:
		must(false); /* the shape was checked */
	}
}
