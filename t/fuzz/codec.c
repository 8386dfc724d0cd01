/* SPDX-License-Identifier: ISC */
/* Messages between nodes, as the core takes them: what is decoded encodes to the same bytes. */
#include "../../bin/raft-elect/codec.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct wire_frame frame;
	struct codec_message in;
	struct wire_buf made = {0};
	const struct raft_entry *entries;
	size_t count;

	if (!frame_whole((struct wire_bytes){bytes, size}, FRAME_SIZE_MAX, &frame) ||
	    !codec_get(&in, &frame))
		return 0;
	must((unsigned)in.message.type < RAFT_MESSAGES_COUNT);
	must(raft_id_none(&in.message.from));
	codec_put(&made, &in.message, &entries, &count);
	wire_entries_put(&made, entries, count);
	must(made.size == size);
	must(memcmp(made.bytes, bytes, size) == 0);
	wire_buf_free(&made);
	codec_drop(&in);
	return 0;
}

static void
seeds(void)
{
	uint8_t record[RAFT_ENTRY_HEADER_SIZE + 1] = {0};
	struct raft_sid sid = {{1}};
	struct raft_entry entry;

	raft_entry_header(record, 1, RAFT_CLIENT, &sid, 1, 1);
	must(raft_entry_decode(&entry, NULL, record, sizeof record));
	/* One more: an append has two forms. */
	for (unsigned type = 0; type <= RAFT_MESSAGES_COUNT; type++) {
		struct raft_message message = {.type = (enum raft_message_type)type, .term = 1};
		struct wire_buf made = {0};
		const struct raft_entry *entries;
		size_t count;

		if (type == RAFT_MESSAGES_COUNT) {
			message.type = RAFT_MSG_APPEND;
			message.append.timeout = 1;
		} else if (type == RAFT_MSG_VOTE_REPLY) {
			message.vote_reply.timeout = message.vote_reply.grace = 1;
		} else if (type == RAFT_MSG_APPEND) {
			message.append.entries = &entry;
			message.append.entries_count = 1;
		} else if (type == RAFT_MSG_PROPOSE) {
			message.propose.entries = &entry;
			message.propose.entries_count = 1;
		}
		codec_put(&made, &message, &entries, &count);
		wire_entries_put(&made, entries, count);
		fuzz_seed(made.bytes, made.size);
		wire_buf_free(&made);
	}
}
