/* SPDX-License-Identifier: ISC */
/*
 * Faults: which strikes next, whom, and for how long.
 *
 * What a cluster must survive, and no more: never are so many nodes without
 * what they once had (dead for ever or recovering) that no majority of voters is left.
 */
#include "sim.h"

static uint64_t
some_time_us(struct sim *sim)
{
	uint64_t e = 1000 * sim->profile.election_timeout_ms;

	return rng_chance(&sim->rng, 300000) ? rng_range(&sim->rng, e / 20, e / 2)
					     : rng_range(&sim->rng, e / 2, 8 * e);
}

/* Half of the time the leader. */
static struct node *
victim(struct sim *sim)
{
	struct node *leader = sim_leader(sim);

	if (leader != NULL && rng_chance(&sim->rng, 500000))
		return leader;
	return &sim->nodes[rng_below(&sim->rng, sim->nodes_count)];
}

static size_t
other(struct sim *sim)
{
	return (size_t)rng_below(&sim->rng, sim->nodes_count);
}

static void
fault_split(struct sim *sim)
{
	uint64_t group = rng_next(&sim->rng);

	sim->counters[COUNT_PARTITIONS]++;
	for (size_t a = 0; a < sim->nodes_count; a++)
		for (size_t b = 0; b < sim->nodes_count; b++)
			net_cut(sim, a, b, (group >> a & 1) != (group >> b & 1));
}

static void
fault_isolate(struct sim *sim, size_t node)
{
	sim->counters[COUNT_PARTITIONS]++;
	for (size_t peer = 0; peer < sim->nodes_count; peer++) {
		net_cut(sim, node, peer, true);
		net_cut(sim, peer, node, true);
	}
}

static void
fault_partial(struct sim *sim)
{
	sim->counters[COUNT_PARTITIONS]++;
	for (size_t a = 0; a < sim->nodes_count; a++)
		for (size_t b = a + 1; b < sim->nodes_count; b++) {
			bool cut = rng_chance(&sim->rng, 350000);

			net_cut(sim, a, b, cut);
			net_cut(sim, b, a, cut);
		}
}

/* One link, or all that a node sends, or all that it hears. */
static void
fault_one_way(struct sim *sim)
{
	size_t node = victim(sim)->number;
	uint64_t how = rng_below(&sim->rng, 3);

	sim->counters[COUNT_ONE_WAYS]++;
	if (how == 0)
		net_cut(sim, node, other(sim), true);
	for (size_t peer = 0; how > 0 && peer < sim->nodes_count; peer++) {
		if (how == 1)
			net_cut(sim, node, peer, true);
		else
			net_cut(sim, peer, node, true);
	}
}

void
fault_crash(struct sim *sim, struct node *node, uint64_t down_us)
{
	sim->counters[COUNT_CRASHES]++;
	node_elector_down(sim, node);
	disk_crash(sim, node);
	if (rng_chance(&sim->rng, 500000)) /* else what is under way may still arrive */
		net_restart(sim, node->number);
	node_up_after(sim, node, down_us);
}

static void
fault_crash_all(struct sim *sim)
{
	sim->counters[COUNT_CRASHES_ALL]++;
	for (size_t i = 0; i < sim->nodes_count; i++)
		fault_crash(sim, &sim->nodes[i], some_time_us(sim));
}

void
fault_elector(struct sim *sim, struct node *node, uint64_t down_us)
{
	sim->counters[COUNT_ELECTOR_RESTARTS]++;
	node_elector_down(sim, node);
	disk_discard(sim, node);
	node_up_after(sim, node, down_us);
}

void
fault_logd(struct sim *sim, struct node *node)
{
	sim->counters[COUNT_DISK_RESTARTS]++;
	node_elector_down(sim, node);
	disk_crash(sim, node);
	node_up_after(sim, node, rng_range(&sim->rng, 1000, 300000));
}

static void
fault_peerd(struct sim *sim, struct node *node)
{
	sim->counters[COUNT_PEER_RESTARTS]++;
	net_restart(sim, node->number);
}

static void
fault_pause(struct sim *sim, struct node *node, bool frozen)
{
	if (node->core == NULL)
		return;
	sim->counters[frozen ? COUNT_FREEZES : COUNT_PAUSES]++;
	node_pause(sim, node, frozen, some_time_us(sim));
}

static void
fault_clock(struct sim *sim, struct node *node)
{
	static const uint64_t rates[] = {
	    500000, 900000, 990000, 1000000, 1010000, 1100000, 2000000};

	sim->counters[COUNT_CLOCK_RATES]++;
	node_set_rate(sim, node, rates[rng_below(&sim->rng, sizeof rates / sizeof rates[0])]);
}

static void
fault_disk(struct sim *sim, struct node *node, bool full)
{
	struct world_event end = {.at_us = sim->world.now_us + some_time_us(sim),
	    .kind = full ? WORLD_ROOM : WORLD_RUN_AGAIN,
	    .node = node->number};

	sim->counters[full ? COUNT_FULLS : COUNT_STALLS]++;
	if (full)
		disk_set_full(sim, node, true);
	else
		node->disk.stalled = true;
	world_post(&sim->world, end);
}

/* Voters that may not have what they promised, if this one were one more. */
bool
fault_loss_allowed(const struct sim *sim, const struct node *node)
{
	uint16_t lost = (uint16_t)(1u << node->number);

	for (size_t i = 0; i < sim->nodes_count; i++)
		if (sim->nodes[i].disk.recovering)
			lost |= (uint16_t)(1u << i);
	return !node->disk.recovering && members_bear(sim, lost, 0);
}

