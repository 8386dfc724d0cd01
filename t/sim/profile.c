/* SPDX-License-Identifier: ISC */
/*
 * The table of profiles, and how a seed draws the numbers of one run from it.
 */
#include "profile.h"

#include "raft/types.h"

#include <string.h>

const char *
fault_name(enum fault fault)
{
	static const char *const names[] = {
#define F(NAME, text) [FAULT_##NAME] = text,
	    FAULTS(F)
#undef F
	};
	_Static_assert(sizeof names / sizeof names[0] == FAULTS_COUNT, "a name for each fault");

	return names[fault];
}

/* Maxima; a run draws below them.  loss to slow in ppm, pause between faults in ms. */
struct profile_kind {
	const char *name;
	size_t nodes_min, nodes_max;
	uint32_t loss, duplicate, overtake, slow;
	uint64_t fault_pause_ms;
	uint32_t weights[FAULTS_COUNT];
	/* in percent of the runs */
	uint32_t transfers, compactions, changes, levels;
	size_t consumers;
};

static const struct profile_kind kinds[] = {
    {"calm", 1, 7, 0, 0, 0, 1000, 0, {0}, 0, 50, 0, 0, 0},
    {"lossy", 2, 7, 300000, 200000, 300000, 1000, 4000,
	{[FAULT_PEERD] = 2, [FAULT_HEAL] = 1, [FAULT_ELECTOR] = 1}, 50, 30, 20, 0, 0},
    {"partition", 3, 7, 20000, 20000, 50000, 1000, 2500,
	{[FAULT_SPLIT] = 4,
	    [FAULT_ISOLATE] = 4,
	    [FAULT_PARTIAL] = 4,
	    [FAULT_ONE_WAY] = 4,
	    [FAULT_FLAP] = 3,
	    [FAULT_HEAL] = 6,
	    [FAULT_PEERD] = 1},
	30, 30, 20, 0, 0},
    {"crash", 1, 7, 20000, 50000, 50000, 20000, 1500,
	{[FAULT_CRASH] = 6,
	    [FAULT_CRASH_ALL] = 1,
	    [FAULT_ELECTOR] = 4,
	    [FAULT_LOGD] = 3,
	    [FAULT_ISOLATE] = 2,
	    [FAULT_HEAL] = 3},
	30, 40, 20, 0, 0},
    {"disk", 1, 5, 10000, 10000, 50000, 200000, 2000,
	{[FAULT_STALL] = 5,
	    [FAULT_FULL] = 4,
	    [FAULT_LOGD] = 2,
	    [FAULT_ELECTOR] = 2,
	    [FAULT_CRASH] = 2,
	    [FAULT_ISOLATE] = 1,
	    [FAULT_HEAL] = 2},
	20, 40, 20, 0, 0},
    {"recovery", 3, 7, 20000, 20000, 50000, 20000, 1500,
	{[FAULT_LOSE_TAIL] = 5,
	    [FAULT_LOSE_MARK] = 5,
	    [FAULT_WIPE] = 2,
	    [FAULT_DAMAGE] = 4,
	    [FAULT_CRASH] = 3,
	    [FAULT_ELECTOR] = 2,
	    [FAULT_ISOLATE] = 4,
	    [FAULT_ONE_WAY] = 1,
	    [FAULT_HEAL] = 7,
	    [FAULT_SPLIT] = 2,
	    [FAULT_FREEZE] = 2,
	    [FAULT_PAUSE] = 2,
	    [FAULT_CLOCK] = 1,
	    [FAULT_AMNESIA] = 3,
	    [FAULT_LATE_VOTE] = 3},
	10, 40, 20, 0, 0},
    {"clock", 2, 7, 20000, 20000, 50000, 20000, 1500,
	{[FAULT_PAUSE] = 5,
	    [FAULT_FREEZE] = 4,
	    [FAULT_CLOCK] = 4,
	    [FAULT_ISOLATE] = 2,
	    [FAULT_HEAL] = 3},
	30, 20, 20, 0, 0},
    {"chaos", 1, 7, 100000, 100000, 200000, 100000, 1000,
	{[FAULT_SPLIT] = 3,
	    [FAULT_ISOLATE] = 3,
	    [FAULT_PARTIAL] = 3,
	    [FAULT_ONE_WAY] = 3,
	    [FAULT_FLAP] = 2,
	    [FAULT_HEAL] = 9,
	    [FAULT_CRASH] = 4,
	    [FAULT_CRASH_ALL] = 1,
	    [FAULT_ELECTOR] = 3,
	    [FAULT_LOGD] = 2,
	    [FAULT_PEERD] = 2,
	    [FAULT_PAUSE] = 2,
	    [FAULT_FREEZE] = 2,
	    [FAULT_CLOCK] = 2,
	    [FAULT_STALL] = 2,
	    [FAULT_FULL] = 1,
	    [FAULT_LOSE_TAIL] = 2,
	    [FAULT_LOSE_MARK] = 2,
	    [FAULT_WIPE] = 1,
	    [FAULT_DAMAGE] = 2,
	    [FAULT_AMNESIA] = 1},
	30, 40, 20, 0, 0},
    {"snapshot", 2, 7, 100000, 50000, 100000, 20000, 1500,
	{[FAULT_CRASH] = 6,
	    [FAULT_CRASH_ALL] = 1,
	    [FAULT_ELECTOR] = 4,
	    [FAULT_LOGD] = 2,
	    [FAULT_ISOLATE] = 4,
	    [FAULT_SPLIT] = 1,
	    [FAULT_HEAL] = 6,
	    [FAULT_PEERD] = 1,
	    [FAULT_PAUSE] = 1,
	    [FAULT_STALL] = 1,
	    [FAULT_FULL] = 1,
	    [FAULT_LOSE_TAIL] = 1,
	    [FAULT_LOSE_MARK] = 1,
	    [FAULT_WIPE] = 1,
	    [FAULT_DAMAGE] = 1},
	20, 100, 20, 0, 0},
    {"members", 1, 5, 50000, 50000, 100000, 20000, 2000,
	{[FAULT_CRASH] = 4,
	    [FAULT_CRASH_ALL] = 1,
	    [FAULT_ELECTOR] = 3,
	    [FAULT_LOGD] = 2,
	    [FAULT_ISOLATE] = 4,
	    [FAULT_ONE_WAY] = 1,
	    [FAULT_PARTIAL] = 1,
	    [FAULT_HEAL] = 8,
	    [FAULT_PAUSE] = 2,
	    [FAULT_FREEZE] = 1,
	    [FAULT_CLOCK] = 1,
	    [FAULT_STALL] = 1},
	40, 30, 100, 0, 0},
    {"levels", 1, 7, 50000, 50000, 100000, 20000, 2000,
	{[FAULT_CRASH] = 4,
	    [FAULT_CRASH_ALL] = 1,
	    [FAULT_ELECTOR] = 6,
	    [FAULT_LOGD] = 2,
	    [FAULT_ISOLATE] = 4,
	    [FAULT_HEAL] = 6,
	    [FAULT_LOSE_TAIL] = 1,
	    [FAULT_STALL] = 1},
	30, 60, 0, 100, 0},
    {"cursors", 1, 7, 50000, 50000, 100000, 20000, 1500,
	{[FAULT_CRASH] = 4,
	    [FAULT_CRASH_ALL] = 1,
	    [FAULT_ELECTOR] = 5,
	    [FAULT_LOGD] = 2,
	    [FAULT_PEERD] = 1,
	    [FAULT_ISOLATE] = 5,
	    [FAULT_SPLIT] = 1,
	    [FAULT_HEAL] = 8,
	    [FAULT_PAUSE] = 2,
	    [FAULT_LOSE_TAIL] = 1,
	    [FAULT_STALL] = 1,
	    [FAULT_FULL] = 1},
	30, 60, 0, 100, 4},
};
enum { KINDS_COUNT = sizeof kinds / sizeof kinds[0] };

