/* SPDX-License-Identifier: ISC */
/*
 * What administrators ask for, at random, sensible or not.
 */
#include "admin.h"

#include "sim.h"

#include <stdio.h>
#include <string.h>

void
admin_init(struct sim *sim)
{
	struct client *client = &sim->clients.at[sim->clients.count];

	must(sim->clients.count < SIM_CLIENTS_MAX);
	client->kind = CLIENT_ADMIN;
	client->number = (uint32_t)sim->clients.count;
	if (sim->profile.admin_pause_us > 0)
		world_post(&sim->world,
		    (struct world_event){.at_us = sim->world.now_us + rng_below(&sim->rng, 2000000),
			.kind = WORLD_CLIENT,
			.value = client->number});
}

void
admin_transfer(struct sim *sim, struct client *client, int target)
{
	struct attempt *attempt = attempt_new(sim, client);
	uint64_t number = (uint64_t)(attempt - sim->clients.attempts);
	struct raft_event event = {.type = RAFT_EVENT_TRANSFER};

	attempt->session = 0;
	attempt->kind = ATTEMPT_TRANSFER;
	attempt->target = (int8_t)target;
	event.transfer.ticket = number;
	if (target != DISK_NOBODY)
		event.transfer.target = sim_id((size_t)target);
	sim->counters[COUNT_TRANSFERS]++;
	trace_add(sim, (int)client->node, target, "transfer", "attempt", number, 0, 0);
	node_event(sim, &sim->nodes[client->node], &event);
}

static void
change_member(
    const struct sim *sim, struct raft_member *member, enum raft_change_op op, size_t target)
{
	struct raft_config config;
	const struct raft_member *known;
	struct raft_id id = sim_id(target);

	members_config(sim, check_committed(sim, sim->check.committed), &config);
	known = raft_config_find(&config, &id);
	memset(member, 0, sizeof *member);
	member->role = RAFT_LEARNER;
	member->id = id;
	member->key[0] = (uint8_t)(target + 1);
	if (op == RAFT_CHANGE_KEY_ADD) /* another one than now */
		member->key[1] = (uint8_t)(1 + (known == NULL ? 0 : known->key[1]) % 200);
	if (op == RAFT_CHANGE_KEY_DROP && known != NULL)
		memcpy(member->key, known->key, sizeof member->key);
	if (op == RAFT_CHANGE_ADD)
		snprintf(
		    member->address, sizeof member->address, "tcp://10.0.0.%zu:7101", target + 1);
	if (op == RAFT_CHANGE_ADDRESS)
		snprintf(member->address, sizeof member->address, "tcp://10.1.%" PRIu64 ".%zu:7101",
		    sim->step % 250, target + 1);
}

void
admin_change(struct sim *sim, struct client *client, enum raft_change_op op, size_t target)
{
	struct raft_change change = {.op = op};
	uint8_t data[RAFT_CHANGE_SIZE_MAX];
	struct attempt *attempt;

	change_member(sim, &change.member, op, target);
	attempt = attempt_new(sim, client);
	attempt->session = 0;
	attempt->kind = RAFT_CONFIG;
	attempt->op = (uint8_t)op;
	attempt->target = (int8_t)target;
	trace_text(sim, (int)client->node, "change", raft_change_name(op));
	attempt_send(sim, attempt, 0, data, raft_change_encode(&change, data));
}

/* ----------------------------------------------------------- at random */

/* One of the set; nodes_count when that is empty. */
static size_t
draw(struct sim *sim, unsigned set)
{
	size_t at;

	if (set == 0)
		return sim->nodes_count;
	at = (size_t)rng_below(&sim->rng, members_count((uint16_t)set));
	for (size_t i = 0; i < sim->nodes_count; i++)
		if ((set >> i & 1) != 0 && at-- == 0)
			return i;
	return sim->nodes_count;
}

/* Keeps 1 to 7 members; the rest is luck. */
static void
change_some(struct sim *sim, struct client *client)
{
	static const enum raft_change_op ops[] = {RAFT_CHANGE_ADD, RAFT_CHANGE_ADD,
	    RAFT_CHANGE_PROMOTE, RAFT_CHANGE_PROMOTE, RAFT_CHANGE_PROMOTE, RAFT_CHANGE_DEMOTE,
	    RAFT_CHANGE_REMOVE, RAFT_CHANGE_ADDRESS, RAFT_CHANGE_KEY_ADD, RAFT_CHANGE_KEY_DROP};
	const struct membership *now = members_now(sim);
	unsigned all = (1u << sim->nodes_count) - 1;
	enum raft_change_op op = ops[rng_below(&sim->rng, sizeof ops / sizeof ops[0])];
	unsigned set = now->members;

	if (op == RAFT_CHANGE_ADD)
		set = members_count(now->members) < 7 ? all & ~now->members & ~now->retired : 0;
	if (op == RAFT_CHANGE_PROMOTE)
		set &= ~(unsigned)now->voters;
	if (op == RAFT_CHANGE_DEMOTE)
		set = now->voters;
	if (rng_chance(&sim->rng, 50000)) /* nonsense, too */
		set = all;
	if (set != 0)
		admin_change(sim, client, op, draw(sim, set));
}

