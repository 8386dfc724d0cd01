/* SPDX-License-Identifier: ISC */
/*
 * AppendEntries, sent (§3.5): what goes to each peer with an update, and what
 * its replies mean.
 *
 * A heartbeat names the peer's matched place as prev, so that it is never
 * refused for what is still under way before it; alone it credits nothing.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ sending */

static struct raft_append *
append_start(struct raft *raft, struct raft_peer *peer, struct raft_pos prev, uint64_t commit_max)
{
	struct raft_append *append;

	must(raft->role == RAFT_LEADER);
	must(raft_store_hard_durable(&raft->store));
	must(prev.index <= raft->log.last && prev.term <= raft->term);
	must(commit_max <= raft->log.last);
	append = &raft_out_message(raft, RAFT_MSG_APPEND, &peer->id)->append;
	append->prev = prev;
	append->commit = raft->commit < commit_max ? raft->commit : commit_max;
	append->round = raft->round;
	append->last = raft->log.last;
	append->echo = peer->start_number;
	append->clean_commit = peer->clean_commit;
	raft_lead_append(raft, peer, append);
	if (append->commit > peer->commit_sent)
		peer->commit_sent = append->commit;
	peer->commit_at.ms = 0;
	peer->commit_wanted = false;
	return append;
}

static void
send_heartbeat(struct raft *raft, struct raft_peer *peer)
{
	struct raft_pos prev = {0, 0};

	if (peer->match >= raft->log.before.index)
		prev = raft_rlog_pos(&raft->log, peer->match);
	append_start(raft, peer, prev, peer->match);
}

/* How many of the entries fit into one message, at least one, and their bytes. */
static size_t
slice_count(const struct raft_entry *entries, size_t count, uint64_t size_max, uint64_t *size)
{
	size_t taken = 1;

	*size = entries[0].size;
	while (taken < count && *size + entries[taken].size <= size_max)
		*size += entries[taken++].size;
	return taken;
}

static void
send_entries(struct raft *raft, struct raft_peer *peer, const struct raft_entry *entries,
    size_t count, uint64_t size)
{
	uint64_t last = peer->next - 1 + count;
	struct raft_append *append =
	    append_start(raft, peer, raft_rlog_pos(&raft->log, peer->next - 1), last);

	must(count == 0 || entries[0].term >= append->prev.term);
	must(count == 0 || entries[count - 1].term <= raft->term);
	append->entries = entries;
	append->entries_count = count;
	raft_progress_sent(raft, peer, last, size);
}

static void
send_from_tail(struct raft *raft, struct raft_peer *peer)
{
	uint64_t size = 0;
	const struct raft_entry *entries = raft_rlog_entry(&raft->log, peer->next);
	size_t count = slice_count(entries, (size_t)(raft->log.last - peer->next + 1),
	    raft_progress_message_max(raft, peer), &size);

	must(peer->next - 1 + count <= raft->log.last);
	send_entries(raft, peer, entries, count, size);
}

static void
send_fetched(struct raft *raft, struct raft_peer *peer)
{
	uint64_t size = 0;

	must(raft_rlog_pos(&raft->log, peer->next).term == peer->fetched[0].term);
	must(peer->next + peer->fetched_count - 1 <= raft->log.last);
	for (size_t i = 0; i < peer->fetched_count; i++)
		size += peer->fetched[i].size;
	peer->fetched_sent = true;
	send_entries(raft, peer, peer->fetched, peer->fetched_count, size);
}

static void
fetch_start(struct raft *raft, struct raft_peer *peer)
{
	struct raft_fetch fetch = {0};

	if (peer->fetch_request != 0)
		return;
	fetch.request = peer->fetch_request = ++raft->request;
	fetch.first_index = peer->next;
	fetch.size_max = raft_progress_message_max(raft, peer);
	raft_out_fetch(raft, &fetch);
}

/* One message, entries or not: whether it is accepted decides. */
static bool
flush_probe(struct raft *raft, struct raft_peer *peer)
{
	must(peer->flights_count == 0 && peer->fetched_count == 0);
	if (peer->paused)
		return false;
	if (peer->next > raft->log.last || peer->next < raft->log.tail_first)
		send_entries(raft, peer, NULL, 0, 0);
	else
		send_from_tail(raft, peer);
	return true;
}

