/* SPDX-License-Identifier: ISC */
/*
 * Time and origin of entries, and the level that brings them (ours).
 *
 * The leader writes both into each entry that it appends.  They are labels for people: no election,
 * lease or session rests on them.  A clock that is wrong must not spoil the log for good, so the
 * time is never more than STAMP_AHEAD_MS after a clock that a majority of voters has reported, and
 * it never decreases.
 */
#include "core.h"

#include "bytes.h"

#include <stdlib.h>

enum { STAMP_AHEAD_MS = 10000 };

static uint64_t
value_clock(const struct raft *raft, const struct raft_peer *peer)
{
	return peer == NULL ? raft->wall_ms : peer->clock;
}

/* A clock that a majority has reported since this node leads; 0: no majority has. */
static uint64_t
stamp_time(const struct raft *raft)
{
	uint64_t last = raft_rlog_time(&raft->log);
	uint64_t clock = raft_quorum_value(raft, value_clock, NULL);

	if (clock == 0)
		return last;
	return max_u64(last, min_u64(raft->wall_ms, clock + STAMP_AHEAD_MS));
}

bool
raft_stamps_wanted(const struct raft *raft)
{
	const struct raft_entry *last = raft_rlog_entry(&raft->log, raft->log.last);

	/* A stamp in the log proves that the level was committed before it. */
	return raft->level >= RAFT_LEVEL_STAMPS || (last != NULL && raft_entry_stamped(last));
}

struct raft_stamp
raft_stamp_now(const struct raft *raft, const struct raft_origin *origin)
{
	struct raft_stamp stamp = {stamp_time(raft), RAFT_UID_NONE, raft->id};

	must(raft->role == RAFT_LEADER);
	if (origin != NULL) {
		stamp.uid = origin->uid;
		if (!origin->local)
			stamp.node = origin->from;
	}
	return stamp;
}

struct raft_entry *
raft_stamp_copy(
    const struct raft_entry *entries, size_t count, uint64_t term, const struct raft_stamp *stamp)
{
	struct raft_entry *copy = malloc(count * sizeof *copy);
	struct raft_chunk *chunk;
	size_t size = 0;
	size_t at = 0;

	must(copy != NULL && count > 0);
	for (size_t i = 0; i < count; i++)
		size += raft_entry_size_with(&entries[i], stamp != NULL);
	chunk = raft_chunk_new(size);
	must(chunk != NULL);
	for (size_t i = 0; i < count; i++) {
		size_t took = raft_entry_put(chunk->bytes + at, &entries[i], stamp);

		bytes_put_u64(chunk->bytes + at, term);
		copy[i] = entries[i];
		copy[i].term = term;
		copy[i].bytes = chunk->bytes + at;
		copy[i].chunk = raft_chunk_ref(chunk);
		must(took <= UINT32_MAX);
		copy[i].size = (uint32_t)took;
		at += took;
	}
	must(at == size);
	raft_chunk_unref(chunk);
	return copy;
}

void
raft_stamp_copy_free(struct raft_entry *copy, size_t count)
{
	for (size_t i = 0; i < count; i++)
		raft_chunk_unref(copy[i].chunk);
	free(copy);
}

/* --------------------------------------------------------------- level */

uint64_t
raft_level_min(const struct raft *raft)
{
	uint64_t level = raft->settings.level_max;

	must(raft->role == RAFT_LEADER);
	for (size_t i = 0; i < raft->peers_count; i++)
		if (raft->peers[i].role != RAFT_LEAVING)
			level = min_u64(level, raft->peers[i].level);
	return level;
}

/* ⚠ Only what all members can read: one that can't would end, and with it perhaps the quorum. */
void
raft_level_tick(struct raft *raft)
{
	uint64_t level = raft_level_min(raft);
	uint8_t data[8];

	if (level <= raft->level_last || !raft_commit_own_term(raft) || raft->full ||
	    raft->transfer.active)
		return;
	bytes_put_u64(data, level);
	raft_leader_append_own(raft, RAFT_LEVEL, data, sizeof data, NULL);
	must(raft->level_last == level);
}
