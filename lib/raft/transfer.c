/* SPDX-License-Identifier: ISC */
/*
 * Leadership transfer (§3.10).
 *
 * The leader takes no more proposals, waits until the target has its whole log,
 * and tells it to stand at once.  The target's requests for votes say so, and are
 * heard even where a leader is near (§4.2.3).  When nothing has come of it within an
 * election timeout the leader goes on leading.
 *
 * Ours: it counts as done when the target's request with a new term deposes the leader; who
 * then leads, the asker sees for himself.
 */
#include "core.h"

#include <string.h>

static void
transfer_refuse(struct raft *raft, const struct raft_origin *origin, enum raft_reason reason)
{
	raft_answer_refuse(raft, origin, 0, 1, reason);
}

/* The transfer is over; the asker learns how. */
static void
transfer_finish(struct raft *raft, const struct raft_answer *answer)
{
	struct raft_transfer_state *transfer = &raft->transfer;
	struct raft_origin origin = transfer->origin;

	must(transfer->active);
	memset(transfer, 0, sizeof *transfer);
	raft_answer_give(raft, &origin, answer);
}

static void
transfer_fail(struct raft *raft)
{
	struct raft_answer answer = {
	    .verdict = RAFT_REFUSED, .reason = RAFT_REASON_TRANSFER_FAILED, .count = 1};

	transfer_finish(raft, &answer);
}

/* ------------------------------------------------------------ the leader */

/* The voter that has most of the log, of those that were heard; NULL: there is no other voter at
 * all. */
static struct raft_peer *
transfer_best(struct raft *raft)
{
	struct raft_peer *best = NULL;

	for (size_t i = 0; i < raft->peers_count; i++) {
		struct raft_peer *peer = &raft->peers[i];

		if (peer->role != RAFT_VOTER)
			continue;
		if (best == NULL || (raft_peer_well(raft, peer) && !raft_peer_well(raft, best)) ||
		    (raft_peer_well(raft, peer) == raft_peer_well(raft, best) &&
			peer->match > best->match))
			best = peer;
	}
	return best;
}

/* Who it is to be; NONE: target is set. */
static enum raft_reason
transfer_target(struct raft *raft, const struct raft_id *wanted, struct raft_id *target)
{
	struct raft_peer *peer =
	    raft_id_none(wanted) ? transfer_best(raft) : raft_peer_find(raft, wanted);

	if (raft_id_none(wanted) && peer == NULL)
		return RAFT_REASON_NOT_ALLOWED;
	if (raft_id_equal(wanted, &raft->id))
		return RAFT_REASON_NOT_ALLOWED;
	if (peer == NULL || peer->role == RAFT_LEAVING)
		return RAFT_REASON_NO_MEMBER;
	if (peer->role != RAFT_VOTER)
		return RAFT_REASON_NOT_VOTER;
	if (peer->recovering)
		return RAFT_REASON_RECOVERING;
	*target = peer->id;
	return RAFT_REASON_NONE;
}

/* Before: this node leads. */
static void
transfer_begin(struct raft *raft, const struct raft_origin *origin, const struct raft_id *wanted)
{
	struct raft_transfer_state *transfer = &raft->transfer;
	struct raft_id target;
	enum raft_reason reason = transfer_target(raft, wanted, &target);

	must(raft->role == RAFT_LEADER);
	if (reason != RAFT_REASON_NONE) {
		transfer_refuse(raft, origin, reason);
		return;
	}
	/* A second request replaces the first. */
	if (transfer->active)
		transfer_fail(raft);
	must(!transfer->active && !transfer->sent);
	must(!raft_id_equal(&target, &raft->id));
	transfer->active = true;
	transfer->target = target;
	transfer->origin = *origin;
	transfer->deadline.ms = raft->now.ms + raft->settings.election_timeout_ms;
}

