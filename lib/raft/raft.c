/* SPDX-License-Identifier: ISC */
/*
 * Birth and end of a core (§3.4, §3.8).
 */
#include "core.h"

#include <stdlib.h>

/* Nodes that start at the same moment with the same seed must still differ. */
static uint64_t
seed_of(const struct raft_settings *settings)
{
	uint64_t seed = settings->seed;

	for (size_t i = 0; i < RAFT_ID_SIZE; i++)
		seed = (seed ^ (uint8_t)settings->id.s[i]) * UINT64_C(0x100000001b3);
	return seed;
}

static void
recover_init(struct raft *raft, const struct raft_start *start)
{
	raft->recover.active = start->recovering;
	raft->recover.mark_valid = start->mark_valid;
	raft->recover.mark_term = start->mark_term;
}

static void
state_init(struct raft *raft, const struct raft_start *start)
{
	raft->start_number = start->start_number;
	raft->term = start->term;
	raft->vote = start->vote;
	raft->commit = start->commit.index;
	raft->sessions = start->sessions;
	raft->level = start->level;
	raft->contract = start->contract;
	raft->full = start->full;
	raft->store.written = start->last.index;
	raft->store.durable = start->last.index;
	raft_rlog_init(&raft->log, start);
	raft->uncommitted_size = raft->log.tail_bytes;
	recover_init(raft, start);
}

struct raft *
raft_new(const struct raft_settings *settings, const struct raft_start *start, struct mono_ms now)
{
	struct raft *raft = calloc(1, sizeof *raft);

	if (raft == NULL) {
		raft_sessions_free(start->sessions);
		return NULL;
	}
	must(settings->election_timeout_ms > 0);
	must(settings->heartbeat_ms > 0);
	must(settings->window_messages_max > 0);
	must(start->start_number != 0);
	must(start->sessions != NULL);
	must(settings->level_max >= start->level && settings->level_max <= RAFT_LEVEL_MAX);
	must(start->level >= 1 && start->time <= RAFT_TIME_MAX);
	must(start->contract.index <= start->commit.index);
	raft->settings = *settings;
	raft->id = settings->id;
	raft->random = seed_of(settings);
	raft->now = now;
	raft->heard_at = now;
	raft->role = RAFT_FOLLOWER;
	raft->was = RAFT_FOLLOWER;
	state_init(raft, start);
	raft_peers_update(raft);
	raft_append_reset(raft);
	raft->config_changed = false;
	raft_election_timer_start(raft);
	must(raft->store.written == raft->log.last && raft->commit <= raft->log.last);
	return raft;
}

void
raft_free(struct raft *raft)
{
	if (raft == NULL)
		return;
	raft_out_free(raft);
	raft_peers_free(raft);
	raft_rlog_free(&raft->log);
	raft_sessions_free(raft->sessions);
	raft_sessions_free(raft->sessions_last);
	free(raft->store.writes.at);
	free(raft->pendings.at);
	free(raft->lead.rounds.at);
	free(raft->forwards.queue.at);
	free(raft->reads.waits);
	free(raft->reads.forwards);
	free(raft);
}
