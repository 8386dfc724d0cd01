/* SPDX-License-Identifier: ISC */
/* The contract without a cluster: each line of stdin is an entry.  What is asked for, and in which
 * mode. */
#include "try.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/exit.h"
#include "try_run.h"

enum { ENTRY_MAX = 8 << 20 };

static const char usage[] = "--try [-c FILE] [-F line|nul|netstring|json] [-0] [--mode "
			    "sink|batch|machine] [--restore FILE] [--snapshot FILE] "
			    "[--query QUERY] [--from INDEX] [--] COMMAND [ARG ...]";

static const char *const mode_names[] = {
    [CONF_SINK] = "sink", [CONF_BATCH] = "batch", [CONF_MACHINE] = "machine"};

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
    {"mode", required_argument, NULL, 'm'},
    {"restore", required_argument, NULL, 'R'},
    {"snapshot", required_argument, NULL, 'S'},
    {"query", required_argument, NULL, 'q'},
    {"from", required_argument, NULL, 'i'},
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
try_take_conf(struct try *try, const char *path)
{
	char why[CONF_WHY_SIZE];
	try->conf = conf_read(path, why);
	if (try->conf == NULL)
		errx((int)exit_of_errno(errno), "%s", why);
}

static void
try_take_framing(struct try *try, const char *name)
{
	if (!framing_parse(&try->framing, name) || try->framing == FRAMING_WHOLE)
		errx(EXIT_USAGE,
		    "-F %s: not a framing for a program: line, nul, netstring or json is expected",
		    name);
	try->framed = true;
}

static void
take_mode(struct try *try, const char *name)
{
	for (size_t i = 0; i < sizeof mode_names / sizeof mode_names[0]; i++) {
		if (strcmp(mode_names[i], name) == 0) {
			try->mode = (enum conf_mode)i;
			try->moded = true;
			return;
		}
	}
	errx(EXIT_USAGE, "--mode %s: no mode: sink, batch or machine is expected", name);
}

static void
try_take_query(struct try *try, const char *query)
{
	if (try->queries_count == TRY_QUERIES_MAX)
		errx(EXIT_USAGE, "--query %s: more than %d of them", query, TRY_QUERIES_MAX);
	try->queries[try->queries_count++] = query;
}

static void
take_from(struct try *try, const char *text)
{
	char *end;
	errno = 0;
	try->from = strtoull(text, &end, 10);
	if (errno || *end || text[0] < '1' || text[0] > '9')
		errx(EXIT_USAGE, "--from %s: an index is expected, a number from 1 on", text);
}

/* A new string: the command may run in another folder. */
static char *
try_absolute(const char *path)
{
	char *folder = getcwd(NULL, 0), *whole;
	if (folder == NULL)
		errx(EXIT_OS, "the present folder: %s", strerror(errno));
	must(path[0] == '/' ? (whole = strdup(path)) != NULL
			    : asprintf(&whole, "%s/%s", folder, path) > 0);
	free(folder);
	return whole;
}

_Noreturn static void
try_tell(const char *before, const char *what)
{
	printf("%s%s\n", before, what);
	exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_IO);
}

static void
try_take_option(struct try *try, int opt, char **argv)
{
	switch (opt) {
	case 't':
	case 'v':
		break;
	case 'c':
		try_take_conf(try, optarg);
		break;
	case 'F':
		try_take_framing(try, optarg);
		break;
	case '0':
		try_take_framing(try, "nul");
		break;
	case 'm':
		take_mode(try, optarg);
		break;
	case 'R':
		try->restore = try_absolute(optarg);
		break;
	case 'S':
		try->snapshot = try_absolute(optarg);
		break;
	case 'q':
		try_take_query(try, optarg);
		break;
	case 'i':
		take_from(try, optarg);
		break;
	case 'h':
		try_tell("usage: raft-fsm ", usage);
	case 'V':
		try_tell("raft-fsm ", RAFT_VERSION);
	case '?':
		errx(EXIT_USAGE, "%s: unknown option, or without its value (usage: raft-fsm %s)",
		    argv[optind - 1], usage);
	default:
		errx(EXIT_USAGE, "%s: has no effect with --try (usage: raft-fsm %s)",
		    argv[optind - 1], usage);
	}
}

/* What is of a machine only, and what a machine cannot have. */
static void
try_check(const struct try *try)
{
	bool lines = try->framing == FRAMING_LINE;
	if (try->mode == CONF_MACHINE && !lines && try->framing != FRAMING_NETSTRING)
		errx(EXIT_USAGE, "a machine has framing line or netstring, not %s",
		    framing_name(try->framing));
	if (try->mode != CONF_MACHINE &&
	    (try->restore || try->snapshot || try->queries_count || try->from))
		errx(EXIT_USAGE, "--restore, --snapshot, --query and --from are of mode machine: "
				 "add --mode machine");
	if (try->restore && access(try->restore, R_OK) < 0)
		errx(EXIT_IO, "%s: %s", try->restore, strerror(errno));
	bool broken = (try->restore && strchr(try->restore, '\n')) ||
		      (try->snapshot && strchr(try->snapshot, '\n'));
	for (size_t i = 0; i < try->queries_count; i++)
		broken = broken || strchr(try->queries[i], '\n');
	if (lines && broken)
		errx(EXIT_USAGE, "a query or path that holds a newline needs framing netstring");
}

static void
try_take_options(struct try *try, int argc, char **argv)
{
	for (int opt; (opt = getopt_long(argc, argv, letters, options, NULL)) != -1;)
		try_take_option(try, opt, argv);
	bool section = try->conf && try->conf->fsm.present;
	if (section && !try->moded)
		try->mode = try->conf->fsm.mode;
	if (section && !try->framed)
		try->framing = try->conf->fsm.framing;
	try->command = optind < argc ? argv + optind : try->conf ? try->conf->fsm.command : NULL;
	if (try->command == NULL)
		errx(EXIT_USAGE, "no command to try (usage: raft-fsm %s)", usage);
	try_check(try);
}

/* As the real one finds it, as far as that goes without a node. */
static void
set_environment(const struct try *try)
{
	setenv("RAFT_MODE", mode_names[try->mode], 1);
	if (try->conf == NULL)
		return;
	setenv("RAFT_NODE", try->conf->node.id.s, 1);
	setenv("RAFT_CLUSTER", try->conf->cluster.name, 1);
	setenv("RAFT_CONFIG", try->conf->path, 1);
	if (chdir(try->conf->folder) < 0)
		errx(EXIT_OS, "%s: %s", try->conf->folder, strerror(errno));
}

int
try_main(int argc, char **argv)
{
	static int (*const modes[])(struct try * try) = {
	    [CONF_SINK] = try_sink, [CONF_BATCH] = try_batch, [CONF_MACHINE] = try_machine};
	static struct try try = {.framing = FRAMING_LINE, .mode = CONF_SINK};
	try_take_options(&try, argc, argv);
	set_environment(&try);
	framing_init(&try.lines, FRAMING_LINE, ENTRY_MAX);
	return modes[try.mode](&try);
}
