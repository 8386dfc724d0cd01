/* SPDX-License-Identifier: ISC */
/* The parts of raft-elect that are pure: tickets, messages between nodes, the log as it is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bin/raft-elect/codec.c"
#include "../../bin/raft-elect/load.c"
#include "../../bin/raft-elect/tickets.c"
#include "check.h"

/* ------------------------------------------------------------- tickets */

static void
test_tickets(void)
{
	struct tickets tickets = {0};
	uint64_t numbers[1000];
	for (size_t i = 0; i < 1000; i++)
		numbers[i] = tickets_take(&tickets)->number;
	bool found = true;
	for (size_t i = 0; i < 1000; i++)
		found = found && tickets_find(&tickets, numbers[i])->number == numbers[i];
	check_is(found && tickets.used == 1000, "a thousand tickets are found by their numbers");
	tickets_drop(&tickets, tickets_find(&tickets, numbers[7]));
	check_is(tickets_find(&tickets, numbers[7]) == NULL, "one that was dropped is not found");
	uint64_t again = tickets_take(&tickets)->number;
	check_is(again != numbers[7] && tickets_find(&tickets, numbers[7]) == NULL,
	    "nor is it when its slot is taken again");
	check_is(tickets_find(&tickets, 0) == NULL && tickets_find(&tickets, UINT64_MAX) == NULL,
	    "numbers that were never given find nothing");
	size_t count = 0;
	for (struct ticket *t = NULL; (t = tickets_next(&tickets, t)); count++)
		tickets_drop(&tickets, t);
	check_is(count == 1000 && tickets.used == 0,
	    "each is visited once, and may be dropped meanwhile");
	free(tickets.slots);
}

static void
test_ranges(void)
{
	struct ticket ticket = {.serial = 5, .count = 10};
	check_is(ticket_answered(&ticket, 5, 3) == 3 && ticket.serial == 8 && ticket.count == 7,
	    "an answer to the first serials leaves the rest");
	check_is(ticket_answered(&ticket, 13, 2) == 2 && ticket.serial == 8 && ticket.count == 5,
	    "an answer to the last ones leaves those before");
	check_is(ticket_answered(&ticket, 8, 100) == 5 && ticket.count == 0,
	    "no answer takes more than there is");
}

/* --------------------------------------------------------------- codec */

static void
make_entries(struct raft_entry *entries, size_t count, struct raft_chunk **chunk)
{
	size_t size = RAFT_ENTRY_HEADER_SIZE + 3;
	*chunk = raft_chunk_new(count * size);
	for (size_t i = 0; i < count; i++) {
		uint8_t *at = (*chunk)->bytes + i * size;
		raft_entry_header(at, 4, RAFT_CLIENT, &(struct raft_sid){{1}}, i + 1, 3);
		memcpy(at + RAFT_ENTRY_HEADER_SIZE, "abc", 3);
		must(raft_entry_decode(&entries[i], *chunk, at, size));
	}
}

static struct wire_buf
encode(const struct raft_message *m)
{
	struct wire_buf out = {0};
	const struct raft_entry *entries;
	size_t count;
	codec_put(&out, m, &entries, &count);
	wire_entries_put(&out, entries, count);
	return out;
}

static bool
decode(struct codec_message *in, const uint8_t *bytes, size_t size)
{
	struct wire_frame frame;
	return frame_whole((struct wire_bytes){bytes, size}, FRAME_SIZE_MAX, &frame) &&
	       codec_get(in, &frame);
}

/* Every byte of a field comes back: the struct's bytes, but for the pointers, are compared. */
static void
round_trip(const struct raft_message *m, const char *sentence)
{
	struct wire_buf out = encode(m);
	struct codec_message in = {0};
	bool ok = decode(&in, out.bytes, out.size) && in.message.type == m->type &&
		  in.message.term == m->term;
	if (ok && m->type == RAFT_MSG_APPEND) {
		ok =
		    in.message.append.entries_count == m->append.entries_count &&
		    memcmp(in.chunk->bytes, m->append.entries[0].chunk->bytes, in.chunk->size) == 0;
		in.message.append.entries = m->append.entries;
	} else if (ok && m->type == RAFT_MSG_PROPOSE)
		in.message.propose.entries = m->propose.entries;
	struct wire_buf again = ok ? encode(&in.message) : (struct wire_buf){0};
	check_is(ok && again.size == out.size && memcmp(again.bytes, out.bytes, out.size) == 0,
	    sentence);
	codec_drop(&in);
	size_t wrong = 0;
	for (size_t size = 0; size < out.size; size++)
		wrong += decode(&in, out.bytes, size);
	check_is(wrong == 0, "and no part of it is one");
	wire_buf_free(&out);
	wire_buf_free(&again);
}

