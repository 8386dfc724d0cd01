/* SPDX-License-Identifier: ISC */
/*
 * The longest time without a commit, as one client sees it that keeps on appending: gap -c FILE [-t
 * TIME]
 *
 * One entry is in flight.  It prints "ready" after the first commits; at the end of standard input
 * it waits for as many again, prints one line, and ends:
 *
 *     ops=5120 gap_us=1873
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/appender.h"
#include "client/input.h"
#include "prog/tool.h"

/* The commits before "ready", and those after the end of the input. */
enum { SETTLED = 20 };

static struct {
	struct tool tool;
	uint64_t give_up_ms;
	struct appender *appender;
	struct input *input;
	uint64_t commits, last_commit; /* the one to end at; 0: not known */
	uint64_t committed_ns, gap_ns;
	enum exit_status status;
} self;

static void
gap_on_option(enum tool_option option, const char *value)
{
	self.give_up_ms = tool_duration_ms(option, value);
}

static void
gap_on_committed(uint64_t number, uint64_t count, struct raft_pos pos, void *arg)
{
	uint64_t now = uv_hrtime();
	(void)number;
	(void)pos;
	(void)arg;
	if (self.commits > 0 && now - self.committed_ns > self.gap_ns)
		self.gap_ns = now - self.committed_ns;
	self.committed_ns = now;
	self.commits += count;
}

static void
gap_on_failed(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	tool_say("%s", why);
	self.status = status;
	loop_stop(self.tool.loop);
}

/* The input holds nothing: only its end counts. */
static void
gap_read(void)
{
	struct wire_bytes item;
	enum exit_status status;
	char why[FRAMING_WHY_SIZE];
	enum input_found found;
	do
		found = input_next(self.input, &item, &status, why);
	while (found == INPUT_ITEM);
	if (found != INPUT_WAIT && self.last_commit == 0)
		self.last_commit = self.commits + SETTLED;
}

static void
gap_turn(void *arg)
{
	static bool is_ready;
	(void)arg;
	if (self.status != EXIT_OK)
		return;
	if (!is_ready && self.commits >= SETTLED) {
		is_ready = true;
		tool_write("ready\n", 6);
	}
	gap_read();
	if (self.last_commit != 0 && self.commits >= self.last_commit) {
		loop_stop(self.tool.loop);
		return;
	}
	if (appender_room(self.appender))
		appender_take(self.appender, "tick", 4);
	appender_send(self.appender);
}

static void
gap_report(void)
{
	char line[128];
	int size = snprintf(line, sizeof line, "ops=%" PRIu64 " gap_us=%" PRIu64 "\n", self.commits,
	    self.gap_ns / 1000);
	tool_write(line, (size_t)size);
}

static const struct appender_calls appender_calls = {NULL, gap_on_committed, gap_on_failed};

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "gap",
	    .usage = "[-c FILE] [-t TIME]",
	    .takes = 1u << TOOL_TIMEOUT,
	    .found = gap_on_option,
	};
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	struct tool_path path = tool_socket(&self.tool, "elect");
	self.input = input_new(self.tool.loop, FRAMING_LINE, 1024, self.tool.argv);
	self.appender = appender_new(self.tool.loop,
	    &(struct appender_settings){.path = path.text,
		.program = self.tool.prog,
		.in_flight_max = 1,
		.give_up_ms = self.give_up_ms},
	    &appender_calls, NULL);
	loop_on_turn(self.tool.loop, gap_turn, NULL);
	loop_run(self.tool.loop);
	if (self.status == EXIT_OK)
		gap_report();
	return (int)self.status;
}
