/* SPDX-License-Identifier: ISC */
/*
 * The late vote: what a vote that its voter has forgotten can do at worst.
 *
 * First act: the leader hands over to a node that reaches one voter alone, and that vote is held
 * up. Second act: the voter loses its mark and the state from before; the candidate is cut off, and
 * the leader, which has heard of nothing, may call the voter clean.  Third act: the leader hands
 * over to another node, in the term that the first candidate stood for; all links are mended, and
 * the held vote arrives.
 */
#include "admin.h"
#include "sim.h"

static void
next_act(struct sim *sim, unsigned act, uint64_t timeouts)
{
	sim->plot.act = act;
	world_post(&sim->world,
	    (struct world_event){.kind = WORLD_PLOT,
		.at_us = sim->world.now_us + timeouts * 500 * sim->profile.election_timeout_ms});
}

static bool
fit(const struct sim *sim, const struct node *node)
{
	return members_votes(sim, node->number) && node->core != NULL && !node->dead &&
	       !node->paused && !node->disk.recovering && !node->disk.stalled && !node->disk.full;
}

/* The leader asks itself. */
static void
hand_over(struct sim *sim, const struct node *leader, size_t target)
{
	struct client *admin = &sim->clients.at[sim->clients.count];

	admin->node = leader->number;
	if (node_serves(&sim->nodes[leader->number]))
		admin_transfer(sim, admin, (int)target);
}

static void
the_end(struct sim *sim)
{
	sim->plot.act = 0;
	net_let_go(sim, true);
	net_heal(sim);
}

void
plot_vote_begin(struct sim *sim)
{
	struct node *leader = sim_leader(sim);
	size_t first = (size_t)rng_below(&sim->rng, sim->nodes_count);
	size_t found[3]; /* candidate, voter, the next leader */
	size_t count = 0;

	if (sim->plot.act != 0 || sim->net.holds_count > 0 || leader == NULL || !fit(sim, leader) ||
	    sim_voters(sim) < 5)
		return;
	for (size_t i = 0; i < sim->nodes_count && count < 3; i++) {
		const struct node *node = &sim->nodes[(first + i) % sim->nodes_count];

		if (node != leader && fit(sim, node))
			found[count++] = node->number;
	}
	if (count < 3)
		return;
	net_heal(sim);
	sim->plot.leader = leader->number;
	sim->plot.candidate = found[0];
	sim->plot.voter = found[1];
	sim->plot.target = found[2];
	sim->plot.term = leader->term;
	for (size_t i = 0; i < sim->nodes_count; i++)
		net_cut(sim, found[0], i, i != found[1]);
	net_cut(sim, found[1], leader->number, true);
	net_hold(sim, (struct net_hold){RAFT_MSG_VOTE_REPLY, (int)found[1], (int)found[0]});
	hand_over(sim, leader, found[0]);
	next_act(sim, PLOT_VOTE_FORGOTTEN, 1);
}

static void
forget(struct sim *sim)
{
	struct node *voter = &sim->nodes[sim->plot.voter];

	if (!fit(sim, voter) || voter->disk.vote != (int)sim->plot.candidate ||
	    voter->disk.term <= sim->plot.term || voter->disk.before.term > sim->plot.term ||
	    !fault_loss_allowed(sim, voter)) {
		the_end(sim);
		return;
	}
	sim->counters[COUNT_VOTE_PLOTS]++;
	fault_crash(sim, voter, rng_range(&sim->rng, 1000, 20000));
	disk_lose_term(sim, voter, false);
	net_heal(sim);
	for (size_t i = 0; i < sim->nodes_count; i++) {
		net_cut(sim, sim->plot.candidate, i, true);
		net_cut(sim, i, sim->plot.candidate, true);
	}
	next_act(sim, PLOT_VOTE_AGAIN, rng_range(&sim->rng, 2, 8));
}

void
plot_vote_act(struct sim *sim)
{
	const struct node *leader = &sim->nodes[sim->plot.leader];

	if (sim->faults_over) {
		the_end(sim);
	} else if (sim->plot.act == PLOT_VOTE_FORGOTTEN) {
		forget(sim);
	} else {
		if (leader->role == RAFT_LEADER && leader->term == sim->plot.term)
			hand_over(sim, leader, sim->plot.target);
		the_end(sim);
	}
}
