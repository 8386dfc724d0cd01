/* SPDX-License-Identifier: ISC */
/*
 * raft-bench: how many entries a second, and how long each takes.
 *
 * One connection, one session, so many entries in flight; each is an operation of its
 * own, timed from the turn that sends it to its answer.  What a turn finds to send shares a
 * request, as the lines of a pipe do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/appender.h"
#include "prog/tool.h"

enum { COUNT = 10000, COUNT_MAX = 100 * 1000 * 1000, SIZE = 256 };

static struct {
	struct tool tool;
	uint64_t count, in_flight, size, give_up_ms;
	struct appender *appender;
	enum exit_status status;
	char *data;
	uint64_t taken, answered;
	uint64_t *sent_ns;   /* of the entries in flight: a ring */
	uint32_t *tenths_us; /* of each operation */
	uint64_t start_ns, end_ns;
} self;

static void
bench_on_option(enum tool_option option, const char *value)
{
	switch (option) {
	case TOOL_COUNT:
		self.count = tool_number(option, value, 1, COUNT_MAX);
		break;
	case TOOL_IN_FLIGHT:
		self.in_flight = tool_number(option, value, 1, APPENDER_IN_FLIGHT_MAX);
		break;
	case TOOL_SIZE:
		self.size = tool_size(option, value, 0, 8 << 20);
		break;
	default:
		self.give_up_ms = tool_duration_ms(option, value);
	}
}

/* A printable line of the size, the same for all: the log does not compress. */
static void
make_data(void)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog ";
	if (self.size > self.tool.conf->elect.entry_max)
		tool_die(EXIT_USAGE, "-s: %llu is above entry_max of the configuration, %llu",
		    (unsigned long long)self.size,
		    (unsigned long long)self.tool.conf->elect.entry_max);
	self.data = malloc(self.size + 1);
	must(self.data != NULL);
	for (uint64_t i = 0; i < self.size; i++)
		self.data[i] = text[i % (sizeof text - 1)];
}

static void
bench_on_committed(uint64_t number, uint64_t count, struct raft_pos pos, void *arg)
{
	(void)pos;
	(void)arg;
	self.end_ns = uv_hrtime();
	for (uint64_t i = number; i < number + count; i++) {
		uint64_t tenths = (self.end_ns - self.sent_ns[i % self.in_flight]) / 100;
		self.tenths_us[self.answered++] =
		    tenths < UINT32_MAX ? (uint32_t)tenths : UINT32_MAX;
	}
}

static void
bench_on_failed(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	tool_say("%s: committed %llu of %llu", why, (unsigned long long)self.answered,
	    (unsigned long long)self.count);
	self.status = status;
	loop_stop(self.tool.loop);
}

static void
bench_turn(void *arg)
{
	(void)arg;
	if (self.status != EXIT_OK || !appender_connected(self.appender))
		return;
	if (self.answered == self.count) {
		loop_stop(self.tool.loop);
		return;
	}
	uint64_t now = uv_hrtime();
	if (self.start_ns == 0)
		self.start_ns = now;
	while (self.taken < self.count && appender_room(self.appender)) {
		self.sent_ns[++self.taken % self.in_flight] = now;
		appender_take(self.appender, self.data, self.size);
	}
	appender_send(self.appender);
}

static int
bench_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t
quantile_us(uint64_t percent)
{
	return (self.tenths_us[(self.count - 1) * percent / 100] + 5) / 10;
}

static void
bench_report(void)
{
	double seconds = (double)(self.end_ns - self.start_ns) / 1e9;
	char line[256];
	qsort(self.tenths_us, self.count, sizeof *self.tenths_us, bench_compare);
	int size = snprintf(line, sizeof line,
	    "ops=%llu seconds=%.3f ops_per_s=%.0f p50_us=%llu p99_us=%llu max_us=%llu\n",
	    (unsigned long long)self.count, seconds, (double)self.count / seconds,
	    (unsigned long long)quantile_us(50), (unsigned long long)quantile_us(99),
	    (unsigned long long)quantile_us(100));
	tool_write(line, (size_t)size);
}

static const struct appender_calls appender_calls = {NULL, bench_on_committed, bench_on_failed};

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-bench",
	    .usage = "[-v] [-c FILE] [-N COUNT] [-w IN_FLIGHT] [-s SIZE] [-t TIME]",
	    .takes = 1u << TOOL_COUNT | 1u << TOOL_IN_FLIGHT | 1u << TOOL_SIZE | 1u << TOOL_TIMEOUT,
	    .found = bench_on_option,
	};
	self.count = COUNT;
	self.in_flight = 1;
	self.size = SIZE;
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	if (self.tool.argc > 0)
		tool_die(EXIT_USAGE, "%s: no operand is expected", self.tool.argv[0]);
	make_data();
	self.sent_ns = calloc(self.in_flight, sizeof *self.sent_ns);
	self.tenths_us = calloc(self.count, sizeof *self.tenths_us);
	must(self.sent_ns != NULL);
	must(self.tenths_us != NULL);
	struct tool_path path = tool_socket(&self.tool, "elect");
	self.appender = appender_new(self.tool.loop,
	    &(struct appender_settings){.path = path.text,
		.program = self.tool.prog,
		.in_flight_max = self.in_flight,
		.give_up_ms = self.give_up_ms},
	    &appender_calls, NULL);
	loop_on_turn(self.tool.loop, bench_turn, NULL);
	loop_run(self.tool.loop);
	if (self.status == EXIT_OK)
		bench_report();
	return (int)self.status;
}
