/* SPDX-License-Identifier: ISC */
/* The options of --try. */
#include "try.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/framing.h"
#include "conf/fields.h"
#include "conform.h"
#include "fsm.h"
#include "try_run.h"

enum { BATCH_TIME_MS = 24 * 3600 * 1000 };

/* What was asked for. */
struct wish {
	struct trial trial;
	struct conf *conf; /* NULL: none was named */
	const char *mode;  /* NULL: that of the configuration; likewise */
	const char *framing;
	enum framing framed;
	const char *fields; /* NULL: those of the configuration */
	bool conform;
};

static const char usage[] =
    "--try [-c FILE] [-F line|nul|netstring|json] [-0] [--mode "
    "sink|batch|machine] [--restore FILE] [--snapshot FILE] "
    "[--query QUERY] [--from INDEX] [--fields FIELDS] [--conform] [--] COMMAND [ARG ...]";

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
    {"fields", required_argument, NULL, 'f'},
    {"conform", no_argument, NULL, 'C'},
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
try_take_conf(struct wish *wish, const char *path)
{
	char why[CONF_WHY_SIZE];
	wish->conf = conf_read(path, why);
	if (wish->conf == NULL)
		errx((int)exit_of_errno(errno), "%s", why);
}

static void
try_take_framing(struct wish *wish, const char *name)
{
	if (!framing_parse(&wish->framed, name) || wish->framed == FRAMING_WHOLE)
		errx(EXIT_USAGE,
		    "-F %s: not a framing for a program: line, nul, netstring or json is expected",
		    name);
	wish->framing = name;
}

static void
try_take_query(struct trial *trial, const char *query)
{
	if (trial->queries_count == TRIAL_QUERIES_MAX)
		errx(EXIT_USAGE, "--query %s: more than %d of them", query, TRIAL_QUERIES_MAX);
	trial->queries[trial->queries_count++] = wire_text(query);
}

static uint64_t
try_index(const char *text)
{
	char *end;
	errno = 0;
	uint64_t index = strtoull(text, &end, 10);
	if (errno || *end || text[0] < '1' || text[0] > '9')
		errx(EXIT_USAGE, "--from %s: an index is expected, a number from 1 on", text);
	return index;
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
try_take_option(struct wish *wish, int opt, char **argv)
{
	switch (opt) {
	case 't':
	case 'v':
		break;
	case 'c':
		try_take_conf(wish, optarg);
		break;
	case 'F':
		try_take_framing(wish, optarg);
		break;
	case '0':
		try_take_framing(wish, "nul");
		break;
	case 'm':
		wish->mode = optarg;
		break;
	case 'R':
		wish->trial.restore = try_absolute(optarg);
		break;
	case 'S':
		wish->trial.snapshot = try_absolute(optarg);
		break;
	case 'q':
		try_take_query(&wish->trial, optarg);
		break;
	case 'i':
		wish->trial.from = try_index(optarg);
		break;
	case 'f':
		wish->fields = optarg;
		break;
	case 'C':
		wish->conform = true;
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

static enum conf_mode
try_mode(const char *name)
{
	for (enum conf_mode mode = CONF_SINK; mode <= CONF_MACHINE; mode++)
		if (strcmp(fsm_mode(mode)->name, name) == 0)
			return mode;
	errx(EXIT_USAGE, "--mode %s: no mode: sink, batch or machine is expected", name);
}

/* What is of a machine only, and what a machine cannot have. */
static void
try_check(const struct trial *trial, enum conf_mode mode, enum framing framing)
{
	bool lines = framing == FRAMING_LINE;
	if (mode == CONF_MACHINE && !lines && framing != FRAMING_NETSTRING)
		errx(EXIT_USAGE, "a machine has framing line or netstring, not %s",
		    framing_name(framing));
	if (mode != CONF_MACHINE &&
	    (trial->restore || trial->snapshot || trial->queries_count || trial->from))
		errx(EXIT_USAGE, "--restore, --snapshot, --query and --from are of mode machine: "
				 "add --mode machine");
	if (trial->restore && access(trial->restore, R_OK) < 0)
		errx(EXIT_IO, "%s: %s", trial->restore, strerror(errno));
	bool broken = (trial->restore && strchr(trial->restore, '\n')) ||
		      (trial->snapshot && strchr(trial->snapshot, '\n'));
	for (size_t i = 0; i < trial->queries_count; i++)
		broken = broken || framing_line_unfit(trial->queries[i]);
	if (lines && broken)
		errx(EXIT_USAGE, "a query or path that holds a newline needs framing netstring");
}

/* --conform decides itself what is restored, when and where. */
static void
try_check_conform(const struct trial *trial, enum conf_mode mode)
{
	if (mode != CONF_MACHINE)
		errx(EXIT_USAGE, "--conform is of mode machine: add --mode machine");
	if (trial->restore || trial->snapshot || trial->from)
		errx(EXIT_USAGE, "--restore, --snapshot and --from have no effect with --conform");
}

static void
try_fields(struct conf *conf, const char *text)
{
	if (conf->fsm.mode != CONF_MACHINE)
		errx(EXIT_USAGE, "--fields is of mode machine: add --mode machine");
	if (!fields_parse(&conf->fsm.fields, text))
		errx(EXIT_USAGE,
		    "--fields %s: is no list of fields: each of %s may stand there once, with a "
		    "comma between two",
		    text, FIELDS_NAMES);
}

/* The configuration that was named, or the defaults, with what was asked for. */
static struct conf *
try_conf(const struct wish *wish)
{
	char why[CONF_WHY_SIZE];
	struct conf *conf = wish->conf ? wish->conf : conf_default(why);
	if (conf == NULL)
		errx(EXIT_OS, "%s", why);
	if (wish->conform && wish->conf == NULL)
		conf->fsm.mode = CONF_MACHINE;
	if (wish->mode)
		conf->fsm.mode = try_mode(wish->mode);
	if (wish->framing)
		conf->fsm.framing = wish->framed;
	if (wish->fields)
		try_fields(conf, wish->fields);
	/* What depends on time or on a log has no place here. */
	conf->fsm.from = CONF_FROM_START;
	conf->fsm.batch.time_ms = BATCH_TIME_MS;
	conf->fsm.snapshot = (struct conf_limits){0};
	return conf;
}

int
try_main(int argc, char **argv)
{
	static struct wish wish;
	for (int opt; (opt = getopt_long(argc, argv, letters, options, NULL)) != -1;)
		try_take_option(&wish, opt, argv);
	struct conf *conf = try_conf(&wish);
	char **command = optind < argc ? argv + optind : conf->fsm.command;
	if (command == NULL)
		errx(EXIT_USAGE, "no command to try (usage: raft-fsm %s)", usage);
	try_check(&wish.trial, conf->fsm.mode, conf->fsm.framing);
	if (wish.conform) {
		try_check_conform(&wish.trial, conf->fsm.mode);
		conform_run(conf, &wish.trial, command);
	}
	try_run(conf, &wish.trial, command);
}
