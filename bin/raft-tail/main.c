/* SPDX-License-Identifier: ISC */
/*
 * raft-tail: committed client entries of this node's log to standard output, in order.
 *
 * The next read is asked for before the last one is written out, so that the log and
 * the reader of our output work side by side.  Writing blocks: that is the back-pressure.
 *
 * Without -f the end is what is committed at the start, and --last counts back from there.  Who has
 * just appended something, anywhere, wants to see it here: so raft-elect is asked for a read index
 * first (§6.4), and this node's log gets a moment to reach it.  Where no leader answers, the end is
 * what this node knows.
 *
 * With -f it outlives raft-logd: `from` is the next entry to print, and is read again.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/framing.h"
#include "client/timeout.h"
#include "client/when.h"
#include "local/link.h"
#include "prog/progress.h"
#include "prog/tool.h"
#include "beginning.h"

enum {
	READ_SIZE = 1 << 20,
	ELECT_MS = 500,     /* how long raft-elect may take to say what it knows */
	CATCH_UP_MS = 1000, /* how long raft-logd may take to have it too */
	PROGRESS_MS = 500
};

static struct {
	struct tool tool;
	enum framing framing;
	bool follow;
	uint64_t from, to; /* indexes, both included */
	uint64_t since_ms, until_ms;
	uint64_t last;      /* of --last */
	uint64_t from_last; /* of --from -COUNT; UINT64_MAX: neither is given */
	bool seeking;       /* the beginning is still being looked for */
	struct beginning beginning;
	uint64_t skip;       /* entries to pass over before the first one that is printed */
	uint64_t count_left; /* entries to print */
	uint64_t give_up_ms;
	struct link *elect;
	struct link *link;
	uint64_t seen;   /* committed, says raft-elect */
	uint64_t commit; /* committed and here, says raft-logd */
	uint64_t request;
	bool end_known; /* raft-logd has answered; without -f, `to` is committed */
	bool answered;  /* this connection has brought an answer */
	bool away;      /* raft-logd was lost, and has not answered since */
	bool gap;       /* with -f: some of what was asked for was compacted away */
	struct timeout *timeout;
	struct progress *progress;
	uint64_t begun; /* the first index that was asked for, once the end is known */
	uv_poll_t output;
	struct wire_buf out;
} self;

static const char log_unreadable[] = "raft-logd sends what cannot be read";

static uint64_t
tail_when(enum tool_option option, const char *value)
{
	uint64_t ms;
	if (!when_parse(&ms, value, wall_ms()))
		tool_die(EXIT_USAGE,
		    "--%s %s: not a time as 2026-11-30T07:05Z (UTC), nor an age as 90s, 2h or 3d",
		    option == TOOL_SINCE ? "since" : "until", value);
	return ms;
}

static void
tail_from(const char *value)
{
	self.from = 1;
	self.from_last = UINT64_MAX;
	if (strcmp(value, "end") == 0)
		self.from_last = 0;
	else if (value[0] == '-')
		self.from_last = tool_number(TOOL_FROM, value + 1, 0, UINT64_MAX - 1);
	else
		self.from = tool_number(TOOL_FROM, value, 1, UINT64_MAX - 1);
}

static void
tail_on_option(enum tool_option option, const char *value)
{
	switch (option) {
	case TOOL_FRAMING:
		self.framing = tool_framing(value, true);
		break;
	case TOOL_NUL:
		self.framing = FRAMING_NUL;
		break;
	case TOOL_FOLLOW:
		self.follow = true;
		break;
	case TOOL_COUNT:
		self.count_left = tool_number(option, value, 0, UINT64_MAX);
		break;
	case TOOL_FROM:
		tail_from(value);
		break;
	case TOOL_LAST:
		self.last = tool_number(option, value, 0, UINT64_MAX - 1);
		break;
	case TOOL_TO:
		self.to = tool_number(option, value, 0, UINT64_MAX - 1);
		break;
	case TOOL_SINCE:
		self.since_ms = tail_when(option, value);
		self.seeking = true;
		break;
	case TOOL_UNTIL:
		self.until_ms = tail_when(option, value);
		break;
	default:
		self.give_up_ms = tool_duration_ms(option, value);
	}
}

