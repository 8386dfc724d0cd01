/* SPDX-License-Identifier: ISC */
/*
 * raft-tail: committed client entries of this node's log to standard output, in order.
 *
 * The next read is asked for before the last one is written out, so that the log and
 * the reader of our output work side by side.  Writing blocks: that is the back-pressure.
 *
 * Without -f the end is what is committed at the start.  Who has just appended something, anywhere,
 * wants to see it here: so raft-elect is asked for a read index first (§6.4), and this node's log
 * gets a moment to reach it.  Where no leader answers, the end is what this node knows.
 *
 * --since is found by bisection, an entry a step: times never decrease along the log.
 */
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
	/* While the first entry of since_ms or later is looked for: it is in [low, high]. */
	bool seeking;
	uint64_t low, high;
	uint64_t gap_end;    /* the first entry that is left, if some that were asked for are not */
	uint64_t count_left; /* entries to print */
	uint64_t give_up_ms;
	struct link *elect;
	struct link *link;
	uint64_t seen;   /* committed, says raft-elect */
	uint64_t commit; /* committed and here, says raft-logd */
	uint64_t request;
	bool end_known; /* without -f: `to` is at most what was committed at the start */
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
		self.from = tool_number(option, value, 1, UINT64_MAX - 1);
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
	msg_log_read_put(
	    link_out(self.link), &(struct msg_log_read){.request = ++self.request,
				     .from = self.from,
				     .size_max = READ_SIZE,
				     .count_max = self.seeking ? 1 : UINT32_MAX,
				     .wait = !self.seeking && (self.follow || self.end_known)});
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
		if (!tail_done() && entry.kind == RAFT_CLIENT &&
		    raft_entry_time(&entry) >= self.since_ms) {
			framing_put(&self.out, self.framing, self.from, &entry);
			self.count_left--;
		}
		self.from++;
	}
	return left == 0;
}

/* How long it may wait now. */
static uint64_t
tail_limit_ms(void)
{
	if (self.elect)
		return ELECT_MS;
	/* All that is here has been printed. */
	if (link_up(self.link) && self.end_known && self.from > self.commit)
		return self.give_up_ms < CATCH_UP_MS ? self.give_up_ms : CATCH_UP_MS;
	return self.give_up_ms;
}

static void
tail_progress(void)
{
	timeout_begin(self.timeout, tail_limit_ms());
	/* With -f it waits without a limit while raft-logd is connected. */
	if (self.follow && link_up(self.link))
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

/* The first answer tells between which entries it is. */
static void
seek_begin(const struct msg_log_entries *entries)
{
	self.low = max_u64(self.from, entries->first_available);
	self.high = max_u64(self.low, min_u64(entries->commit, self.to) + 1);
	if (self.low > self.from)
		self.gap_end = self.low;
}

static bool
seek_narrow(const struct msg_log_entries *entries)
{
	struct raft_entry entry;
	if (entries->first_available > self.low) { /* compacted just now */
		self.low = min_u64(entries->first_available, self.high);
		self.gap_end = entries->first_available;
	}
	if (self.from < self.low)
		return true;
	if (entries->count == 0 || entries->first_index != self.from ||
	    !raft_entry_decode(&entry, NULL, entries->entries.bytes, entries->entries.size))
		return false;
	if (raft_entry_time(&entry) < self.since_ms)
		self.low = self.from + 1;
	else
		self.high = self.from;
	return true;
}

/* Where the first one that is left is late enough, so may be those before it. */
static void
seek_end(void)
{
	if (self.low <= self.gap_end)
		tool_say("the entries before %llu are compacted away, and with them perhaps some "
			 "of the time that is asked for",
		    (unsigned long long)self.gap_end);
	self.seeking = false;
}

static const char *
tail_seek(const struct msg_log_entries *entries)
{
	if (self.high == 0)
		seek_begin(entries);
	else if (!seek_narrow(entries))
		return log_unreadable;
	self.from = self.low + (self.high - self.low) / 2;
	if (self.low == self.high)
		seek_end();
	if (!self.seeking && tail_done())
		loop_stop(self.tool.loop);
	else
		tail_ask();
	return NULL;
}

static const char *
tail_on_entries(const struct msg_log_entries *entries)
{
	if (entries->request != self.request)
		return NULL;
	if (self.seeking)
		return tail_seek(entries);
	self.commit = entries->commit;
	uint64_t end = self.commit > self.seen ? self.commit : self.seen;
	if (!self.end_known)
		warn_if_ahead(end);
	if (!self.end_known && !self.follow && end < self.to)
		self.to = end;
	self.end_known = true;
	if (entries->first_available > self.from && !tail_done())
		tool_die(EXIT_GAP,
		    "the entries %llu to %llu are compacted away: the first available index is "
		    "%llu",
		    (unsigned long long)self.from, (unsigned long long)entries->first_available - 1,
		    (unsigned long long)entries->first_available);
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
	tail_progress();
	tail_ask();
}

static void
tail_on_down(bool was_up, const char *why, void *arg)
{
	(void)arg;
	if (self.tool.verbose && strcmp(timeout_why(self.timeout), why) != 0)
		tool_say("%s", why);
	timeout_set_why(self.timeout, why);
	if (was_up)
		tail_progress();
}

static void begin_reading(void *arg);

static void
tail_on_timeout(void *arg)
{
	if (self.elect)
		begin_reading(arg);
	else if (link_up(self.link) && self.end_known && self.from > self.commit)
		loop_stop(self.tool.loop);
	else
		tool_die(EXIT_UNAVAILABLE, "%s", timeout_sentence(self.timeout));
}

/* The reader of our output has gone: without this, one that follows a quiet log would stay. */
static void
tail_on_output(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	if (status < 0 || (events & LOOP_READER_GONE))
		exit(EXIT_OK);
}

static void
watch_output(void)
{
	if (uv_poll_init(loop_uv(self.tool.loop), &self.output, STDOUT_FILENO) < 0)
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

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-tail",
	    .usage = "[-fv] [-c FILE] [-F FRAMING | -0] [-N COUNT] [-t TIME] [--from INDEX] [--to "
		     "INDEX] [--since WHEN] [--until WHEN]",
	    .takes = 1u << TOOL_FRAMING | 1u << TOOL_NUL | 1u << TOOL_FOLLOW | 1u << TOOL_COUNT |
		     1u << TOOL_TIMEOUT | 1u << TOOL_FROM | 1u << TOOL_TO | 1u << TOOL_SINCE |
		     1u << TOOL_UNTIL,
	    .found = tail_on_option,
	};
	self.from = 1;
	self.to = self.count_left = self.until_ms = UINT64_MAX;
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	if (self.tool.argc > 0)
		tool_die(EXIT_USAGE, "%s: no operand is expected", self.tool.argv[0]);
	if (tail_done())
		return EXIT_OK;
	self.timeout = timeout_new(
	    self.tool.loop, ELECT_MS, "raft-logd does not answer", tail_on_timeout, NULL);
	self.progress =
	    progress_new(self.tool.loop, self.tool.prog, !self.follow && is_to_file(), PROGRESS_MS);
	watch_output();
	if (self.follow)
		begin_reading(NULL);
	else
		self.elect = link_new(self.tool.loop, tool_socket(&self.tool, "elect").text,
		    WIRE_CLIENT, self.tool.prog, &elect_calls, NULL);
	loop_run(self.tool.loop);
	return EXIT_OK;
}
