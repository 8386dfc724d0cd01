/* SPDX-License-Identifier: ISC */
/*
 * raft-append: standard input or files to the log, each entry exactly once (section 5 of the
 * design: sessions).  It exits 0 only when all is committed; else it says what is.
 *
 * A turn reads what is there, gives the appender as much as it takes, and what has
 * gathered leaves in one go; the input is not read while the appender has no room.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/appender.h"
#include "client/session_name.h"
#include "prog/progress.h"
#include "prog/tool.h"
#include "seal/seal.h"
#include "unix/signals.h"
#include "client/input.h"
#include "awaited.h"
#include "output.h"
#include "tee.h"

enum { PROGRESS_MS = 200 };

static struct {
	struct tool tool;
	enum framing framing;
	uint64_t in_flight;
	uint64_t give_up_ms;
	uint64_t fence;
	const char *session;
	bool numbers_on; /* --continue */
	bool wants_replies;
	struct appender *appender;
	struct input *input;
	struct progress *progress;
	struct mono_ms start;
	struct awaited *awaited; /* NULL: none are wanted */
	bool wants_tee;
	struct tee *tee; /* NULL: not wanted */
	uv_signal_t signals[3];
	/* The named session's entries that the input begins with. */
	bool open;
	uint64_t skip, skipped;
	uint64_t taken; /* by the appender */
	struct raft_hash digest_want, digest;
	/* The input has ended, well or not. */
	bool ended;
	bool failed; /* the appender has said so */
	bool over;   /* and all is told */
	bool interrupted;
	enum exit_status status;
	char why[FRAMING_WHY_SIZE];
	bool refused, lost;       /* some of the replies */
	struct append_output out; /* of -v, -r and --tee */
} self;

/* ------------------------------------------------------------- options */

static uint64_t
fence_term(const char *value)
{
	if (value == NULL)
		value = getenv("RAFT_TERM");
	if (value == NULL)
		tool_die(EXIT_USAGE, "--fence: needs a term: $RAFT_TERM is not set");
	return tool_number(TOOL_FENCE, value, 1, UINT64_MAX);
}

static void
append_on_option(enum tool_option option, const char *value)
{
	switch (option) {
	case TOOL_FRAMING:
		self.framing = tool_framing(value, false);
		break;
	case TOOL_NUL:
		self.framing = FRAMING_NUL;
		break;
	case TOOL_IN_FLIGHT:
		self.in_flight = tool_number(option, value, 1, APPENDER_IN_FLIGHT_MAX);
		break;
	case TOOL_TIMEOUT:
		self.give_up_ms = tool_duration_ms(option, value);
		break;
	case TOOL_SESSION:
		self.session = value;
		if (session_name_unfit(value))
			tool_die(EXIT_USAGE, "-S: a session's name %s", session_name_unfit(value));
		break;
	case TOOL_CONTINUE:
		self.numbers_on = true;
		break;
	case TOOL_TEE:
		self.wants_tee = true;
		break;
	case TOOL_FENCE:
		self.fence = fence_term(value);
		break;
	default:
		self.wants_replies = true;
	}
}

static void
check_options(void)
{
	if (self.numbers_on && self.session == NULL)
		tool_die(EXIT_USAGE, "--continue: needs a named session: -S NAME");
	if (self.wants_tee && (self.wants_replies || self.tool.verbose))
		tool_die(EXIT_USAGE,
		    "--tee: does not go with -%c, which prints to standard output as well",
		    self.wants_replies ? 'r' : 'v');
	if (self.wants_replies && !self.tool.conf->fsm.present)
		tool_die(EXIT_CONFIG, "-r: this node runs no state machine: %s has no section fsm",
		    self.tool.conf->path);
	/* A file that is not there is a mistake to be told before anything is appended. */
	for (char **path = self.tool.argv; *path; path++)
		if (strcmp(*path, "-") != 0 && access(*path, R_OK) < 0)
			tool_die(EXIT_IO, "%s: %m", *path);
}

/* ------------------------------------------------------------- the end */

static void
append_end(enum exit_status status)
{
	self.ended = self.over = true;
	self.status = status;
	input_hold(self.input);
	loop_stop(self.tool.loop);
}

static const char *
append_unit(void)
{
	return self.framing == FRAMING_LINE ? "line" : "entry";
}

