/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl cursor: the replicated cursors in the log, their positions, and their end.
 *
 * A position is set as a consumer would: the cursor is opened, which takes it away from the
 * consumer that has it, and then moved once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "client/read_index.h"
#include "client/refusal.h"
#include "seal/seal.h"
#include "raft/bytes.h"
#include "query.h"
#include "session.h"
#include "steps.h"

static const struct session_kind cursor = {"cursor", "cursors", seal_cursor_id};

/* What raft-logd reports of all of them. */
struct cursor_log {
	struct query query;
	const char *level, *first, *commit;
};

static void
cursor_query(struct ctl *ctl, struct cursor_log *log)
{
	*log = (struct cursor_log){.query = {.socket = "log", .what = cursor.words}};
	query_one(&ctl->tool, &log->query, ctl->give_up_ms);
	const struct text *text = &log->query.text;
	const struct text_line *last = text->count > 0 ? &text->lines[text->count - 1] : NULL;
	if (last) {
		log->level = text_get(last, "level");
		log->first = text_get(last, "first");
		log->commit = text_get(last, "commit");
	}
	if (!log->level || !log->first || !log->commit)
		tool_die(EXIT_UNAVAILABLE, "cursor: raft-logd sends what cannot be read");
}

/* ------- list -------------------------------------------------------------------- */

static enum exit_status
cursor_list(struct ctl *ctl)
{
	static struct session_lines found;
	struct cursor_log log;
	struct wire_buf out = {0};
	cursor_query(ctl, &log);
	session_lines_find(&found, &log.query.text, &cursor);
	if (ctl->json) {
		wire_buf_printf(&out, "{\"level\":%s,\"first\":%s,\"commit\":%s,", log.level,
		    log.first, log.commit);
		session_lines_json(&out, &found, &cursor);
		json_put_raw(&out, "}\n");
	} else {
		wire_buf_printf(
		    &out, "level=%s  first=%s  commit=%s\n", log.level, log.first, log.commit);
		if (found.count > 0)
			text_show_table(&out, found.lines, found.count, NULL);
	}
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	text_free(&log.query.text);
	return EXIT_OK;
}

/* ------- set --------------------------------------------------------------------- */

static struct {
	const char *name;
	uint64_t position;
	struct raft_sid sid;
	struct raft_session_open open;
} set;

_Noreturn static void
set_die(bool doubt, enum exit_status status, const char *why)
{
	tool_die(doubt ? EXIT_UNKNOWN : status, "cursor set %s: %s%s", set.name, why,
	    doubt ? ": it may be set" : "");
}

static void
on_moved(const struct msg_answer *answer, bool doubt, void *arg)
{
	struct steps *steps = arg;
	enum raft_reason reason = (enum raft_reason)answer->reason;
	if (answer->verdict == RAFT_COMMITTED) {
		steps->done = NULL;
		/* Of an attempt that was in doubt the place may not be at hand. */
		steps_wait_for(steps, answer->pos.index ? answer->pos.index : steps->epoch,
		    "the cursor is set");
	} else if (reason == RAFT_REASON_OLD_EPOCH) {
		set_die(doubt, EXIT_FENCED, "a consumer has opened the cursor meanwhile");
	} else if (reason == RAFT_REASON_EXPIRED) {
		set_die(doubt, EXIT_FENCED, "the cursor was dropped meanwhile");
	} else {
		set_die(doubt, refusal_status(reason), refusal_text(reason, answer->pos.index));
	}
}

static const struct proposal_calls move_calls = {on_moved, steps_refused};

static void
cursor_move(struct steps *steps)
{
	uint8_t position[RAFT_ACK_SIZE];
	bytes_put_u64(position, set.position);
	steps_propose(steps, &move_calls, RAFT_ACK, &set.sid, position, sizeof position);
}

static void
on_opened(const struct msg_answer *answer, bool doubt, void *arg)
{
	struct steps *steps = arg;
	enum raft_reason reason = (enum raft_reason)answer->reason;
	(void)doubt; /* whatever opened it had this run id, or was refused */
	if (answer->verdict == RAFT_COMMITTED) {
		steps->done = "the cursor is opened";
		steps->epoch = answer->epoch;
		steps->serial = answer->last_serial + 1;
	} else if (reason == RAFT_REASON_OLD_EPOCH && answer->epoch != set.open.replaces) {
		set.open.replaces = answer->epoch;
	} else {
		set_die(false, refusal_status(reason), refusal_text(reason, answer->pos.index));
	}
	proposal_free(steps->proposal);
	steps->proposal = NULL;
	steps->up(steps);
}

static const struct proposal_calls open_calls = {on_opened, steps_refused};

