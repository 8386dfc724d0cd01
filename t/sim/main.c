/* SPDX-License-Identifier: ISC */
/*
 * sim: runs seeds, in so many processes, and says what they saw.
 */
#include "etcd.h"
#include "report.h"
#include "scenario.h"
#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage_text[] =
    "usage: sim [--seed N | --seeds A-B | --seeds COUNT | --seconds N] [--steps N] [--profile "
    "NAME]\n"
    "           [--jobs N] [--twice] [--trace[=etcd]] [--replay] [--need-all] [--list]\n"
    "       sim [--trace[=etcd]] [--update] --scenario FILE ...\n";

_Noreturn static void
usage(void)
{
	fputs(usage_text, stderr);
	exit(64);
}

static uint64_t
number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (end == text || *end != '\0')
		usage();
	return value;
}

/* "A-B", or a count from 1 on. */
static void
seeds(struct batch *batch, const char *text)
{
	char *end;

	batch->first = strtoull(text, &end, 10);
	if (end == text)
		usage();
	if (*end == '-') {
		batch->last = number(end + 1);
	} else {
		batch->last = number(text);
		batch->first = 1;
	}
	if (batch->last < batch->first)
		usage();
}

static enum trace_form
trace_form(const char *name)
{
	if (name == NULL)
		return TRACE_LINES;
	if (strcmp(name, "etcd") != 0)
		usage();
	return TRACE_ETCD;
}

/* One trace in etcd's form is of one run. */
static bool
one_run(const struct batch *batch)
{
	return batch->first == batch->last && batch->seconds == 0 && batch->jobs == 1 &&
	       !batch->twice;
}

static int
etcd_run(const struct batch *batch)
{
	struct sim *sim = calloc(1, sizeof *sim);

	must(sim != NULL);
	sim->seed = batch->first;
	sim->profile_asked = batch->profile;
	sim->steps_max = batch->steps;
	sim->trace.etcd = etcd_new(stdout);
	sim_run(sim);
	etcd_free(sim->trace.etcd);
	free(sim);
	return 0;
}

static void
list_profiles(void)
{
	for (size_t i = 0; profile_name(i) != NULL; i++)
		puts(profile_name(i));
}

enum option_number {
	OPT_SEED = 256,
	OPT_SEEDS,
	OPT_SECONDS,
	OPT_STEPS,
	OPT_PROFILE,
	OPT_JOBS,
	OPT_TWICE,
	OPT_TRACE,
	OPT_REPLAY,
	OPT_NEED_ALL,
	OPT_LIST,
	OPT_SCENARIO,
	OPT_UPDATE,
	OPT_HELP
};

static const struct option options[] = {
    {"seed", required_argument, NULL, OPT_SEED},
    {"seeds", required_argument, NULL, OPT_SEEDS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"steps", required_argument, NULL, OPT_STEPS},
    {"profile", required_argument, NULL, OPT_PROFILE},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"twice", no_argument, NULL, OPT_TWICE},
    {"trace", optional_argument, NULL, OPT_TRACE},
    {"replay", no_argument, NULL, OPT_REPLAY},
    {"need-all", no_argument, NULL, OPT_NEED_ALL},
    {"list", no_argument, NULL, OPT_LIST},
    {"scenario", no_argument, NULL, OPT_SCENARIO},
    {"update", no_argument, NULL, OPT_UPDATE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void
option_take(struct batch *batch, int option)
{
	switch (option) {
	case OPT_SEED:
		batch->first = batch->last = number(optarg);
		break;
	case OPT_SEEDS:
		seeds(batch, optarg);
		break;
	case OPT_SECONDS:
		batch->seconds = number(optarg);
		break;
	case OPT_STEPS:
		batch->steps = number(optarg);
		break;
	case OPT_PROFILE:
		batch->profile = optarg;
		break;
	case OPT_JOBS:
		batch->jobs = (unsigned)number(optarg);
		break;
	case OPT_TWICE:
		batch->twice = true;
		break;
	case OPT_TRACE:
		batch->trace = trace_form(optarg);
		break;
	case OPT_REPLAY:
		batch->trace = TRACE_LINES;
		break;
	case OPT_NEED_ALL:
		batch->need_all = true;
		break;
	case OPT_SCENARIO:
		batch->scenarios = true;
		break;
	case OPT_UPDATE:
		batch->update = true;
		break;
	case OPT_LIST:
		list_profiles();
		exit(0);
	case OPT_HELP:
		fputs(usage_text, stdout);
		exit(0);
	default:
		usage();
	}
}

static bool
profile_known(const char *name)
{
	if (strcmp(name, "mixed") == 0)
		return true;
	for (size_t i = 0; profile_name(i) != NULL; i++)
		if (strcmp(profile_name(i), name) == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	struct batch batch = {
	    .first = 1, .last = 1, .steps = 100000, .profile = "mixed", .jobs = 1};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		option_take(&batch, option);
	if (batch.scenarios)
		return scenario_files(argv + optind, batch.trace, batch.update);
	if (optind != argc || batch.jobs == 0 || batch.jobs > BATCH_JOBS_MAX ||
	    !profile_known(batch.profile) || (batch.trace == TRACE_ETCD && !one_run(&batch)))
		usage();
	return batch.trace == TRACE_ETCD ? etcd_run(&batch) : batch_run(&batch);
}
