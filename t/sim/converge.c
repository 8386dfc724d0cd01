/* SPDX-License-Identifier: ISC */
/*
 * Liveness: once faults have stopped, (18) a leader within so many election
 * timeouts, (19) new entries commit, (20) all living nodes become equal.
 */
#include "sim.h"

enum {
	LEADER_TIMEOUTS = 16, /* a round of votes lasts up to two of them */
	COMMIT_TIMEOUTS = 10,
	EQUAL_TIMEOUTS = 60,
	QUIET_TIMEOUTS = 6
};

/* A majority of voters lives and follows one leader. */
static bool
led(struct sim *sim)
{
	const struct node *leader = sim_leader(sim);
	size_t following = 0;

	if (leader == NULL)
		return false;
	for (size_t i = 0; i < sim->nodes_count; i++) {
		const struct node *node = &sim->nodes[i];

		following += node->voter && node->core != NULL && node->status.term == leader->status.term &&
		    raft_id_equal(&node->status.leader, &leader->id);
	}
	return 2 * following > sim_voters(sim);
}

static const char *
unequal(struct sim *sim)
{
	static const char *const whys[] = { "has another commit index", "has another log", "still recovers",
		"has not stored its log", "is down" };

	for (size_t i = 0; i < sim->nodes_count; i++) {
		const struct node *node = &sim->nodes[i];

		if (node->dead)
			continue;
		if (node->core == NULL)
			return whys[4];
		if (node->commit != sim->check.committed)
			return whys[0];
		if (node->issued.last != node->commit)
			return whys[1];
		if (node->disk.recovering)
			return whys[2];
		if (slog_common(&node->disk.rows, &node->issued) != node->issued.last)
			return whys[3];
	}
	return NULL;
}

/* Lets time pass until `done`, which must come about within so many election timeouts. */
static bool
await(struct sim *sim, bool (*done)(struct sim *sim), unsigned timeouts)
{
	uint64_t until = sim->world.now_us + timeouts * 1000 * sim->profile.election_timeout_ms;

	while (!done(sim))
		if (!sim_event(sim, until))
			return false;
	return true;
}

static bool
never(struct sim *sim)
{
	(void)sim;
	return false;
}

static bool
equal(struct sim *sim)
{
	return unequal(sim) == NULL;
}

static bool
acknowledged_more(struct sim *sim)
{
	return sim->clients.acknowledged >= sim->acknowledged_wanted;
}

static void
check_end(struct sim *sim)
{
	for (size_t i = 0; i < sim->nodes_count; i++) {
		struct node *node = &sim->nodes[i];

		if (node->dead)
			continue;
		check_sessions(sim, node);
		check_deep(sim, node);
		if (node->status.dropped > 0)
			sim->counters[COUNT_DROPPED] += node->status.dropped;
	}
}

void
converge(struct sim *sim)
{
	uint64_t start = sim->world.now_us;

	if (!await(sim, led, LEADER_TIMEOUTS))
		sim_fail(sim, "liveness: no leader within %d election timeouts", LEADER_TIMEOUTS);
	sim->leader_timeouts = (sim->world.now_us - start) / (10 * sim->profile.election_timeout_ms);
	sim->acknowledged_wanted = sim->clients.acknowledged + 3;
	if (!await(sim, acknowledged_more, COMMIT_TIMEOUTS))
		sim_fail(sim, "liveness: nothing new is acknowledged within %d election timeouts", COMMIT_TIMEOUTS);
	sim->clients.stopping = true;
	await(sim, never, QUIET_TIMEOUTS);
	client_check_answered(sim, 1000 * (QUIET_TIMEOUTS - 1) * sim->profile.election_timeout_ms);
	if (!await(sim, equal, EQUAL_TIMEOUTS))
		sim_fail(sim, "liveness: a living node %s after %d election timeouts", unequal(sim), EQUAL_TIMEOUTS);
	check_end(sim);
	sim->counters[COUNT_CONVERGED]++;
}