static void
cursor_open(struct steps *steps)
{
	uint8_t data[RAFT_SESSION_OPEN_SIZE_MAX];
	size_t size = raft_session_open_encode(&set.open, data);
	steps_propose(steps, &open_calls, RAFT_CURSOR_OPEN, &set.sid, data, (uint32_t)size);
}

static void
cursor_on_up(struct steps *steps)
{
	if (steps->serial > 0)
		cursor_move(steps);
	else
		cursor_open(steps);
}

/* The committed index of the cluster, of which this node's log may lack the end. */
struct cursor_end {
	struct loop *loop;
	uint64_t index;
};

static void
on_end_found(uint64_t index, void *arg)
{
	struct cursor_end *end = arg;
	end->index = index;
	loop_stop(end->loop);
}

static void
on_end_timeout(void *arg)
{
	struct cursor_end *end = arg;
	loop_stop(end->loop);
}

static uint64_t
cursor_find_end(struct ctl *ctl)
{
	struct cursor_end end = {.loop = ctl->tool.loop};
	struct timeout *timeout = timeout_new(end.loop, ctl->give_up_ms,
	    "no answer from raft-elect to where the log ends", on_end_timeout, &end);
	read_index_ask(read_index_new(
	    end.loop, tool_socket(&ctl->tool, "elect").text, ctl->tool.prog, on_end_found, &end));
	loop_run(end.loop);
	if (end.index == 0)
		tool_die(EXIT_UNAVAILABLE, "%s", timeout_sentence(timeout));
	timeout_free(timeout);
	return end.index;
}

static uint64_t
cursor_number(const char *text)
{
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		tool_die(EXIT_USAGE,
		    "cursor set: %s: a number, begin or end is expected: the last entry that is "
		    "consumed",
		    text);
	return number;
}

/* Beyond the end it would skip entries that no consumer has seen. */
static uint64_t
cursor_position(struct ctl *ctl, const struct cursor_log *log, const char *text)
{
	if (strcmp(text, "begin") == 0)
		return 0;
	if (strcmp(text, "end") == 0)
		return cursor_find_end(ctl);
	uint64_t number = cursor_number(text), end = strtoull(log->commit, NULL, 10);
	if (number > end)
		end = cursor_find_end(ctl);
	if (number > end)
		tool_die(EXIT_DATA,
		    "cursor set %s: %s is beyond the end of the log: entry %" PRIu64
		    " is the last one that is committed",
		    set.name, text, end);
	return number;
}

static void
cursor_check_level(const struct cursor_log *log)
{
	if (strtoull(log->level, NULL, 10) < RAFT_LEVEL_CURSORS)
		tool_die(refusal_status(RAFT_REASON_LEVEL),
		    "cursor set: the cluster is at level %s, and cursors need level %d, which it "
		    "reaches when all members have programs that support it",
		    log->level, RAFT_LEVEL_CURSORS);
}

static enum exit_status
cursor_set(struct ctl *ctl, const char *name, const char *index)
{
	static struct steps steps;
	struct cursor_log log;
	session_check_name(&cursor, "set", name);
	if (!json_utf8((const uint8_t *)name, strlen(name)))
		tool_die(EXIT_USAGE, "cursor set: a cursor's name is UTF-8");
	set.name = name;
	if (strcmp(index, "begin") != 0 && strcmp(index, "end") != 0)
		cursor_number(index);
	cursor_query(ctl, &log);
	cursor_check_level(&log);
	set.position = cursor_position(ctl, &log, index);
	text_free(&log.query.text);
	cursor.id(&set.sid, name);
	seal_random(set.open.run, sizeof set.open.run);
	strcpy(set.open.name, name);
	steps = (struct steps){.tool = &ctl->tool,
	    .give_up_ms = ctl->give_up_ms,
	    .up = cursor_on_up,
	    .frame = steps_answer};
	steps_run(&steps);
	return EXIT_OK;
}

enum exit_status
ctl_cursor(struct ctl *ctl)
{
	const char *command = ctl->argc > 0 ? ctl->argv[0] : "";
	bool sets = ctl->argc == 3 && strcmp(command, "set") == 0;
	bool drops = ctl->argc == 2 && strcmp(command, "drop") == 0;
	if (ctl->argc == 1 && strcmp(command, "list") == 0)
		return cursor_list(ctl);
	if (!sets && !drops)
		tool_die(EXIT_USAGE, "cursor: list, set NAME INDEX or drop NAME is expected");
	if (ctl->json)
		tool_die(EXIT_USAGE, "cursor %s: -j does not apply", command);
	return sets ? cursor_set(ctl, ctl->argv[1], ctl->argv[2])
		    : session_drop(ctl, &cursor, ctl->argv[1]);
}
