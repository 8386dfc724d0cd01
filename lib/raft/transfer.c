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
transfer_refuse(struct raft *raft, const struct origin *origin, enum raft_reason reason)
{
	answer_refuse(raft, origin, 0, 1, reason);
}

/* The transfer is over; the asker learns how. */
static void
transfer_finish(struct raft *raft, const struct raft_answer *answer)
{
	struct transfer *transfer = &raft->transfer;
	struct origin origin = transfer->origin;

	must(transfer->active);
	memset(transfer, 0, sizeof *transfer);
	answer_give(raft, &origin, answer);
}

static void
transfer_fail(struct raft *raft)
{
	struct raft_answer answer = {
	    .verdict = RAFT_REFUSED, .reason = RAFT_TRANSFER_FAILED_REASON, .count = 1};

	transfer_finish(raft, &answer);
}

/* ------------------------------------------------------------ the leader */

/* The voter that has most of the log, of those that were heard; NULL: there is no other voter at all. */
static struct peer *
transfer_best(struct raft *raft)
{
	struct peer *best = NULL;

	for (size_t i = 0; i < raft->peers_count; i++) {
		struct peer *peer = &raft->peers[i];

		if (peer->role != RAFT_VOTER)
			continue;
		if (best == NULL || (peer_well(raft, peer) && !peer_well(raft, best)) ||
		    (peer_well(raft, peer) == peer_well(raft, best) &&
			peer->match > best->match))
			best = peer;
	}
	return best;
}

/* Who it is to be; NONE: target is set. */
static enum raft_reason
transfer_target(struct raft *raft, const struct raft_id *wanted, struct raft_id *target)
{
	struct peer *peer = raft_id_none(wanted) ? transfer_best(raft) : peer_find(raft, wanted);

	if (raft_id_none(wanted) && peer == NULL)
		return RAFT_NOT_ALLOWED_REASON;
	if (raft_id_equal(wanted, &raft->id))
		return RAFT_NOT_ALLOWED_REASON;
	if (peer == NULL || peer->role == RAFT_LEAVING)
		return RAFT_NO_MEMBER_REASON;
	if (peer->role != RAFT_VOTER)
		return RAFT_NOT_VOTER_REASON;
	if (peer->recovering)
		return RAFT_RECOVERING_REASON;
	*target = peer->id;
	return RAFT_NONE_REASON;
}

/* Before: this node leads. */
static void
transfer_begin(struct raft *raft, const struct origin *origin, const struct raft_id *wanted)
{
	struct transfer *transfer = &raft->transfer;
	struct raft_id target;
	enum raft_reason reason = transfer_target(raft, wanted, &target);

	if (reason != RAFT_NONE_REASON) {
		transfer_refuse(raft, origin, reason);
		return;
	}
	/* A second request replaces the first. */
	if (transfer->active)
		transfer_fail(raft);
	transfer->active = true;
	transfer->target = target;
	transfer->origin = *origin;
	transfer->deadline.ms = raft->now.ms + raft->settings.election_timeout_ms;
}

/* Everything that this node has, durable there: it may stand, and wins (§3.10). */
static bool
has_whole_log(const struct raft *raft, const struct peer *peer)
{
	return peer->role == RAFT_VOTER && !peer->recovering && peer->match == raft->log.last;
}

void
transfer_tick(struct raft *raft)
{
	struct transfer *transfer = &raft->transfer;
	struct peer *peer;

	if (!transfer->active)
		return;
	peer = peer_find(raft, &transfer->target);
	if (raft->now.ms >= transfer->deadline.ms || peer == NULL || peer->role != RAFT_VOTER) {
		transfer_fail(raft);
		return;
	}
	if (transfer->sent || !has_whole_log(raft, peer))
		return;
	out_message(raft, RAFT_MSG_TIMEOUT_NOW, &peer->id);
	transfer->sent = true;
}

void
transfer_nudge(struct raft *raft)
{
	for (size_t i = 0; i < raft->peers_count; i++) {
		const struct peer *peer = &raft->peers[i];

		if (peer_well(raft, peer) && has_whole_log(raft, peer)) {
			out_message(raft, RAFT_MSG_TIMEOUT_NOW, &peer->id);
			return;
		}
	}
}

void
transfer_deposed(struct raft *raft, const struct raft_message *message)
{
	struct transfer *transfer = &raft->transfer;
	struct raft_answer answer = {.verdict = RAFT_COMMITTED, .count = 1};

	if (!transfer->active || !transfer->sent || !message->vote.transfer ||
	    !raft_id_equal(&transfer->target, &message->from))
		return;
	answer.pos.term = message->term;
	transfer_finish(raft, &answer);
}

void
transfer_end(struct raft *raft)
{
	struct raft_answer answer = {
	    .verdict = RAFT_UNKNOWN, .reason = RAFT_STEPPED_DOWN_REASON, .count = 1};

	if (raft->transfer.active)
		transfer_finish(raft, &answer);
}

/* -------------------------------------------------------------- the doors */

void
transfer_local(struct raft *raft, uint64_t ticket, const struct raft_id *target)
{
	struct origin origin = {.local = true, .ticket = ticket};

	if (raft->role == RAFT_LEADER)
		transfer_begin(raft, &origin, target);
	else if (raft_id_none(&raft->leader))
		transfer_refuse(raft, &origin, RAFT_NO_LEADER_REASON);
	else
		forward_transfer(raft, ticket, target);
}

void
transfer_message(struct raft *raft, const struct raft_message *message)
{
	const struct raft_transfer *wanted = &message->transfer;
	struct origin origin = {false, 0, message->from, wanted->start_number, wanted->request};

	if (peer_find(raft, &message->from) == NULL || !raft_id_valid(&wanted->target))
		core_drop(raft);
	else if (raft->role != RAFT_LEADER || message->term != raft->term)
		transfer_refuse(raft, &origin, RAFT_NOT_LEADER_REASON);
	else
		transfer_begin(raft, &origin, &wanted->target);
}

/*
 * The target: stands at once, in its present leader's term only, and with nothing of its
 * log still on its way to the disk.
 */
void
transfer_timeout_now(struct raft *raft, const struct raft_message *message)
{
	const struct store *store = &raft->store;
	bool settled = store->durable == raft->log.last && store_hard_durable(store) &&
		       !store->truncate && store->writes_count == 0;

	if (message->term != raft->term || raft->role != RAFT_FOLLOWER ||
	    !raft_id_equal(&raft->leader, &message->from) || !settled) {
		core_drop(raft);
		return;
	}
	election_at_once(raft, &message->from);
}
