/* SPDX-License-Identifier: ISC */
/*
 * ReadIndex (§6.4): the leader notes its commit index, makes sure by a round of
 * heartbeats begun afterwards that it still leads, and only then answers.
 *
 * A read waits for the round after the one that is under way when it comes, so
 * it never inherits an older acknowledgement.  A follower asks the leader of its
 * term once; the answer comes, or "no" within an election timeout.
 */
#include "core.h"

#include <string.h>

static void
read_answer(struct raft *raft, const struct raft_origin *origin, bool ok, uint64_t index,
    enum raft_reason reason)
{
	struct raft_read_answer answer = {origin->ticket, ok, index, reason};
	struct raft_read_reply *reply;

	must(ok == (reason == RAFT_REASON_NONE));
	if (origin->local) {
		raft_out_read(raft, &answer);
		return;
	}
	raft_replicate_hasten(raft, &origin->from);
	reply = &raft_out_message(raft, RAFT_MSG_READ_REPLY, &origin->from)->read_reply;
	reply->start_number = origin->start_number;
	reply->request = origin->request;
	reply->ok = ok;
	reply->index = index;
}

/* --------------------------------------------------------- the leader */

static void
read_lead(struct raft *raft, const struct raft_origin *origin)
{
	struct raft_reads *reads = &raft->reads;

	if (reads->waits_count >= CORE_READS_MAX) {
		read_answer(raft, origin, false, 0, RAFT_REASON_BUSY);
		return;
	}
	must(raft->role == RAFT_LEADER);
	must(reads->waits_count == 0 ||
	     reads->waits[reads->waits_count - 1].round <= raft->round + 1);
	RAFT_GROW(reads->waits, reads->waits_size, reads->waits_count + 1);
	reads->waits[reads->waits_count++] =
	    (struct raft_read_wait){*origin, raft->commit, raft->round + 1};
	raft->round_wanted = true;
	raft_read_confirm(raft);
}

void
raft_read_confirm(struct raft *raft)
{
	struct raft_reads *reads = &raft->reads;
	uint64_t confirmed;
	size_t done = 0;

	/* Before that the commit index may be older than what others have acknowledged (§6.4). */
	if (!raft_commit_own_term(raft) || reads->waits_count == 0)
		return;
	confirmed = raft_quorum_round(raft);
	while (done < reads->waits_count && reads->waits[done].round <= confirmed) {
		const struct raft_read_wait *wait = &reads->waits[done++];

		must(wait->index <= raft->commit);
		must(wait->round <= raft->round + 1);
		read_answer(raft, &wait->origin, true,
		    wait->index > raft->term_first ? wait->index : raft->term_first,
		    RAFT_REASON_NONE);
	}
	reads->waits_count -= done;
	memmove(reads->waits, reads->waits + done, reads->waits_count * sizeof *reads->waits);
}

void
raft_read_stepped_down(struct raft *raft)
{
	must(raft->role == RAFT_LEADER);
	for (size_t i = 0; i < raft->reads.waits_count; i++)
		read_answer(raft, &raft->reads.waits[i].origin, false, 0, RAFT_REASON_STEPPED_DOWN);
	raft->reads.waits_count = 0;
}

void
raft_read_message(struct raft *raft, const struct raft_message *message)
{
	struct raft_origin origin = {.from = message->from,
	    .start_number = message->read.start_number,
	    .request = message->read.request};

	if (raft_peer_find(raft, &message->from) == NULL)
		raft_core_drop(raft);
	else if (raft->role != RAFT_LEADER || message->term != raft->term)
		read_answer(raft, &origin, false, 0, RAFT_REASON_NOT_LEADER);
	else
		read_lead(raft, &origin);
}

/* ------------------------------------------------------- the follower */

static void
read_forward(struct raft *raft, const struct raft_origin *origin)
{
	struct raft_reads *reads = &raft->reads;
	struct raft_read_forward forward = {0};
	struct raft_read *read;

	if (reads->forwards_count >= CORE_FORWARDS_MAX) {
		read_answer(raft, origin, false, 0, RAFT_REASON_BUSY);
		return;
	}
	must(raft->role != RAFT_LEADER);
	must(reads->forwards_count == 0 ||
	     reads->forwards[reads->forwards_count - 1].request <= raft->request);
	forward.request = ++raft->request;
	forward.ticket = origin->ticket;
	forward.deadline.ms = raft->now.ms + raft->settings.election_timeout_ms;
	RAFT_GROW(reads->forwards, reads->forwards_size, reads->forwards_count + 1);
	reads->forwards[reads->forwards_count++] = forward;
	read = &raft_out_message(raft, RAFT_MSG_READ, &raft->leader)->read;
	read->start_number = raft->start_number;
	read->request = forward.request;
}

void
raft_read_local(struct raft *raft, uint64_t ticket)
{
	struct raft_origin origin = {.local = true, .ticket = ticket};

	if (raft->role == RAFT_LEADER)
		read_lead(raft, &origin);
	else if (raft_id_none(&raft->leader))
		read_answer(raft, &origin, false, 0, RAFT_REASON_NO_LEADER);
	else
		read_forward(raft, &origin);
}

/* `count` of the forwards, from place on, are answered. */
static void
read_forwards_remove(struct raft_reads *reads, size_t place, size_t count)
{
	if (count == 0)
		return;
	must(count <= reads->forwards_count && place <= reads->forwards_count - count);
	reads->forwards_count -= count;
	memmove(reads->forwards + place, reads->forwards + place + count,
	    (reads->forwards_count - place) * sizeof *reads->forwards);
}

static void
read_give_up(struct raft *raft, size_t count, enum raft_reason reason)
{
	for (size_t i = 0; i < count; i++) {
		struct raft_origin origin = {
		    .local = true, .ticket = raft->reads.forwards[i].ticket};

		read_answer(raft, &origin, false, 0, reason);
	}
	read_forwards_remove(&raft->reads, 0, count);
}

void
raft_read_reply(struct raft *raft, const struct raft_message *message)
{
	struct raft_reads *reads = &raft->reads;
	const struct raft_read_reply *reply = &message->read_reply;

	for (size_t i = 0; i < reads->forwards_count; i++) {
		struct raft_origin origin = {.local = true, .ticket = reads->forwards[i].ticket};

		if (reads->forwards[i].request != reply->request ||
		    reply->start_number != raft->start_number ||
		    !raft_id_equal(&message->from, &raft->leader))
			continue;
		read_answer(raft, &origin, reply->ok, reply->index,
		    reply->ok ? RAFT_REASON_NONE : RAFT_REASON_NOT_LEADER);
		read_forwards_remove(reads, i, 1);
		return;
	}
	raft_core_drop(raft);
}

void
raft_read_forwards_fail(struct raft *raft, enum raft_reason reason)
{
	read_give_up(raft, raft->reads.forwards_count, reason);
}

void
raft_read_tick(struct raft *raft)
{
	size_t late = 0;

	while (late < raft->reads.forwards_count &&
	       raft->reads.forwards[late].deadline.ms <= raft->now.ms)
		late++;
	if (late > 0)
		read_give_up(raft, late, RAFT_REASON_NO_ANSWER);
}
