/* SPDX-License-Identifier: ISC */
#include "sim.h"

enum { RATE_TRUE = 1000000, RATE_OFF_MAX = 45000 };

void
lead_init(struct sim *sim)
{
	struct rng rng;

	rng_seed(&rng, rng_mix(sim->seed, UINT64_C(0x6c656164)));
	for (size_t i = 0; i < sim->nodes_count; i++) {
		struct boot_clock *clock = &sim->nodes[i].boot;

		clock->base_ms = rng_below(&rng, 100000);
		clock->rate_ppm =
		    rng_range(&rng, RATE_TRUE - RATE_OFF_MAX, RATE_TRUE + RATE_OFF_MAX);
	}
}

uint64_t
lead_boot_ms(const struct sim *sim, const struct node *node)
{
	return node->boot.base_ms + sim->world.now_us / 1000 * node->boot.rate_ppm / RATE_TRUE;
}

void
lead_check(struct sim *sim, struct node *node)
{
	struct raft_grant grant = raft_grant_now(node->core);

	if (grant.state != RAFT_GRANT_GIVEN || grant.until_ms <= lead_boot_ms(sim, node))
		return;
	sim->counters[COUNT_GRANTS]++;
	for (size_t i = 0; i < sim->nodes_count; i++) {
		const struct node *other = &sim->nodes[i];
		uint64_t now_ms = lead_boot_ms(sim, other);

		if (other != node && other->granted_ms > now_ms)
			sim_fail(sim,
			    "n%d grants its command time, and that of n%zu has %" PRIu64 " ms left",
			    node->number + 1, i + 1, other->granted_ms - now_ms);
	}
	if (grant.until_ms > node->granted_ms)
		node->granted_ms = grant.until_ms;
}