static void
test_codec(void)
{
	struct raft_entry entries[3];
	struct raft_chunk *chunk;
	struct raft_pos pos = {0x1122334455667788, 0x99};
	make_entries(entries, 3, &chunk);
	round_trip(
	    &(struct raft_message){.type = RAFT_MSG_VOTE, .term = 3, .vote = {true, true, pos}},
	    "a vote comes back as it went");
	round_trip(&(struct raft_message){.type = RAFT_MSG_VOTE_REPLY,
		       .vote_reply = {true, false, true, 0, 0}},
	    "a vote_reply comes back as it went");
	round_trip(&(struct raft_message){.type = RAFT_MSG_APPEND,
		       .term = 9,
		       .append = {0, 0, pos, 2, 3, 4, 5, 6, entries, 3}},
	    "an append comes back as it went");
	round_trip(&(struct raft_message){.type = RAFT_MSG_APPEND,
		       .term = 9,
		       .append = {7, 8, pos, 2, 3, 4, 5, 6, entries, 3}},
	    "an append with the leader's times comes back as it went");
	round_trip(&(struct raft_message){.type = RAFT_MSG_APPEND_REPLY,
		       .append_reply = {true, false, true, 2, 3, 4, pos, 5, 6, 7}},
	    "an append_reply comes back as it went");
	round_trip(&(struct raft_message){.type = RAFT_MSG_PROPOSE,
		       .propose = {1, 2, 3, 4, 5, entries, 3}},
	    "a propose comes back as it went");
	round_trip(&(struct raft_message){.type = RAFT_MSG_ANSWER,
		       .answer = {1, 2, RAFT_UNKNOWN, RAFT_REASON_BUSY, 3, 4, pos, 5, 6}},
	    "an answer comes back as it went");
	round_trip(&(struct raft_message){.type = RAFT_MSG_READ, .read = {1, 2}},
	    "a read comes back as it went");
	round_trip(
	    &(struct raft_message){.type = RAFT_MSG_READ_REPLY, .read_reply = {1, 2, true, 3}},
	    "a read_reply comes back as it went");
	raft_chunk_unref(chunk);
}

static void
test_codec_bad(void)
{
	struct codec_message in;
	struct wire_buf out = encode(
	    &(struct raft_message){.type = RAFT_MSG_ANSWER, .answer = {.verdict = RAFT_UNKNOWN}});
	/* After the header: term, start_number and request, eight bytes each. */
	out.bytes[FRAME_HEADER_SIZE + 24] = RAFT_VERDICTS_COUNT;
	check_is(!decode(&in, out.bytes, out.size), "a verdict that is none is malformed");
	wire_buf_free(&out);
}

/* ---------------------------------------------------------------- load */

static void
put_u64s(struct wire_buf *out, const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes_put_u64(wire_buf_add(out, 8), values[i]);
}

static const char *
part(struct load *load, uint8_t what, uint64_t first_index, const struct wire_buf *records)
{
	return load_part(
	    load, &(struct msg_log_part){what, first_index, {records->bytes, records->size}});
}

/* A log of entries 1 to 6 of terms 1, 1, 1, 4, 4, 4, of which the first three are committed. */
static struct load *
told(struct wire_buf *entries_out)
{
	struct load *load = load_new();
	struct raft_entry entries[3];
	struct raft_chunk *chunk;
	struct raft_config config = {.count = 1, .members = {{.id = {"n1"}, .role = RAFT_VOTER}}};
	struct wire_buf terms = {0}, configs = {0};
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	size_t size = raft_config_encode(&config, bytes);
	struct msg_log_state state = {
	    .term = 5, .vote = {"n1"}, .last = {6, 4}, .commit = {3, 1}, .flags = WIRE_MARK_VALID};
	make_entries(entries, 3, &chunk);
	put_u64s(&terms, (uint64_t[]){1, 1, 4, 4}, 4);
	put_u64s(&configs, (uint64_t[]){0}, 1);
	bytes_put_u32(wire_buf_add(&configs, 4), (uint32_t)size);
	wire_buf_put(&configs, bytes, size);
	wire_entries_put(entries_out, entries, 3);
	must(load_state(load, &state) == NULL);
	must(part(load, WIRE_TERMS, 0, &terms) == NULL);
	must(part(load, WIRE_CONFIGS, 0, &configs) == NULL);
	raft_chunk_unref(chunk);
	wire_buf_free(&terms);
	wire_buf_free(&configs);
	return load;
}

