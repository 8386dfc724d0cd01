/* SPDX-License-Identifier: ISC */
/*
 * Proposals that went to the leader.  Each record is a range of serials still
 * unanswered; an answer to a part of it leaves what is around that part.  All of
 * them went to the present leader in the present term, and all end with it.
 */
#include "core.h"

#include <string.h>

static struct raft_forward *
forwards_first(const struct raft_forwards *forwards)
{
	return RAFT_QUEUE_FIRST(&forwards->queue);
}

/* Makes room for one more at place (from the head), moving the rest up. */
static struct raft_forward *
forwards_insert(struct raft_forwards *forwards, size_t place)
{
	struct raft_forward *at;

	must(place <= forwards->queue.count);
	(void)RAFT_QUEUE_PUSH(&forwards->queue);
	at = forwards_first(forwards) + place;
	memmove(at + 1, at, (forwards->queue.count - place - 1) * sizeof *at);
	return at;
}

static void
forwards_remove(struct raft_forwards *forwards, size_t place)
{
	struct raft_forward *at = forwards_first(forwards) + place;

	must(place < forwards->queue.count);
	must(forwards->bytes >= at->size);
	forwards->bytes -= at->size;
	if (place == 0)
		RAFT_QUEUE_DROP(&forwards->queue, 1);
	else
		memmove(at, at + 1, (--forwards->queue.count - place) * sizeof *at);
	must(forwards->queue.count > 0 || forwards->bytes == 0);
}

/* The newest one has the highest request: forwards_find rests on it. */
static void
forwards_risen(const struct raft_forwards *forwards)
{
	const struct raft_forward *newest = forwards_first(forwards) + forwards->queue.count - 1;

	must(newest->count > 0);
	must(forwards->queue.count == 1 || newest[-1].request < newest->request);
}

void
raft_forward_propose(struct raft *raft, const struct raft_proposal *proposal)
{
	struct raft_forwards *forwards = &raft->forwards;
	struct raft_origin origin = {.local = true, .ticket = proposal->ticket};
	struct raft_forward forward = {0};
	struct raft_stamp stamp = {0, proposal->uid, raft->id};
	struct raft_propose *propose;

	must(raft->role != RAFT_LEADER && !raft_id_none(&raft->leader));
	must(proposal->entries_count > 0);
	for (size_t i = 0; i < proposal->entries_count; i++)
		forward.size += proposal->entries[i].size;
	forward.ticket = proposal->ticket;
	forward.serial = proposal->entries[0].serial;
	forward.count = proposal->entries_count;
	forward.deadline.ms = raft->now.ms + raft->settings.election_timeout_ms;
	if (forwards->queue.count >= CORE_FORWARDS_MAX ||
	    (forwards->bytes > 0 &&
		forwards->bytes + forward.size > raft->settings.uncommitted_size_max)) {
		raft_answer_refuse(raft, &origin, forward.serial, forward.count, RAFT_REASON_BUSY);
		return;
	}
	forward.request = ++raft->request;
	forwards->bytes += forward.size;
	*forwards_insert(forwards, forwards->queue.count) = forward;
	forwards_risen(forwards);

	propose = &raft_out_message(raft, RAFT_MSG_PROPOSE, &raft->leader)->propose;
	propose->start_number = raft->start_number;
	propose->request = forward.request;
	propose->fence = proposal->fence;
	propose->epoch = proposal->epoch;
	propose->seen = proposal->seen;
	raft_out_own_entries(raft, propose,
	    raft_stamp_copy(proposal->entries, proposal->entries_count, 0,
		raft_stamps_wanted(raft) ? &stamp : NULL),
	    proposal->entries_count);
}

void
raft_forward_transfer(struct raft *raft, uint64_t ticket, const struct raft_id *target)
{
	struct raft_forwards *forwards = &raft->forwards;
	struct raft_forward forward = {.ticket = ticket, .count = 1};
	struct raft_transfer *transfer;

	must(raft->role != RAFT_LEADER && !raft_id_none(&raft->leader));
	forward.request = ++raft->request;
	/* The leader itself gives up after an election timeout. */
	forward.deadline.ms = raft->now.ms + 2 * raft->settings.election_timeout_ms;
	*forwards_insert(forwards, forwards->queue.count) = forward;
	forwards_risen(forwards);
	transfer = &raft_out_message(raft, RAFT_MSG_TRANSFER, &raft->leader)->transfer;
	transfer->start_number = raft->start_number;
	transfer->request = forward.request;
	transfer->target = *target;
}

