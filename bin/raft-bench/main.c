/* SPDX-License-Identifier: ISC */
/*
 * raft-bench: throughput of a cluster, and the latency of each operation.
 *
 * Closed loop: as soon as an operation is answered the next one begins.  Open loop (--rate):
 * each operation has a time at which it is due, and its latency counts from then, also while it
 * waits here.  So a stall counts for each operation that was due in it, and not only for those in
 * flight.  What a turn finds to send shares a request, as the lines of a pipe do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/input.h"
#include "prog/progress.h"
#include "unix/signals.h"
#include "lane.h"
#include "pace.h"
#include "report.h"
#include "settings.h"

enum {
	PROGRESS_MS = 1000,
	LATE_MS = 10,         /* an operation is late when it begins this long after its time */
	LAG_MS = 100,         /* the rate was held when the last answer lags no more than this */
	LAG_PART = 100,       /* or than this part of the schedule */
	DESCRIPTORS_KEPT = 32 /* besides those of lanes */
};
static const uint64_t ns_per_s = 1000 * 1000 * 1000, ns_per_ms = 1000 * 1000;
/* Above this rate operations that are due within the pause share a turn: turns cost time, too. */
static const uint64_t rate_of_turns = 10000, pause_ns = 100 * 1000;

static struct {
	struct settings settings;
	struct wire_bytes data; /* of each operation, unless they are lines of the input */
	struct input *input;
	struct lane **lanes;
	uint64_t lanes_at;    /* the next to be given an operation */
	uint64_t lanes_ended; /* those that do nothing any longer */
	struct pace *pace;
	struct progress *progress;
	uv_signal_t signals[3];
	bool ready;   /* each lane has been ready */
	bool no_more; /* operations begin */
	bool stopping;
	uint64_t taken, late, bytes;
	uint64_t start_ns, end_ns;       /* of the first operation, of the last answer */
	struct histogram latency, shown; /* shown: those since the last line of progress */
	uint64_t shown_ns;
	enum exit_status status;
	char why[FRAMING_WHY_SIZE];         /* "": all is well */
	char refused_why[FRAMING_WHY_SIZE]; /* of the first query that the program refused */
} self;

/* ------------------------------------------------------------- the end */

/* The first reason counts; but an unknown outcome is worse than each other status. */
static void
bench_fail(enum exit_status status, const char *why)
{
	self.no_more = true;
	if (self.input)
		input_hold(self.input);
	if (self.why[0] == '\0')
		snprintf(self.why, sizeof self.why, "%s", why);
	if (self.status == EXIT_OK || status == EXIT_UNKNOWN)
		self.status = status;
}

/* All lanes end, once what is in flight is answered or given up. */
static void
bench_stop(enum exit_status status, const char *why)
{
	bench_fail(status, why);
	if (self.stopping)
		return;
	self.stopping = true;
	for (uint64_t i = 0; i < self.settings.connections; i++)
		lane_stop(self.lanes[i], status, why);
}

static void
bench_on_ended(struct lane *lane, enum exit_status status, const char *why, void *arg)
{
	char text[FRAMING_WHY_SIZE];
	(void)arg;
	if (self.settings.nodes_count > 1)
		snprintf(text, sizeof text, "%s: %s", lane_conf(lane)->path, why);
	else
		snprintf(text, sizeof text, "%s", why);
	self.lanes_ended++;
	bench_stop(status, text);
	if (self.lanes_ended == self.settings.connections)
		loop_stop(self.settings.tool.loop);
}

static void
bench_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	(void)number;
	bench_stop(EXIT_RETRY, "interrupted");
}

/* ------------------------------------------------------------- answers */

static void
bench_on_done(uint64_t began_ns, uint64_t ended_ns, void *arg)
{
	uint64_t us = (ended_ns - began_ns + 500) / 1000;
	(void)arg;
	self.end_ns = ended_ns;
	histogram_add(&self.latency, us);
	histogram_add(&self.shown, us);
}

