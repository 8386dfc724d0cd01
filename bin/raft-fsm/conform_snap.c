/* SPDX-License-Identifier: ISC */
/* Snapshots: written, restored into a fresh program and into a used one. */
#include "conform.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A run that writes one after this many entries, or after all where at is 0. */
static bool
conform_snapshot(struct conform *c, const char *path, size_t at, enum trial_kill kill)
{
	struct state state;
	struct trial_run run = {.history = &c->main,
	    .count = c->main.count,
	    .queries = true,
	    .trial = {.snapshot = path, .kill = kill},
	    .demand = &demand_snapshot,
	    .story = "with a snapshot among them"};
	if (at)
		run.trial.snapshot_after = history_index(&c->main, at);
	state_new(c, &state, "n1");
	bool good = conform_run_once(c, &state, &run);
	/* A file that needs what is beside the program is none. */
	state_free(&state);
	if (good && run.snapshot_refused)
		snprintf(c->no_snapshot, sizeof c->no_snapshot,
		    "it refuses to write a snapshot: %s", run.snapshot_refused);
	return good;
}

bool
conform_check_snapshot(struct conform *c)
{
	char path[CONFORM_PATH_MAX];
	strcpy(c->no_snapshot, "it has written no snapshot");
	conform_place(c, path);
	conform_place(c, c->snapshot);
	conform_place(c, c->snapshot_all);
	if (!conform_snapshot(c, path, c->middle, TRIAL_KILL_NEVER) ||
	    !conform_snapshot(c, c->snapshot, c->middle, TRIAL_KILL_SNAPSHOT) ||
	    !conform_snapshot(c, c->snapshot_all, 0, TRIAL_KILL_NEVER))
		return false;
	if (access(c->snapshot_all, R_OK) < 0)
		return conform_skip(c, c->no_snapshot);
	c->no_snapshot[0] = '\0';
	return true;
}

/* ------- into a fresh one --------------------------------------------------------- */

/* The snapshot of the first `at` entries, and the entries after it up to count. */
static struct trial_run
conform_restoring(struct history *history, size_t at, size_t count, const char *path)
{
	return (struct trial_run){.history = history,
	    .count = count,
	    .queries = true,
	    .trial = {.restore = path, .from = history_index(history, at) + 1},
	    .demand = &demand_restore,
	    .story = "after a restore into a fresh program"};
}

/* The restored state is snapshot again, and that is restored. */
static bool
conform_fresh(struct conform *c, struct history *history, size_t at, size_t count, const char *path)
{
	char again[CONFORM_PATH_MAX];
	struct state first, second;
	struct trial_run run = conform_restoring(history, at, count, path);
	/* Where there is none, another check has told why. */
	if (access(path, R_OK) < 0)
		return true;
	conform_place(c, again);
	run.trial.snapshot = again;
	run.trial.query_each = at < count;
	state_new(c, &first, "n2");
	bool good = conform_run_once(c, &first, &run);
	state_free(&first);
	if (!good || run.snapshot_refused)
		return good;
	run = conform_restoring(history, count, count, again);
	run.story = "after a snapshot of a restored state was restored";
	state_new(c, &second, "n3");
	good = conform_run_once(c, &second, &run);
	state_free(&second);
	return good;
}

bool
conform_check_fresh(struct conform *c)
{
	if (c->no_snapshot[0])
		return conform_skip(c, c->no_snapshot);
	return conform_fresh(c, &c->main, c->middle, c->steps, c->snapshot) &&
	       conform_fresh(c, &c->main, c->main.count, c->main.count, c->snapshot_all) &&
	       conform_fresh(c, &c->bytes, c->bytes.count, c->bytes.count, c->snapshot_bytes) &&
	       conform_fresh(c, &c->large, c->large.count, c->large.count, c->snapshot_large);
}

/* ------- into a used one ---------------------------------------------------------- */

/* False: it cannot be had, or something broke. */
static bool
conform_used(struct conform *c, struct state *state)
{
	struct trial_run run = {.history = &c->other,
	    .count = c->other.count,
	    .queries = true,
	    .story = "in a folder of its own"};
	if (!c->durable)
		return conform_skip(c, "it keeps nothing on a disk");
	if (c->no_snapshot[0])
		return conform_skip(c, c->no_snapshot);
	state_new(c, state, "n1");
	return conform_run_once(c, state, &run);
}

bool
conform_check_used(struct conform *c)
{
	struct state state;
	struct trial_run run = conform_restoring(&c->main, c->middle, c->steps, c->snapshot);
	run.trial.query_each = true;
	run.story = "after a restore into a program that held other entries";
	struct trial_run after = {.history = &c->main,
	    .count = c->steps,
	    .queries = true,
	    .demand = &demand_restore,
	    .story = "at the start after a restore into a program that held other entries"};
	if (!conform_used(c, &state))
		return false;
	bool good = conform_run_once(c, &state, &run) && conform_run_once(c, &state, &after);
	state_free(&state);
	return good;
}

/* The entries after what it holds, of whichever history that is. */
static bool
conform_half(struct conform *c, struct state *state)
{
	struct trial_run look = {.history = &c->other,
	    .trial = {.kill = TRIAL_KILL_READY},
	    .story = "killed when it had answered restore, and started again"};
	if (!conform_run_once(c, state, &look))
		return false;
	bool restored = look.ready == history_index(&c->main, c->middle);
	struct trial_run run = {.history = restored ? &c->main : &c->other,
	    .count = restored ? c->steps : c->other.count,
	    .queries = true,
	    .demand = &demand_restore,
	    .story = look.story};
	if (!restored && look.ready > history_index(&c->other, c->other.count)) {
		char came[CONFORM_TEXT_MAX];
		snprintf(came, sizeof came,
		    "ready %llu, which is neither the entry of the snapshot nor the last one "
		    "before it",
		    (unsigned long long)look.ready);
		return conform_broken(
		    c, "restore, then kill -9, then a start", came, &demand_restore);
	}
	return conform_run_once(c, state, &run);
}

bool
conform_check_half(struct conform *c)
{
	struct state state;
	struct trial_run run = conform_restoring(&c->main, c->middle, 0, c->snapshot);
	run.trial.kill = TRIAL_KILL_RESTORE;
	run.queries = false;
	run.story = "into a program that held other entries";
	if (!conform_used(c, &state))
		return false;
	bool good = conform_run_once(c, &state, &run) && conform_half(c, &state);
	state_free(&state);
	return good;
}
