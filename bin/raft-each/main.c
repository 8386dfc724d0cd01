/* SPDX-License-Identifier: ISC */
/*
 * raft-each: one consumer for the whole cluster.  The entries after a replicated cursor go to the
 * standard input of a command, batch by batch; a run that exits with 0 moves the cursor.
 *
 * Each entry comes at least once, in order.
 */
#include <signal.h>

#include "client/session_name.h"
#include "prog/tool.h"
#include "unix/signals.h"
#include "consumer.h"
#include "lead.h"

static struct {
	struct tool tool;
	struct consumer_settings settings;
	struct consumer *consumer;
	uv_signal_t signals[3];
} self;

static void
each_on_option(enum tool_option option, const char *value)
{
	struct consumer_settings *settings = &self.settings;
	switch (option) {
	case TOOL_CURSOR:
		settings->cursor = value;
		break;
	case TOOL_BATCH:
		settings->batch_max = tool_number(option, value, 1, UINT64_MAX);
		break;
	case TOOL_FRAMING:
		settings->framing = tool_framing(value, true);
		break;
	case TOOL_NUL:
		settings->framing = FRAMING_NUL;
		break;
	case TOOL_TRIES:
		settings->tries = tool_number(option, value, 1, UINT64_MAX);
		break;
	case TOOL_DEAD:
		settings->dead = value;
		break;
	case TOOL_ONCE:
		settings->once = true;
		break;
	default:
		settings->give_up_ms = tool_duration_ms(option, value);
	}
}

static void
each_check_options(void)
{
	struct consumer_settings *settings = &self.settings;
	if (settings->cursor == NULL)
		tool_die(EXIT_USAGE, "-C NAME is missing: usage: %s %s", self.tool.prog,
		    self.tool.usage);
	const char *unfit = session_name_unfit(settings->cursor);
	if (unfit)
		tool_die(EXIT_USAGE, "-C: a cursor's name %s", unfit);
	if ((settings->tries == 0) != (settings->dead == NULL))
		tool_die(EXIT_USAGE, "--tries and --dead need each other");
	if (settings->framing == FRAMING_WHOLE && settings->batch_max > 1)
		tool_die(EXIT_USAGE,
		    "-F whole: with -B above 1 the command could not tell one entry from the next");
	/* With --once somebody waits for its end. */
	if (settings->give_up_ms == 0)
		settings->give_up_ms = settings->once ? TOOL_GIVE_UP_MS : UINT64_MAX;
}

static void
each_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	consumer_stop(self.consumer, number);
}

int
main(int argc, char **argv)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	self.tool = (struct tool){
	    .prog = "raft-each",
	    .usage = "[-v] [-c FILE] -C NAME [-B COUNT] [-F FRAMING | -0] [-t TIME] [--tries COUNT "
		     "--dead FILE] [--once] [--] COMMAND [ARG ...]",
	    .takes = 1ull << TOOL_CURSOR | 1ull << TOOL_BATCH | 1ull << TOOL_FRAMING |
		     1ull << TOOL_NUL | 1ull << TOOL_TIMEOUT | 1ull << TOOL_TRIES |
		     1ull << TOOL_DEAD | 1ull << TOOL_ONCE,
	    .command = true,
	    .found = each_on_option,
	};
	self.settings.framing = FRAMING_LINE;
	self.settings.batch_max = 1;
	lead_begin();
	tool_start(&self.tool, argc, argv);
	each_check_options();
	/* Before the cursor is taken from another consumer. */
	tool_command(&self.tool);
	self.settings.command = self.tool.argv;
	self.consumer = consumer_new(&self.tool, &self.settings);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		uv_signal_init(loop_uv(self.tool.loop), &self.signals[i]);
		if (!signals_ignored(numbers[i]))
			uv_signal_start(&self.signals[i], each_on_signal, numbers[i]);
	}
	loop_run(self.tool.loop);
	return (int)consumer_status(self.consumer);
}