/* What is known of the fate of the input, for who has to go on by hand. */
static void
say_fate(const char *why)
{
	unsigned long long committed = appender_committed(self.appender) + self.skipped;
	unsigned long long doubtful = appender_doubtful(self.appender);
	if (self.session && !self.numbers_on)
		tool_say("%s: committed %llu, resume with the same input and -S %s", why, committed,
		    self.session);
	else if (doubtful == 0)
		tool_say("%s: committed %llu, resume with %s %llu", why, committed, append_unit(),
		    committed + 1);
	else
		tool_say("%s: committed %llu, resume with %s %llu, or later: up to %llu may be "
			 "committed as well",
		    why, committed, append_unit(), committed + 1, doubtful);
}

/* Replies to what is committed may still come. */
static bool
awaited_come(void)
{
	return self.awaited != NULL && !awaited_idle(self.awaited);
}

/* Worse than all else: something is committed, and what became of it is not known. */
static enum exit_status
status_with_replies(enum exit_status status)
{
	if (self.lost)
		return EXIT_UNKNOWN;
	return status == EXIT_OK && self.refused ? EXIT_DATA : status;
}

/* Whether there is more for standard output. */
static bool
append_owes(void)
{
	return !self.interrupted &&
	       (self.out.buf.size > 0 || (self.tee != NULL && tee_more(self.tee)));
}

static void
append_on_failed(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	say_fate(why);
	self.failed = self.ended = true;
	self.status = status;
	input_hold(self.input);
	if (!awaited_come() && !append_owes())
		append_end(status_with_replies(status));
}

/* The input is over; a mistake in it is told once all before it is committed. */
static void
end_if_done(void)
{
	if (self.over || !self.ended || awaited_come())
		return;
	if (append_owes())
		return;
	if (!self.failed && !appender_idle(self.appender))
		return;
	if (!self.failed && self.status != EXIT_OK)
		say_fate(self.why);
	append_end(status_with_replies(self.status));
}

/* Nothing more is read or printed; what was sent is waited for a little. */
static void
append_interrupt(enum exit_status status, const char *why)
{
	if (self.over || self.interrupted)
		return;
	self.ended = self.interrupted = true;
	if (!self.failed)
		self.status = status;
	input_hold(self.input);
	if (self.awaited)
		awaited_hurry(self.awaited);
	appender_stop(self.appender, status, why);
}

static void
append_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	(void)number;
	append_interrupt(EXIT_RETRY, "interrupted");
}

/* -------------------------------------------------------- the session */

static void
refuse_other_data(const char *what)
{
	tool_say("session %s: %s: nothing was appended", self.session, what);
	append_end(EXIT_DATA);
}

static void
append_on_opened(uint64_t last_serial, const struct raft_hash *digest, void *arg)
{
	(void)arg;
	self.open = true;
	self.digest_want = *digest;
	if (!self.numbers_on)
		self.skip = last_serial;
}

/* Nothing is appended before what was skipped can be passed on. */
static bool
append_tee_or_end(bool ok)
{
	if (!ok)
		append_interrupt(EXIT_IO, self.why);
	return ok;
}

/* One of the entries that the session has already: it must be the same. */
static void
append_skip(const struct wire_bytes *item)
{
	self.digest = seal_digest(&self.digest, item->bytes, (uint32_t)item->size);
	if (self.tee && !append_tee_or_end(tee_skip(self.tee, *item, self.why)))
		return;
	if (++self.skipped < self.skip)
		return;
	if (!raft_hash_equal(&self.digest, &self.digest_want)) {
		self.skipped = 0;
		refuse_other_data("what it has is not what the input begins with");
	} else if (self.tee) {
		append_tee_or_end(tee_skipped(self.tee, self.why));
	} else if (self.awaited) {
		struct raft_sid session;
		seal_session_id(&session, self.session);
		awaited_want(self.awaited, 1, self.skip, &session, 1, (struct raft_pos){0});
	}
}

static void
end_of_input(void)
{
	char what[128];
	self.ended = true;
	if (self.skipped == self.skip)
		return;
	snprintf(what, sizeof what, "it has %llu entries, and the input only %llu",
	    (unsigned long long)self.skip, (unsigned long long)self.skipped);
	refuse_other_data(what);
}

/* ------------------------------------------------------------ the turn */

static void
put_place(struct raft_pos pos, char end)
{
	wire_buf_printf(&self.out.buf, "%llu %llu%c", (unsigned long long)pos.index,
	    (unsigned long long)pos.term, end);
}

/* An output that fails ends the run: what was sent is waited for, so that its fate is known. */
static void
append_flush(void)
{
	char why[256];
	if (output_flush(&self.out))
		return;
	snprintf(why, sizeof why, "standard output: %s", strerror(errno));
	append_interrupt(EXIT_IO, why);
}

