/* SPDX-License-Identifier: ISC */
/*
 * The doors for proposals: from a client here, or forwarded by another node.
 * Their shape is checked first; then the leader admits them (admit.c), a follower
 * forwards them (forward.c).
 */
#include "core.h"

/* ------------------------------------------------------------- shape */

static enum raft_reason
shape_clients(const struct raft_proposal *proposal)
{
	const struct raft_entry *first = &proposal->entries[0];

	if (raft_sid_none(&first->session) || first->serial == 0)
		return RAFT_REASON_MALFORMED;
	if (first->serial > UINT64_MAX - proposal->entries_count)
		return RAFT_REASON_MALFORMED;
	for (size_t i = 1; i < proposal->entries_count; i++) {
		const struct raft_entry *entry = &proposal->entries[i];

		if (entry->kind != RAFT_CLIENT || entry->serial != first->serial + i ||
		    !raft_sid_equal(&entry->session, &first->session))
			return RAFT_REASON_MALFORMED;
	}
	return RAFT_REASON_NONE;
}

static enum raft_reason
shape_ack(const struct raft_proposal *proposal)
{
	const struct raft_entry *entry = &proposal->entries[0];

	if (proposal->entries_count != 1 || entry->serial == 0 || entry->serial == UINT64_MAX ||
	    !raft_sid_named(&entry->session) || !raft_entry_data_valid(entry))
		return RAFT_REASON_MALFORMED;
	return RAFT_REASON_NONE;
}

static enum raft_reason
shape_single(const struct raft_proposal *proposal)
{
	const struct raft_entry *entry = &proposal->entries[0];
	struct raft_session_open open;
	struct raft_change change;
	bool ok = false;

	if (proposal->entries_count == 1 && entry->serial == 0) {
		if (entry->kind == RAFT_NOOP)
			ok = raft_sid_none(&entry->session) && raft_entry_data_size(entry) == 0;
		else if (raft_kind_opens(entry->kind))
			ok = raft_sid_named(&entry->session) &&
			     raft_session_open_decode(
				 &open, raft_entry_data(entry), raft_entry_data_size(entry));
		else if (entry->kind == RAFT_SESSION_DROP)
			ok = raft_sid_named(&entry->session) && raft_entry_data_size(entry) > 0 &&
			     raft_entry_data_size(entry) <= RAFT_SESSION_NAME_MAX;
		else if (entry->kind == RAFT_CONTRACT)
			ok = raft_sid_none(&entry->session) && raft_entry_data_valid(entry);
		else if (entry->kind == RAFT_CONFIG)
			ok = raft_sid_none(&entry->session) &&
			     raft_change_decode(
				 &change, raft_entry_data(entry), raft_entry_data_size(entry));
	}
	return ok ? RAFT_REASON_NONE : RAFT_REASON_MALFORMED;
}

static enum raft_reason
proposal_shape(const struct raft *raft, const struct raft_proposal *proposal)
{
	if (proposal->entries_count == 0)
		return RAFT_REASON_MALFORMED;
	for (size_t i = 0; i < proposal->entries_count; i++) {
		const struct raft_entry *entry = &proposal->entries[i];

		if (entry->size < RAFT_ENTRY_HEADER_SIZE ||
		    entry->size < raft_entry_header_size(entry))
			return RAFT_REASON_MALFORMED;
		if (raft_entry_data_size(entry) > raft->settings.entry_size_max)
			return RAFT_REASON_TOO_LARGE;
	}
	if (proposal->entries[0].kind == RAFT_CLIENT)
		return shape_clients(proposal);
	if (proposal->entries[0].kind == RAFT_ACK)
		return shape_ack(proposal);
	return shape_single(proposal);
}

/* ------------------------------------------------------------- doors */

void
raft_propose_refuse(struct raft *raft, const struct raft_origin *origin,
    const struct raft_proposal *proposal, enum raft_reason reason)
{
	uint64_t serial = proposal->entries_count > 0 ? proposal->entries[0].serial : 0;

	must(reason != RAFT_REASON_NONE);
	raft_answer_refuse(raft, origin, serial, proposal->entries_count, reason);
}

/*
 * ⚠ A leader that is below the level could not read it.  The level here is that of what is
 * committed here: only a node that has all that its leader has committed can state that it is too
 * low.
 */
static enum raft_reason
forward_gate(const struct raft *raft, enum raft_kind kind)
{
	uint64_t term;

	if (raft->level >= raft_kind_level(kind))
		return RAFT_REASON_NONE;
	if (!raft_rlog_term_at(&raft->log, raft->commit, &term) || term != raft->term ||
	    raft->commit < raft->commit_told)
		return RAFT_REASON_BEHIND;
	return RAFT_REASON_LEVEL;
}

void
raft_propose_local(struct raft *raft, const struct raft_proposal *proposal)
{
	struct raft_origin origin = {
	    .local = true, .ticket = proposal->ticket, .uid = proposal->uid};
	enum raft_reason reason = proposal_shape(raft, proposal);

	if (reason == RAFT_REASON_NONE && raft->role == RAFT_LEADER) {
		raft_admit(raft, &origin, proposal);
		return;
	}
	if (reason == RAFT_REASON_NONE && raft_id_none(&raft->leader))
		reason = RAFT_REASON_NO_LEADER;
	if (reason == RAFT_REASON_NONE)
		reason = forward_gate(raft, proposal->entries[0].kind);
	if (reason == RAFT_REASON_NONE)
		raft_forward_propose(raft, proposal);
	else
		raft_propose_refuse(raft, &origin, proposal, reason);
}

/*
 * ⚠ A forwarded proposal is taken once: its forwarder's requests rise, and one
 * that is not above the last is a duplicate.  Else a refused one could come again
 * and be admitted after its client was told that it never will be.
 */
static bool
propose_first_time(struct raft_peer *peer, const struct raft_propose *propose)
{
	if (propose->start_number == 0)
		return false;
	for (size_t i = 0; i < CORE_OLD_STARTS; i++)
		if (peer->old_starts[i] == propose->start_number)
			return false;
	if (peer->propose_start != propose->start_number) {
		peer->propose_start = propose->start_number;
		peer->propose_request = 0;
	}
	if (propose->request <= peer->propose_request)
		return false;
	peer->propose_request = propose->request;
	return true;
}

void
raft_propose_message(struct raft *raft, const struct raft_message *message)
{
	const struct raft_propose *propose = &message->propose;
	struct raft_proposal proposal = {.fence = propose->fence,
	    .epoch = propose->epoch,
	    .seen = propose->seen,
	    .entries = propose->entries,
	    .entries_count = propose->entries_count};
	struct raft_origin origin = {.from = message->from,
	    .start_number = propose->start_number,
	    .request = propose->request,
	    .uid = RAFT_UID_NONE};
	struct raft_peer *peer = raft_peer_find(raft, &message->from);
	enum raft_reason reason = proposal_shape(raft, &proposal);
	struct raft_stamp stamp;

	/* The node is the one that sent it, whatever the record says; the uid is for it to say. */
	if (reason == RAFT_REASON_NONE && raft_entry_stamp(&proposal.entries[0], &stamp))
		origin.uid = stamp.uid;

	if (peer == NULL || !propose_first_time(peer, propose))
		raft_core_drop(raft);
	else if (raft->role != RAFT_LEADER || message->term != raft->term)
		raft_propose_refuse(raft, &origin, &proposal, RAFT_REASON_NOT_LEADER);
	else if (reason != RAFT_REASON_NONE)
		raft_propose_refuse(raft, &origin, &proposal, reason);
	else
		raft_admit(raft, &origin, &proposal);
}