static bool
tail_done(void)
{
	return self.count_left == 0 || self.from > self.to;
}

static void
tail_ask(void)
{
	struct msg_log_read read = {
	    .from = self.from, .count_max = UINT32_MAX, .wait = self.answered};
	if (self.seeking)
		read = beginning_ask(&self.beginning);
	read.size_max = READ_SIZE;
	read.request = ++self.request;
	msg_log_read_put(link_out(self.link), &read);
	link_flush(self.link);
}

/* Frames those that are asked for.  False when the run of records is malformed. */
static bool
tail_take(const struct msg_log_entries *entries)
{
	const uint8_t *at = entries->entries.bytes;
	size_t left = entries->entries.size;
	for (uint32_t i = 0; i < entries->count; i++) {
		struct raft_entry entry;
		if (!raft_entry_decode(&entry, NULL, at, left))
			return false;
		at += entry.size;
		left -= entry.size;
		if (raft_entry_time(&entry) > self.until_ms)
			self.to = self.from - 1;
		bool counts = !tail_done() && beginning_counts(&entry, self.since_ms);
		if (counts && self.skip > 0) {
			self.skip--;
		} else if (counts) {
			framing_put(&self.out, self.framing, self.from, &entry);
			self.count_left--;
		}
		self.from++;
	}
	return left == 0;
}

/* All that is here has been printed, or looked at: the rest is committed, and on its way here. */
static bool
tail_catching_up(void)
{
	if (!link_up(self.link))
		return false;
	return self.seeking ? beginning_catches_up(&self.beginning)
			    : !self.follow && self.end_known && self.from > self.commit;
}

/* How long it may wait now. */
static uint64_t
tail_limit_ms(void)
{
	if (self.elect)
		return ELECT_MS;
	return tail_catching_up() ? min_u64(self.give_up_ms, CATCH_UP_MS) : self.give_up_ms;
}

static void
tail_progress(void)
{
	timeout_begin(self.timeout, tail_limit_ms());
	/* With -f it waits for the next entry without a limit while raft-logd is connected. */
	if (self.follow && !self.seeking && link_up(self.link))
		timeout_stop(self.timeout);
}

static void
write_out(void)
{
	tool_write(self.out.bytes, self.out.size);
	self.out.size = 0;
	tail_progress();
}

