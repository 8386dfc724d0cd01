/* SPDX-License-Identifier: ISC */
/*
 * Answers to proposals: given at once, or once their last entry is committed.
 *
 * The waiting ones are one queue in order of arrival.  A duplicate that waits
 * for an older index may so be answered a little late, never early.
 */
#include "core.h"

#include <string.h>

bool
raft_answer_room(const struct raft *raft)
{
	return raft->pendings.count < CORE_PENDING_MAX;
}

void
raft_answer_give(
    struct raft *raft, const struct raft_origin *origin, const struct raft_answer *answer)
{
	struct raft_message *message;

	must((answer->verdict == RAFT_COMMITTED) == (answer->reason == RAFT_REASON_NONE));
	if (origin->local) {
		raft_out_answer(raft, origin->ticket, answer);
		return;
	}
	raft_replicate_hasten(raft, &origin->from);
	message = raft_out_message(raft, RAFT_MSG_ANSWER, &origin->from);
	message->answer = *answer;
	message->answer.start_number = origin->start_number;
	message->answer.request = origin->request;
}

void
raft_answer_refuse(struct raft *raft, const struct raft_origin *origin, uint64_t serial,
    uint64_t count, enum raft_reason reason)
{
	struct raft_answer answer = {0};

	must(reason != RAFT_REASON_NONE);
	answer.verdict = RAFT_REFUSED;
	answer.reason = reason;
	answer.serial = serial;
	answer.count = count;
	raft_answer_give(raft, origin, &answer);
}

void
raft_answer_later(struct raft *raft, const struct raft_origin *origin,
    const struct raft_answer *answer, uint64_t wait)
{
	must(raft->role == RAFT_LEADER);
	must(answer->verdict == RAFT_COMMITTED && answer->count > 0);
	if (wait <= raft->commit) {
		raft_answer_give(raft, origin, answer);
		return;
	}
	*RAFT_QUEUE_PUSH(&raft->pendings) = (struct raft_pending){*origin, *answer, wait};
}

void
raft_answer_committed(struct raft *raft)
{
	while (
	    raft->pendings.count > 0 && RAFT_QUEUE_FIRST(&raft->pendings)->wait <= raft->commit) {
		const struct raft_pending *pending = RAFT_QUEUE_FIRST(&raft->pendings);

		must(pending->answer.verdict == RAFT_COMMITTED && pending->answer.count > 0);
		raft_answer_give(raft, &pending->origin, &pending->answer);
		RAFT_QUEUE_DROP(&raft->pendings, 1);
	}
}

/* What is committed is committed; of the rest a next leader may commit any part. */
static void
pending_stepped_down(struct raft *raft, const struct raft_pending *pending)
{
	struct raft_answer answer = pending->answer;
	uint64_t done = 0;

	if (pending->wait <= raft->commit)
		done = answer.count;
	else if (answer.pos.index > 0 && answer.pos.index <= raft->commit)
		done = raft->commit - answer.pos.index + 1;
	must(done <= answer.count);
	if (done > 0) {
		answer.count = done;
		raft_answer_give(raft, &pending->origin, &answer);
	}
	if (done == pending->answer.count)
		return;
	memset(&answer, 0, sizeof answer);
	answer.verdict = RAFT_UNKNOWN;
	answer.reason = RAFT_REASON_STEPPED_DOWN;
	answer.serial = pending->answer.serial + done;
	answer.count = pending->answer.count - done;
	raft_answer_give(raft, &pending->origin, &answer);
}

void
raft_answer_stepped_down(struct raft *raft)
{
	while (raft->pendings.count > 0) {
		pending_stepped_down(raft, RAFT_QUEUE_FIRST(&raft->pendings));
		RAFT_QUEUE_DROP(&raft->pendings, 1);
	}
}