/* The first record of the request, or where it would stand. */
static size_t
forwards_find(const struct raft_forwards *forwards, uint64_t request)
{
	size_t low = 0;
	size_t high = forwards->queue.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (forwards_first(forwards)[middle].request < request)
			low = middle + 1;
		else
			high = middle;
	}
	must(low == forwards->queue.count || forwards_first(forwards)[low].request >= request);
	must(low == 0 || forwards_first(forwards)[low - 1].request < request);
	return low;
}

/* The answered part goes; what is before and behind it stays, and its bytes with the first of
 * these. */
static void
forwards_answered(struct raft_forwards *forwards, size_t place, uint64_t serial, uint64_t count)
{
	struct raft_forward whole = forwards_first(forwards)[place];
	uint64_t before = serial - whole.serial;
	uint64_t behind = whole.count - before - count;
	struct raft_forward *at = forwards_first(forwards) + place;

	must(serial >= whole.serial && count > 0);
	must(before < whole.count && count <= whole.count - before);
	if (before == 0 && behind == 0) {
		forwards_remove(forwards, place);
		return;
	}
	at->count = before;
	if (behind == 0)
		return;
	if (before > 0) {
		at = forwards_insert(forwards, place + 1);
		*at = whole;
		at->size = 0;
	}
	at->serial = serial + count;
	at->count = behind;
	must(at->serial + at->count == whole.serial + whole.count);
}

void
raft_forward_answer(struct raft *raft, const struct raft_message *message)
{
	struct raft_forwards *forwards = &raft->forwards;
	const struct raft_answer *answer = &message->answer;
	size_t place = forwards_find(forwards, answer->request);

	if (answer->start_number != raft->start_number ||
	    !raft_id_equal(&message->from, &raft->leader) ||
	    (unsigned)answer->verdict >= RAFT_VERDICTS_COUNT ||
	    (unsigned)answer->reason >= RAFT_REASONS_COUNT || answer->count == 0) {
		raft_core_drop(raft);
		return;
	}
	for (; place < forwards->queue.count; place++) {
		const struct raft_forward *forward = forwards_first(forwards) + place;

		if (forward->request != answer->request)
			break;
		if (answer->serial < forward->serial ||
		    answer->serial - forward->serial >= forward->count ||
		    answer->count > forward->count - (answer->serial - forward->serial))
			continue;
		raft_out_answer(raft, forward->ticket, answer);
		if (answer->verdict == RAFT_COMMITTED && answer->request >= forwards->answered) {
			forwards->answered = answer->request;
			forwards->answered_at = raft->now;
		}
		forwards_answered(forwards, place, answer->serial, answer->count);
		return;
	}
	raft_core_drop(raft); /* answered before, or given up */
}

static void
forward_give_up(struct raft *raft, size_t place, enum raft_reason reason)
{
	const struct raft_forward *forward = forwards_first(&raft->forwards) + place;
	struct raft_answer answer = {0};

	must(place < raft->forwards.queue.count && forward->count > 0);
	answer.verdict = RAFT_UNKNOWN;
	answer.reason = reason;
	answer.serial = forward->serial;
	answer.count = forward->count;
	raft_out_answer(raft, forward->ticket, &answer);
	forwards_remove(&raft->forwards, place);
}

void
raft_forward_fail(struct raft *raft, enum raft_reason reason)
{
	while (raft->forwards.queue.count > 0)
		forward_give_up(raft, 0, reason);
	must(raft->forwards.bytes == 0);
}

/*
 * Ours: an election timeout, and as long as what was sent before it is being committed: then it is
 * on its slow way, and to send it again would make the way slower.  What was overtaken by the
 * answer to a later one is lost, or refused.
 */
uint64_t
raft_forward_deadline(const struct raft *raft)
{
	const struct raft_forwards *forwards = &raft->forwards;
	const struct raft_forward *first = forwards_first(forwards);
	uint64_t silent = forwards->answered_at.ms + raft->settings.election_timeout_ms;

	must(forwards->queue.count > 0);
	must(first->request <= raft->request);
	if (first->request < forwards->answered || silent < first->deadline.ms)
		return first->deadline.ms;
	return silent;
}

void
raft_forward_tick(struct raft *raft)
{
	while (raft->forwards.queue.count > 0 && raft_forward_deadline(raft) <= raft->now.ms)
		forward_give_up(raft, 0, RAFT_REASON_NO_ANSWER);
}