static void
bench_on_refused(struct wire_bytes why, void *arg)
{
	char text[FRAMING_WHY_SIZE];
	(void)arg;
	if (self.refused_why[0] == '\0')
		snprintf(self.refused_why, sizeof self.refused_why, "%.*s", (int)why.size,
		    (const char *)why.bytes);
	if (self.ready)
		return;
	snprintf(text, sizeof text, "the program refuses the query: %.*s", (int)why.size,
	    (const char *)why.bytes);
	bench_stop(EXIT_DATA, text);
}

static const struct lane_calls lane_calls = {bench_on_done, bench_on_refused, bench_on_ended};

/* ---------------------------------------------------------- operations */

/* The time from the first operation to that of the operation `number`, counted from 0. */
static uint64_t
schedule_ns(uint64_t number)
{
	uint64_t rate = self.settings.rate;
	return number / rate * ns_per_s + number % rate * ns_per_s / rate;
}

/* The next line.  False when there is none now. */
static bool
next_line(struct wire_bytes *line)
{
	char why[FRAMING_WHY_SIZE];
	enum exit_status status;
	const char *unfit;
	switch (input_next(self.input, line, &status, why)) {
	case INPUT_ITEM:
		unfit = framing_program_unfit(self.settings.nodes[0], *line);
		if (unfit == NULL)
			return true;
		snprintf(why, sizeof why,
		    "line %llu holds %s, which fsm.framing: line cannot give to the program",
		    (unsigned long long)input_count(self.input), unfit);
		bench_fail(EXIT_DATA, why);
		return false;
	case INPUT_WAIT:
		return false;
	case INPUT_FAILED:
		bench_fail(status, why);
		return false;
	default:
		self.no_more = true;
		return false;
	}
}

/* The next lane with room, each in its turn; NULL: none has. */
static struct lane *
next_lane(void)
{
	for (uint64_t i = 0; i < self.settings.connections; i++) {
		struct lane *lane = self.lanes[self.lanes_at];
		self.lanes_at = (self.lanes_at + 1) % self.settings.connections;
		if (lane_room(lane))
			return lane;
	}
	if (self.input)
		input_hold(self.input);
	return NULL;
}

/* Open loop: whether the next operation is due; if not, a turn begins when it is. */
static bool
next_is_due(uint64_t now_ns)
{
	uint64_t due_ns = self.start_ns + schedule_ns(self.taken), wake_ns = due_ns;
	if (due_ns <= now_ns)
		return true;
	if (self.settings.rate > rate_of_turns && wake_ns < now_ns + pause_ns)
		wake_ns = now_ns + pause_ns;
	pace_wake_at(self.pace, wake_ns);
	return false;
}

/* Closed loop: whether time is left; a turn begins when it is over. */
static bool
time_is_left(uint64_t now_ns)
{
	uint64_t end_ns = self.start_ns + self.settings.for_ms * ns_per_ms;
	if (self.settings.for_ms == 0)
		return true;
	self.no_more = now_ns >= end_ns;
	if (!self.no_more)
		pace_wake_at(self.pace, end_ns);
	return !self.no_more;
}

/* The first operation begins at once: the clock starts with it. */
static bool
bench_may_begin(uint64_t now_ns)
{
	if (self.no_more)
		return false;
	if (self.start_ns == 0)
		return true;
	return self.settings.rate > 0 ? next_is_due(now_ns) : time_is_left(now_ns);
}

static void
bench_begin_operation(struct lane *lane, struct wire_bytes data, uint64_t now_ns)
{
	uint64_t began_ns = now_ns;
	if (self.start_ns == 0)
		self.start_ns = self.shown_ns = now_ns;
	if (self.settings.rate > 0)
		began_ns = self.start_ns + schedule_ns(self.taken);
	self.late += now_ns - began_ns > LATE_MS * ns_per_ms;
	self.bytes += data.size;
	lane_take(lane, data, began_ns);
	if (++self.taken == self.settings.count)
		self.no_more = true;
}

static void
bench_begin_operations(uint64_t now_ns)
{
	struct wire_bytes data = self.data;
	struct lane *lane;
	for (uint64_t i = 0; !self.ready && i < self.settings.connections; i++)
		if (!lane_ready(self.lanes[i]))
			return;
	self.ready = true;
	while (bench_may_begin(now_ns) && (lane = next_lane()) != NULL &&
	       (self.input == NULL || next_line(&data)))
		bench_begin_operation(lane, data, now_ns);
}

