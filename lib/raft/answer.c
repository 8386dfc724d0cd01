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
answer_room(const struct raft *raft)
{
	return raft->pendings.count < CORE_PENDING_MAX;
}

void
answer_give(struct raft *raft, const struct origin *origin, const struct raft_answer *answer)
{
	struct raft_message *message;

	if (origin->local) {
		out_answer(raft, origin->ticket, answer);
		return;
	}
	message = out_message(raft, RAFT_MSG_ANSWER, &origin->from);
	message->answer = *answer;
	message->answer.start_number = origin->start_number;
	message->answer.request = origin->request;
}

void
answer_refuse(struct raft *raft, const struct origin *origin, uint64_t serial, uint64_t count,
    enum raft_reason reason)
{
	struct raft_answer answer = {0};

	answer.verdict = RAFT_REFUSED;
	answer.reason = reason;
	answer.serial = serial;
	answer.count = count;
	answer_give(raft, origin, &answer);
}

void
answer_later(
    struct raft *raft, const struct origin *origin, const struct raft_answer *answer, uint64_t wait)
{
	struct pendings *pendings = &raft->pendings;

	must(answer->verdict == RAFT_COMMITTED);
	if (wait <= raft->commit) {
		answer_give(raft, origin, answer);
		return;
	}
	if (pendings->head > pendings->size / 2 &&
	    pendings->head + pendings->count == pendings->size) {
		memmove(pendings->at, pendings->at + pendings->head,
		    pendings->count * sizeof *pendings->at);
		pendings->head = 0;
	}
	pendings->at = core_grow(pendings->at, &pendings->size,
	    pendings->head + pendings->count + 1, sizeof *pendings->at);
	pendings->at[pendings->head + pendings->count++] = (struct pending){*origin, *answer, wait};
}

static void
pending_pop(struct pendings *pendings)
{
	pendings->head++;
	if (--pendings->count == 0)
		pendings->head = 0;
}

void
answer_committed(struct raft *raft)
{
	struct pendings *pendings = &raft->pendings;

	while (pendings->count > 0 && pendings->at[pendings->head].wait <= raft->commit) {
		const struct pending *pending = &pendings->at[pendings->head];

		answer_give(raft, &pending->origin, &pending->answer);
		pending_pop(pendings);
	}
}

/* What is committed is committed; of the rest a next leader may commit any part. */
static void
pending_stepped_down(struct raft *raft, const struct pending *pending)
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
		answer_give(raft, &pending->origin, &answer);
	}
	if (done == pending->answer.count)
		return;
	memset(&answer, 0, sizeof answer);
	answer.verdict = RAFT_UNKNOWN;
	answer.reason = RAFT_STEPPED_DOWN_REASON;
	answer.serial = pending->answer.serial + done;
	answer.count = pending->answer.count - done;
	answer_give(raft, &pending->origin, &answer);
}

void
answer_stepped_down(struct raft *raft)
{
	struct pendings *pendings = &raft->pendings;

	while (pendings->count > 0) {
		pending_stepped_down(raft, &pendings->at[pendings->head]);
		pending_pop(pendings);
	}
}
