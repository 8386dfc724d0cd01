/* SPDX-License-Identifier: ISC */
/*
 * Contracts of the state machine, in the profile "levels".
 *
 * The format of each one names the attempt that proposed it, so that the log tells them apart.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

struct raft_contract_at
contracts_at(const struct tnode *tnode)
{
	struct raft_contract_at at = {0};

	if (tnode != NULL && tnode->contract_entry != NULL)
		raft_contract_take(
		    &at, tnode->contract_entry->index, &tnode->contract_entry->entry);
	return at;
}

/* -------------------------------------------------------------- proposals */

static void
contract_draw(struct sim *sim, struct raft_contract *contract, uint64_t number)
{
	uint64_t size = sim->profile.payload_max;
	bool lines = rng_chance(&sim->rng, 600000);

	contract->framing = lines ? RAFT_CONTRACT_LINE : RAFT_CONTRACT_NETSTRING;
	contract->fields = (uint8_t)rng_below(&sim->rng, RAFT_CONTRACT_FIELDS + 1);
	contract->reply_max = rng_range(&sim->rng, 1, 100);
	/* Most entries pass, or nothing would be committed any more. */
	contract->entry_max = rng_range(&sim->rng, size - size / 4, 2 * size);
	snprintf(contract->format, sizeof contract->format, "a%" PRIu64, number);
}

/* Mostly what its node knows is what it replaces. */
bool
contracts_act(struct sim *sim, struct client *client)
{
	uint64_t replaces = sim->nodes[client->node].status.contract;
	struct raft_contract contract;
	uint8_t data[RAFT_CONTRACT_SIZE_MAX];
	struct attempt *attempt;

	if (!sim->profile.levels || !rng_chance(&sim->rng, 10000))
		return false;
	attempt = attempt_new(sim, client);
	attempt->session = 0;
	attempt->kind = RAFT_CONTRACT;
	attempt->epoch = rng_chance(&sim->rng, 100000) ? rng_below(&sim->rng, 100) : replaces;
	contract_draw(sim, &contract, (uint64_t)(attempt - sim->clients.attempts));
	attempt_send(sim, attempt, 0, data, raft_contract_encode(&contract, data));
	return true;
}

/* -------------------------------------------------------------- the log */

static void
check_contract(struct sim *sim, const struct node *node, struct tnode *tnode)
{
	const struct tnode *parent = tnode->parent;
	struct raft_contract_at before = contracts_at(parent);
	struct raft_contract contract;
	struct attempt *attempt;

	if (!raft_contract_decode(
		&contract, raft_entry_data(&tnode->entry), raft_entry_data_size(&tnode->entry)))
		sim_fail(sim, "entry %" PRIu64 " is no contract", tnode->index);
	tnode->attempt = (uint32_t)strtoul(contract.format + 1, NULL, 10);
	if (tnode->attempt == 0 || tnode->attempt >= sim->clients.attempts_count)
		sim_fail(sim, "entry %" PRIu64 " is a contract that nobody proposed", tnode->index);
	attempt = &sim->clients.attempts[tnode->attempt];
	if (attempt->kind != RAFT_CONTRACT || attempt->refused != 0)
		sim_fail(sim, "entry %" PRIu64 " is a contract that was refused", tnode->index);
	if (attempt->epoch != before.index)
		sim_fail(sim,
		    "entry %" PRIu64 " replaces contract %" PRIu64 ", but the log has %" PRIu64,
		    tnode->index, attempt->epoch, before.index);
	if (!levels_committed(sim, node, tnode, RAFT_LEVEL_CONTRACT))
		sim_fail(sim, "entry %" PRIu64 " is a contract, and no level 2 is committed",
		    tnode->index);
	attempt->placed[0] = tnode;
	tnode->contract_entry = tnode;
}

void
contracts_entry(struct sim *sim, const struct node *node, struct tnode *tnode)
{
	struct raft_contract_at at = contracts_at(tnode->parent);

	tnode->contract_entry = tnode->parent == NULL ? NULL : tnode->parent->contract_entry;
	if (tnode->entry.kind == RAFT_CLIENT && at.index > 0 &&
	    !raft_contract_allows(
		&at.contract, raft_entry_data(&tnode->entry), raft_entry_data_size(&tnode->entry)))
		sim_fail(sim,
		    "entry %" PRIu64 " is of a client, and contract %" PRIu64 " forbids it",
		    tnode->index, at.index);
	if (tnode->entry.kind == RAFT_CONTRACT)
		check_contract(sim, node, tnode);
}

void
contracts_check(struct sim *sim, const struct node *node)
{
	uint64_t commit = node->status.commit.index;
	const struct tnode *tnode = commit == 0 ? NULL : slog_at(&node->issued, commit);
	uint64_t expected = contracts_at(tnode).index;

	if (node->status.contract != expected)
		sim_fail(sim, "n%d has the contract of entry %" PRIu64 ", its log that of %" PRIu64,
		    node->number + 1, node->status.contract, expected);
}

void
contracts_committed(
    struct sim *sim, const struct attempt *attempt, const struct raft_answer *answer)
{
	const struct tnode *tnode = check_committed(sim, answer->pos.index);

	sim->counters[COUNT_CONTRACTS]++;
	if (tnode == NULL || tnode->entry.term != answer->pos.term ||
	    tnode->entry.kind != RAFT_CONTRACT || tnode->attempt != attempt - sim->clients.attempts)
		sim_fail(sim, "a contract is called committed as entry %" PRIu64 ", but it is not",
		    answer->pos.index);
}