static void
test_load(void)
{
	struct wire_buf entries = {0};
	struct raft_start start;
	struct load *load = told(&entries);
	check_is(part(load, WIRE_ENTRIES, 4, &entries) == NULL && load_end(load, &start) == NULL &&
		     start.last.index == 6 && start.entries_count == 3 &&
		     start.entries[2].serial == 3 && start.terms_count == 2 &&
		     start.configs_count == 1 && start.mark_valid && !start.recovering,
	    "a log that is told whole is what the core starts from");
	raft_sessions_free(start.sessions);
	load_free(load);

	entries.size = 0;
	load = told(&entries);
	check_is(load_end(load, &start) != NULL, "one without its entries is not");
	check_is(part(load, WIRE_ENTRIES, 5, &entries) != NULL, "nor is one with a gap");
	entries.size--;
	check_is(
	    part(load, WIRE_ENTRIES, 4, &entries) != NULL, "nor is one with a part of an entry");
	load_free(load);

	load = load_new();
	check_is(load_end(load, &start) != NULL && part(load, WIRE_ENTRIES, 4, &entries) != NULL,
	    "nor is one without a state");
	load_free(load);

	struct raft_session ahead = {.sid = {{1}}, .serial = 1, .last_index = 4};
	struct wire_buf sessions = {0};
	wire_session_put(&sessions, &ahead);
	load = told(&entries);
	check_is(part(load, WIRE_SESSIONS, 0, &sessions) != NULL,
	    "nor is one with a session that is ahead of the commit index");
	load_free(load);
	wire_buf_free(&sessions);

	struct raft_contract_at contract = {3, {.reply_max = 1, .entry_max = 1, .format = "k"}};
	struct wire_buf contracts = {0};
	entries.size = 0;
	load = told(&entries);
	wire_contract_put(&contracts, &contract);
	check_is(part(load, WIRE_CONTRACT, 0, &contracts) == NULL &&
		     part(load, WIRE_ENTRIES, 4, &entries) == NULL &&
		     load_end(load, &start) == NULL && start.contract.index == 3 &&
		     raft_contract_difference(&start.contract.contract, &contract.contract) == NULL,
	    "its contract is that in force at the commit index");
	raft_sessions_free(start.sessions);
	load_free(load);
	load = told(&entries);
	bytes_put_u64(contracts.bytes, 4);
	check_is(part(load, WIRE_CONTRACT, 0, &contracts) != NULL,
	    "a contract that is ahead of the commit index is none");
	bytes_put_u64(contracts.bytes, 3);
	contracts.bytes[contracts.size - 1] = 0;
	check_is(part(load, WIRE_CONTRACT, 0, &contracts) != NULL, "nor is one that is malformed");
	load_free(load);
	wire_buf_free(&contracts);

	entries.size = 0;
	load = told(&entries);
	bytes_put_u64(entries.bytes, 1);
	check_is(part(load, WIRE_ENTRIES, 4, &entries) == NULL && load_end(load, &start) != NULL,
	    "nor is one whose entries have other terms than it lists");
	load_free(load);

	static const struct msg_log_state bad[] = {
	    {.term = 3, .last = {6, 4}, .commit = {3, 1}},
	    {.term = 5, .before = {0, 1}, .last = {6, 4}, .commit = {3, 1}},
	    {.term = 5, .before = {2, 5}, .last = {6, 4}, .commit = {3, 1}},
	    {.term = 5, .last = {UINT64_MAX, 4}, .commit = {UINT64_MAX, 4}},
	    {.term = 5, .last = {2, 1}, .commit = {3, 1}},
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		load = load_new();
		check_is(load_state(load, &bad[i]) != NULL,
		    "nor is one whose places and terms are out of order");
		load_free(load);
	}
	wire_buf_free(&entries);
}

int
main(void)
{
	test_tickets();
	test_ranges();
	test_codec();
	test_codec_bad();
	test_load();
	return check_done();
}
