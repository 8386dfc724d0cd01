/* SPDX-License-Identifier: ISC */
/*
 * Recording, hashing and printing of what happens.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static void
record_print(FILE *out, const struct trace_record *record)
{
	const char *key = record->keys;

	fprintf(out, "%7" PRIu64 " %10.3f ms ", record->step, (double)record->at_us / 1000);
	fprintf(out, record->node >= 0 ? "n%d" : "--", record->node + 1);
	if (record->peer >= 0)
		fprintf(out, ">n%d", record->peer + 1);
	fprintf(out, "%s %s", record->peer >= 0 ? "" : "   ", record->what);
	for (int i = 0; i < TRACE_VALUES && *key != '\0'; i++) {
		size_t size = strcspn(key, " ");

		fprintf(out, " %.*s=%" PRIu64, (int)size, key, record->values[i]);
		key += size + (key[size] == ' ');
	}
	fprintf(out, "%s%s\n", record->text[0] == '\0' ? "" : " ", record->text);
}

static struct trace_record *
record_new(struct sim *sim, int node, int peer, const char *what, const char *keys)
{
	struct trace_record *record = &sim->trace.ring[sim->trace.count++ % TRACE_RING];

	record->step = sim->step;
	record->at_us = sim->world.now_us;
	record->what = what;
	record->keys = keys;
	record->node = node;
	record->peer = peer;
	record->text[0] = '\0';
	memset(record->values, 0, sizeof record->values);
	return record;
}

static uint64_t
fold(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9fb21c651e98df25u;
	return hash ^ hash >> 32;
}

static void
record_end(struct sim *sim, const struct trace_record *record)
{
	uint64_t hash = fold(sim->trace.hash, record->at_us);

	hash = fold(
	    hash, (uint64_t)(record->node * 64 + record->peer) ^ (uint64_t)record->what[0] << 32);
	for (int i = 0; i < TRACE_VALUES; i++)
		hash = fold(hash, record->values[i]);
	sim->trace.hash = hash;
	if (sim->trace.print)
		record_print(stdout, record);
}

void
trace_add(struct sim *sim, int node, int peer, const char *what, const char *keys, uint64_t a,
    uint64_t b, uint64_t c)
{
	struct trace_record *record = record_new(sim, node, peer, what, keys);

	record->values[0] = a;
	record->values[1] = b;
	record->values[2] = c;
	record_end(sim, record);
}

void
trace_text(struct sim *sim, int node, const char *what, const char *text)
{
	struct trace_record *record = record_new(sim, node, -1, what, "");

	snprintf(record->text, sizeof record->text, "%s", text);
	record_end(sim, record);
}

static void
message_values(struct trace_record *record, const struct raft_message *message)
{
	uint64_t *v = record->values;

	v[0] = message->term;
	switch (message->type) {
	case RAFT_MSG_VOTE:
		record->keys = "term pre last lastterm transfer";
		v[1] = message->vote.pre;
		v[2] = message->vote.last.index;
		v[3] = message->vote.last.term;
		v[4] = message->vote.transfer;
		break;
	case RAFT_MSG_VOTE_REPLY:
		record->keys = "term pre granted recovering";
		v[1] = message->vote_reply.pre;
		v[2] = message->vote_reply.granted;
		v[3] = message->vote_reply.recovering;
		break;
	case RAFT_MSG_APPEND:
		record->keys = "term prev prevterm count commit round";
		v[1] = message->append.prev.index;
		v[2] = message->append.prev.term;
		v[3] = message->append.entries_count;
		v[4] = message->append.commit;
		v[5] = message->append.round;
		break;
	case RAFT_MSG_APPEND_REPLY:
		record->keys = "term ok match round hint recovering";
		v[1] = message->append_reply.ok;
		v[2] = message->append_reply.match;
		v[3] = message->append_reply.round;
		v[4] = message->append_reply.hint.index;
		v[5] = (uint64_t)message->append_reply.recovering *
		       (1 + message->append_reply.mark_valid);
		break;
	case RAFT_MSG_PROPOSE:
		record->keys = "term request serial count epoch fence";
		v[1] = message->propose.request;
		v[2] = message->propose.entries_count > 0 ? message->propose.entries[0].serial : 0;
		v[3] = message->propose.entries_count;
		v[4] = message->propose.epoch;
		v[5] = message->propose.fence;
		break;
	case RAFT_MSG_ANSWER:
		record->keys = "term request verdict reason serial index";
		v[1] = message->answer.request;
		v[2] = message->answer.verdict;
		v[3] = message->answer.reason;
		v[4] = message->answer.serial;
		v[5] = message->answer.pos.index;
		break;
	case RAFT_MSG_READ:
		record->keys = "term request";
		v[1] = message->read.request;
		break;
	case RAFT_MSG_READ_REPLY:
		record->keys = "term request ok index";
		v[1] = message->read_reply.request;
		v[2] = message->read_reply.ok;
		v[3] = message->read_reply.index;
		break;
	case RAFT_MSG_TIMEOUT_NOW:
		record->keys = "term";
		break;
	case RAFT_MSG_TRANSFER:
		record->keys = "term request";
		v[1] = message->transfer.request;
		break;
	case RAFT_MESSAGES_COUNT:
		break;
	}
}

void
trace_message(struct sim *sim, const char *what, const struct raft_message *message)
{
	struct trace_record *record =
	    record_new(sim, sim_number(&message->from), sim_number(&message->to), what, "");

	message_values(record, message);
	snprintf(record->text, sizeof record->text, "%s", raft_message_name(message->type));
	record_end(sim, record);
}

void
trace_tail(const struct sim *sim, size_t count)
{
	uint64_t first = sim->trace.count > count ? sim->trace.count - count : 0;

	if (sim->trace.count - first > TRACE_RING)
		first = sim->trace.count - TRACE_RING;
	for (uint64_t i = first; i < sim->trace.count; i++)
		record_print(stderr, &sim->trace.ring[i % TRACE_RING]);
}
