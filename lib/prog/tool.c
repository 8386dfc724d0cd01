/* SPDX-License-Identifier: ISC */
/* Options, configuration and complaints of the tools. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "seal/seal.h"
#include "unix/command.h"
#include "unix/file.h"
#include "unix/log.h"
#include "unix/signals.h"

static const char *prog = "raft";

enum { no = no_argument, required = required_argument, optional = optional_argument };

static const struct {
	char letter;
	const char *name;
	int argument;
} options[] = {
#define O(NAME, letter, name, argument) [TOOL_##NAME] = {letter, name, argument},
    TOOL_OPTIONS(O)
#undef O
};
_Static_assert(sizeof(options) / sizeof(options[0]) == TOOL_OPTIONS_COUNT, "a row for each option");
_Static_assert(TOOL_OPTIONS_COUNT <= 64, "tool.takes has a bit for each option");

/* What getopt_long returns for option i: out of the way of letters. */
enum { LONG_BASE = 256 };
enum { TAKEN_BY_ALL = 1 << TOOL_CONFIG | 1 << TOOL_HELP | 1 << TOOL_VERSION | 1 << TOOL_VERBOSE };

/* Operands and what programs answer must not steer a terminal: control bytes are escaped. */
__attribute__((format(printf, 1, 0))) static void
tool_print_error(const char *format, va_list args)
{
	char text[2048], plain[4 * sizeof text];
	size_t size = 0;
	vsnprintf(text, sizeof text, format, args);
	for (const char *at = text; *at; at++) {
		bool control = (unsigned char)*at < ' ' || *at == 0x7f;
		size += (size_t)snprintf(plain + size, sizeof plain - size,
		    control ? "\\x%02x" : "%c", (unsigned char)*at);
	}
	progress_clear();
	fprintf(stderr, "%s: %.*s\n", prog, (int)size, plain);
}

void
tool_say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tool_print_error(format, args);
	va_end(args);
}

void
tool_die(enum exit_status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tool_print_error(format, args);
	va_end(args);
	exit((int)status);
}

void
tool_refused(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	tool_die(status, "%s", why);
}

/* "-t" or "--fence", for a complaint. */
static const char *
tool_spelling(enum tool_option option)
{
	static char text[32];
	if (options[option].letter)
		snprintf(text, sizeof text, "-%c", options[option].letter);
	else
		snprintf(text, sizeof text, "--%s", options[option].name);
	return text;
}

static void
tool_make_tables(uint64_t takes, char *letters, struct option *longs)
{
	*letters++ = ':';
	for (int i = 0; i < TOOL_OPTIONS_COUNT; i++) {
		if (!(takes & 1ull << i))
			continue;
		*longs++ =
		    (struct option){options[i].name, options[i].argument, NULL, LONG_BASE + i};
		if (!options[i].letter)
			continue;
		*letters++ = options[i].letter;
		if (options[i].argument == required)
			*letters++ = ':';
	}
	*letters = '\0';
	*longs = (struct option){0};
}

static enum tool_option
tool_which(int got)
{
	if (got >= LONG_BASE)
		return (enum tool_option)(got - LONG_BASE);
	for (int i = 0; i < TOOL_OPTIONS_COUNT; i++)
		if (options[i].letter == got)
			return (enum tool_option)i;
	return TOOL_OPTIONS_COUNT;
}

/* getopt has met something that it can't take: say what. */
_Noreturn static void
tool_complain(const struct tool *tool, int got, char **argv)
{
	enum tool_option option = tool_which(optopt);
	if (got == ':')
		tool_die(EXIT_USAGE, "%s: needs a value", tool_spelling(option));
	if (optopt >= LONG_BASE)
		tool_die(EXIT_USAGE, "--%s: takes no value", options[option].name);
	if (optopt == 0)
		tool_die(EXIT_USAGE,
		    "%s: unknown option, or not the only one that begins so: usage: %s %s",
		    argv[optind - 1], tool->prog, tool->usage);
	tool_die(EXIT_USAGE, "-%c: unknown option: usage: %s %s", optopt, tool->prog, tool->usage);
}

