/* SPDX-License-Identifier: ISC */
/*
 * What leaves the core with the next update: messages, answers, reads, fetches.
 *
 * A message that is sent in a term, or upon a vote, that is not yet durable
 * waits for the write that makes it so (§3.8).  Those numbers never fall from
 * one message to the next, so the queue is one queue and stays in order.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

struct raft_message *
raft_out_message(struct raft *raft, enum raft_message_type type, const struct raft_id *to)
{
	struct raft_out *out = &raft->out;
	size_t wanted = out->messages_count + 1;
	struct raft_message *message;

	must(!raft_id_none(to));
	must(!raft_id_equal(to, &raft->id));
	RAFT_GROW(out->messages, out->messages_size, wanted);
	RAFT_GROW(out->after, out->after_size, wanted);
	RAFT_GROW(out->owned, out->owned_size, wanted);
	message = &out->messages[out->messages_count];
	memset(message, 0, sizeof *message);
	message->type = type;
	message->from = raft->id;
	message->to = *to;
	message->term = raft->term;
	out->after[out->messages_count] = raft_store_hard_number(&raft->store);
	out->owned[out->messages_count] = NULL;
	must(out->messages_count == 0 ||
	     out->after[out->messages_count - 1] <= out->after[out->messages_count]);
	out->messages_count++;
	return message;
}

void
raft_out_own_entries(
    struct raft *raft, struct raft_propose *propose, struct raft_entry *copy, size_t count)
{
	must(count > 0);
	must(raft->out.messages_count > 0);
	must(raft->out.owned[raft->out.messages_count - 1] == NULL);
	raft->out.owned[raft->out.messages_count - 1] = copy;
	propose->entries = copy;
	propose->entries_count = count;
}

void
raft_out_answer(struct raft *raft, uint64_t ticket, const struct raft_answer *answer)
{
	struct raft_out *out = &raft->out;

	must((unsigned)answer->verdict < RAFT_VERDICTS_COUNT);
	must((unsigned)answer->reason < RAFT_REASONS_COUNT);
	RAFT_GROW(out->answers, out->answers_size, out->answers_count + 1);
	out->answers[out->answers_count].ticket = ticket;
	out->answers[out->answers_count++].answer = *answer;
}

void
raft_out_read(struct raft *raft, const struct raft_read_answer *answer)
{
	struct raft_out *out = &raft->out;

	must(answer->ok == (answer->reason == RAFT_REASON_NONE));
	RAFT_GROW(out->reads, out->reads_size, out->reads_count + 1);
	out->reads[out->reads_count++] = *answer;
}

void
raft_out_fetch(struct raft *raft, const struct raft_fetch *fetch)
{
	struct raft_out *out = &raft->out;

	must(fetch->request > 0);
	must(fetch->first_index > raft->log.before.index);
	must(fetch->first_index < raft->log.tail_first);
	RAFT_GROW(out->fetches, out->fetches_size, out->fetches_count + 1);
	out->fetches[out->fetches_count++] = *fetch;
}

void
raft_out_snapshot(struct raft *raft, const struct raft_id *peer)
{
	struct raft_out *out = &raft->out;

	must(raft->role == RAFT_LEADER);
	RAFT_GROW(out->snapshots, out->snapshots_size, out->snapshots_count + 1);
	out->snapshots[out->snapshots_count++].peer = *peer;
}

void
raft_out_take(struct raft *raft, struct raft_update *update)
{
	struct raft_out *out = &raft->out;
	size_t ready = 0;

	/* All that waits, waits for a write that has been handed out. */
	must(out->messages_count == 0 || out->after[out->messages_count - 1] <= raft->store.number);
	while (ready < out->messages_count && out->after[ready] <= raft->store.stored)
		ready++;
	out->messages_ready = ready;
	update->messages = out->messages;
	update->messages_count = ready;
	update->answers = out->answers;
	update->answers_count = out->answers_count;
	update->reads = out->reads;
	update->reads_count = out->reads_count;
	update->fetches = out->fetches;
	update->fetches_count = out->fetches_count;
	update->snapshots = out->snapshots;
	update->snapshots_count = out->snapshots_count;
	out->taken = true;
}

static void
owned_free(struct raft_entry *entries, const struct raft_message *message)
{
	if (entries == NULL)
		return;
	must(message->type == RAFT_MSG_PROPOSE);
	raft_stamp_copy_free(entries, message->propose.entries_count);
}

void
raft_out_release(struct raft *raft)
{
	struct raft_out *out = &raft->out;
	size_t left = out->messages_count - out->messages_ready;

	if (!out->taken)
		return;
	for (size_t i = 0; i < out->messages_ready; i++)
		owned_free(out->owned[i], &out->messages[i]);
	if (left > 0) {
		memmove(out->messages, out->messages + out->messages_ready,
		    left * sizeof *out->messages);
		memmove(out->after, out->after + out->messages_ready, left * sizeof *out->after);
		memmove(out->owned, out->owned + out->messages_ready, left * sizeof *out->owned);
	}
	must(left == 0 || out->after[0] > 0);
	out->messages_count = left;
	out->messages_ready = 0;
	out->answers_count = 0;
	out->reads_count = 0;
	out->fetches_count = 0;
	out->snapshots_count = 0;
	out->taken = false;
}

void
raft_out_free(struct raft *raft)
{
	struct raft_out *out = &raft->out;

	for (size_t i = 0; i < out->messages_count; i++)
		owned_free(out->owned[i], &out->messages[i]);
	free(out->messages);
	free(out->after);
	free(out->owned);
	free(out->answers);
	free(out->reads);
	free(out->fetches);
	free(out->snapshots);
}