void
admin_act(struct sim *sim, struct client *client)
{
	const struct node *leader = sim_leader(sim);
	const struct profile *profile = &sim->profile;
	int target = DISK_NOBODY;

	client->node = (size_t)rng_below(&sim->rng, sim->nodes_count);
	if (leader != NULL && rng_chance(&sim->rng, 500000))
		client->node = leader->number;
	if (!node_serves(&sim->nodes[client->node]))
		return;
	/* Before the end, so that what is left alive stays a majority. */
	if (rng_chance(&sim->rng, profile->change_ppm)) {
		if (sim->step < sim->steps_max - sim->steps_max / 10)
			change_some(sim, client);
		return;
	}
	if (!rng_chance(&sim->rng, profile->transfer_ppm))
		return;
	if (rng_chance(&sim->rng, 700000))
		target = (int)rng_below(&sim->rng, sim->nodes_count);
	admin_transfer(sim, client, target);
}

/* ------------------------------------------------------------- answers */

static void
transfer_done(struct sim *sim, const struct attempt *attempt, const struct raft_answer *answer)
{
	const struct check_term *term = check_term(sim, answer->pos.term);
	size_t target = (size_t)attempt->target;

	sim->counters[COUNT_TRANSFERS_DONE]++;
	if (attempt->target != DISK_NOBODY && term->promised[target] != attempt->target + 1)
		sim_fail(sim,
		    "a transfer to n%zu is called done, but it did not stand for term %" PRIu64,
		    target + 1, answer->pos.term);
}

static bool
change_seen(
    const struct attempt *attempt, const struct membership *now, const struct membership *above)
{
	unsigned bit = 1u << attempt->target;

	switch ((enum raft_change_op)attempt->op) {
	case RAFT_CHANGE_ADD:
		return (now->members & ~above->members) == (int)bit;
	case RAFT_CHANGE_PROMOTE:
		return (now->voters & ~above->voters) == (int)bit;
	case RAFT_CHANGE_DEMOTE:
		return (above->voters & ~now->voters) == (int)bit && (now->members & bit) != 0;
	case RAFT_CHANGE_REMOVE:
		return (above->members & ~now->members) == (int)bit;
	case RAFT_CHANGE_ADDRESS:
	case RAFT_CHANGE_KEY_ADD:
	case RAFT_CHANGE_KEY_DROP:
		break;
	}
	return now->members == above->members && now->voters == above->voters;
}

void
admin_committed(struct sim *sim, const struct attempt *attempt, const struct raft_answer *answer)
{
	static const enum counter counts[] = {[RAFT_CHANGE_ADD] = COUNT_ADDS,
	    [RAFT_CHANGE_PROMOTE] = COUNT_PROMOTIONS,
	    [RAFT_CHANGE_DEMOTE] = COUNT_DEMOTIONS,
	    [RAFT_CHANGE_REMOVE] = COUNT_REMOVALS,
	    [RAFT_CHANGE_ADDRESS] = COUNT_ADDRESS_CHANGES,
	    [RAFT_CHANGE_KEY_ADD] = COUNT_KEY_CHANGES,
	    [RAFT_CHANGE_KEY_DROP] = COUNT_KEY_CHANGES};
	const struct tnode *tnode = check_committed(sim, answer->pos.index);

	if (attempt->kind == ATTEMPT_TRANSFER) {
		transfer_done(sim, attempt, answer);
		return;
	}
	if (tnode == NULL || tnode->entry.term != answer->pos.term ||
	    tnode->entry.kind != RAFT_CONFIG ||
	    !change_seen(attempt, &tnode->in_force, members_at(sim, tnode->parent)))
		sim_fail(sim, "%s n%d is called committed as entry %" PRIu64 ", but it is not",
		    raft_change_name((enum raft_change_op)attempt->op), attempt->target + 1,
		    answer->pos.index);
	sim->counters[counts[attempt->op]]++;
}