static const char *
tool_read_options(struct tool *tool, int argc, char **argv)
{
	const char *config = NULL;
	char letters[2 * TOOL_OPTIONS_COUNT + 3] = "+";
	struct option longs[TOOL_OPTIONS_COUNT + 1];
	tool_make_tables(tool->takes | TAKEN_BY_ALL, letters + tool->command, longs);
	opterr = 0;
	int got;
	while ((got = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (got == '?' || got == ':')
			tool_complain(tool, got, argv);
		switch (tool_which(got)) {
		case TOOL_CONFIG:
			config = optarg;
			if (tool->takes & 1ull << TOOL_CONFIG)
				tool->found(TOOL_CONFIG, optarg);
			break;
		case TOOL_HELP:
			printf("usage: %s %s\n", tool->prog, tool->usage);
			exit(EXIT_OK);
		case TOOL_VERSION:
			printf("%s %s\n", tool->prog, RAFT_VERSION);
			exit(EXIT_OK);
		case TOOL_VERBOSE:
			tool->verbose = true;
			break;
		default:
			tool->found(tool_which(got), optarg);
		}
	}
	tool->argc = argc - optind;
	tool->argv = argv + optind;
	return config;
}

struct conf *
tool_conf(const char *given)
{
	char why[CONF_WHY_SIZE];
	char *path = conf_find(given, why);
	if (path == NULL)
		tool_die(exit_of_errno(errno), "%s", why);
	struct conf *conf = conf_read(path, why);
	free(path);
	if (conf == NULL)
		tool_die(exit_of_errno(errno), "%s", why);
	return conf;
}

void
tool_start(struct tool *tool, int argc, char **argv)
{
	/* What uses a standard descriptor that was closed fails. */
	static const int held[] = {O_WRONLY, O_RDONLY, O_RDONLY};
	signals_unblock();
	if (!file_hold_standard(held))
		exit(EXIT_OS);
	prog = tool->prog;
	log_init(prog);
	tool->conf = tool_conf(tool_read_options(tool, argc, argv));
	seal_init();
	tool->loop = loop_new();
}

uint64_t
tool_number(enum tool_option option, const char *value, uint64_t low, uint64_t high)
{
	char *end;
	errno = 0;
	unsigned long long number = strtoull(value, &end, 10);
	/* strtoull takes blanks and a sign as well: only digits are a number here. */
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0)
		tool_die(EXIT_USAGE, "%s: not a number: %s", tool_spelling(option), value);
	if (number < low || number > high)
		tool_die(EXIT_USAGE, "%s: must be from %llu to %llu, not %s", tool_spelling(option),
		    (unsigned long long)low, (unsigned long long)high, value);
	return number;
}

uint64_t
tool_duration_ms(enum tool_option option, const char *value)
{
	uint64_t ms;
	if (!conf_parse_duration(&ms, value))
		tool_die(EXIT_USAGE,
		    "%s: not a time: %s: a number and ms, s, m, h or d is expected, as in 30s",
		    tool_spelling(option), value);
	return ms;
}

uint64_t
tool_size(enum tool_option option, const char *value, uint64_t low, uint64_t high)
{
	uint64_t bytes;
	/* A plain number of bytes, or one with a unit. */
	if (!conf_parse_size(&bytes, value))
		return tool_number(option, value, low, high);
	if (bytes < low || bytes > high)
		tool_die(EXIT_USAGE, "%s: must be from %llu to %llu bytes, not %s",
		    tool_spelling(option), (unsigned long long)low, (unsigned long long)high,
		    value);
	return bytes;
}

enum framing
tool_framing(const char *value, bool output)
{
	enum framing framing;
	if (!framing_parse(&framing, value) || (framing == FRAMING_JSON && !output))
		tool_die(EXIT_USAGE, "-F: not a framing%s: %s: line, nul, netstring%s is expected",
		    output ? "" : " of input", value, output ? ", whole or json" : " or whole");
	return framing;
}

struct tool_path
tool_socket_of(const struct conf *conf, const char *name)
{
	struct tool_path path;
	char why[SOCK_WHY_SIZE];
	if (!sock_path(path.text, conf->node.run, name, why))
		tool_die(EXIT_CONFIG, "%s", why);
	return path;
}

struct tool_path
tool_socket(const struct tool *tool, const char *name)
{
	return tool_socket_of(tool->conf, name);
}

bool
tool_output(const void *bytes, size_t size)
{
	const char *at = bytes;
	while (size > 0) {
		ssize_t wrote = write(STDOUT_FILENO, at, size);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0 && errno == EAGAIN) {
			/* Somebody who shares it made it non-blocking. */
			poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
			continue;
		}
		if (wrote < 0)
			return false;
		at += wrote;
		size -= (size_t)wrote;
	}
	return true;
}

void
tool_write(const void *bytes, size_t size)
{
	if (tool_output(bytes, size))
		return;
	if (errno == EPIPE)
		exit(128 + SIGPIPE);
	tool_die(EXIT_IO, "standard output: %s", strerror(errno));
}

void
tool_command(const struct tool *tool)
{
	char why[1024];
	if (tool->argc == 0)
		tool_die(EXIT_USAGE, "a command is missing: usage: %s %s", tool->prog, tool->usage);
	enum exit_status status = command_check(tool->argv[0], ".", why, sizeof why);
	if (status != EXIT_OK)
		tool_die(status, "%s", why);
}
