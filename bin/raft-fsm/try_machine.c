/* SPDX-License-Identifier: ISC */
/*
 * --try of mode machine: ready, restore, entries, queries, snapshot; each answer is printed, and
 * the first breach of the contract ends it, with what was said and what was expected.
 *
 * Requests are pipelined as by the real one, so a program that holds its answers back is found out.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/exit.h"
#include "unix/loop.h"
#include "pending.h"
#include "reply.h"
#include "try_run.h"

enum { READ_SIZE = 64 << 10, OUT_HIGH = 1 << 20, HOW_SIZE = 64, SAID_MAX = 60, TEXT_SIZE = 512 };

/* What comes next; each begins when the one before has been put, or answered. */
enum try_step { STEP_HELLO, STEP_RESTORE, STEP_ENTRIES, STEP_QUERIES, STEP_SNAPSHOT, STEP_END };

struct times {
	uint64_t timeout_ms, snapshot_timeout_ms, stop_timeout_ms;
	uint64_t reply_max;
};

struct try_machine {
	struct try *try;
	struct times times;
	enum try_step step;
	int output;       /* from the program */
	int gone;         /* readable when it has ended */
	bool input_ended; /* there are no more lines */
	bool deaf;        /* it reads no more */
	bool ended;       /* its stdout is */
	struct wire_buf out;
	size_t out_at;
	struct reply_reader in;
	struct pending pending;
	struct mono_ms
	    moved; /* when the oldest request became the oldest, or its input was closed */
};

/* ------- what is wrong ------------------------------------------------------ */

/* What the program ought to say now. */
static const char *
try_machine_expected(struct try_machine *t)
{
	static char text[TEXT_SIZE];
	struct pending_one *one = pending_first(&t->pending);
	if (t->step == STEP_HELLO)
		snprintf(text, sizeof text,
		    "\"ready N\", N the last index that it holds on its own disk, or 0");
	else if (one == NULL)
		snprintf(text, sizeof text,
		    "nothing, or \"durable N\": each request has one answer, and all have theirs");
	else if (one->kind == REQUEST_ENTRY)
		snprintf(text, sizeof text, "\"ok\" or \"refused\", in answer to entry %" PRIu64,
		    one->index);
	else if (one->kind == REQUEST_QUERY)
		snprintf(text, sizeof text, "\"ok\" or \"refused\", in answer to query %.100s",
		    t->try->queries[one->index]);
	else
		snprintf(text, sizeof text, "\"ok\" or \"refused\", in answer to %s",
		    request_name(one->kind));
	return text;
}

/* The beginning of what it said, as far as it can be shown. */
static const char *
try_machine_shown(struct wire_bytes said)
{
	static char text[SAID_MAX * 4 + 8];
	size_t at = 0;
	for (size_t i = 0; i < said.size && i < SAID_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof text - at,
		    said.bytes[i] >= ' ' && said.bytes[i] < 127 && said.bytes[i] != '\\'
			? "%c"
			: "\\x%02x",
		    said.bytes[i]);
	snprintf(text + at, sizeof text - at, "%s", said.size > SAID_MAX ? "..." : "");
	return text;
}

