/* SPDX-License-Identifier: ISC */
/* Session records, and the data of an entry that opens a session.  First byte: which of the two. */
#include "raft/session.h"
#include "wire/message.h"
#include "fuzz.h"

static void
try_records(struct wire_bytes run)
{
	struct raft_sessions *sessions = raft_sessions_new();
	struct raft_session session;

	must(sessions != NULL);
	while (run.size > 0) {
		struct wire_bytes before = run;
		struct wire_buf made = {0};
		size_t tail;

		if (!wire_session_get(&session, &run))
			break;
		must(run.size < before.size);
		/* A name with a NUL in it is cut there. */
		wire_session_put(&made, &session);
		must(made.size <= before.size - run.size);
		tail = session.cursor ? sizeof session.position : 0;
		must(memcmp(made.bytes, before.bytes,
			 made.size - tail - strlen(session.name) - 1) == 0);
		must(memcmp(made.bytes + made.size - tail, run.bytes - tail, tail) == 0);
		wire_buf_free(&made);
		if (raft_sessions_restore(sessions, &session))
			must(raft_sessions_find(sessions, &session.sid) != NULL);
	}
	raft_sessions_free(sessions);
}

static void
try_open(const uint8_t *bytes, size_t size)
{
	struct raft_session_open open;
	uint8_t made[RAFT_SESSION_OPEN_SIZE_MAX];

	if (!raft_session_open_decode(&open, bytes, size))
		return;
	must(strlen(open.name) <= RAFT_SESSION_NAME_MAX);
	must(raft_session_open_encode(&open, made) == size);
	must(memcmp(made, bytes, size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return 0;
	if (bytes[0] & 1)
		try_open(bytes + 1, size - 1);
	else
		try_records((struct wire_bytes){bytes + 1, size - 1});
	return 0;
}

static void
seeds(void)
{
	struct raft_session session = {
	    .sid = {{RAFT_SID_NAMED}}, .last_index = 7, .epoch = 7, .name = "pay"};
	struct raft_session other = {.sid = {{1}}, .serial = 3, .last_index = 9};
	struct raft_session cursor = {.sid = {{RAFT_SID_NAMED | 1}},
	    .serial = 3,
	    .last_index = 10,
	    .epoch = 8,
	    .name = "mail",
	    .cursor = true,
	    .position = 9};
	struct raft_session_open open = {{1}, 7, "pay"};
	uint8_t data[1 + RAFT_SESSION_OPEN_SIZE_MAX] = {1};
	struct wire_buf out = {0};

	fuzz_seed(data, 1 + raft_session_open_encode(&open, data + 1));
	*wire_buf_add(&out, 1) = 0;
	wire_session_put(&out, &session);
	wire_session_put(&out, &other);
	wire_session_put(&out, &cursor);
	fuzz_seed(out.bytes, out.size);
	wire_buf_free(&out);
}