const char *
profile_name(size_t i)
{
	return i < KINDS_COUNT ? kinds[i].name : NULL;
}

static void
draw_network(struct profile *profile, const struct profile_kind *kind, struct rng *rng)
{
	uint64_t us = profile->election_timeout_ms * 1000;

	profile->delay_min_us = rng_range(rng, 50, us / 100);
	profile->delay_max_us = profile->delay_min_us + rng_range(rng, us / 1000, us / 10);
	profile->loss_ppm = (uint32_t)rng_below(rng, kind->loss + 1);
	profile->duplicate_ppm = (uint32_t)rng_below(rng, kind->duplicate + 1);
	profile->overtake_ppm = (uint32_t)rng_below(rng, kind->overtake + 1);
	profile->unreachable_ppm = rng_chance(rng, 500000) ? 300000 : 0;
}

static void
draw_disk(struct profile *profile, const struct profile_kind *kind, struct rng *rng)
{
	profile->write_min_us = rng_range(rng, 50, 1000);
	profile->write_max_us = profile->write_min_us + rng_range(rng, 100, 20000);
	profile->slow_write_ppm = (uint32_t)rng_below(rng, kind->slow + 1);
	profile->lone_write_ppm = rng_chance(rng, 500000) ? 500000 : 20000;
}