_Noreturn static void try_machine_breach(struct try_machine *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void
try_machine_breach(struct try_machine *t, const char *format, ...)
{
	char what[TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	fflush(stdout);
	if (t->try->pid)
		kill(t->try->pid, SIGKILL);
	errx(EXIT_DATA, "the program %s; expected: %s", what, try_machine_expected(t));
}

/* ------- out ------------------------------------------------------------------ */

static void
try_machine_put(
    struct try_machine *t, enum request_kind kind, uint64_t index, const void *data, size_t size)
{
	bool netstring = t->try->framing == FRAMING_NETSTRING;
	if (t->pending.count == 0)
		t->moved = mono_now();
	struct pending_one *one = pending_put(&t->pending, kind, size);
	one->index = index;
	one->unfit = request_unfit(netstring, (struct wire_bytes){data, size});
	if (one->unfit == NULL)
		request_put(&t->out, netstring, kind, index, data, size);
}

static bool
try_machine_room(const struct try_machine *t)
{
	return pending_room(&t->pending) && t->out.size < OUT_HIGH && !t->deaf;
}

static void try_machine_settle_local(struct try_machine *t);

static void
put_lines(struct try_machine *t)
{
	struct wire_bytes line;
	while (try_machine_room(t) && try_line(t->try, &line)) {
		try_machine_put(t, REQUEST_ENTRY, ++t->try->index, line.bytes, line.size);
		try_machine_settle_local(t);
	}
}

/* Puts what can be put now. */
static void
try_machine_fill(struct try_machine *t)
{
	struct try *try = t->try;
	if (t->step == STEP_ENTRIES) {
		put_lines(t);
		if (t->input_ended && try_machine_room(t))
			t->step = STEP_QUERIES;
	}
	if (t->step == STEP_QUERIES) {
		for (size_t i = 0; i < try->queries_count; i++)
			try_machine_put(
			    t, REQUEST_QUERY, i, try->queries[i], strlen(try->queries[i]));
		try_machine_settle_local(t);
		t->step = STEP_SNAPSHOT;
		if (try->snapshot)
			try_machine_put(
			    t, REQUEST_SNAPSHOT, 0, try->snapshot, strlen(try->snapshot));
	}
	if (t->step == STEP_SNAPSHOT && t->pending.count == 0 && t->out.size == 0) {
		t->step = STEP_END;
		t->moved = mono_now();
		close(try->pipe);
		try->pipe = -1;
	}
}

static void
try_machine_flush(struct try_machine *t)
{
	while (t->out_at < t->out.size && !t->deaf) {
		ssize_t wrote =
		    write(t->try->pipe, t->out.bytes + t->out_at, t->out.size - t->out_at);
		if (wrote > 0)
			t->out_at += (size_t)wrote;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			t->deaf = true;
	}
	t->out.size = t->out_at = 0;
}

/* ------- in ------------------------------------------------------------------- */

static void
try_machine_print(const struct try_machine *t, const char *word, struct wire_bytes data)
{
	size_t size = strlen(word) + (data.size ? 1 + data.size : 0);
	bool netstring = t->try->framing == FRAMING_NETSTRING;
	if (netstring)
		printf("%zu:", size);
	printf("%s%s", word, data.size ? " " : "");
	if (data.size)
		fwrite(data.bytes, 1, data.size, stdout);
	putchar(netstring ? ',' : '\n');
}

/* What the one who asked would get. */
static void
print_reply(const struct try_machine *t, enum request_kind kind, const struct reply *reply)
{
	const char *word = reply->kind == REPLY_OK ? "ok" : "refused";
	if (reply->lost)
		try_machine_print(
		    t, kind == REQUEST_QUERY ? "refused" : "lost", wire_text(reply->lost));
	else
		try_machine_print(t, word, reply->data);
}

/* Answers in the place of the program what it cannot be given, as soon as that is the oldest. */
static void
try_machine_settle_local(struct try_machine *t)
{
	char why[REQUEST_WHY_SIZE];
	for (struct pending_one *one; (one = pending_first(&t->pending)) && one->unfit;) {
		try_machine_print(
		    t, "refused", request_refusal(why, request_name(one->kind), one->unfit));
		pending_drop_first(&t->pending);
	}
}

static void
try_machine_on_ready(struct try_machine *t, uint64_t index)
{
	struct try *try = t->try;
	if (t->step != STEP_HELLO)
		try_machine_breach(t, "says ready twice");
	try->index = try->from ? try->from - 1 : index;
	t->step = try->restore ? STEP_RESTORE : STEP_ENTRIES;
	if (try->restore)
		try_machine_put(t, REQUEST_RESTORE, 0, try->restore, strlen(try->restore));
}

static void
check_snapshot(struct try_machine *t)
{
	struct stat st;
	if (stat(t->try->snapshot, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		try_machine_breach(t,
		    "says ok to snapshot and has written no file, or an empty one: %.300s",
		    t->try->snapshot);
}

static void
try_machine_on_answer(struct try_machine *t, const struct reply *reply)
{
	struct pending_one *first = pending_first(&t->pending);
	if (first == NULL)
		try_machine_breach(t, "answers what it was not asked, or twice");
	enum request_kind kind = first->kind;
	print_reply(t, kind, reply);
	if (kind == REQUEST_RESTORE && reply->kind == REPLY_REFUSED)
		try_machine_breach(t, "refuses to restore %.300s", t->try->restore);
	pending_drop_first(&t->pending);
	t->moved = mono_now();
	if (kind == REQUEST_RESTORE)
		t->step = STEP_ENTRIES;
	if (kind == REQUEST_SNAPSHOT && reply->kind == REPLY_OK)
		check_snapshot(t);
	try_machine_settle_local(t);
}

static void
on_saying(struct try_machine *t, const struct reply *reply)
{
	if (reply->kind == REPLY_WRONG)
		try_machine_breach(t, "breaks the contract: %s: \"%s\"", reply->why,
		    try_machine_shown(reply->data));
	else if (reply->kind == REPLY_READY)
		try_machine_on_ready(t, reply->index);
	else if (t->step == STEP_HELLO)
		try_machine_breach(t, "does not say ready first");
	else if (reply->kind == REPLY_DURABLE && reply->index > t->try->index)
		try_machine_breach(
		    t, "says durable %" PRIu64 ", an entry that it was not given", reply->index);
	else if (reply->kind != REPLY_DURABLE)
		try_machine_on_answer(t, reply);
}

/* False: nothing is there now, or ever. */
static bool
try_machine_hear(struct try_machine *t)
{
	uint8_t *space = reply_room(&t->in, READ_SIZE);
	ssize_t got = read(t->output, space, READ_SIZE);
	reply_added(&t->in, READ_SIZE, got > 0 ? (size_t)got : 0);
	t->ended = got == 0;
	for (struct reply reply; (reply = reply_next(&t->in)).kind != REPLY_MORE;)
		on_saying(t, &reply);
	return got > 0;
}

/* ------- the end ---------------------------------------------------------------- */

/* It has ended; what it said before counts. */
static int
try_machine_over(struct try_machine *t)
{
	char how[HOW_SIZE];
	while (try_machine_hear(t))
		;
	int status = try_wait(t->try, how, sizeof how);
	t->try->pid = 0;
	bool early = t->step != STEP_END;
	if (early && t->pending.count == 0 && t->step != STEP_HELLO)
		try_machine_breach(t, "%s before its input ended", how);
	if (early || t->pending.count > 0)
		try_machine_breach(
		    t, "%s%s", how, reply_begun(&t->in) ? " in the middle of an answer" : "");
	if (reply_begun(&t->in))
		try_machine_breach(t, "%s in the middle of what nobody asked for", how);
	fflush(stdout);
	return status;
}

/* How long it may still take; what it takes too long for ends it. */
static int
try_machine_patience(struct try_machine *t)
{
	struct pending_one *first = pending_first(&t->pending);
	bool slow = first && (first->kind == REQUEST_RESTORE || first->kind == REQUEST_SNAPSHOT);
	uint64_t limit = slow ? t->times.snapshot_timeout_ms : t->times.timeout_ms;
	uint64_t gone = mono_now().ms - t->moved.ms;
	if (t->step == STEP_END || t->ended || t->deaf)
		limit = t->times.stop_timeout_ms;
	else if (first == NULL && t->step != STEP_HELLO)
		return -1; /* it waits for us */
	if (gone < limit)
		return (int)(limit - gone < INT32_MAX ? limit - gone : INT32_MAX);
	if (t->ended)
		try_machine_breach(t, "closed its standard output and goes on");
	if (t->step == STEP_END)
		try_machine_breach(
		    t, "does not end after its input ended, for %" PRIu64 " ms", limit);
	if (t->deaf)
		try_machine_breach(t, "closed its standard input and goes on");
	try_machine_breach(
	    t, "has said nothing for %" PRIu64 " ms: is its output buffered?", limit);
}

static bool
try_machine_is_over(struct try_machine *t)
{
	bool wants_line = t->step == STEP_ENTRIES && !t->input_ended && try_machine_room(t);
	struct pollfd fds[] = {
	    {.fd = t->gone, .events = POLLIN},
	    {.fd = t->ended ? -1 : t->output, .events = POLLIN},
	    {.fd = t->out.size && !t->deaf ? t->try->pipe : -1, .events = POLLOUT},
	    {.fd = wants_line ? STDIN_FILENO : -1, .events = POLLIN},
	};
	enum { FDS = sizeof fds / sizeof fds[0] };
	fflush(stdout);
	if (poll(fds, FDS, try_machine_patience(t)) < 0 && errno != EINTR)
		errx(EXIT_OS, "poll: %s", strerror(errno));
	if (fds[1].revents && !try_machine_hear(t) && t->ended)
		t->moved = mono_now();
	if (fds[3].revents && !try_read(t->try))
		t->input_ended = true;
	return fds[0].revents != 0;
}

static struct times
times_of(const struct try *try)
{
	/* As in raft.yaml(5). */
	if (try->conf == NULL)
		return (struct times){30000, 600000, 5000, 1 << 20};
	return (struct times){try->conf->fsm.timeout_ms, try->conf->fsm.snapshot_timeout_ms,
	    try->conf->fsm.stop_timeout_ms, try->conf->fsm.reply_max};
}

int
try_machine(struct try *try)
{
	static struct try_machine t;
	t.try = try;
	t.times = times_of(try);
	reply_init(&t.in, try->framing == FRAMING_NETSTRING, t.times.reply_max);
	try_start(try, &t.output);
	fcntl(try->pipe, F_SETFL, O_NONBLOCK);
	fcntl(t.output, F_SETFL, O_NONBLOCK);
	if ((t.gone = pidfd_open(try->pid, 0)) < 0)
		errx(EXIT_OS, "the command's end cannot be watched: %s", strerror(errno));
	t.moved = mono_now();
	while (!try_machine_is_over(&t)) {
		try_machine_fill(&t);
		try_machine_flush(&t);
		try_machine_fill(&t); /* all may be out */
	}
	return try_machine_over(&t);
}
