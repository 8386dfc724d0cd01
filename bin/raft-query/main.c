/* SPDX-License-Identifier: ISC */
/*
 * raft-query: asks the state machine, without going through the log.
 *
 * Questions are the operands, or the lines of standard input; as many as there are go out
 * together, and the answers come in their order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/asker.h"
#include "client/input.h"
#include "prog/tool.h"

static struct {
	struct tool tool;
	enum framing framing;
	uint64_t give_up_ms;
	bool stale;
	struct asker *asker;
	struct input *input; /* NULL: the operands are the questions */
	char **operand;      /* the next */
	bool ended;          /* no more questions */
	enum exit_status status;
	char why[FRAMING_WHY_SIZE]; /* of the input's end; "": none */
	bool over;
	struct wire_buf out;
} self;

static void
query_tool_on_option(enum tool_option option, const char *value)
{
	switch (option) {
	case TOOL_FRAMING:
		self.framing = tool_framing(value, false);
		break;
	case TOOL_NUL:
		self.framing = FRAMING_NUL;
		break;
	case TOOL_STALE:
		self.stale = true;
		break;
	default:
		self.give_up_ms = tool_duration_ms(option, value);
	}
}

/* -------------------------------------------------------- the answers */

static void
query_tool_flush(void)
{
	if (self.out.size > 0)
		tool_write(self.out.bytes, self.out.size);
	self.out.size = 0;
}

static void
query_tool_end(enum exit_status status)
{
	self.ended = self.over = true;
	self.status = status;
	if (self.input)
		input_hold(self.input);
	loop_stop(self.tool.loop);
}

/* A refused question has an empty answer, so that answers and questions stay side by side. */
static void
on_answered(uint64_t number, bool refused, struct wire_bytes data, void *arg)
{
	(void)arg;
	if (refused) {
		query_tool_flush();
		if (self.input)
			tool_say("%s %llu: refused: %.*s",
			    self.framing == FRAMING_LINE ? "line" : "query",
			    (unsigned long long)number, (int)data.size, (const char *)data.bytes);
		else
			tool_say("%s: refused: %.*s", self.tool.argv[number - 1], (int)data.size,
			    (const char *)data.bytes);
		data.size = 0;
		self.status = EXIT_DATA;
	}
	framing_put_bytes(&self.out, self.framing, data);
}

static void
query_tool_on_failed(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	query_tool_flush();
	tool_say("%s", why);
	query_tool_end(status);
}

static const struct asker_calls asker_calls = {on_answered, query_tool_on_failed};

/* ------------------------------------------------------------ the turn */

/* Takes one question.  False when there is none now. */
static bool
query_tool_take_one(void)
{
	struct wire_bytes item;
	enum exit_status status;
	if (!self.input) {
		if (*self.operand)
			asker_take(self.asker, *self.operand, strlen(*self.operand));
		else
			self.ended = true;
		return *self.operand++ != NULL;
	}
	switch (input_next(self.input, &item, &status, self.why)) {
	case INPUT_ITEM:
		asker_take(self.asker, item.bytes, item.size);
		return true;
	case INPUT_WAIT:
		return false;
	case INPUT_FAILED:
		self.status = status;
		break;
	case INPUT_END:
		self.why[0] = '\0';
	}
	self.ended = true;
	return false;
}

static void
query_tool_turn(void *arg)
{
	(void)arg;
	while (!self.ended && asker_room(self.asker) && query_tool_take_one())
		;
	if (self.input && !asker_room(self.asker))
		input_hold(self.input);
	asker_send(self.asker);
	query_tool_flush();
	if (self.over || !self.ended || !asker_idle(self.asker))
		return;
	if (self.why[0] != '\0')
		tool_say("%s", self.why);
	query_tool_end(self.status);
}

/* Before any is asked, as it is never taken by raft-fsm. */
static void
check_operands(void)
{
	size_t size_max = self.tool.conf->elect.entry_max;
	for (int i = 0; i < self.tool.argc; i++)
		if (strlen(self.tool.argv[i]) > size_max)
			tool_die(EXIT_DATA,
			    "query %d is larger than %zu bytes, the limit elect.entry_max", i + 1,
			    size_max);
}

static void
query_tool_set_up(void)
{
	struct tool_path elect = tool_socket(&self.tool, "elect"),
			 fsm = tool_socket(&self.tool, "fsm");
	static char *standard_input[] = {NULL};
	if (!self.tool.conf->fsm.present)
		tool_die(EXIT_CONFIG, "this node runs no state machine: %s has no section fsm",
		    self.tool.conf->path);
	check_operands();
	if (self.tool.argc == 0)
		self.input = input_new(
		    self.tool.loop, self.framing, self.tool.conf->elect.entry_max, standard_input);
	self.operand = self.tool.argv;
	self.asker = asker_new(self.tool.loop,
	    &(struct asker_settings){.elect = self.stale ? NULL : elect.text,
		.fsm = fsm.text,
		.program = self.tool.prog,
		.give_up_ms = self.give_up_ms},
	    &asker_calls, NULL);
	loop_on_turn(self.tool.loop, query_tool_turn, NULL);
}

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-query",
	    .usage = "[-v] [-c FILE] [-F FRAMING | -0] [-t TIME] [--stale] [QUERY ...]",
	    .takes = 1u << TOOL_FRAMING | 1u << TOOL_NUL | 1u << TOOL_TIMEOUT | 1u << TOOL_STALE,
	    .found = query_tool_on_option,
	};
	self.framing = FRAMING_LINE;
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	query_tool_set_up();
	loop_run(self.tool.loop);
	return (int)self.status;
}