/* Everything that this node has, durable there: it may stand, and wins (§3.10). */
static bool
has_whole_log(const struct raft *raft, const struct raft_peer *peer)
{
	return peer->role == RAFT_VOTER && !peer->recovering && peer->match == raft->log.last;
}

void
raft_transfer_tick(struct raft *raft)
{
	struct raft_transfer_state *transfer = &raft->transfer;
	struct raft_peer *peer;

	if (!transfer->active)
		return;
	must(raft->role == RAFT_LEADER);
	peer = raft_peer_find(raft, &transfer->target);
	if (raft->now.ms >= transfer->deadline.ms || peer == NULL || peer->role != RAFT_VOTER) {
		transfer_fail(raft);
		return;
	}
	if (transfer->sent || !has_whole_log(raft, peer))
		return;
	raft_out_message(raft, RAFT_MSG_TIMEOUT_NOW, &peer->id);
	transfer->sent = true;
}

void
raft_transfer_nudge(struct raft *raft)
{
	must(raft->role == RAFT_LEADER);
	for (size_t i = 0; i < raft->peers_count; i++) {
		const struct raft_peer *peer = &raft->peers[i];

		if (raft_peer_well(raft, peer) && has_whole_log(raft, peer)) {
			raft_out_message(raft, RAFT_MSG_TIMEOUT_NOW, &peer->id);
			return;
		}
	}
}

void
raft_transfer_deposed(struct raft *raft, const struct raft_message *message)
{
	struct raft_transfer_state *transfer = &raft->transfer;
	struct raft_answer answer = {.verdict = RAFT_COMMITTED, .count = 1};

	if (!transfer->active || !transfer->sent || !message->vote.transfer ||
	    !raft_id_equal(&transfer->target, &message->from))
		return;
	must(message->term > raft->term);
	answer.pos.term = message->term;
	transfer_finish(raft, &answer);
}

void
raft_transfer_end(struct raft *raft)
{
	struct raft_answer answer = {
	    .verdict = RAFT_UNKNOWN, .reason = RAFT_REASON_STEPPED_DOWN, .count = 1};

	if (raft->transfer.active)
		transfer_finish(raft, &answer);
}

/* -------------------------------------------------------------- the doors */

void
raft_transfer_local(struct raft *raft, uint64_t ticket, const struct raft_id *target)
{
	struct raft_origin origin = {.local = true, .ticket = ticket};

	if (raft->role == RAFT_LEADER)
		transfer_begin(raft, &origin, target);
	else if (raft_id_none(&raft->leader))
		transfer_refuse(raft, &origin, RAFT_REASON_NO_LEADER);
	else
		raft_forward_transfer(raft, ticket, target);
}

void
raft_transfer_message(struct raft *raft, const struct raft_message *message)
{
	const struct raft_transfer *wanted = &message->transfer;
	struct raft_origin origin = {.from = message->from,
	    .start_number = message->transfer.start_number,
	    .request = message->transfer.request};

	if (raft_peer_find(raft, &message->from) == NULL || !raft_id_valid(&wanted->target))
		raft_core_drop(raft);
	else if (raft->role != RAFT_LEADER || message->term != raft->term)
		transfer_refuse(raft, &origin, RAFT_REASON_NOT_LEADER);
	else
		transfer_begin(raft, &origin, &wanted->target);
}

/*
 * The target: stands at once, in its present leader's term only, and with nothing of its
 * log still on its way to the disk.
 */
void
raft_transfer_timeout_now(struct raft *raft, const struct raft_message *message)
{
	const struct raft_store *store = &raft->store;
	bool settled = store->durable == raft->log.last && raft_store_hard_durable(store) &&
		       !store->truncate && store->writes.count == 0;

	if (message->term != raft->term || raft->role != RAFT_FOLLOWER ||
	    !raft_id_equal(&raft->leader, &message->from) || !settled) {
		raft_core_drop(raft);
		return;
	}
	raft_election_at_once(raft, &message->from);
}