/* Small windows, so that a few entries fill them. */
static void
draw_settings(struct profile *profile, struct rng *rng)
{
	profile->election_timeout_ms = rng_range(rng, 150, 1000);
	profile->heartbeat_ms = profile->election_timeout_ms / rng_range(rng, 4, 12);
	profile->store_timeout_ms = profile->election_timeout_ms * rng_range(rng, 1, 4);
	profile->message_size_max = rng_range(rng, 500, 4000);
	profile->window_size_max = profile->message_size_max * rng_range(rng, 1, 6);
	profile->window_messages_max = (uint32_t)rng_range(rng, 1, 8);
	profile->uncommitted_size_max = rng_range(rng, 1500, 30000);
	profile->tail_size_max = rng_chance(rng, 500000) ? rng_range(rng, 0, 4000) : 1000000;
	profile->addresses = rng_chance(rng, 300000);
	profile->gather_ppm = rng_chance(rng, 500000) ? (uint32_t)rng_below(rng, 900000) : 0;
	/* From 0 to 2, without a draw of its own. */
	profile->commit_wait_ms = profile->gather_ppm / 300000;
}

static void
draw_clients(struct profile *profile, struct rng *rng)
{
	profile->clients = (size_t)rng_range(rng, 3, 9);
	profile->client_pause_us = profile->election_timeout_ms * rng_range(rng, 20, 500);
	profile->client_window = rng_range(rng, 1, 8);
	profile->client_batch = rng_range(rng, 1, 4);
	profile->payload_max = (uint32_t)rng_range(rng, 16, SIM_ENTRY_SIZE_MAX);
}

static void
draw_admin(struct profile *profile, const struct profile_kind *kind, struct rng *rng)
{
	profile->chunks_max = (unsigned)rng_range(rng, 1, 20);
	if (rng_below(rng, 100) < kind->compactions)
		profile->compact_ppm = (uint32_t)rng_range(rng, 1000, 30000);
	if (rng_below(rng, 100) < kind->transfers)
		profile->transfer_ppm = (uint32_t)rng_range(rng, 10000, 300000);
	if (rng_below(rng, 100) < kind->changes) {
		profile->change_ppm = (uint32_t)rng_range(rng, 100000, 900000);
		profile->joiners = (size_t)rng_range(rng, 1, SIM_NODES_MAX - profile->nodes);
	}
	if (profile->transfer_ppm > 0 || profile->change_ppm > 0)
		profile->admin_pause_us = profile->election_timeout_ms * rng_range(rng, 200, 3000);
}

bool
profile_draw(struct profile *profile, const char *name, struct rng *rng)
{
	const struct profile_kind *kind = NULL;

	if (strcmp(name, "mixed") == 0)
		kind = &kinds[rng_below(rng, KINDS_COUNT)];
	for (size_t i = 0; i < KINDS_COUNT; i++)
		if (strcmp(kinds[i].name, name) == 0)
			kind = &kinds[i];
	if (kind == NULL)
		return false;
	memset(profile, 0, sizeof *profile);
	profile->name = kind->name;
	profile->levels = kind->levels > 0;
	profile->consumers = kind->consumers;
	profile->level_max = RAFT_LEVEL_MAX;
	profile->nodes = (size_t)rng_range(rng, kind->nodes_min, kind->nodes_max);
	if (profile->nodes > 2 && rng_chance(rng, 250000))
		profile->learners = (size_t)rng_range(rng, 1, (profile->nodes - 1) / 2);
	draw_settings(profile, rng);
	draw_network(profile, kind, rng);
	draw_disk(profile, kind, rng);
	draw_clients(profile, rng);
	draw_admin(profile, kind, rng);
	if (kind->fault_pause_ms > 0)
		profile->fault_pause_us =
		    rng_range(rng, kind->fault_pause_ms * 100, kind->fault_pause_ms * 1500);
	/* Else no leader would live for long enough to commit anything. */
	if (profile->fault_pause_us > 0 &&
	    profile->fault_pause_us < 500 * profile->election_timeout_ms)
		profile->fault_pause_us = 500 * profile->election_timeout_ms;
	memcpy(profile->weights, kind->weights, sizeof profile->weights);
	return true;
}
