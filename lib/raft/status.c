/* SPDX-License-Identifier: ISC */
/*
 * Looking at a core from outside: changes nothing.
 */
#include "core.h"

#include <string.h>

static void
status_self(const struct raft *raft, struct raft_peer_status *status, enum raft_member_role role)
{
	status->id = raft->id;
	status->role = role;
	status->state = "self";
	status->match = raft->store.durable;
	status->next = raft->log.last + 1;
	status->level = raft->settings.level_max;
	status->first = raft->log.before.index + 1;
	status->recovering = raft->recover.active;
}

static void
status_peer(const struct raft *raft, struct mono_ms now, struct raft_peer_status *status,
    const struct raft_peer *peer)
{
	status->id = peer->id;
	status->role = peer->role;
	status->state = raft_progress_name(raft, peer);
	status->match = peer->match;
	status->next = peer->next;
	status->in_flight = peer->flights_size;
	status->heard_ms =
	    peer->heard && now.ms >= peer->heard_at.ms ? now.ms - peer->heard_at.ms : UINT64_MAX;
	status->level = peer->level;
	status->clock = peer->clock;
	status->first = peer->first;
	status->recovering = peer->recovering;
}

void
raft_status(const struct raft *raft, struct mono_ms now, struct raft_status *status)
{
	const struct raft_config *config = raft_core_config(raft);
	size_t peer = 0;

	memset(status, 0, sizeof *status);
	status->id = raft->id;
	status->role = raft->role;
	status->term = raft->term;
	status->vote = raft->vote;
	status->leader = raft->leader;
	status->before = raft->log.before;
	status->last = raft_rlog_last(&raft->log);
	status->commit = raft_rlog_pos(&raft->log, raft->commit);
	status->durable = raft->store.durable;
	status->uncommitted_size = raft->uncommitted_size;
	status->tail_size = raft->log.tail_bytes;
	status->elections = raft->elections;
	status->dropped = raft->dropped;
	status->transfer = raft->transfer.target;
	status->recovering = raft->recover.active;
	status->full = raft->full;
	status->stalled = raft_store_stalled(raft, now);
	/* Peers stand in the order of the configuration, without this node. */
	for (size_t i = 0; i < config->count; i++) {
		struct raft_peer_status *at = &status->peers[status->peers_count++];

		if (raft_id_equal(&config->members[i].id, &raft->id)) {
			status_self(raft, at, config->members[i].role);
			continue;
		}
		must(peer < raft->peers_count);
		must(raft_id_equal(&raft->peers[peer].id, &config->members[i].id));
		status_peer(raft, now, at, &raft->peers[peer++]);
	}
	status->level = raft->level;
	status->level_min = raft->role == RAFT_LEADER ? raft_level_min(raft) : 0;
	status->time = raft_rlog_time(&raft->log);
	status->contract = raft->contract.index;
}

const struct raft_config *
raft_config_now(const struct raft *raft)
{
	return raft_core_config(raft);
}

uint64_t
raft_config_index(const struct raft *raft)
{
	return raft->log.configs[0].index;
}

uint64_t
raft_removed(const struct raft *raft)
{
	const struct raft_config_at *at = &raft->log.configs[0];

	return raft_config_retired(&at->config, &raft->id) ? at->index : 0;
}

bool
raft_term_at(const struct raft *raft, uint64_t index, uint64_t *term)
{
	return raft_rlog_term_at(&raft->log, index, term);
}

const struct raft_entry *
raft_entry_at(const struct raft *raft, uint64_t index)
{
	return raft_rlog_entry(&raft->log, index);
}

struct raft_sessions *
raft_sessions_committed(struct raft *raft)
{
	return raft->sessions;
}

bool
raft_congested(const struct raft *raft)
{
	uint64_t half = raft->settings.uncommitted_size_max / 2;

	if (raft->role == RAFT_LEADER)
		return raft->uncommitted_size >= half;
	return raft->forwards.bytes >= half;
}
