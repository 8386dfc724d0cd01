/* SPDX-License-Identifier: ISC */
/*
 * Configurations as the logs have them, and the rules for them.
 */
#include "members.h"

#include "sim.h"

#include <string.h>

const struct membership *
members_at(const struct sim *sim, const struct tnode *tail)
{
	return tail == NULL ? &sim->first : &tail->in_force;
}

const struct membership *
members_now(const struct sim *sim)
{
	return members_at(sim, check_committed(sim, sim->check.committed));
}

const struct membership *
members_of(const struct sim *sim, const struct node *node)
{
	return members_at(sim, slog_at(&node->issued, node->issued.last));
}

bool
members_is(const struct sim *sim, size_t node)
{
	return (members_now(sim)->members >> node & 1) != 0;
}

bool
members_votes(const struct sim *sim, size_t node)
{
	return (members_now(sim)->voters >> node & 1) != 0;
}

size_t
members_count(uint16_t set)
{
	return (size_t)__builtin_popcount(set);
}

void
members_config(const struct sim *sim, const struct tnode *tail, struct raft_config *config)
{
	const struct tnode *entry = members_at(sim, tail)->entry;
	bool valid;

	if (entry == NULL) {
		sim_config(sim, config, false);
		return;
	}
	valid = raft_config_decode(
	    config, raft_entry_data(&entry->entry), raft_entry_data_size(&entry->entry));
	must(valid);
}

static struct membership
membership(const struct raft_config *config, const struct membership *above, struct tnode *tnode)
{
	struct membership now = {.entry = tnode, .retired = above->retired};

	for (size_t i = 0; i < config->count; i++) {
		uint16_t bit = (uint16_t)(1u << sim_number(&config->members[i].id));

		now.members |= bit;
		if (config->members[i].role == RAFT_VOTER)
			now.voters |= bit;
	}
	now.retired |= above->members & (uint16_t)~now.members;
	return now;
}

/* The rules for a configuration that a leader makes, of its log before that. */
static void
check_change(struct sim *sim, const struct node *node, const struct membership *above,
    const struct membership *now)
{
	uint64_t commit = node->status.commit.index;
	uint64_t index = now->entry->index;

	if (above->entry != NULL && above->entry->index > commit)
		sim_fail(sim,
		    "n%d makes configuration %" PRIu64 " while that of entry %" PRIu64
		    " is not committed",
		    node->number + 1, index, above->entry->index);
	if (commit == 0 || slog_at(&node->issued, commit)->entry.term != now->entry->entry.term)
		sim_fail(sim,
		    "n%d makes configuration %" PRIu64
		    " before it has committed an entry of its term (Ongaro 2015)",
		    node->number + 1, index);
	if (now->voters == 0 || (now->voters & ~now->members) != 0)
		sim_fail(sim, "configuration %" PRIu64 " has no voters", index);
	if (members_count(above->voters ^ now->voters) > 1 ||
	    members_count(above->members ^ now->members) > 1)
		sim_fail(sim, "configuration %" PRIu64 " changes more than one server", index);
	if ((now->members & above->retired) != 0)
		sim_fail(sim, "configuration %" PRIu64 " takes a removed node in again", index);
	if ((now->voters & ~above->members) != 0)
		sim_fail(sim, "configuration %" PRIu64 " has a voter that was no learner", index);
}

void
members_entry(struct sim *sim, const struct node *node, struct tnode *tnode)
{
	const struct membership *above = members_at(sim, tnode->parent);
	struct raft_config config;

	tnode->in_force = *above;
	if (tnode->entry.kind != RAFT_CONFIG)
		return;
	if (!raft_config_decode(
		&config, raft_entry_data(&tnode->entry), raft_entry_data_size(&tnode->entry)))
		sim_fail(sim, "entry %" PRIu64 " is no configuration", tnode->index);
	tnode->in_force = membership(&config, above, tnode);
	check_change(sim, node, above, &tnode->in_force);
}

static bool
same(const struct raft_config *a, const struct raft_config *b)
{
	static uint8_t bytes[2][RAFT_CONFIG_SIZE_MAX];
	size_t size = raft_config_encode(a, bytes[0]);

	return size == raft_config_encode(b, bytes[1]) && memcmp(bytes[0], bytes[1], size) == 0;
}

void
members_check(struct sim *sim, struct node *node, bool always)
{
	const struct membership *now = members_of(sim, node);
	struct raft_config config;

	if (!always && now->entry == node->config_seen)
		return;
	node->config_seen = now->entry;
	members_config(sim, slog_at(&node->issued, node->issued.last), &config);
	if (!same(raft_config_now(node->core), &config))
		sim_fail(sim,
		    "n%d goes by another configuration than the last one in its log, entry "
		    "%" PRIu64,
		    node->number + 1, now->entry == NULL ? 0 : now->entry->index);
}

static bool
bears(const struct membership *membership, uint16_t gone, size_t spare)
{
	size_t left = members_count(membership->voters & (uint16_t)~gone);

	return 2 * left > members_count(membership->voters) + spare;
}

bool
members_bear(const struct sim *sim, uint16_t gone, size_t spare)
{
	for (size_t i = 0; i < sim->nodes_count; i++) {
		const struct node *node = &sim->nodes[i];
		const struct slog *rows = &node->disk.rows;

		if (!bears(members_of(sim, node), gone, spare) ||
		    !bears(members_at(sim, slog_at(rows, rows->last)), gone, spare))
			return false;
	}
	return bears(members_now(sim), gone, spare);
}
