/* SPDX-License-Identifier: ISC */
/*
 * Levels, time and origin.
 *
 * In the profile "levels" the programs of some nodes support level 1 at first, in "cursors" those
 * of a few level 1 or 2; they are upgraded when they start again; in a scenario when it says so. In
 * every profile wall clocks differ, and in some runs that of one node shows another century.
 */
#include "sim.h"

enum {
	SKEW_MS = 2000,   /* of a clock that is right */
	AHEAD_MS = 10000, /* a time may be so far after a clock that a majority has */
	UID_FIRST = 1000
};
#define EPOCH_MS UINT64_C(1700000000000)
#define CENTURY_MS (UINT64_C(36525) * 24 * 3600 * 1000)

static void
draw_wall(struct sim *sim, struct node *node)
{
	uint64_t base = EPOCH_MS - SKEW_MS + rng_below(&sim->levels.rng, 2 * SKEW_MS);

	if (sim->levels.wrong == node->number)
		base = rng_chance(&sim->levels.rng, 300000) ? 0 : base + CENTURY_MS;
	node->wall_base_ms = base;
}

void
levels_init(struct sim *sim)
{
	struct rng *rng = &sim->levels.rng;

	rng_seed(rng, rng_mix(sim->seed, UINT64_C(0x6c6576656c73)));
	sim->levels.wrong = rng_chance(rng, 400000) ? (int)rng_below(rng, sim->nodes_count) : -1;
	for (size_t i = 0; i < sim->nodes_count; i++) {
		bool consumers = sim->profile.consumers > 0;
		bool old = sim->profile.levels && rng_chance(rng, consumers ? 100000 : 700000);

		sim->nodes[i].level_max = old ? 1 : sim->profile.level_max;
		if (old && consumers)
			sim->nodes[i].level_max = rng_range(rng, 1, RAFT_LEVEL_MAX - 1);
		draw_wall(sim, &sim->nodes[i]);
	}
}

void
levels_start(struct sim *sim, struct node *node)
{
	if (rng_chance(&sim->levels.rng, 200000))
		draw_wall(sim, node);
	if (!sim->profile.levels || node->level_max == RAFT_LEVEL_MAX ||
	    !rng_chance(&sim->levels.rng, 400000))
		return;
	node->level_max = RAFT_LEVEL_MAX;
	sim->counters[COUNT_UPGRADES]++;
}

uint64_t
levels_wall_ms(const struct sim *sim, const struct node *node)
{
	return node->wall_base_ms + sim->world.now_us / 1000;
}

uint32_t
levels_uid(const struct node *node)
{
	return UID_FIRST + node->number;
}

static uint64_t
time_limit(const struct sim *sim, const struct node *node, uint64_t last)
{
	uint16_t voters = members_of(sim, node)->voters;
	uint64_t limit = EPOCH_MS + SKEW_MS + sim->world.now_us / 1000 + AHEAD_MS;

	/* One wrong clock may be half of two voters. */
	if (members_count(voters) < 3 || last > limit)
		return last > limit + CENTURY_MS ? last : limit + CENTURY_MS;
	return limit;
}

bool
levels_committed(
    const struct sim *sim, const struct node *node, const struct tnode *tnode, uint64_t level)
{
	const struct tnode *at = tnode;

	while (at->parent != NULL && at->parent->level_after >= level) {
		at = at->parent->level_entry;
		/* Before, or by this very update, which is looked at after its write. */
		if (check_committed(sim, at->index) == at || node->status.commit.index >= at->index)
			return true;
	}
	return false;
}

static void
check_stamp(struct sim *sim, const struct node *node, struct tnode *tnode)
{
	uint64_t last = tnode->time_after;
	struct raft_stamp stamp;

	if (!raft_entry_stamp(&tnode->entry, &stamp)) {
		if (tnode->parent != NULL && raft_entry_stamped(&tnode->parent->entry))
			sim_fail(sim, "entry %" PRIu64 " has no stamp, the one before it has",
			    tnode->index);
		return;
	}
	sim->counters[COUNT_STAMPS]++;
	if (!levels_committed(sim, node, tnode, RAFT_LEVEL_STAMPS))
		sim_fail(sim, "entry %" PRIu64 " has a stamp, and no level 2 is committed",
		    tnode->index);
	if (stamp.time < last)
		sim_fail(sim, "the time of entry %" PRIu64 " falls from %" PRIu64 " to %" PRIu64,
		    tnode->index, last, stamp.time);
	if (stamp.time > time_limit(sim, node, last))
		sim_fail(sim, "the time of entry %" PRIu64 " is that of a wrong clock: %" PRIu64,
		    tnode->index, stamp.time);
	if (levels_wall_ms(sim, node) > stamp.time + AHEAD_MS)
		sim->counters[COUNT_CLOCKS_LIMITED]++;
	if (sim_number(&stamp.node) == DISK_NOBODY)
		sim_fail(sim, "entry %" PRIu64 " has a stamp of no node", tnode->index);
	if (stamp.uid != RAFT_UID_NONE &&
	    stamp.uid != levels_uid(&sim->nodes[sim_number(&stamp.node)]))
		sim_fail(sim, "entry %" PRIu64 " names %s, which did not take it from its client",
		    tnode->index, stamp.node.s);
	if (stamp.uid == RAFT_UID_NONE)
		sim->counters[COUNT_UIDS_UNKNOWN]++;
	tnode->time_after = stamp.time;
}

