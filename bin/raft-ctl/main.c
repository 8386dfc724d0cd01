/* SPDX-License-Identifier: ISC */
/* raft-ctl: shows and steers a node and its cluster. */
#include <string.h>

#include "ctl.h"

static struct ctl self;

/* Options that only some commands take. */
enum { JSON = 1, YAML = 2, LEARNER = 4, YES = 8, OUTPUT = 16, NEWEST = 32, LAG = 64 };

/* Name, function, most operands, which of these options it takes. */
static const struct command {
	const char *name;
	enum exit_status (*run)(struct ctl *ctl);
	int operands_max;
	unsigned options;
} commands[] = {
    {"status", ctl_status, 0, JSON},
    {"wait", ctl_wait, 0, 0},
    {"members", ctl_members, 0, YAML | JSON},
    {"member", ctl_member, 3, LEARNER | YES | JSON},
    {"key", ctl_key, 3, 0},
    {"transfer", ctl_transfer, 1, 0},
    {"snapshot", ctl_snapshot, 0, OUTPUT | NEWEST},
    {"contract", ctl_contract, 1, JSON},
    {"session", ctl_session, 2, JSON},
    {"cursor", ctl_cursor, 3, JSON},
    {"watch", ctl_watch, 1, JSON | LAG},
    {"barrier", ctl_barrier, 0, 0},
    {"fsm", ctl_fsm, 1, 0},
};

static void
ctl_on_option(enum tool_option option, const char *value)
{
	switch (option) {
	case TOOL_JSON:
		self.json = true;
		break;
	case TOOL_YAML:
		self.yaml = true;
		break;
	case TOOL_LEARNER:
		self.learner = true;
		break;
	case TOOL_OUTPUT:
		self.output = value;
		break;
	case TOOL_YES:
		self.yes = true;
		break;
	case TOOL_NEWEST:
		self.newest = true;
		break;
	case TOOL_LAG:
		self.lag = tool_number(option, value, 1, UINT64_MAX);
		break;
	default:
		self.give_up_ms = tool_duration_ms(option, value);
		self.give_up_given = true;
	}
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	tool_die(EXIT_USAGE,
	    "%s: unknown command: status, wait, members, member, key, transfer, snapshot, "
	    "contract, session, cursor, watch, barrier or fsm is expected",
	    name);
}

static void
refuse_option(const struct command *command, unsigned option, bool given, const char *text)
{
	if (given && (command->options & option) == 0)
		tool_die(EXIT_USAGE, "%s: has no use for %s", command->name, text);
}

static const struct command *
ctl_check_usage(void)
{
	if (self.tool.argc == 0)
		tool_die(EXIT_USAGE, "a command is expected: usage: %s %s", self.tool.prog,
		    self.tool.usage);
	const struct command *command = find_command(self.tool.argv[0]);
	self.argc = self.tool.argc - 1;
	self.argv = self.tool.argv + 1;
	if (self.argc > command->operands_max)
		tool_die(EXIT_USAGE, "%s: %s: one operand too many", command->name,
		    self.argv[command->operands_max]);
	refuse_option(command, YAML, self.yaml, "-y");
	refuse_option(command, JSON, self.json, "-j");
	refuse_option(command, LEARNER, self.learner, "--learner");
	refuse_option(command, YES, self.yes, "--yes");
	refuse_option(command, OUTPUT, self.output != NULL, "-o");
	refuse_option(command, NEWEST, self.newest, "--newest");
	refuse_option(command, LAG, self.lag != 0, "--lag");
	if (self.json && self.yaml)
		tool_die(EXIT_USAGE, "%s: -j or -y, not both", command->name);
	return command;
}

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-ctl",
	    .usage = "[-jv] [-c FILE] [-t TIME] status | wait | members [-y] | "
		     "member add [--learner] FILE | member promote ID | "
		     "member {demote | remove} [--yes] ID | member address ID ADDRESS | "
		     "key {add | drop} ID KEY | transfer [ID] | snapshot [[--newest] -o FILE] | "
		     "contract {show | set} | {session | cursor} {list | drop NAME} | "
		     "cursor set NAME INDEX | watch [--lag COUNT] [role | state] | barrier | fsm "
		     "restart",
	    .takes = 1u << TOOL_JSON | 1u << TOOL_YAML | 1u << TOOL_TIMEOUT | 1u << TOOL_LEARNER |
		     1u << TOOL_YES | 1u << TOOL_OUTPUT | 1ull << TOOL_NEWEST | 1ull << TOOL_LAG,
	    .found = ctl_on_option,
	};
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	return (int)ctl_check_usage()->run(&self);
}
