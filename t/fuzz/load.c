/* SPDX-License-Identifier: ISC */
/*
 * What raft-elect is told of its log at start: a stream of frames, log_state, log_part …,
 * log_end.  A state that is taken is one from which a core starts, stands and leads.
 */
#include "../../bin/raft-elect/load.h"
#include "fuzz.h"

static const struct raft_settings settings = {
    .id = {"n1"},
    .seed = 1,
    .election_timeout_ms = 1000,
    .heartbeat_ms = 100,
    .store_timeout_ms = 2000,
    .message_size_max = 4096,
    .window_size_max = 16384,
    .window_messages_max = 8,
    .uncommitted_size_max = 1 << 20,
    .tail_size_max = 1 << 16,
    .entry_size_max = 65536,
    .level_max = RAFT_LEVEL_MAX,
};

static void
vote_for(struct raft *raft, struct mono_ms now, bool pre, uint64_t term)
{
	const struct raft_config *config = raft_config_now(raft);
	struct raft_config copy = *config;

	for (size_t i = 0; i < copy.count; i++) {
		struct raft_update update;
		struct raft_message message = {.type = RAFT_MSG_VOTE_REPLY,
		    .from = copy.members[i].id,
		    .to = settings.id,
		    .term = term,
		    .vote_reply = {.pre = pre, .granted = true}};
		struct raft_event event = {
		    .type = RAFT_EVENT_MESSAGE, .now = now, .message = &message};

		raft_step(raft, &event, &update);
	}
}

/* Time passes, its writes become durable, and everyone votes for it. */
static void
run(struct raft *raft)
{
	struct mono_ms now = {1000};

	for (int i = 0; i < 8; i++) {
		struct raft_update update;
		struct raft_event event = {.type = RAFT_EVENT_TIME};
		struct raft_status status;

		now.ms += 2000;
		event.now = now;
		raft_step(raft, &event, &update);
		event.type = RAFT_EVENT_STORED;
		event.stored_number = update.write.number;
		if (update.write.number != 0)
			raft_step(raft, &event, &update);
		raft_status(raft, now, &status);
		must(status.commit.index <= status.last.index);
		if (status.role == RAFT_PRE_CANDIDATE)
			vote_for(raft, now, true, status.term + 1);
		else if (status.role == RAFT_CANDIDATE)
			vote_for(raft, now, false, status.term);
	}
}

static void
begin(struct load *load)
{
	struct raft_start start;

	if (load_end(load, &start) != NULL)
		return;
	start.start_number = 7;
	struct raft *raft = raft_new(&settings, &start, (struct mono_ms){1000});
	must(raft != NULL);
	run(raft);
	raft_free(raft);
}

static const char *
take(struct load *load, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_log_state state;
	struct msg_log_part part;

	if (number == MSG_LOG_STATE && msg_log_state_get(&state, body, size))
		return load_state(load, &state);
	if (number == MSG_LOG_PART && msg_log_part_get(&part, body, size))
		return load_part(load, &part);
	return "another message";
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct load *load = load_new();

	for (;;) {
		struct wire_frame frame;

		if (frame_get(bytes, size, FRAME_SIZE_MAX, &frame) != 1) {
			begin(load);
			break;
		}
		if (take(load, frame.number, frame.body, frame.size) != NULL)
			break;
		bytes += frame.whole.size;
		size -= frame.whole.size;
	}
	load_free(load);
	return 0;
}

static void
part(struct wire_buf *out, enum wire_log_part what, uint64_t first_index,
    const struct wire_buf *records)
{
	msg_log_part_put(out,
	    &(struct msg_log_part){(uint8_t)what, first_index, {records->bytes, records->size}});
}

static void
put_level(struct wire_buf *out)
{
	struct wire_buf level = {0};

	bytes_put_u64(wire_buf_add(&level, 8), RAFT_LEVEL_MAX);
	bytes_put_u64(wire_buf_add(&level, 8), 1000);
	part(out, WIRE_LEVEL, 0, &level);
	wire_buf_free(&level);
}

static void
put_contract(struct wire_buf *out, uint64_t index)
{
	struct raft_contract_at at = {
	    index, {.reply_max = 1, .entry_max = 1 << 20, .format = "kv-1"}};
	struct wire_buf contract = {0};

	wire_contract_put(&contract, &at);
	part(out, WIRE_CONTRACT, 0, &contract);
	wire_buf_free(&contract);
}

/* A log of three entries, the first two of them committed; n1 alone, or with a second voter. */
static void
seed(size_t members, uint64_t before)
{
	struct wire_buf out = {0}, terms = {0}, configs = {0}, sessions = {0}, entries = {0};
	struct raft_config config = {.count = members,
	    .members = {{.id = {"n1"}, .role = RAFT_VOTER, .key = {1}},
		{.id = {"n2"}, .role = RAFT_VOTER, .key = {2}, .address = "tcp://a:1"}}};
	struct raft_session session = {.sid = {{1}}, .serial = 1, .last_index = before + 2};
	struct raft_sid sid = {{1}};
	uint8_t encoded[RAFT_CONFIG_SIZE_MAX];
	size_t size = raft_config_encode(&config, encoded);

	bytes_put_u64(wire_buf_add(&terms, 8), before + 1);
	bytes_put_u64(wire_buf_add(&terms, 8), 2);
	bytes_put_u64(wire_buf_add(&configs, 8), before);
	bytes_put_u32(wire_buf_add(&configs, 4), (uint32_t)size);
	wire_buf_put(&configs, encoded, size);
	wire_session_put(&sessions, &session);
	raft_entry_header(
	    wire_buf_add(&entries, RAFT_ENTRY_HEADER_SIZE), 2, RAFT_CLIENT, &sid, 2, 1);
	wire_buf_put(&entries, "x", 1);
	msg_log_state_put(&out, &(struct msg_log_state){.term = 2,
				    .before = {before, before > 0},
				    .last = {before + 3, 2},
				    .commit = {before + 2, 2},
				    .flags = WIRE_MARK_VALID});
	part(&out, WIRE_TERMS, 0, &terms);
	part(&out, WIRE_CONFIGS, 0, &configs);
	part(&out, WIRE_SESSIONS, 0, &sessions);
	if (before > 0) {
		put_level(&out);
		put_contract(&out, before);
	}
	part(&out, WIRE_ENTRIES, before + 3, &entries);
	fuzz_seed(out.bytes, out.size);
	wire_buf_free(&out);
	wire_buf_free(&terms);
	wire_buf_free(&configs);
	wire_buf_free(&sessions);
	wire_buf_free(&entries);
}

static void
seeds(void)
{
	seed(1, 0);
	seed(2, 0);
	seed(2, 5);
}