static void
fault_loss(struct sim *sim, struct node *node, enum fault fault)
{
	if (!fault_loss_allowed(sim, node) || node->dead)
		return;
	fault_crash(sim, node, rng_chance(&sim->rng, 300000) ? 5000 : some_time_us(sim));
	if (fault == FAULT_DAMAGE && node->disk.rows.last == node->disk.cut)
		return;
	if (fault == FAULT_DAMAGE) {
		sim->counters[COUNT_DAMAGES]++;
		disk_damage(
		    sim, node, rng_range(&sim->rng, node->disk.cut + 1, node->disk.rows.last));
		return;
	}
	if (fault == FAULT_WIPE) {
		sim->counters[COUNT_WIPES]++;
		disk_wipe(sim, node);
		return;
	}
	sim->counters[fault == FAULT_LOSE_TAIL ? COUNT_TAILS_LOST : COUNT_TAILS_LOST_NO_MARK]++;
	disk_lose(sim, node, fault == FAULT_LOSE_TAIL);
}

/* One draw per statement: the order of a call's arguments is the compiler's choice. */
static void
fault_flap(struct sim *sim, const struct node *node)
{
	unsigned times = (unsigned)rng_range(&sim->rng, 2, 12);

	net_flap(sim, node->number, some_time_us(sim) / 2, times);
}

static void
fault_node(struct sim *sim, enum fault fault)
{
	struct node *node = victim(sim);

	if (fault == FAULT_ISOLATE)
		fault_isolate(sim, node->number);
	else if (fault == FAULT_FLAP)
		fault_flap(sim, node);
	else if (fault == FAULT_CRASH)
		fault_crash(sim, node, some_time_us(sim));
	else if (fault == FAULT_ELECTOR)
		fault_elector(sim, node, rng_range(&sim->rng, 500, 500000));
	else if (fault == FAULT_LOGD)
		fault_logd(sim, node);
	else if (fault == FAULT_PEERD)
		fault_peerd(sim, node);
	else if (fault == FAULT_PAUSE || fault == FAULT_FREEZE)
		fault_pause(sim, node, fault == FAULT_FREEZE);
	else if (fault == FAULT_CLOCK)
		fault_clock(sim, node);
	else if (fault == FAULT_STALL || fault == FAULT_FULL)
		fault_disk(sim, node, fault == FAULT_FULL);
	else
		fault_loss(sim, node, fault);
}

static enum fault
draw(struct sim *sim)
{
	uint64_t sum = 0;
	uint64_t at;
	int fault = 0;

	for (int i = 0; i < FAULTS_COUNT; i++)
		sum += sim->profile.weights[i];
	at = rng_below(&sim->rng, sum);
	while (at >= sim->profile.weights[fault])
		at -= sim->profile.weights[fault++];
	return (enum fault)fault;
}

void
fault_strike(struct sim *sim)
{
	enum fault fault;

	if (sim->faults_over || sim->profile.fault_pause_us == 0)
		return;
	world_post(&sim->world,
	    (struct world_event){.kind = WORLD_FAULT,
		.at_us =
		    sim->world.now_us + rng_range(&sim->rng, 1, 2 * sim->profile.fault_pause_us)});
	fault = draw(sim);
	trace_add(sim, -1, -1, fault_name(fault), "", 0, 0, 0);
	if (fault == FAULT_SPLIT)
		fault_split(sim);
	else if (fault == FAULT_PARTIAL)
		fault_partial(sim);
	else if (fault == FAULT_ONE_WAY)
		fault_one_way(sim);
	else if (fault == FAULT_HEAL)
		net_heal(sim);
	else if (fault == FAULT_CRASH_ALL)
		fault_crash_all(sim);
	else if (fault == FAULT_AMNESIA)
		plot_begin(sim);
	else if (fault == FAULT_LATE_VOTE)
		plot_vote_begin(sim);
	else
		fault_node(sim, fault);
}

/* A minority may stay dead for ever, as long as with those that recover a majority is whole. */
static void
leave_dead(struct sim *sim)
{
	uint16_t lost = 0;

	for (size_t i = 0; i < sim->nodes_count; i++)
		if (sim->nodes[i].disk.recovering)
			lost |= (uint16_t)(1u << i);
	for (size_t i = 0; i < sim->nodes_count; i++) {
		struct node *node = &sim->nodes[i];
		uint16_t with = (uint16_t)(lost | 1u << i);

		/* One more may still be removed by what is on its way. */
		if (!rng_chance(&sim->rng, 200000) || node->disk.recovering ||
		    !members_bear(sim, with, sim->profile.change_ppm > 0))
			continue;
		lost = with;
		fault_crash(sim, node, 0);
		node->dead = true;
	}
}

void
fault_end_all(struct sim *sim)
{
	sim->faults_over = true;
	trace_add(sim, -1, -1, "faults-end", "", 0, 0, 0);
	net_calm(sim);
	if (sim->profile.fault_pause_us > 0)
		leave_dead(sim);
	for (size_t i = 0; i < sim->nodes_count; i++) {
		struct node *node = &sim->nodes[i];

		node_resume(sim, node);
		node_set_rate(sim, node, CLOCK_TRUE);
		disk_set_full(sim, node, false);
		node_run_again(sim, node);
		if (node->core == NULL)
			node_up_after(sim, node, 1000);
	}
}
