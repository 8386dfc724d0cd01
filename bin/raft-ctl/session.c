/* SPDX-License-Identifier: ISC */
/* raft-ctl session: the named sessions in the log, and their end. */
#include <string.h>

#include "client/json.h"
#include "client/refusal.h"
#include "raft/session.h"
#include "seal/seal.h"
#include "query.h"
#include "steps.h"

enum { SESSIONS_MAX = RAFT_SESSIONS_NAMED_MAX };

static enum exit_status
session_list(struct ctl *ctl)
{
	static struct query query = {.socket = "log", .what = "sessions"};
	static const struct text_line *lines[SESSIONS_MAX];
	struct wire_buf out = {0};
	size_t count = 0;
	query_one(&ctl->tool, &query, ctl->give_up_ms);
	/* The last line counts them; the others name one each. */
	for (size_t i = 0; i < query.text.count && count < SESSIONS_MAX; i++)
		if (text_get(&query.text.lines[i], "session"))
			lines[count++] = &query.text.lines[i];
	if (ctl->json) {
		json_put_raw(&out, "{\"sessions\":[");
		for (size_t i = 0; i < count; i++) {
			json_put_raw(&out, i ? "," : "");
			text_json(&out, lines[i], "session");
		}
		json_put_raw(&out, "]}\n");
	} else if (count > 0) {
		text_show_table(&out, lines, count, NULL);
	}
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	text_free(&query.text);
	return EXIT_OK;
}

static const char *drop_name;

static void
on_dropped(const struct msg_answer *answer, bool doubt, void *arg)
{
	enum raft_reason reason = (enum raft_reason)answer->reason;
	/* Unknown after an attempt that had no answer: that attempt dropped it. */
	bool gone = answer->verdict == RAFT_REFUSED && reason == RAFT_REASON_EXPIRED;
	if (gone && !doubt)
		tool_die(EXIT_DATA, "session %s: there is none of that name", drop_name);
	if (answer->verdict != RAFT_COMMITTED && !gone)
		tool_die(refusal_status(reason), "session %s: %s", drop_name,
		    refusal_text(reason, answer->pos.index));
	if (gone)
		steps_end(arg);
	else
		steps_wait_for(arg, answer->pos.index, "the session is dropped");
}

static const struct proposal_calls calls = {on_dropped, steps_refused};

static void
session_on_up(struct steps *steps)
{
	struct raft_sid sid;
	seal_session_id(&sid, drop_name);
	steps_propose(
	    steps, &calls, RAFT_SESSION_DROP, &sid, drop_name, (uint32_t)strlen(drop_name));
}

static enum exit_status
session_drop(struct ctl *ctl, const char *name)
{
	static struct steps steps;
	if (name[0] == '\0' || strlen(name) > RAFT_SESSION_NAME_MAX)
		tool_die(EXIT_USAGE, "session drop: a session's name has 1 to %d bytes",
		    RAFT_SESSION_NAME_MAX);
	drop_name = name;
	steps = (struct steps){.tool = &ctl->tool,
	    .give_up_ms = ctl->give_up_ms,
	    .up = session_on_up,
	    .frame = steps_answer};
	steps_run(&steps);
	return EXIT_OK;
}

enum exit_status
ctl_session(struct ctl *ctl)
{
	if (ctl->argc == 1 && strcmp(ctl->argv[0], "list") == 0)
		return session_list(ctl);
	if (ctl->argc == 2 && strcmp(ctl->argv[0], "drop") == 0) {
		if (ctl->json)
			tool_die(EXIT_USAGE, "session drop: -j does not apply");
		return session_drop(ctl, ctl->argv[1]);
	}
	tool_die(EXIT_USAGE, "session: list, or drop NAME, is expected");
}
