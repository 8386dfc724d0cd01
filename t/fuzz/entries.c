/* SPDX-License-Identifier: ISC */
/*
 * Entry records, as they come from sockets and from the log, and the session table that
 * they are applied to.  First byte: how many there are said to be.
 */
#include "raft/session.h"
#include "wire/message.h"
#include "fuzz.h"

static bool
each(const struct raft_session *session, void *arg)
{
	uint64_t *last_index = arg;
	struct wire_buf made = {0};
	struct raft_session back;

	must(session->last_index > *last_index);
	*last_index = session->last_index;
	wire_session_put(&made, session);
	struct wire_bytes run = {made.bytes, made.size};
	must(wire_session_get(&back, &run));
	must(run.size == 0);
	must(memcmp(&back.sid, &session->sid, sizeof back.sid) == 0);
	must(strcmp(back.name, session->name) == 0);
	must(back.cursor == session->cursor && back.position == session->position);
	must(session->cursor ? session->position < session->last_index : session->position == 0);
	wire_buf_free(&made);
	return true;
}

/* Whatever stands in a log, the table takes it. */
static void
apply(const struct raft_entry *entries, size_t count)
{
	struct raft_sessions *sessions = raft_sessions_new();
	struct raft_sessions *copy;
	uint64_t last_index = 0;

	must(sessions != NULL);
	for (size_t i = 0; i < count; i++) {
		struct raft_sessions_change change =
		    raft_sessions_apply(sessions, i + 1, &entries[i]);

		if (change.touched != NULL)
			must(raft_sessions_find(sessions, &change.touched->sid) == change.touched);
		if (!raft_sid_none(&change.gone))
			must(raft_sessions_find(sessions, &change.gone) == NULL);
	}
	raft_sessions_each(sessions, each, &last_index);
	must(last_index <= count);
	copy = raft_sessions_dup(sessions);
	must(copy != NULL);
	must(raft_sessions_count(copy, true) == raft_sessions_count(sessions, true));
	must(raft_sessions_count(copy, false) == raft_sessions_count(sessions, false));
	raft_sessions_free(copy);
	raft_sessions_free(sessions);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	struct wire_buf made = {0};

	if (size == 0)
		return 0;
	uint32_t count = bytes[0];
	struct wire_bytes run = {bytes + 1, size - 1};
	char why[WIRE_NEWER_SIZE] = "";
	if (!wire_entries_get(run, count, &entries, &chunk)) {
		bool newer = wire_entries_newer(run, count, 1, why);
		must(newer == (why[0] != '\0'));
		return 0;
	}
	must(!wire_entries_newer(run, count, 1, why));
	must((entries == NULL) == (count == 0));
	must(wire_entries_size(entries, count) == run.size);
	wire_entries_put(&made, entries, count);
	must(made.size == run.size);
	must(run.size == 0 || memcmp(made.bytes, run.bytes, run.size) == 0);
	apply(entries, count);
	wire_buf_free(&made);
	free(entries);
	raft_chunk_unref(chunk);
	return 0;
}

static void
put(struct wire_buf *out, enum raft_kind kind, uint8_t session, uint64_t serial, const void *data,
    size_t size)
{
	struct raft_sid sid = {{session}};

	raft_entry_header(
	    wire_buf_add(out, RAFT_ENTRY_HEADER_SIZE), 1, kind, &sid, serial, (uint32_t)size);
	wire_buf_put(out, data, size);
}

static void
seeds(void)
{
	struct raft_session_open open = {{1}, 0, "pay"};
	uint8_t data[RAFT_SESSION_OPEN_SIZE_MAX];
	uint8_t position[RAFT_ACK_SIZE] = {[RAFT_ACK_SIZE - 1] = 7};
	uint8_t count = 8;
	struct wire_buf out = {0};

	wire_buf_put(&out, &count, 1);
	put(&out, RAFT_NOOP, 0, 0, NULL, 0);
	put(&out, RAFT_CLIENT, 1, 1, "a", 1);
	put(&out, RAFT_CLIENT, 1, 2, "b", 1);
	put(&out, RAFT_SESSION_OPEN, RAFT_SID_NAMED, 0, data,
	    raft_session_open_encode(&open, data));
	put(&out, RAFT_CLIENT, RAFT_SID_NAMED, 1, "c", 1);
	put(&out, RAFT_SESSION_DROP, RAFT_SID_NAMED, 0, "pay", 3);
	put(&out, RAFT_CURSOR_OPEN, RAFT_SID_NAMED, 0, data, raft_session_open_encode(&open, data));
	put(&out, RAFT_ACK, RAFT_SID_NAMED, 1, position, sizeof position);
	fuzz_seed(out.bytes, out.size);
	wire_buf_free(&out);
}
