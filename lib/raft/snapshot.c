/* SPDX-License-Identifier: ISC */
/*
 * Snapshots and the beginning of the log (chapter 5).
 *
 * What a snapshot holds is the disk's business: here it is the place it stands for, and the
 * configuration and session table there.  The log may begin at a snapshot because raft-logd
 * cut it (compaction), or because a leader's replaced it (installation).
 *
 * Ours: a log that holds the snapshot's very place needs no installation, it only learns
 * that all up to there is committed.  So an installation always replaces the whole log.
 */
#include "core.h"

#include <string.h>

/* ---------------------------------------------------------- compaction */

void
raft_snapshot_compacted(struct raft *raft, const struct raft_pos *before)
{
	uint64_t term = 0;

	if (before->index > raft->commit || before->index > raft->store.durable ||
	    !raft_rlog_term_at(&raft->log, before->index, &term) || term != before->term) {
		raft_core_drop(raft);
		return;
	}
	raft_rlog_compact(&raft->log, *before);
	/* What is before the log was committed, and every leader has what was committed. */
	if (raft->verified < before->index)
		raft->verified = before->index;
	must(raft->log.before.index <= raft->commit);
	must(raft->log.before.index <= raft->store.durable);
}

/* -------------------------------------------------------- installation */

bool
raft_snapshot_installing(const struct raft *raft)
{
	const struct raft_store *store = &raft->store;

	return store->install || store->install_number > store->stored;
}

/* The log becomes the snapshot's, and nothing else. */
static void
snapshot_install(struct raft *raft, const struct raft_snapshot *snapshot)
{
	struct raft_pos pos = snapshot->pos;

	must(raft->role == RAFT_FOLLOWER && raft->sessions_last == NULL);
	must(pos.index > raft->commit);
	must(raft_config_voters(snapshot->config) > 0);
	raft_rlog_reset(&raft->log, pos, snapshot->config, snapshot->time);
	raft_sessions_free(raft->sessions);
	raft->sessions = snapshot->sessions;
	raft->level = max_u64(raft->level, snapshot->level);
	raft->contract = snapshot->contract;
	raft->commit = pos.index;
	raft->commit_changed = true;
	raft->uncommitted_size = 0;
	raft->verified = pos.index;
	raft->match_replied = 0; /* nothing of this log is durable yet */
	raft->reply_due = true;
	raft_store_install(&raft->store, pos);
	raft_peers_update(raft);
	must(raft->log.last == pos.index && raft->log.before.index == pos.index);
	must(raft_snapshot_installing(raft) && raft->store.durable == 0);
}

/* False: nothing comes of it. */
static bool
snapshot_wanted(const struct raft *raft, const struct raft_snapshot *snapshot)
{
	if (raft->role != RAFT_FOLLOWER || raft_id_none(&raft->leader))
		return false;
	/* Older than what is known, or while another one is being stored. */
	if (snapshot->pos.index <= raft->commit || raft_snapshot_installing(raft))
		return false;
	/* From outside: a table of a longer log would not take the next entry. */
	if (raft_sessions_last_index(snapshot->sessions) > snapshot->pos.index)
		return false;
	if (snapshot->level < 1 || snapshot->level > RAFT_LEVEL_MAX ||
	    snapshot->time > RAFT_TIME_MAX || snapshot->contract.index > snapshot->pos.index)
		return false;
	return snapshot->pos.term > 0 && snapshot->pos.term <= raft->term &&
	       snapshot->pos.index <= RAFT_INDEX_MAX;
}

void
raft_snapshot_ready(struct raft *raft, const struct raft_snapshot *snapshot)
{
	uint64_t term = 0;

	if (!snapshot_wanted(raft, snapshot)) {
		raft_sessions_free(snapshot->sessions);
		return;
	}
	if (!raft_rlog_term_at(&raft->log, snapshot->pos.index, &term) ||
	    term != snapshot->pos.term) {
		snapshot_install(raft, snapshot);
		raft_recover_check(raft);
		return;
	}
	raft_sessions_free(snapshot->sessions);
	raft_commit_advance(raft, snapshot->pos.index);
	if (raft->verified < snapshot->pos.index)
		raft->verified = snapshot->pos.index;
	raft->reply_due = true;
	raft_recover_check(raft);
}

/* -------------------------------------------------------------- sending */

void
raft_snapshot_send(struct raft *raft, struct raft_peer *peer)
{
	must(raft->role == RAFT_LEADER);
	if (peer->state != PROGRESS_SNAPSHOT)
		raft_progress_snapshot(peer);
	if (peer->snapshot_asked || !raft_peer_near(raft, peer) ||
	    raft->now.ms < peer->snapshot_at.ms)
		return;
	peer->snapshot_asked = true;
	raft_out_snapshot(raft, &peer->id);
}

void
raft_snapshot_sent(struct raft *raft, const struct raft_id *id, bool ok, uint64_t index)
{
	struct raft_peer *peer = raft_peer_find(raft, id);

	if (raft->role != RAFT_LEADER || peer == NULL || peer->state != PROGRESS_SNAPSHOT)
		return;
	peer->snapshot_asked = false;
	if (ok && index < raft->log.before.index) { /* by now another one is needed */
		peer->snapshot_at = raft->now;
		return;
	}
	if (!ok || index > raft->log.last) {
		peer->snapshot_at.ms = raft->now.ms + raft->settings.election_timeout_ms;
		return;
	}
	/* It is there, and being installed: tried once the peer has answered the next round. */
	raft_progress_probe(raft, peer, (index > peer->accepted ? index : peer->accepted) + 1);
	peer->paused = true;
}
