/* SPDX-License-Identifier: ISC */
/* The states of a consumer, and what moves it from one to the next. */
#include "consumer.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/appender.h"
#include "client/log_reader.h"
#include "client/timeout.h"
#include "prog/progress.h"
#include "raft/bytes.h"
#include "raft/session.h"
#include "seal/seal.h"
#include "unix/backoff.h"
#include "unix/command.h"
#include "unix/timer.h"
#include "batch.h"
#include "dead.h"
#include "holder.h"
#include "lead.h"
#include "run.h"
#include "watch.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_LAST_MS = 10000,
	/*
	 * Entries of no client move the cursor, too, but only when there are more of them than
	 * there can be cursors: else idle consumers would move for each other's moves forever.
	 */
	IDLE_GAP = RAFT_SESSIONS_NAMED_MAX,
	SILENT_MS = 5000, /* a longer wait for the node is mentioned */
	PROGRESS_MS = 200
};

enum consumer_state {
	CONSUMER_OPENING,
	CONSUMER_READING, /* waits for entries */
	CONSUMER_RUNNING,
	CONSUMER_PAUSING, /* before the batch is run again */
	CONSUMER_ACKING,  /* waits until the position is committed */
	CONSUMER_SEEKING, /* a member that has what this node has no longer */
	CONSUMER_OVER
};

struct consumer {
	struct tool *tool;
	struct consumer_settings settings;
	enum consumer_state state;
	enum exit_status status;
	struct appender *appender;
	struct log_reader *reader; /* NULL: the cursor is not open yet */
	struct each_run *run;
	struct dead *dead; /* NULL: none is wanted */
	struct timer *again;
	struct backoff backoff;
	struct timeout *timeout;
	struct timer *silence;
	bool mentioned; /* what this wait is for */
	bool timed;     /* settings.give_up_ms counts */
	char away[512]; /* why raft-logd is not connected; "": it is */

	uint64_t epoch;           /* the entry that opened the cursor */
	uint64_t position;        /* committed, as far as is known */
	uint64_t commit;          /* of this node */
	uint64_t first_available; /* likewise, in a gap */
	struct each_batch batch;
	uint64_t attempt;
	uint64_t single; /* entries up to this index are run one by one */
	bool stopping;
	uint64_t taken; /* by another consumer, with the entry at this index; 0: it is ours */

	struct progress *progress;
	uint64_t done, dead_count; /* entries */
};

/* ------- words --------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
consumer_say(struct consumer *c, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	tool_say("cursor %s: %s", c->settings.cursor, text);
}

struct batch_text {
	char text[64];
};

static struct batch_text
consumer_batch(const struct consumer *c)
{
	const struct each_batch *batch = &c->batch;
	struct batch_text out;
	if (batch->first == batch->last)
		snprintf(out.text, sizeof out.text, "entry %" PRIu64, batch->first);
	else
		snprintf(out.text, sizeof out.text, "entries %" PRIu64 " to %" PRIu64, batch->first,
		    batch->last);
	return out;
}

/* ------- the end ------------------------------------------------------------- */

static void
consumer_end(struct consumer *c, enum exit_status status)
{
	if (c->state == CONSUMER_OVER)
		return;
	c->state = CONSUMER_OVER;
	c->status = status;
	progress_clear();
	loop_stop(c->tool->loop);
}

/* Of a signal: with --once there may be more to do. */
static enum exit_status
consumer_stopped(const struct consumer *c)
{
	return c->settings.once ? EXIT_RETRY : EXIT_OK;
}

static void
consumer_end_taken(struct consumer *c)
{
	consumer_say(c, "another consumer has opened it, with entry %" PRIu64, c->taken);
	consumer_end(c, EXIT_FENCED);
}

void
consumer_stop(struct consumer *c, int number)
{
	bool again = c->stopping;
	c->stopping = true;
	if (c->state == CONSUMER_RUNNING)
		run_signal(c->run, again ? SIGKILL : number);
	else if (c->state == CONSUMER_ACKING)
		appender_stop(c->appender, consumer_stopped(c), "interrupted");
	else
		consumer_end(c, consumer_stopped(c));
}

enum exit_status
consumer_status(const struct consumer *c)
{
	return c->status;
}

/* ------- waiting for the node -------------------------------------------------- */

/* Whether raft-logd must answer.  A quiet log is no reason to give up, unless its end must be
 * reached. */
