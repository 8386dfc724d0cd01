/* SPDX-License-Identifier: ISC */
/*
 * Running many seeds.  Job j of n takes the seeds first + j, first + j + n, …,
 * so that the work is split evenly and what runs does not depend on speed.
 */
#include "report.h"

#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct tally {
	uint64_t seeds;
	uint64_t slowest; /* to a leader after the faults, in hundredths of an election timeout */
	uint64_t counters[COUNTERS_COUNT];
};

static const struct {
	const char *text;
	int needed;
} counter_infos[] = {
#define C(NAME, counter_text, is_needed) [COUNT_##NAME] = {counter_text, is_needed},
    COUNTERS(C)
#undef C
};
_Static_assert(
    sizeof counter_infos / sizeof counter_infos[0] == COUNTERS_COUNT, "a text for each counter");

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t
run_once(struct sim *sim, const struct batch *batch, uint64_t seed)
{
	memset(sim, 0, sizeof *sim);
	sim->seed = seed;
	sim->profile_asked = batch->profile;
	sim->steps_max = batch->steps;
	sim->trace.print = batch->trace;
	sim_run(sim);
	return sim->trace.hash;
}

static void
run_seed(struct sim *sim, const struct batch *batch, struct tally *tally, uint64_t seed)
{
	uint64_t hash = run_once(sim, batch, seed);

	if (batch->twice && run_once(sim, batch, seed) != hash) {
		fprintf(stderr, "sim: seed %" PRIu64 " runs differently the second time\n", seed);
		exit(1);
	}
	tally->seeds++;
	if (sim->leader_timeouts > tally->slowest)
		tally->slowest = sim->leader_timeouts;
	for (int i = 0; i < COUNTERS_COUNT; i++)
		tally->counters[i] += sim->counters[i];
}

static void
run_job(const struct batch *batch, unsigned job, struct tally *tally)
{
	struct sim *sim = malloc(sizeof *sim);
	double end = seconds_now() + (double)batch->seconds;

	must(sim != NULL);
	for (uint64_t seed = batch->first + job;
	     batch->seconds > 0 ? seconds_now() < end : seed <= batch->last; seed += batch->jobs)
		run_seed(sim, batch, tally, seed);
	free(sim);
}

static void
tally_add(struct tally *sum, const struct tally *tally)
{
	sum->seeds += tally->seeds;
	if (tally->slowest > sum->slowest)
		sum->slowest = tally->slowest;
	for (int i = 0; i < COUNTERS_COUNT; i++)
		sum->counters[i] += tally->counters[i];
}

/* A child writes its tally into a pipe; a torn or missing one is a failed job. */
static bool
run_children(const struct batch *batch, struct tally *sum)
{
	int pipes[BATCH_JOBS_MAX][2];
	pid_t pids[BATCH_JOBS_MAX];
	bool good = true;

	for (unsigned job = 0; job < batch->jobs; job++) {
		struct tally tally = {.seeds = 0};

		must(pipe(pipes[job]) == 0);
		fflush(stdout);
		pids[job] = fork();
		must(pids[job] >= 0);
		if (pids[job] > 0) {
			close(pipes[job][1]);
			continue;
		}
		run_job(batch, job, &tally);
		exit(write(pipes[job][1], &tally, sizeof tally) == (ssize_t)sizeof tally ? 0 : 1);
	}
	for (unsigned job = 0; job < batch->jobs; job++) {
		struct tally tally;
		int status = 0;

		if (read(pipes[job][0], &tally, sizeof tally) == (ssize_t)sizeof tally)
			tally_add(sum, &tally);
		else
			good = false;
		waitpid(pids[job], &status, 0);
		good = good && status == 0;
	}
	return good;
}

static int
report(const struct batch *batch, const struct tally *tally, double seconds)
{
	int status = 0;

	for (int i = 0; i < COUNTERS_COUNT; i++) {
		printf("%-36s %12" PRIu64 "\n", counter_infos[i].text, tally->counters[i]);
		if (batch->need_all && counter_infos[i].needed && tally->counters[i] == 0) {
			fprintf(stderr, "sim: nothing was seen of %s\n", counter_infos[i].text);
			status = 1;
		}
	}
	/* That a change and a loss cross is rare; else the leader lets voters go that it needs. */
	if (tally->counters[COUNT_QUORUMS_LOST] > 2 + tally->seeds / 100) {
		fprintf(stderr, "sim: too many clusters ended without a majority that votes\n");
		status = 1;
	}
	printf("slowest leader: %.2f election timeouts after the faults\n",
	    (double)tally->slowest / 100);
	printf("seeds=%" PRIu64 " profile=%s events=%" PRIu64
	       " seconds=%.1f seeds_per_s=%.1f events_per_s=%.0f\n",
	    tally->seeds, batch->profile, tally->counters[COUNT_EVENTS], seconds,
	    (double)tally->seeds / seconds, (double)tally->counters[COUNT_EVENTS] / seconds);
	return status;
}

int
batch_run(const struct batch *batch)
{
	struct tally tally = {.seeds = 0};
	double start = seconds_now();

	if (batch->jobs == 1)
		run_job(batch, 0, &tally);
	else if (!run_children(batch, &tally))
		return 1;
	return report(batch, &tally, seconds_now() - start);
}
