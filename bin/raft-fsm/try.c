/* SPDX-License-Identifier: ISC */
/*
 * The contract without a cluster: each line of stdin is an entry.
 *
 * Here one may wait: no loop, one child in our own process group, so that ^C reaches both.
 */
#include "try.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/client/framing.h"
#include "../../lib/unix/exit.h"

enum { READ_SIZE = 64 << 10, ENTRY_MAX = 8 << 20 };

static const char usage[] = "--try [-c FILE] [-F line|nul|netstring|json] [-0] [--] COMMAND [ARG ...]";

struct try {
	const struct conf *conf; /* NULL: none was named */
	enum framing framing;
	bool framed; /* by an option */
	char **command;
	int pipe;  /* to the command */
	pid_t pid;
	bool gone; /* it reads no more */
	uint64_t index;
};

/* Those of try, and of the daemon, which are skipped. */
static const char letters[] = "+c:F:0d:nvhV";
static const struct option options[] = {
    {"try", no_argument, NULL, 't'},
    {"config", required_argument, NULL, 'c'},
    {"framing", required_argument, NULL, 'F'},
    {"null", no_argument, NULL, '0'},
    {"ready-fd", required_argument, NULL, 'd'},
    {"check", no_argument, NULL, 'n'},
    {"verbose", no_argument, NULL, 'v'},
    {"log-time", no_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

bool
try_wanted(int argc, char **argv)
{
	bool wanted = false;
	opterr = 0;
	for (int opt; (opt = getopt_long(argc, argv, letters, options, NULL)) != -1;)
		wanted = wanted || opt == 't';
	/* The next one who reads the options begins anew. */
	optind = 0;
	return wanted;
}

static void
take_conf(struct try *try, const char *path)
{
	char why[CONF_WHY_SIZE];
	try->conf = conf_read(path, why);
	if (try->conf == NULL)
		errx(EXIT_CONFIG, "%s", why);
}

static void
take_framing(struct try *try, const char *name)
{
	if (!framing_parse(&try->framing, name) || try->framing == FRAMING_WHOLE)
		errx(EXIT_USAGE, "-F %s: not a framing for a program: line, nul, netstring or json is expected", name);
	try->framed = true;
}

_Noreturn static void
tell(const char *before, const char *what)
{
	printf("%s%s\n", before, what);
	exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_IO);
}

static void
take_option(struct try *try, int opt, char **argv)
{
	switch (opt) {
	case 't':
	case 'v':
		break;
	case 'c':
		take_conf(try, optarg);
		break;
	case 'F':
		take_framing(try, optarg);
		break;
	case '0':
		take_framing(try, "nul");
		break;
	case 'h':
		tell("usage: raft-fsm ", usage);
	case 'V':
		tell("raft-fsm ", RAFT_VERSION);
	case '?':
		errx(EXIT_USAGE, "%s: unknown option, or without its value (usage: raft-fsm %s)", argv[optind - 1], usage);
	default:
		errx(EXIT_USAGE, "%s: has no effect with --try (usage: raft-fsm %s)", argv[optind - 1], usage);
	}
}

static void
take_options(struct try *try, int argc, char **argv)
{
	for (int opt; (opt = getopt_long(argc, argv, letters, options, NULL)) != -1;)
		take_option(try, opt, argv);
	if (try->conf && try->conf->fsm.present && !try->framed)
		try->framing = try->conf->fsm.framing;
	try->command = optind < argc ? argv + optind : try->conf ? try->conf->fsm.command : NULL;
	if (try->command == NULL)
		errx(EXIT_USAGE, "no command to try (usage: raft-fsm %s)", usage);
}

/* As the real one finds it, as far as that goes without a node. */
static void
set_environment(const struct try *try)
{
	setenv("RAFT_MODE", "sink", 1);
	if (try->conf == NULL)
		return;
	setenv("RAFT_NODE", try->conf->node.id.s, 1);
	setenv("RAFT_CLUSTER", try->conf->cluster.name, 1);
	setenv("RAFT_CONFIG", try->conf->path, 1);
	if (chdir(try->conf->folder) < 0)
		errx(EXIT_OS, "%s: %s", try->conf->folder, strerror(errno));
}

static void
start(struct try *try)
{
	int fds[2];
	posix_spawn_file_actions_t actions;
	if (pipe2(fds, O_CLOEXEC) < 0)
		errx(EXIT_OS, "no pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[0], STDIN_FILENO);
	extern char **environ;
	int error = posix_spawnp(&try->pid, try->command[0], &actions, NULL, try->command, environ);
	if (error)
		errx(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: cannot run: %s", try->command[0],
		    strerror(error));
	posix_spawn_file_actions_destroy(&actions);
	close(fds[0]);
	try->pipe = fds[1];
	/* After the spawn: the command is to die of it as usual. */
	signal(SIGPIPE, SIG_IGN);
}

static void
deliver(struct try *try, struct wire_bytes line)
{
	struct wire_buf record = {0}, out = {0};
	struct raft_entry entry;
	static const struct raft_sid no_session;
	uint64_t index = ++try->index;
	raft_entry_header(
	    wire_buf_add(&record, RAFT_ENTRY_HEADER_SIZE), 1, RAFT_CLIENT, &no_session, index, (uint32_t)line.size);
	wire_buf_put(&record, line.bytes, line.size);
	must(raft_entry_decode(&entry, NULL, record.bytes, record.size));
	framing_put(&out, try->framing, index, &entry);
	for (size_t at = 0; at < out.size && !try->gone;) {
		ssize_t wrote = write(try->pipe, out.bytes + at, out.size - at);
		if (wrote > 0)
			at += (size_t)wrote;
		else if (errno != EINTR)
			try->gone = true;
	}
	wire_buf_free(&record);
	wire_buf_free(&out);
}

/* False at the end of the input, or when the command takes no more. */
static bool
read_some(struct framing_reader *lines)
{
	uint8_t *room = framing_room(lines, READ_SIZE);
	ssize_t got;
	do
		got = read(STDIN_FILENO, room, READ_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		errx(EXIT_IO, "standard input: %s", strerror(errno));
	framing_added(lines, READ_SIZE, (size_t)got);
	if (got == 0)
		framing_end(lines);
	return got > 0;
}

static void
deliver_all(struct try *try)
{
	struct framing_reader lines;
	struct wire_bytes line;
	char why[FRAMING_WHY_SIZE];
	enum framing_found found;
	bool more = true;
	framing_init(&lines, FRAMING_LINE, ENTRY_MAX);
	do {
		more = read_some(&lines);
		while ((found = framing_next(&lines, &line, why)) == FRAMING_ITEM && !try->gone)
			deliver(try, line);
		if (found == FRAMING_TOO_LARGE)
			errx(EXIT_DATA, "standard input: %s", why);
	} while (more && !try->gone);
	framing_free(&lines);
	close(try->pipe);
}

int
try_main(int argc, char **argv)
{
	static struct try try = {.framing = FRAMING_LINE};
	int status;
	take_options(&try, argc, argv);
	set_environment(&try);
	start(&try);
	deliver_all(&try);
	while (waitpid(try.pid, &status, 0) < 0)
		if (errno != EINTR)
			errx(EXIT_OS, "waiting for %s: %s", try.command[0], strerror(errno));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
