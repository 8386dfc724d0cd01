/* SPDX-License-Identifier: ISC */
/*
 * Amnesia: what a voter that has forgotten its promise can do at worst.
 *
 * First act: the leader is frozen, its clock too, until others have elected another
 * one, which commits.  Second act: voters of that election lose the state from before it; all that
 * know better are cut off; the old leader goes on, and has a majority with
 * them.  It must get nowhere: neither commit, nor confirm a read, nor end their
 * recovery.  Third act: the links are mended.
 */
#include "sim.h"

static void
plot_next(struct sim *sim, unsigned act, uint64_t timeouts)
{
	sim->plot.act = act;
	world_post(&sim->world,
	    (struct world_event){.kind = WORLD_PLOT,
		.at_us = sim->world.now_us + timeouts * 1000 * sim->profile.election_timeout_ms});
}

void
plot_begin(struct sim *sim)
{
	struct node *leader = sim_leader(sim);

	if (sim->plot.act != 0 || leader == NULL || leader->paused || sim_voters(sim) < 3)
		return;
	net_heal(sim);
	sim->plot.leader = leader->number;
	sim->plot.patience = 3;
	node_pause(sim, leader, true, 40000 * sim->profile.election_timeout_ms);
	plot_next(sim, 1, rng_range(&sim->rng, 2, 5));
}

/* The new leader has committed an entry of its term. */
static bool
deposed(struct sim *sim, const struct node *old, const struct node *new)
{
	const struct tnode *top = check_committed(sim, sim->check.committed);

	return new != NULL &&new != old &&new->term > old->term &&top != NULL &&
	       top->entry.term == new->term;
}

static bool
forgets(struct sim *sim, struct node *node, const struct node *new)
{
	const struct node *old = &sim->nodes[sim->plot.leader];

	if (!members_votes(sim, node->number) || node == old || node == new || node->dead ||
	    node->paused || node->disk.before.term > old->term || !fault_loss_allowed(sim, node))
		return false;
	fault_crash(sim, node, rng_range(&sim->rng, 1000, 20000));
	disk_lose_term(sim, node, rng_chance(&sim->rng, 200000));
	return true;
}

static void
plot_amnesia(struct sim *sim, const struct node *new)
{
	struct node *old = &sim->nodes[sim->plot.leader];
	unsigned side = 1u << old->number;

	sim->counters[COUNT_PLOTS]++;
	for (size_t i = 0; i < sim->nodes_count; i++)
		if (forgets(sim, &sim->nodes[i], new))
			side |= 1u << i;
	for (size_t a = 0; a < sim->nodes_count; a++)
		for (size_t b = 0; b < sim->nodes_count; b++)
			net_cut(sim, a, b, (side >> a & 1) != (side >> b & 1));
	node_resume(sim, old);
	plot_next(sim, 2, rng_range(&sim->rng, 1, 4));
}

void
plot_act(struct sim *sim)
{
	struct node *old = &sim->nodes[sim->plot.leader];
	const struct node *new = sim_leader(sim);

	if (sim->plot.act >= PLOT_VOTE_FORGOTTEN) {
		plot_vote_act(sim);
	} else if (sim->faults_over || sim->plot.act == 2) {
		sim->plot.act = 0;
		net_heal(sim);
	} else if (old->frozen && old->core != NULL && deposed(sim, old, new)) {
		plot_amnesia(sim, new);
	} else if (old->frozen && sim->plot.patience-- > 0) {
		plot_next(sim, 1, 2);
	} else {
		sim->plot.act = 0;
		node_resume(sim, old);
	}
}