static bool
flush_pipeline(struct raft *raft, struct raft_peer *peer)
{
	bool sent = false;

	while (peer->next <= raft->log.last && raft_progress_window_open(raft, peer)) {
		if (peer->next >= raft->log.tail_first) {
			send_from_tail(raft, peer);
		} else if (peer->fetched_count > 0 && !peer->fetched_sent) {
			send_fetched(raft, peer);
		} else {
			fetch_start(raft, peer);
			break;
		}
		sent = true;
	}
	must(peer->next <= raft->log.last + 1);
	return sent;
}

/*
 * Ours: a commit index that the peer does not know waits for the next append, so that a stream of
 * entries costs the peer one message per entry, not two.
 */
static bool
commit_due(const struct raft *raft, struct raft_peer *peer)
{
	if (min_u64(raft->commit, peer->match) <= peer->commit_sent)
		return false;
	if (peer->commit_at.ms == 0)
		peer->commit_at.ms = raft->now.ms + raft->settings.commit_wait_ms;
	return peer->commit_wanted || raft_change_leaves(raft) ||
	       peer->commit_at.ms <= raft->now.ms;
}

/* What a leader holds true of each peer, after each update. */
static void
peer_check(const struct raft *raft, const struct raft_peer *peer)
{
	must(peer->match <= peer->accepted && peer->accepted < peer->next);
	must(peer->next <= raft->log.last + 1);
	must(peer->commit_sent <= raft->commit);
	must(peer->round_acked <= raft->round && peer->check_round <= raft->round);
	must(peer->state == PROGRESS_PIPELINE || peer->flights_count == 0);
	must((peer->flights_count == 0) == (peer->flights_size == 0));
	must(peer->fetched_count > 0 || !peer->fetched_sent);
	must(peer->fetch_request <= raft->request);
	must(peer->recovering || (peer->contact_round == 0 && peer->clean_commit == 0));
}

static void
peer_flush(struct raft *raft, struct raft_peer *peer)
{
	/* The place before `next` is compacted away: only a snapshot helps such a peer. */
	bool reachable = peer->state != PROGRESS_SNAPSHOT && peer->next > raft->log.before.index;
	bool sent = false;

	if (peer->round_due)
		raft_progress_check(raft, peer);
	if (!reachable)
		raft_snapshot_send(raft, peer);
	else
		sent = peer->state == PROGRESS_PROBE ? flush_probe(raft, peer)
						     : flush_pipeline(raft, peer);
	if (!sent && (peer->round_due || commit_due(raft, peer)))
		send_heartbeat(raft, peer);
	peer->round_due = false;
	peer_check(raft, peer);
}

void
raft_replicate_hasten(struct raft *raft, const struct raft_id *id)
{
	struct raft_peer *peer = raft_peer_find(raft, id);

	if (peer != NULL)
		peer->commit_wanted = true;
}

void
raft_replicate_flush(struct raft *raft)
{
	if (raft->role != RAFT_LEADER)
		return;
	for (size_t i = 0; i < raft->peers_count; i++)
		peer_flush(raft, &raft->peers[i]);
}

void
raft_replicate_release(struct raft *raft)
{
	for (size_t i = 0; i < raft->peers_count; i++) {
		struct raft_peer *peer = &raft->peers[i];
		uint64_t request = peer->fetch_request;

		if (!peer->fetched_sent)
			continue;
		raft_progress_fetch_forget(peer);
		peer->fetch_request = request; /* for what comes after them */
		must(peer->fetched == NULL);
	}
}

/* ------------------------------------------------------------ replies */

static bool
start_is_old(const struct raft_peer *peer, uint64_t start_number)
{
	for (size_t i = 0; i < CORE_OLD_STARTS; i++)
		if (peer->old_starts[i] == start_number)
			return true;
	return false;
}

/*
 * ⚠ What an earlier incarnation acknowledged, this one may not have.  An
 * incarnation that was replaced never comes back: its late replies are void.
 */
static bool
start_check(struct raft *raft, struct raft_peer *peer, uint64_t start_number)
{
	if (start_number == 0 || start_is_old(peer, start_number))
		return false;
	if (peer->start_number == start_number)
		return true;
	if (peer->start_number != 0) {
		memmove(peer->old_starts + 1, peer->old_starts,
		    (CORE_OLD_STARTS - 1) * sizeof *peer->old_starts);
		peer->old_starts[0] = peer->start_number;
		raft_progress_reset(raft, peer);
		peer->round_acked = 0;
		peer->contact_round = 0;
		peer->clean_commit = 0;
	}
	peer->start_number = start_number;
	must(!start_is_old(peer, start_number));
	return true;
}

