/* SPDX-License-Identifier: ISC */
/* raft-ctl: shows and steers a node and its cluster. */
#include <string.h>

#include "ctl.h"

static struct ctl self;

/* Name, function, most operands, what of the options it takes. */
static const struct command {
	const char *name;
	enum exit_status (*run)(struct ctl *ctl);
	int operands_max;
	bool yaml;
	bool json;
} commands[] = {
    {"status", ctl_status, 0, false, true},
    {"wait", ctl_wait, 0, false, false},
    {"members", ctl_members, 0, true, true},
    {"session", ctl_session, 2, false, true},
    {"watch", ctl_watch, 1, false, true},
    {"barrier", ctl_barrier, 0, false, false},
};

static void
on_option(enum tool_option option, const char *value)
{
	switch (option) {
	case TOOL_JSON:
		self.json = true;
		break;
	case TOOL_YAML:
		self.yaml = true;
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
	tool_die(EXIT_USAGE, "%s: unknown command: status, wait, members, session, watch or barrier is expected",
	    name);
}

static const struct command *
check_usage(void)
{
	if (self.tool.argc == 0)
		tool_die(EXIT_USAGE, "a command is expected: usage: %s %s", self.tool.prog, self.tool.usage);
	const struct command *command = find_command(self.tool.argv[0]);
	self.argc = self.tool.argc - 1;
	self.argv = self.tool.argv + 1;
	if (self.argc > command->operands_max)
		tool_die(EXIT_USAGE, "%s: %s: one operand too many", command->name,
		    self.argv[command->operands_max]);
	if (self.yaml && !command->yaml)
		tool_die(EXIT_USAGE, "%s: has no use for -y", command->name);
	if (self.json && !command->json)
		tool_die(EXIT_USAGE, "%s: has no use for -j", command->name);
	if (self.json && self.yaml)
		tool_die(EXIT_USAGE, "%s: -j or -y, not both", command->name);
	return command;
}

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-ctl",
	    .usage = "[-jv] [-c FILE] [-t TIME] status | wait | members [-y] | session list | "
		     "session drop NAME | watch [role | state] | barrier",
	    .takes = 1u << TOOL_JSON | 1u << TOOL_YAML | 1u << TOOL_TIMEOUT,
	    .found = on_option,
	};
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	return (int)check_usage()->run(&self);
}
