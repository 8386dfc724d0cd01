/* SPDX-License-Identifier: ISC */
/* The head of a snapshot's stream, as it comes from a peer or lies on the disk. */
#include "raft/session.h"
#include "seal/snapshot.h"
#include "fuzz.h"

/* Each piece lies within the head, and the pieces in their order. */
static void
pieces_check(const struct snapshot_head *head, const uint8_t *bytes, size_t size)
{
	const struct wire_bytes pieces[] = {head->name, head->format, head->config, head->sessions};
	const uint8_t *at = bytes;

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		must(pieces[i].bytes >= at);
		at = pieces[i].bytes + pieces[i].size;
	}
	must(at <= bytes + size);
}

static void
sessions_check(const struct snapshot_head *head)
{
	struct raft_sessions *table = snapshot_sessions(head);
	struct wire_bytes run = head->sessions;
	struct raft_session session;

	must(table != NULL);
	while (run.size > 0) {
		must(wire_session_get(&session, &run));
		must(session.last_index <= head->pos.index);
	}
	raft_sessions_free(table);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct snapshot_head head;
	struct raft_config config;
	struct wire_buf made = {0};

	if (size >= SNAPSHOT_PREFIX_SIZE)
		must(snapshot_head_size(bytes) <= SNAPSHOT_HEAD_MAX);
	if (!snapshot_head_get(&head, bytes, size)) {
		must(!snapshot_head_newer(bytes, size) || snapshot_head_size(bytes) == size);
		return 0;
	}
	must(!snapshot_head_newer(bytes, size));
	must(head.pos.index > 0 && head.pos.term > 0);
	pieces_check(&head, bytes, size);
	must(raft_config_decode(&config, head.config.bytes, head.config.size));
	must(raft_config_voters(&config) > 0);
	sessions_check(&head);
	snapshot_head_put(&made, &head);
	if (bytes_get_u32(bytes + 8) == SNAPSHOT_VERSION)
		/* There is one way to write it. */
		must(made.size == size && memcmp(made.bytes, bytes, size) == 0);
	else
		/* One of version 1 is the same but for its version, size and end. */
		must(made.size > size &&
		     memcmp(made.bytes + SNAPSHOT_PREFIX_SIZE, bytes + SNAPSHOT_PREFIX_SIZE,
			 size - SNAPSHOT_PREFIX_SIZE) == 0 &&
		     snapshot_head_get(&head, made.bytes, made.size));
	wire_buf_free(&made);
	return 0;
}

static void
seed(uint64_t index, const char *format, const struct raft_session *sessions, size_t count,
    size_t members)
{
	struct raft_config config = {.count = members};
	uint8_t encoded[RAFT_CONFIG_SIZE_MAX];
	struct wire_buf run = {0}, out = {0};
	struct snapshot_head head = {.pos = {index, 3},
	    .file_size = 9,
	    .name = {(const uint8_t *)"demo", 4},
	    .format = {(const uint8_t *)format, strlen(format)}};

	for (size_t i = 0; i < members; i++) {
		snprintf(config.members[i].id.s, sizeof config.members[i].id.s, "n%zu", i + 1);
		config.members[i].role = i == 0 ? RAFT_VOTER : RAFT_LEARNER;
		config.members[i].key[0] = (uint8_t)(i + 1);
		memcpy(config.members[i].address, "tcp://h:1", 10);
		config.members[i].address[8] = (char)('1' + i);
	}
	if (members > 2) {
		config.retired_count = 1;
		memcpy(config.retired[0].s, "n9", 2);
		config.members[1].key_next[0] = 9;
	}
	head.config = (struct wire_bytes){encoded, raft_config_encode(&config, encoded)};
	for (size_t i = 0; i < count; i++)
		wire_session_put(&run, &sessions[i]);
	head.sessions = (struct wire_bytes){run.bytes == NULL ? encoded : run.bytes, run.size};
	snapshot_head_put(&out, &head);
	fuzz_seed(out.bytes, out.size);
	out.size = 0;
	head.level = RAFT_LEVEL_MAX;
	head.time = 1000;
	head.contract = (struct raft_contract_at){
	    index, {.reply_max = 1, .entry_max = 1 << 20, .format = "kv-1"}};
	snapshot_head_put(&out, &head);
	fuzz_seed(out.bytes, out.size);
	wire_buf_free(&out);
	wire_buf_free(&run);
}

static void
seeds(void)
{
	static const struct raft_session sessions[] = {
	    {.sid = {{1}}, .serial = 3, .last_index = 4},
	    {.sid = {{RAFT_SID_NAMED}}, .last_index = 7, .epoch = 7, .name = "pay"},
	    {.sid = {{2}}, .serial = 1, .last_index = 8},
	};

	seed(1, "", NULL, 0, 1);
	seed(8, "text-1", sessions, 3, 3);
	seed(9, "kv", sessions, 2, 5);
}