/* Lines that go to a terminal, or through a pipe to a program that writes there, show enough. */
static bool
is_to_file(void)
{
	struct stat st;
	return fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

static void
tail_show_progress(void)
{
	progress_amount(self.progress, PROGRESS_ENTRIES, self.from - self.begun,
	    self.follow || self.to == UINT64_MAX ? 0 : self.to - self.begun + 1);
}

/*
 * Whoever has kept a place and comes back with it to a restored log would miss entries in silence.
 */
static void
warn_if_ahead(uint64_t end)
{
	if (self.from > end + 1)
		tool_say("--from %llu: the log is known to be committed up to %llu only%s; a place "
			 "that was kept while another log was there, "
			 "as before a restore from a backup, means nothing here",
		    (unsigned long long)self.from, (unsigned long long)end,
		    self.follow ? ": entries are waited for" : "");
}

/* What was taken before an entry of a newer level is printed, and may be all that was asked for. */
static const char *
tail_stop(const struct msg_log_entries *entries)
{
	char why[WIRE_NEWER_SIZE];
	if (!wire_entries_newer(entries->entries, entries->count, entries->first_index, why))
		return log_unreadable;
	write_out();
	if (!tail_done())
		tool_die(EXIT_CONFIG, "%s", why);
	loop_stop(self.tool.loop);
	return NULL;
}

/* The first answer of raft-logd. */
static void
tail_know_end(void)
{
	uint64_t end = max_u64(self.commit, self.seen);
	if (self.end_known)
		return;
	self.end_known = true;
	warn_if_ahead(end);
	if (!self.follow)
		self.to = min_u64(self.to, end);
}

static void
tail_begin(void)
{
	unsigned long long left = self.beginning.compacted_to;
	self.seeking = false;
	self.from = self.beginning.low;
	self.skip = self.beginning.skip;
	if (self.beginning.maybe_short && self.last == UINT64_MAX)
		tool_say("the entries before %llu are compacted away, and with them perhaps some "
			 "of the time that is asked for",
		    left);
	else if (self.beginning.maybe_short)
		tool_say("the entries before %llu are compacted away, and with them perhaps some "
			 "of the last %llu",
		    left, (unsigned long long)self.last);
	if (self.tool.verbose)
		tool_say("beginning at index %llu", (unsigned long long)self.from);
}

static const char *
tail_seek(const struct msg_log_entries *entries)
{
	if (!beginning_take(&self.beginning, entries))
		return tail_stop(entries);
	if (self.beginning.state == BEGINNING_FOUND)
		tail_begin();
	if (!self.seeking && tail_done())
		loop_stop(self.tool.loop);
	else
		tail_ask();
	tail_progress();
	return NULL;
}

/* Nothing is printed in place of what is compacted away. */
static void
tail_gap(uint64_t first_available)
{
	unsigned long long from = self.from, first = first_available;
	unsigned long long last = min_u64(first_available - 1, self.to);
	if (!self.follow)
		tool_die(EXIT_GAP,
		    "the entries %llu to %llu are compacted away: the first available index is "
		    "%llu",
		    from, last, first);
	tool_say(
	    "the entries %llu to %llu are compacted away: continuing with %llu", from, last, first);
	self.gap = true;
	self.from = first_available;
	self.skip = 0; /* which of those are left is not known */
}

/* Only an answer is progress: a raft-logd that dies at each question is given up. */
static void
tail_on_answer(void)
{
	if (self.away && self.tool.verbose)
		tool_say("raft-logd is back");
	self.away = false;
	self.answered = true;
}

static const char *
tail_on_entries(const struct msg_log_entries *entries)
{
	if (entries->request != self.request)
		return NULL;
	self.commit = entries->commit;
	tail_on_answer();
	tail_know_end();
	if (self.seeking)
		return tail_seek(entries);
	if (entries->first_available > self.from && !tail_done())
		tail_gap(entries->first_available);
	if (entries->count > 0 && entries->first_index != self.from)
		return log_unreadable;
	if (self.begun == 0)
		self.begun = self.from;
	if (!tail_take(entries))
		return tail_stop(entries);
	if (tail_done())
		loop_stop(self.tool.loop);
	else
		tail_ask();
	write_out();
	tail_show_progress();
	return NULL;
}

static const char *
tail_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_log_entries entries;
	(void)arg;
	if (number == MSG_LOG_ENTRIES && msg_log_entries_get(&entries, body, size))
		return tail_on_entries(&entries);
	return log_unreadable;
}

static void
tail_on_up(void *arg)
{
	(void)arg;
	if (tail_catching_up())
		tail_progress();
	tail_ask();
}

static void
tail_on_down(bool was_up, const char *why, void *arg)
{
	bool progress = self.answered || (was_up && beginning_catches_up(&self.beginning));
	(void)arg;
	if (was_up && self.follow && !self.away)
		tool_say("%s: waiting for raft-logd", why);
	else if (self.tool.verbose && strcmp(timeout_why(self.timeout), why) != 0)
		tool_say("%s", why);
	self.away = self.away || was_up;
	self.answered = false;
	timeout_set_why(self.timeout, why);
	if (was_up)
		beginning_catch_up_no_longer(&self.beginning);
	if (progress)
		tail_progress();
}

static void begin_reading(void *arg);

static void
tail_on_timeout(void *arg)
{
	if (self.elect) {
		begin_reading(arg);
	} else if (!tail_catching_up()) {
		tool_die(EXIT_UNAVAILABLE, "%s", timeout_sentence(self.timeout));
	} else if (self.seeking) {
		beginning_catch_up_no_longer(&self.beginning);
		tail_ask();
		tail_progress();
	} else {
		loop_stop(self.tool.loop);
	}
}

/* The reader of our output has gone: without this, one that follows a quiet log would stay. */
static void
tail_on_output(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	if (status >= 0 && !(events & LOOP_READER_GONE))
		return;
	/* As the next write would end it. */
	raise(SIGPIPE);
	exit(128 + SIGPIPE);
}