static bool
consumer_is_waiting(const struct consumer *c)
{
	return c->state == CONSUMER_READING && (c->away[0] || c->settings.once);
}

static void
consumer_watch_time(struct consumer *c)
{
	bool silent = c->state == CONSUMER_OPENING || c->state == CONSUMER_ACKING ||
		      (c->state == CONSUMER_READING && c->away[0]);
	bool timed = consumer_is_waiting(c);
	c->mentioned = c->mentioned && silent;
	if (!silent)
		timer_stop(c->silence);
	else if (!c->mentioned && !timer_active(c->silence))
		timer_start(c->silence, SILENT_MS);
	if (!timed)
		timeout_stop(c->timeout);
	else if (!c->timed)
		timeout_begin(c->timeout, c->settings.give_up_ms);
	c->timed = timed;
}

static void
consumer_on_silence(void *arg)
{
	struct consumer *c = arg;
	const char *why = c->state == CONSUMER_READING ? c->away : appender_trouble(c->appender);
	c->mentioned = true;
	consumer_say(c, "waiting: %s", why[0] ? why : "raft-elect has not answered yet");
}

static void
consumer_on_timeout(void *arg)
{
	struct consumer *c = arg;
	timeout_set_why(c->timeout, c->away[0] ? c->away : NULL);
	consumer_say(c, "%s", timeout_sentence(c->timeout));
	consumer_end(c, EXIT_UNAVAILABLE);
}

static void
consumer_enter(struct consumer *c, enum consumer_state state)
{
	must(c->state != CONSUMER_OVER);
	c->state = state;
	timer_stop(c->silence);
	c->mentioned = c->timed = false;
	consumer_watch_time(c);
}

/* ------- the position ---------------------------------------------------------- */

static void
consumer_ack(struct consumer *c)
{
	uint8_t position[8];
	bytes_put_u64(position, c->batch.next - 1);
	consumer_enter(c, CONSUMER_ACKING);
	appender_take(c->appender, position, sizeof position);
	appender_send(c->appender);
	if (c->stopping)
		appender_stop(c->appender, consumer_stopped(c), "interrupted");
}

static void consumer_next(struct consumer *c);

static void
consumer_on_committed(uint64_t number, uint64_t count, struct raft_pos pos, void *arg)
{
	struct consumer *c = arg;
	(void)number, (void)count, (void)pos;
	/* What ended it came in this turn, too: the loop still hands over the rest of the turn. */
	if (c->state == CONSUMER_OVER)
		return;
	c->position = c->batch.next - 1;
	if (c->stopping)
		consumer_end(c, consumer_stopped(c));
	else
		consumer_next(c);
}

static void
consumer_on_failed(enum exit_status status, const char *why, void *arg)
{
	struct consumer *c = arg;
	if (!c->stopping || status != consumer_stopped(c))
		consumer_say(c, "%s", why);
	consumer_end(c, status);
}

/* ------- runs ------------------------------------------------------------------ */

static void
consumer_again_later(struct consumer *c, const char *how)
{
	uint64_t wait_ms = backoff_wait(&c->backoff);
	consumer_say(c, "%s: %s: again in %" PRIu64 " ms", consumer_batch(c).text, how, wait_ms);
	consumer_enter(c, CONSUMER_PAUSING);
	timer_start(c->again, wait_ms);
}

static void
consumer_run(struct consumer *c)
{
	char why[1024];
	command_set_number("RAFT_FIRST", c->batch.first);
	command_set_number("RAFT_LAST", c->batch.last);
	command_set_number("RAFT_ATTEMPT", c->attempt);
	consumer_enter(c, CONSUMER_RUNNING);
	/* That it cannot be started is not the fault of an entry: it is no attempt. */
	if (!run_start(c->run, &c->batch.data, why, sizeof why))
		consumer_again_later(c, why);
}

static void
consumer_on_again(void *arg)
{
	struct consumer *c = arg;
	/* As in consumer_on_committed. */
	if (c->state == CONSUMER_PAUSING)
		consumer_run(c);
}

static void
consumer_accept(struct consumer *c)
{
	c->done += c->batch.count;
	if (c->tool->verbose)
		consumer_say(c, "%s: done", consumer_batch(c).text);
	consumer_ack(c);
}