/* From outside: what is said to match must be in this log. */
static bool
reply_sane(const struct raft *raft, const struct raft_append_reply *reply)
{
	uint64_t term = 0;

	if (reply->round > raft->round)
		return false;
	if (!reply->ok)
		return true;
	if (reply->match > reply->hint.index || reply->hint.index > raft->log.last)
		return false;
	return reply->hint.index < raft->log.before.index ||
	       (raft_rlog_term_at(&raft->log, reply->hint.index, &term) &&
		   term == reply->hint.term);
}

void
raft_replicate_reply(struct raft *raft, const struct raft_message *message)
{
	const struct raft_append_reply *reply = &message->append_reply;
	struct raft_peer *peer;

	if (message->term > raft->term) {
		raft_role_higher_term(raft, message, &RAFT_NOBODY);
		return;
	}
	peer = raft_peer_find(raft, &message->from);
	if (raft->role != RAFT_LEADER || message->term < raft->term || peer == NULL)
		return;
	if (!start_check(raft, peer, reply->start_number) || !reply_sane(raft, reply)) {
		raft_core_drop(raft);
		return;
	}
	peer->heard = true;
	peer->heard_at = raft->now;
	peer->level = reply->level;
	peer->clock = min_u64(reply->clock, RAFT_TIME_MAX);
	peer->first = reply->first;
	raft_lead_peer(raft, peer);
	if (reply->round > peer->round_acked)
		peer->round_acked = reply->round;
	must(peer->round_acked <= raft->round);
	raft_recover_peer_reply(raft, peer, reply);
	if (reply->ok)
		raft_progress_accepted(raft, peer, reply->match, reply->hint.index, reply->round);
	else
		raft_progress_refused(raft, peer, reply->match, reply->hint);
	raft_quorum_commit(raft);
	raft_read_confirm(raft);
}

/* ------------------------------------------------------------ events */

static bool
fetched_sane(const struct raft *raft, const struct raft_peer *peer, const struct raft_event *event)
{
	if (event->fetched.entries_count == 0 || event->fetched.first_index != peer->next)
		return false;
	for (size_t i = 0; i < event->fetched.entries_count; i++) {
		uint64_t term = 0;

		if (!raft_rlog_term_at(&raft->log, event->fetched.first_index + i, &term) ||
		    event->fetched.entries[i].term != term)
			return false;
	}
	return true;
}

void
raft_replicate_fetched(struct raft *raft, const struct raft_event *event)
{
	struct raft_peer *peer = NULL;
	size_t count = event->fetched.entries_count;

	for (size_t i = 0; i < raft->peers_count; i++)
		if (event->fetched.request != 0 &&
		    raft->peers[i].fetch_request == event->fetched.request)
			peer = &raft->peers[i];
	if (peer == NULL)
		return; /* nobody waits for them any more */
	peer->fetch_request = 0;
	if (!fetched_sane(raft, peer, event)) {
		/* Tried again once the peer has answered a heartbeat. */
		raft_progress_pause(raft, peer);
		return;
	}
	raft_progress_fetch_forget(peer);
	peer->fetched = malloc(count * sizeof *peer->fetched);
	must(peer->fetched != NULL);
	must(raft->role == RAFT_LEADER);
	memcpy(peer->fetched, event->fetched.entries, count * sizeof *peer->fetched);
	for (size_t i = 0; i < count; i++)
		raft_chunk_ref(peer->fetched[i].chunk);
	peer->fetched_count = count;
}

void
raft_replicate_unreachable(struct raft *raft, const struct raft_id *id)
{
	struct raft_peer *peer = raft_peer_find(raft, id);

	if (raft->role == RAFT_LEADER && peer != NULL)
		raft_progress_pause(raft, peer);
	if (raft->role == RAFT_LEADER || !raft_id_equal(&raft->leader, id))
		return;
	raft_forward_fail(raft, RAFT_REASON_NO_ANSWER);
	raft_read_forwards_fail(raft, RAFT_REASON_NO_ANSWER);
	raft_election_timer_shorten(raft);
}