static void
check_level(struct sim *sim, const struct node *node, struct tnode *tnode)
{
	uint64_t level = raft_entry_level(&tnode->entry);
	uint16_t members = members_of(sim, node)->members;

	if (level <= tnode->level_after)
		sim_fail(sim, "entry %" PRIu64 " raises no level", tnode->index);
	for (size_t i = 0; i < sim->nodes_count; i++)
		if ((members >> i & 1) != 0 && sim->nodes[i].level_max < level)
			sim_fail(sim,
			    "entry %" PRIu64 " raises the level beyond what n%zu supports",
			    tnode->index, i + 1);
	tnode->level_after = level;
	tnode->level_entry = tnode;
	sim->counters[COUNT_LEVELS_RAISED]++;
}

void
levels_entry(struct sim *sim, const struct node *node, struct tnode *tnode)
{
	const struct tnode *parent = tnode->parent;

	tnode->level_after = parent == NULL ? 1 : parent->level_after;
	tnode->level_entry = parent == NULL ? NULL : parent->level_entry;
	tnode->time_after = parent == NULL ? 0 : parent->time_after;
	check_stamp(sim, node, tnode);
	if (tnode->entry.kind == RAFT_LEVEL)
		check_level(sim, node, tnode);
}

void
levels_check(struct sim *sim, const struct node *node)
{
	const struct raft_status *status = &node->status;
	const struct tnode *commit =
	    status->commit.index == 0 ? NULL : slog_at(&node->issued, status->commit.index);
	const struct tnode *last =
	    node->issued.last == 0 ? NULL : slog_at(&node->issued, node->issued.last);

	if (status->level != (commit == NULL ? 1 : commit->level_after))
		sim_fail(sim, "n%d is at level %" PRIu64 ", its log is not", node->number + 1,
		    status->level);
	if (status->time != (last == NULL ? 0 : last->time_after))
		sim_fail(sim, "n%d has the time %" PRIu64 ", its log has another", node->number + 1,
		    status->time);
}

static bool
entries_old(const struct raft_entry *entries, size_t count, uint64_t level)
{
	for (size_t i = 0; i < count; i++)
		if ((raft_entry_stamped(&entries[i]) && level < RAFT_LEVEL_STAMPS) ||
		    (entries[i].kind == RAFT_LEVEL && raft_entry_level(&entries[i]) > level) ||
		    raft_kind_level(entries[i].kind) > level)
			return false;
	return true;
}

void
levels_message(struct sim *sim, const struct node *node, const struct raft_message *message)
{
	bool old = true;

	if (node->level_max >= RAFT_LEVEL_MAX)
		return;
	if (message->type == RAFT_MSG_APPEND)
		old = message->append.timeout == 0 && message->append.grace == 0;
	else if (message->type == RAFT_MSG_VOTE_REPLY)
		old = message->vote_reply.timeout == 0 && message->vote_reply.grace == 0;
	if (!old)
		sim_fail(sim, "n%d is sent an %s with times of level 3", node->number + 1,
		    raft_message_name(message->type));
	if (message->type == RAFT_MSG_APPEND)
		old = entries_old(
		    message->append.entries, message->append.entries_count, node->level_max);
	else if (message->type == RAFT_MSG_PROPOSE)
		old = entries_old(
		    message->propose.entries, message->propose.entries_count, node->level_max);
	else if (message->type == RAFT_MSG_APPEND_REPLY)
		old = node->level_max >= RAFT_LEVEL_STAMPS || message->append_reply.clock == 0;
	if (!old)
		sim_fail(sim, "n%d is sent a %s of a level that its program does not support",
		    node->number + 1, raft_message_name(message->type));
}