/* The one entry of the batch goes to the file, and only then is acknowledged. */
static void
consumer_give_up(struct consumer *c, const char *how)
{
	const struct batch_limits limits = {FRAMING_JSON, 1, c->batch.last};
	batch_undo(&c->batch);
	batch_cut(&c->batch, &limits);
	if (!dead_add(c->dead, &c->batch.data)) {
		consumer_say(c, "%s: %s: cannot write it to %s: %m", consumer_batch(c).text, how,
		    c->settings.dead);
		consumer_end(c, EXIT_IO);
		return;
	}
	consumer_say(c, "%s: %s in %" PRIu64 " attempts: written to %s", consumer_batch(c).text,
	    how, c->attempt, c->settings.dead);
	c->dead_count++;
	consumer_ack(c);
}

static void
consumer_run_singly(struct consumer *c, const char *how)
{
	consumer_say(c, "%s: %s in %" PRIu64 " attempts: now each entry by itself",
	    consumer_batch(c).text, how, c->attempt);
	c->single = c->batch.last;
	batch_undo(&c->batch);
	consumer_next(c);
}

static void
consumer_failed(struct consumer *c, const char *how)
{
	if (c->settings.tries == 0 || c->attempt < c->settings.tries) {
		c->attempt++;
		consumer_again_later(c, how);
	} else if (c->batch.count > 1) {
		consumer_run_singly(c, how);
	} else {
		consumer_give_up(c, how);
	}
}

static void
consumer_on_over(bool ok, const char *how, void *arg)
{
	struct consumer *c = arg;
	char what[128];
	snprintf(what, sizeof what, "the command %s", how);
	/* As in consumer_on_committed. */
	if (c->state == CONSUMER_OVER)
		return;
	if (c->taken)
		consumer_end_taken(c);
	else if (ok)
		consumer_accept(c);
	else if (c->stopping)
		consumer_end(c, consumer_stopped(c));
	else
		consumer_failed(c, what);
}

static const struct run_calls run_calls = {consumer_on_over};

/* ⚠ The former owner's command must not continue. */
static void
consumer_on_taken(uint64_t index, void *arg)
{
	struct consumer *c = arg;
	c->taken = index;
	if (c->state == CONSUMER_RUNNING)
		run_end(c->run);
	else if (c->state != CONSUMER_OVER)
		consumer_end_taken(c);
}

/* ------- reading ---------------------------------------------------------------- */

/* The next batch with something in it; without one, more is read. */
static void
consumer_next(struct consumer *c)
{
	struct each_batch *batch = &c->batch;
	struct batch_limits limits = {
	    c->settings.framing, c->settings.batch_max, c->settings.once ? c->epoch : UINT64_MAX};
	if (batch->next <= c->single)
		limits.count = 1;
	batch_cut(batch, &limits);
	backoff_reset(&c->backoff);
	c->attempt = 1;
	if (batch->count > 0) {
		consumer_run(c);
	} else if (c->settings.once && batch->next > c->epoch) {
		consumer_end(c, EXIT_OK);
	} else if (batch->next > c->position + IDLE_GAP) {
		consumer_ack(c);
	} else {
		consumer_enter(c, CONSUMER_READING);
		log_reader_next(c->reader, batch->next);
	}
}

static void
consumer_on_holder(enum holder_state state, const struct raft_id *member, void *arg)
{
	static const char *const texts[] = {
	    [HOLDER_MEMBER] = " still has them: run this there",
	    [HOLDER_LEARNER] = " still has them: run this there",
	    [HOLDER_ASK] = " leads and knows which member still has them",
	    [HOLDER_NONE] = "no member has them; raft-ctl cursor set skips them",
	    [HOLDER_UNKNOWN] = "which member still has them is not known now",
	};
	struct consumer *c = arg;
	if (c->state == CONSUMER_OVER)
		return;
	consumer_say(c,
	    "the entries %" PRIu64 " to %" PRIu64 " are compacted away on this node: %s%s",
	    c->batch.next, c->first_available - 1, member->s, texts[state]);
	if (state == HOLDER_MEMBER)
		lead_wish(member);
	consumer_end(c, state == HOLDER_NONE ? EXIT_GAP : EXIT_RETRY);
}

static void
consumer_gap(struct consumer *c, uint64_t first_available)
{
	struct tool_path path = tool_socket(c->tool, "elect");
	c->first_available = first_available;
	consumer_enter(c, CONSUMER_SEEKING);
	holder_find(c->tool->loop, path.text, c->tool->prog, c->batch.next, consumer_on_holder, c);
}