static void
watch_output(void)
{
	if (!loop_poll_output(self.tool.loop, &self.output, STDOUT_FILENO))
		return;
	uv_poll_start(&self.output, LOOP_READER_GONE, tail_on_output);
	uv_unref((uv_handle_t *)&self.output);
}

static const struct link_calls link_calls = {
    .up = tail_on_up, .frame = tail_on_frame, .refused = tool_refused, .down = tail_on_down};

static void
begin_reading(void *arg)
{
	(void)arg;
	link_free(self.elect);
	self.elect = NULL;
	self.beginning = (struct beginning){.from = self.from,
	    .to = self.to,
	    .since_ms = self.since_ms,
	    .until_ms = self.until_ms,
	    .last = self.last,
	    .seen = self.seen};
	self.link = link_new(self.tool.loop, tool_socket(&self.tool, "log").text, WIRE_READER,
	    self.tool.prog, &link_calls, NULL);
	tail_progress();
}

static void
tail_on_elect_up(void *arg)
{
	(void)arg;
	self.seen = link_hello(self.elect)->seen;
	msg_read_index_put(link_out(self.elect), &(struct msg_read_index){1});
}

static const char *
tail_on_elect_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_read_index_reply reply;
	if (number == MSG_READ_INDEX_REPLY && msg_read_index_reply_get(&reply, body, size) &&
	    reply.ok && reply.index > self.seen)
		self.seen = reply.index;
	begin_reading(arg);
	return NULL;
}

static void
tail_on_elect_refused(enum exit_status status, const char *why, void *arg)
{
	(void)status, (void)why;
	begin_reading(arg);
}

static void
tail_on_elect_down(bool was_up, const char *why, void *arg)
{
	(void)was_up, (void)why;
	begin_reading(arg);
}

static const struct link_calls elect_calls = {.up = tail_on_elect_up,
    .frame = tail_on_elect_frame,
    .refused = tail_on_elect_refused,
    .down = tail_on_elect_down};

static void
check_options(void)
{
	if (self.tool.argc > 0)
		tool_die(EXIT_USAGE, "%s: no operand is expected", self.tool.argv[0]);
	if (self.last < UINT64_MAX && self.from_last < UINT64_MAX)
		tool_die(EXIT_USAGE,
		    "--last: does not go with --from -COUNT, which is the same, nor with "
		    "--from end, which is --last 0");
	self.last = min_u64(self.last, self.from_last);
	self.seeking = self.seeking || self.last < UINT64_MAX;
}

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-tail",
	    .usage = "[-fv] [-c FILE] [-F FRAMING | -0] [-N COUNT] [-t TIME] [--last COUNT] "
		     "[--from INDEX | -COUNT | end] [--to INDEX] [--since WHEN] [--until WHEN]",
	    .takes = 1ull << TOOL_FRAMING | 1ull << TOOL_NUL | 1ull << TOOL_FOLLOW |
		     1ull << TOOL_COUNT | 1ull << TOOL_TIMEOUT | 1ull << TOOL_LAST |
		     1ull << TOOL_FROM | 1ull << TOOL_TO | 1ull << TOOL_SINCE | 1ull << TOOL_UNTIL,
	    .found = tail_on_option,
	};
	self.from = 1;
	self.to = self.count_left = self.until_ms = self.last = self.from_last = UINT64_MAX;
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	check_options();
	if (tail_done())
		return EXIT_OK;
	self.timeout = timeout_new(
	    self.tool.loop, ELECT_MS, "raft-logd does not answer", tail_on_timeout, NULL);
	self.progress =
	    progress_new(self.tool.loop, self.tool.prog, !self.follow && is_to_file(), PROGRESS_MS);
	watch_output();
	self.elect = link_new(self.tool.loop, tool_socket(&self.tool, "elect").text, WIRE_CLIENT,
	    self.tool.prog, &elect_calls, NULL);
	loop_run(self.tool.loop);
	return self.gap ? EXIT_GAP : EXIT_OK;
}