/* Of the operations, or of the time; with both limits the one that is reached first. */
static struct progress_share
bench_share(uint64_t now_ns)
{
	uint64_t ms = self.start_ns > 0 ? (now_ns - self.start_ns) / ns_per_ms : 0;
	uint64_t done = self.latency.count, total = self.settings.count;
	if (total == 0 || (self.settings.for_ms > 0 && (double)ms / (double)self.settings.for_ms >
							   (double)done / (double)total))
		done = ms, total = self.settings.for_ms;
	return progress_share(done, total, ms);
}

static void
bench_show_progress(uint64_t now_ns)
{
	if (!progress_due(self.progress))
		return;
	const struct histogram *shown = &self.shown;
	const char *trouble = "";
	double seconds = (double)(now_ns - self.shown_ns) / (double)ns_per_s;
	for (uint64_t i = 0; i < self.settings.connections && trouble[0] == '\0'; i++)
		trouble = lane_trouble(self.lanes[i]);
	progress_show(self.progress,
	    "%llu ops, %.0f/s, p50 %llu us, p99 %llu us, max %llu us%s%s%s",
	    (unsigned long long)self.latency.count,
	    self.start_ns > 0 ? (double)shown->count / seconds : 0.0,
	    (unsigned long long)histogram_quantile(shown, 50, 100),
	    (unsigned long long)histogram_quantile(shown, 99, 100), (unsigned long long)shown->most,
	    bench_share(now_ns).text, trouble[0] ? ", waiting: " : "", trouble);
	histogram_clear(&self.shown);
	self.shown_ns = now_ns;
}

static bool
bench_idle(void)
{
	for (uint64_t i = 0; i < self.settings.connections; i++)
		if (!lane_idle(self.lanes[i]))
			return false;
	return true;
}

static void
bench_turn(void *arg)
{
	uint64_t now_ns = uv_hrtime();
	(void)arg;
	bench_begin_operations(now_ns);
	for (uint64_t i = 0; i < self.settings.connections; i++)
		lane_send(self.lanes[i]);
	bench_show_progress(now_ns);
	if (self.no_more && !self.stopping && bench_idle())
		loop_stop(self.settings.tool.loop);
}

/* ------------------------------------------------------------ the life */

/* A line's worth of text of the size, the same for all. */
static void
make_data(void)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog ";
	const struct settings *settings = &self.settings;
	size_t size = settings->query ? strlen(settings->query) : (size_t)settings->size;
	uint8_t *bytes = malloc(size + 1);
	must(bytes != NULL);
	for (size_t i = 0; i < size; i++)
		bytes[i] =
		    (uint8_t)(settings->query ? settings->query[i] : text[i % (sizeof text - 1)]);
	self.data = (struct wire_bytes){bytes, size};
}

/* A lane has one descriptor, or two for queries. */
static void
raise_descriptors(void)
{
	struct rlimit limit;
	rlim_t wanted =
	    self.settings.connections * (self.settings.query ? 2 : 1) + DESCRIPTORS_KEPT;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	if (limit.rlim_max < wanted)
		tool_die(EXIT_OS,
		    "--connections: %llu need %llu open files, and the limit (ulimit -Hn) is %llu",
		    (unsigned long long)self.settings.connections, (unsigned long long)wanted,
		    (unsigned long long)limit.rlim_max);
	limit.rlim_cur = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		tool_die(EXIT_OS, "--connections: the limit of open files: %s", strerror(errno));
}

static void
make_lanes(void)
{
	const struct settings *settings = &self.settings;
	raise_descriptors();
	self.lanes = calloc(settings->connections, sizeof *self.lanes);
	must(self.lanes != NULL);
	for (uint64_t i = 0; i < settings->connections; i++)
		self.lanes[i] = lane_new(settings->tool.loop,
		    &(struct lane_settings){.conf = settings->nodes[i % settings->nodes_count],
			.program = settings->tool.prog,
			.in_flight = settings_in_flight(settings, i),
			.give_up_ms = settings->give_up_ms,
			.query = settings->query,
			.stale = settings->stale},
		    &lane_calls, NULL);
}