static const char *
consumer_on_entries(const struct msg_log_entries *entries, void *arg)
{
	struct consumer *c = arg;
	char why[WIRE_NEWER_SIZE];
	if (c->state != CONSUMER_READING)
		return NULL;
	c->commit = entries->commit;
	if (entries->first_available > c->batch.next) {
		consumer_gap(c, entries->first_available);
	} else if (entries->count == 0) {
		log_reader_next(c->reader, c->batch.next);
	} else if (batch_fill(&c->batch, entries)) {
		consumer_next(c);
	} else if (wire_entries_newer(
		       entries->entries, entries->count, entries->first_index, why)) {
		consumer_say(c, "%s", why);
		consumer_end(c, EXIT_CONFIG);
	} else {
		return "raft-logd sends entries that cannot be read";
	}
	return NULL;
}

static void
consumer_on_changed(bool up, const char *why, void *arg)
{
	struct consumer *c = arg;
	snprintf(c->away, sizeof c->away, "%s", up ? "" : why ? why : "the link has ended");
	if (c->state != CONSUMER_OVER)
		consumer_watch_time(c);
}

static const struct log_reader_calls reader_calls = {
    .entries = consumer_on_entries, .changed = consumer_on_changed, .refused = tool_refused};

/* ------- the beginning ------------------------------------------------------------ */

static void
consumer_on_opened(uint64_t last_serial, const struct raft_hash *digest, void *arg)
{
	struct consumer *c = arg;
	struct raft_sid cursor;
	struct tool_path path = tool_socket(c->tool, "log");
	(void)last_serial, (void)digest;
	c->epoch = appender_epoch(c->appender);
	c->position = appender_position(c->appender);
	c->batch.next = c->batch.end = c->position + 1;
	seal_cursor_id(&cursor, c->settings.cursor);
	watch_new(c->tool->loop, path.text, c->tool->prog, &cursor, c->epoch, consumer_on_taken, c);
	snprintf(c->away, sizeof c->away, "raft-logd has not answered yet");
	c->reader = log_reader_new(c->tool->loop, path.text, c->tool->prog, &reader_calls, c);
	consumer_next(c);
}

static void
consumer_turn(void *arg)
{
	struct consumer *c = arg;
	appender_send(c->appender);
	if (c->state == CONSUMER_OVER || !progress_due(c->progress))
		return;
	progress_show(c->progress,
	    "%" PRIu64 " entries done, %" PRIu64 " dead, position %" PRIu64 " of %" PRIu64, c->done,
	    c->dead_count, c->position, max_u64(c->position, c->commit));
}

static const struct appender_calls appender_calls = {
    consumer_on_opened, consumer_on_committed, consumer_on_failed};

struct consumer *
consumer_new(struct tool *tool, const struct consumer_settings *settings)
{
	struct consumer *c = calloc(1, sizeof *c);
	struct tool_path path = tool_socket(tool, "elect");
	const struct appender_settings appender = {.path = path.text,
	    .program = tool->prog,
	    .in_flight_max = 1,
	    .give_up_ms = settings->give_up_ms,
	    .session = settings->cursor,
	    .cursor = true};
	must(c != NULL);
	c->tool = tool;
	c->settings = *settings;
	c->backoff = (struct backoff){.first_ms = BACKOFF_FIRST_MS, .last_ms = BACKOFF_LAST_MS};
	c->run = run_new(tool->loop, settings->command, &run_calls, c);
	c->dead = settings->dead ? dead_open(settings->dead) : NULL;
	c->again = timer_new(tool->loop, consumer_on_again, c);
	c->silence = timer_new(tool->loop, consumer_on_silence, c);
	c->timeout = timeout_new(tool->loop, settings->give_up_ms,
	    "this node's log does not reach what was committed at the start", consumer_on_timeout,
	    c);
	c->progress = progress_new(tool->loop, tool->prog, true, PROGRESS_MS);
	c->appender = appender_new(tool->loop, &appender, &appender_calls, c);
	setenv("RAFT_CURSOR", settings->cursor, 1);
	setenv("RAFT_CONFIG", tool->conf->path, 1);
	consumer_enter(c, CONSUMER_OPENING);
	loop_on_turn(tool->loop, consumer_turn, c);
	return c;
}