static void
append_on_committed(uint64_t number, uint64_t count, struct raft_pos pos, void *arg)
{
	(void)arg;
	if (self.awaited) {
		struct raft_sid session;
		uint64_t serial = appender_serial(self.appender, number, &session);
		awaited_want(self.awaited, number + self.skipped, count, &session, serial, pos);
		return;
	}
	if (self.tee)
		tee_committed(self.tee, count, &self.out.buf);
	for (uint64_t i = 0; self.tool.verbose && i < count; i++)
		put_place((struct raft_pos){pos.index ? pos.index + i : 0, pos.term}, '\n');
}

/* -------------------------------------------------------- the replies */

static void
say_not_ok(const struct awaited_reply *reply)
{
	unsigned long long number = reply->number;
	append_flush();
	if (reply->state == WIRE_REPLY_LOST)
		tool_say("%s %llu: committed and applied, and its reply is lost%s%.*s",
		    append_unit(), number, reply->data.size ? ": " : "", (int)reply->data.size,
		    (const char *)reply->data.bytes);
	else
		tool_say("%s %llu: refused: %.*s", append_unit(), number, (int)reply->data.size,
		    (const char *)reply->data.bytes);
}

/* One item for each entry: empty where it was refused or lost; with -v, all there is to say. */
static void
append_on_reply(const struct awaited_reply *reply, void *arg)
{
	static const char *const states[] = {
#define S(number, NAME, text) text,
	    WIRE_REPLY_STATES(S)
#undef S
	};
	bool told =
	    reply->state != WIRE_REPLY_LOST && (self.tool.verbose || reply->state == WIRE_REPLY_OK);
	static struct wire_buf item;
	(void)arg;
	self.refused = self.refused || reply->state == WIRE_REPLY_REFUSED;
	self.lost = self.lost || reply->state == WIRE_REPLY_LOST;
	if (reply->state != WIRE_REPLY_OK)
		say_not_ok(reply);
	item.size = 0;
	if (self.tool.verbose) {
		wire_buf_printf(&item, "%llu %llu %s%s", (unsigned long long)reply->pos.index,
		    (unsigned long long)reply->pos.term, states[reply->state], told ? " " : "");
	}
	if (told)
		wire_buf_put(&item, reply->data.bytes, reply->data.size);
	framing_put_bytes(&self.out.buf, self.framing, (struct wire_bytes){item.bytes, item.size});
}

/* No replies will come.  Before anything was appended that is all; later what is committed stays
 * so. */
static void
on_no_replies(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	append_flush();
	if (self.taken == 0) {
		tool_say("%s: nothing was appended", why);
		append_end(status);
		return;
	}
	self.lost = true;
	if (!self.failed)
		say_fate(why);
	else
		tool_say("%s", why);
	tool_say("the replies to what is committed are lost");
	append_end(EXIT_UNKNOWN);
}

static const struct awaited_calls replies_calls = {append_on_reply, on_no_replies};

/* What the program of this node cannot be given ends the input, before it has a serial. */
static void
append_line(const struct wire_bytes *item)
{
	const char *unfit = framing_program_unfit(self.tool.conf, *item);
	if (unfit) {
		snprintf(self.why, sizeof self.why,
		    "entry %llu holds %s, which fsm.framing: line cannot give to the program",
		    (unsigned long long)input_count(self.input), unfit);
		self.ended = true;
		self.status = EXIT_DATA;
		return;
	}
	self.taken++;
	if (self.tee)
		tee_take(self.tee, *item);
	appender_take(self.appender, item->bytes, item->size);
}

/* Takes one entry of the input.  False when there is none now. */
static bool
append_take_one(void)
{
	struct wire_bytes item;
	switch (input_next(self.input, &item, &self.status, self.why)) {
	case INPUT_ITEM:
		if (self.skipped < self.skip)
			append_skip(&item);
		else
			append_line(&item);
		return true;
	case INPUT_WAIT:
		return false;
	case INPUT_END:
		end_of_input();
		return false;
	default:
		self.ended = true;
		return false;
	}
}

static bool
append_has_room(void)
{
	return !append_owes() && appender_room(self.appender) &&
	       (self.awaited == NULL ||
		   (awaited_ready(self.awaited) && awaited_room(self.awaited)));
}