static void
bench_set_up(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	static char *standard_input[] = {NULL};
	struct loop *loop = self.settings.tool.loop;
	make_data();
	if (self.settings.pipe)
		self.input = input_new(
		    loop, FRAMING_LINE, self.settings.nodes[0]->elect.entry_max, standard_input);
	self.pace = pace_new(loop);
	if (self.pace == NULL)
		tool_die(EXIT_OS, "a timer: %s", strerror(errno));
	self.progress =
	    progress_new(loop, self.settings.tool.prog, isatty(STDOUT_FILENO), PROGRESS_MS);
	make_lanes();
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		uv_signal_init(loop_uv(loop), &self.signals[i]);
		if (!signals_ignored(numbers[i]))
			uv_signal_start(&self.signals[i], bench_on_signal, numbers[i]);
		uv_unref((uv_handle_t *)&self.signals[i]);
	}
	loop_on_turn(loop, bench_turn, NULL);
}

/* One sentence for what went wrong, with what became of the operations. */
static void
bench_complain(const struct lane_outcomes *all)
{
	unsigned long long done = all->done, refused = all->refused, unknown = all->unknown;
	if (self.why[0] != '\0' && self.taken == 0)
		tool_say("%s", self.why);
	else if (self.why[0] != '\0' && self.settings.query)
		tool_say("%s: %llu answered, %llu refused", self.why, done, refused);
	else if (self.why[0] != '\0')
		tool_say("%s: %llu committed, %llu refused, %llu unknown", self.why, done, refused,
		    unknown);
	else if (refused > 0)
		tool_say("the program refused %llu of %llu queries: %s", refused, refused + done,
		    self.refused_why);
	if (self.why[0] == '\0' && refused > 0)
		self.status = EXIT_DATA;
}

static bool
bench_held(void)
{
	uint64_t schedule = schedule_ns(self.taken - 1), took = self.end_ns - self.start_ns;
	uint64_t lag_max = schedule / LAG_PART;
	if (lag_max < LAG_MS * ns_per_ms)
		lag_max = LAG_MS * ns_per_ms;
	if (took <= schedule + lag_max)
		return true;
	tool_say("the rate of %llu/s was not held: %.0f/s, and the last answer was %llu ms late",
	    (unsigned long long)self.settings.rate,
	    (double)self.latency.count * (double)ns_per_s / (double)took,
	    (unsigned long long)((took - schedule) / ns_per_ms));
	return false;
}

static void
bench_report(const struct lane_outcomes *all)
{
	const struct settings *settings = &self.settings;
	struct wire_buf out = {0};
	report_put(&out,
	    &(struct report){.latency = &self.latency,
		.seconds = (double)(self.end_ns - self.start_ns) / (double)ns_per_s,
		.what = !settings->query  ? "append"
			: settings->stale ? "query_stale"
					  : "query",
		.nodes = settings->nodes_count,
		.connections = settings->connections,
		.in_flight = settings->in_flight,
		.bytes = self.bytes,
		.refused = all->refused,
		.unknown = all->unknown,
		.rate = settings->rate,
		.late = self.late,
		.held = settings->rate > 0 && bench_held()},
	    settings->json, settings->histogram);
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
}

/* The loop has ended: a signal has its default effect again. */
static void
bench_finish(void)
{
	struct lane_outcomes all = {0};
	progress_clear();
	for (size_t i = 0; i < sizeof self.signals / sizeof self.signals[0]; i++)
		uv_signal_stop(&self.signals[i]);
	for (uint64_t i = 0; i < self.settings.connections; i++) {
		struct lane_outcomes one = lane_outcomes(self.lanes[i]);
		all.done += one.done;
		all.refused += one.refused;
		all.unknown += one.unknown;
	}
	bench_complain(&all);
	if (self.latency.count > 0)
		bench_report(&all);
}

int
main(int argc, char **argv)
{
	settings_read(&self.settings, argc, argv);
	bench_set_up();
	loop_run(self.settings.tool.loop);
	bench_finish();
	return (int)self.status;
}
