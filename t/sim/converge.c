/* SPDX-License-Identifier: ISC */
/*
 * Liveness: once faults have stopped, (18) a leader within so many election
 * timeouts, (19) new entries commit, (20) all living nodes become equal.
 */
#include "sim.h"

enum {
	LEADER_TIMEOUTS = 10,     /* a round of votes lasts up to two of them */
	STANDSTILL_TIMEOUTS = 10, /* nothing was stored or committed anywhere for so long */
	CATCH_UP_TIMEOUTS =
	    1000, /* windows are small: whoever was away long needs many round trips */
	QUIET_TIMEOUTS = 6
};

bool
led(struct sim *sim)
{
	const struct node *leader = sim_leader(sim);
	size_t following = 0;

	if (leader == NULL)
		return false;
	for (size_t i = 0; i < sim->nodes_count; i++) {
		const struct node *node = &sim->nodes[i];

		following += (members_of(sim, leader)->voters >> i & 1) != 0 &&
			     node->core != NULL && node->status.term == leader->status.term &&
			     raft_id_equal(&node->status.leader, &leader->id);
	}
	return 2 * following > members_count(members_of(sim, leader)->voters);
}

static const char *
unequal(struct sim *sim)
{
	static const char *const whys[] = {"has another commit index", "has another log",
	    "still recovers", "has not stored its log", "is down"};

	for (size_t i = 0; i < sim->nodes_count; i++) {
		const struct node *node = &sim->nodes[i];

		if (node->dead || !members_is(sim, i)) /* who was removed need not know */
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

static uint64_t
work_done(const struct sim *sim)
{
	uint64_t sum = sim->chunks;

	for (size_t i = 0; i < sim->nodes_count; i++)
		sum += sim->nodes[i].disk.rows.last + sim->nodes[i].commit;
	return sum;
}

/* The same, as long as there is work that goes on. */
static bool
await_work(struct sim *sim, bool (*done)(struct sim *sim))
{
	uint64_t end =
	    sim->world.now_us + CATCH_UP_TIMEOUTS * 1000 * sim->profile.election_timeout_ms;
	uint64_t before;

	do {
		before = work_done(sim);
		if (await(sim, done, STANDSTILL_TIMEOUTS))
			return true;
	} while (work_done(sim) != before && sim->world.now_us < end);
	return false;
}

static bool
never(struct sim *sim)
{
	(void)sim;
	return false;
}

bool
converged(struct sim *sim)
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

		if (node->dead || node->core == NULL)
			continue;
		check_sessions(sim, node);
		check_deep(sim, node);
		if (node->status.dropped > 0)
			sim->counters[COUNT_DROPPED] += node->status.dropped;
	}
}

/*
 * A change of the members and a planted loss can cross: the leader sent a voter away before it
 * could know that another had forgotten.  What is left may be no majority that votes; then only
 * safety counts.
 */
static bool
quorum_lost(const struct sim *sim)
{
	uint16_t lost = 0;

	for (size_t i = 0; i < sim->nodes_count; i++)
		if (sim->nodes[i].disk.recovering || sim->nodes[i].dead)
			lost |= (uint16_t)(1u << i);
	return sim->profile.change_ppm > 0 && !members_bear(sim, lost, 0);
}

void
converge(struct sim *sim)
{
	uint64_t start = sim->world.now_us;

	if (!await(sim, led, LEADER_TIMEOUTS) && quorum_lost(sim)) {
		sim->counters[COUNT_QUORUMS_LOST]++;
		return;
	}
	if (!led(sim))
		sim_fail(sim, "liveness: no leader within %d election timeouts", LEADER_TIMEOUTS);
	sim->leader_timeouts =
	    (sim->world.now_us - start) / (10 * sim->profile.election_timeout_ms);
	sim->acknowledged_wanted = sim->clients.acknowledged + 3;
	if (!await_work(sim, acknowledged_more))
		sim_fail(sim, "liveness: nothing new is acknowledged");
	sim->clients.stopping = true;
	if (!await_work(sim, converged))
		sim_fail(sim, "liveness: a living node %s, and that is how it stays", unequal(sim));
	await(sim, never, QUIET_TIMEOUTS);
	client_check_answered(sim, 1000 * (QUIET_TIMEOUTS - 1) * sim->profile.election_timeout_ms);
	if (!converged(sim))
		sim_fail(sim, "liveness: a living node %s once more", unequal(sim));
	check_end(sim);
	sim->counters[COUNT_CONVERGED]++;
}