static void
append_show_progress(void)
{
	if (!progress_due(self.progress))
		return;
	uint64_t committed = appender_committed(self.appender) + self.skipped;
	const char *trouble = appender_trouble(self.appender);
	progress_show(self.progress, "%llu committed, %llu/s%s%s", (unsigned long long)committed,
	    (unsigned long long)(committed * 1000 / (mono_now().ms - self.start.ms)),
	    trouble[0] ? ", waiting: " : "", trouble);
}

/* Entries that were skipped, a piece a turn. */
static void
append_pass_on_skipped(void)
{
	if (!append_owes() || self.out.buf.size > 0)
		return;
	append_tee_or_end(tee_next(self.tee, &self.out.buf, self.why));
}

static void
append_turn(void *arg)
{
	(void)arg;
	append_pass_on_skipped();
	append_flush();
	bool ready = self.session == NULL || self.open;
	while (!self.ended && ready && append_has_room() && append_take_one())
		;
	if (!append_has_room())
		input_hold(self.input);
	appender_send(self.appender);
	if (self.awaited)
		awaited_send(self.awaited);
	if (append_owes() && self.out.buf.size == 0)
		loop_again(self.tool.loop);
	append_show_progress();
	end_if_done();
}

static const struct appender_calls appender_calls = {
    append_on_opened, append_on_committed, append_on_failed};

/* Whether the entries are typed; then a line of progress would disturb. */
static bool
is_typed(char **paths)
{
	bool standard = *paths == NULL;
	for (; *paths; paths++)
		standard = standard || strcmp(*paths, "-") == 0;
	return standard && isatty(STDIN_FILENO);
}

/* The rest of the output, once the loop has ended: a signal has its default effect again. */
static void
append_finish(void)
{
	progress_clear();
	for (size_t i = 0; i < sizeof self.signals / sizeof self.signals[0]; i++)
		uv_signal_stop(&self.signals[i]);
	if (self.interrupted || tool_output(self.out.buf.bytes, self.out.buf.size))
		return;
	tool_say("standard output: %s", strerror(errno));
	self.status = self.status == EXIT_OK ? EXIT_IO : self.status;
}

static void
append_set_up(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct tool_path path = tool_socket(&self.tool, "elect");
	struct appender_settings settings = {
	    .path = path.text,
	    .program = self.tool.prog,
	    .in_flight_max = self.in_flight,
	    .give_up_ms = self.give_up_ms,
	    .fence = self.fence,
	    .session = self.session,
	};
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		uv_signal_init(loop_uv(self.tool.loop), &self.signals[i]);
		if (!signals_ignored(numbers[i]))
			uv_signal_start(&self.signals[i], append_on_signal, numbers[i]);
		uv_unref((uv_handle_t *)&self.signals[i]);
	}
	signal(SIGPIPE, SIG_IGN); /* append_flush sees it */
	if (self.wants_tee)
		self.tee = tee_new(self.framing);
	output_start(&self.out, self.tool.loop);
	self.input = input_new(
	    self.tool.loop, self.framing, self.tool.conf->elect.entry_max, self.tool.argv);
	self.start = mono_now();
	self.progress =
	    progress_new(self.tool.loop, self.tool.prog, !is_typed(self.tool.argv), PROGRESS_MS);
	self.appender = appender_new(self.tool.loop, &settings, &appender_calls, NULL);
	if (self.wants_replies) {
		struct awaited_paths paths;
		strcpy(paths.elect, path.text);
		strcpy(paths.fsm, tool_socket(&self.tool, "fsm").text);
		self.awaited = awaited_new(
		    self.tool.loop, &paths, self.tool.prog, self.give_up_ms, &replies_calls, NULL);
	}
	loop_on_turn(self.tool.loop, append_turn, NULL);
}

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-append",
	    .usage =
		"[-rv] [-c FILE] [-F FRAMING | -0] [-w COUNT] [-t TIME] [-S NAME [--continue]] "
		"[--fence[=TERM]] [--tee] [FILE ...]",
	    .takes = 1ull << TOOL_FRAMING | 1ull << TOOL_NUL | 1ull << TOOL_IN_FLIGHT |
		     1ull << TOOL_TIMEOUT | 1ull << TOOL_SESSION | 1ull << TOOL_CONTINUE |
		     1ull << TOOL_FENCE | 1ull << TOOL_REPLIES | 1ull << TOOL_TEE,
	    .found = append_on_option,
	};
	self.framing = FRAMING_LINE;
	self.in_flight = APPENDER_IN_FLIGHT;
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	check_options();
	append_set_up();
	loop_run(self.tool.loop);
	append_finish();
	return (int)self.status;
}
