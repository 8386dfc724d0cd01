/* SPDX-License-Identifier: ISC */
/* raft-ctl session: the named sessions in the log, and their end. */
#include "session.h"

#include <stdio.h>
#include <string.h>

#include "client/json.h"
#include "client/refusal.h"
#include "seal/seal.h"
#include "query.h"
#include "steps.h"

static const struct session_kind session = {"session", "sessions", seal_session_id};

/* ------- the lines of raft-logd -------------------------------------------------- */

void
session_lines_find(
    struct session_lines *found, const struct text *text, const struct session_kind *kind)
{
	found->count = 0;
	/* The last line is about all of them. */
	for (size_t i = 0; i < text->count && found->count < RAFT_SESSIONS_NAMED_MAX; i++)
		if (text_get(&text->lines[i], kind->word))
			found->lines[found->count++] = &text->lines[i];
}

void
session_lines_json(
    struct wire_buf *out, const struct session_lines *found, const struct session_kind *kind)
{
	wire_buf_printf(out, "\"%s\":[", kind->words);
	for (size_t i = 0; i < found->count; i++) {
		json_put_raw(out, i ? "," : "");
		text_json(out, found->lines[i], kind->word);
	}
	json_put_raw(out, "]");
}

static enum exit_status
session_list(struct ctl *ctl)
{
	static struct session_lines found;
	struct query query = {.socket = "log", .what = session.words};
	struct wire_buf out = {0};
	query_one(&ctl->tool, &query, ctl->give_up_ms);
	session_lines_find(&found, &query.text, &session);
	if (ctl->json) {
		json_put_raw(&out, "{");
		session_lines_json(&out, &found, &session);
		json_put_raw(&out, "}\n");
	} else if (found.count > 0) {
		text_show_table(&out, found.lines, found.count, NULL);
	}
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	text_free(&query.text);
	return EXIT_OK;
}

/* ------- drop -------------------------------------------------------------------- */

void
session_check_name(const struct session_kind *kind, const char *command, const char *name)
{
	if (name[0] == '\0' || strlen(name) > RAFT_SESSION_NAME_MAX)
		tool_die(EXIT_USAGE, "%s %s: a %s's name has 1 to %d bytes", kind->word, command,
		    kind->word, RAFT_SESSION_NAME_MAX);
}

static const struct session_kind *drop_kind;
static const char *drop_name;

static void
on_dropped(const struct msg_answer *answer, bool doubt, void *arg)
{
	static char dropped[32];
	enum raft_reason reason = (enum raft_reason)answer->reason;
	/* Unknown after an attempt that had no answer: that attempt dropped it. */
	bool gone = answer->verdict == RAFT_REFUSED && reason == RAFT_REASON_EXPIRED;
	if (gone && !doubt)
		tool_die(
		    EXIT_DATA, "%s %s: there is none of that name", drop_kind->word, drop_name);
	if (answer->verdict != RAFT_COMMITTED && !gone)
		tool_die(refusal_status(reason), "%s %s: %s", drop_kind->word, drop_name,
		    refusal_text(reason, answer->pos.index));
	snprintf(dropped, sizeof dropped, "the %s is dropped", drop_kind->word);
	if (gone)
		steps_end(arg);
	else
		steps_wait_for(arg, answer->pos.index, dropped);
}

static const struct proposal_calls calls = {on_dropped, steps_refused};

static void
session_on_up(struct steps *steps)
{
	struct raft_sid sid;
	drop_kind->id(&sid, drop_name);
	steps_propose(
	    steps, &calls, RAFT_SESSION_DROP, &sid, drop_name, (uint32_t)strlen(drop_name));
}

enum exit_status
session_drop(struct ctl *ctl, const struct session_kind *kind, const char *name)
{
	static struct steps steps;
	session_check_name(kind, "drop", name);
	drop_kind = kind;
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
		return session_drop(ctl, &session, ctl->argv[1]);
	}
	tool_die(EXIT_USAGE, "session: list, or drop NAME, is expected");
}
