/* SPDX-License-Identifier: ISC */
/*
 * What a leader knows of one peer's log, and what it may send next (§3.5, §10.2.1).
 *
 * probe:     one message at a time, until one is accepted.
 * pipeline:  next runs ahead of what is accepted, as far as the window is open.
 * snapshot:  what the peer needs next is compacted away: it gets a snapshot first.
 *
 * The window follows what the peer acknowledges in time, so that a heartbeat, which goes in order
 * with the entries, never stands behind more than a part of an election timeout's worth of them.
 *
 * A refusal, a loss or an unreachable peer leads back to probe.  A loss is seen
 * by rounds: what was sent before a round began must be accepted in the reply to
 * that round, since a peer's messages arrive in order or not at all.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* In election timeouts. */
enum { LEAVING_MAX = 10 };

enum {
	WINDOW_FIRST = 256 << 10,
	WINDOW_LEAST = 64 << 10,
	MESSAGE_LEAST = 16 << 10,
	/* What entries may wait on their way: such a part of an election timeout. */
	WAIT_PART = 4
};

struct raft_peer *
raft_peer_find(struct raft *raft, const struct raft_id *id)
{
	for (size_t i = 0; i < raft->peers_count; i++)
		if (raft_id_equal(&raft->peers[i].id, id))
			return &raft->peers[i];
	return NULL;
}

static void
progress_peer_free(struct raft_peer *peer)
{
	raft_progress_fetch_forget(peer);
	free(peer->flights);
	peer->flights = NULL;
}

void
raft_peers_free(struct raft *raft)
{
	for (size_t i = 0; i < raft->peers_count; i++)
		progress_peer_free(&raft->peers[i]);
	raft->peers_count = 0;
}

bool
raft_peer_near(const struct raft *raft, const struct raft_peer *peer)
{
	return peer->heard && raft->now.ms - peer->heard_at.ms < raft->settings.election_timeout_ms;
}

bool
raft_peer_well(const struct raft *raft, const struct raft_peer *peer)
{
	return raft_peer_near(raft, peer) && !peer->recovering;
}

static void
progress_peer_new(struct raft *raft, struct raft_peer *peer, const struct raft_member *member)
{
	memset(peer, 0, sizeof *peer);
	peer->id = member->id;
	peer->heard_at = raft->now;
	peer->flights = malloc(raft->settings.window_messages_max * sizeof *peer->flights);
	must(peer->flights != NULL);
	must(!raft_id_equal(&peer->id, &raft->id));
	raft_progress_reset(raft, peer);
}

/* The place of a peer is given up; what it owns has gone elsewhere. */
static void
peer_moved(struct raft_peer *peer)
{
	peer->flights = NULL;
	peer->fetched = NULL;
	peer->fetched_count = 0;
}

/*
 * Ours: a leader goes on sending to a member that it has removed until that one knows (or
 * for a while).  It counts for nothing.  The number of peers with those that leave now.
 */
static size_t
peers_leaving(struct raft *raft, struct raft_peer *peers, size_t count)
{
	for (size_t i = 0; i < raft->peers_count && raft->role == RAFT_LEADER; i++) {
		struct raft_peer *peer = &raft->peers[i];

		if (peer->flights == NULL || count == RAFT_MEMBERS_MAX)
			continue;
		if (peer->role != RAFT_LEAVING) {
			peer->leaving_index = raft_rlog_config(&raft->log)->index;
			peer->leaving_until.ms =
			    raft->now.ms + LEAVING_MAX * raft->settings.election_timeout_ms;
		}
		peers[count] = *peer;
		peers[count++].role = RAFT_LEAVING;
		peer_moved(peer);
	}
	return count;
}

void
raft_peers_leave(struct raft *raft, bool all)
{
	for (size_t i = raft->peers_count; i-- > 0;) {
		struct raft_peer *peer = &raft->peers[i];

		if (peer->role != RAFT_LEAVING)
			continue;
		if (!all && raft->now.ms < peer->leaving_until.ms &&
		    (peer->match < peer->leaving_index || peer->commit_sent < peer->leaving_index))
			continue;
		progress_peer_free(peer);
		raft->peers_count--;
		memmove(peer, peer + 1, (raft->peers_count - i) * sizeof *peer);
	}
}

void
raft_peers_update(struct raft *raft)
{
	const struct raft_config *config = raft_core_config(raft);
	struct raft_peer peers[RAFT_MEMBERS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < config->count; i++) {
		const struct raft_member *member = &config->members[i];
		struct raft_peer *known = raft_peer_find(raft, &member->id);

		if (raft_id_equal(&member->id, &raft->id))
			continue;
		if (known != NULL) {
			peers[count] = *known;
			peer_moved(known);
		} else {
			progress_peer_new(raft, &peers[count], member);
		}
		peers[count++].role = member->role;
	}
	count = peers_leaving(raft, peers, count);
	must(count <= RAFT_MEMBERS_MAX);
	must(count + 1 >= config->count);
	raft_peers_free(raft);
	memcpy(raft->peers, peers, count * sizeof *peers);
	raft->peers_count = count;
	raft->config_changed = true;
}

/* ------------------------------------------------------------ states */

void
raft_progress_fetch_forget(struct raft_peer *peer)
{
	for (size_t i = 0; i < peer->fetched_count; i++)
		raft_chunk_unref(peer->fetched[i].chunk);
	free(peer->fetched);
	peer->fetched = NULL;
	peer->fetched_count = 0;
	peer->fetched_sent = false;
	peer->fetch_request = 0;
}

static void
flights_clear(struct raft_peer *peer)
{
	peer->flights_head = 0;
	peer->flights_count = 0;
	peer->flights_size = 0;
}

void
raft_progress_probe(struct raft *raft, struct raft_peer *peer, uint64_t next)
{
	must(next > peer->match);
	must(next <= raft->log.last + 1);
	peer->state = PROGRESS_PROBE;
	peer->next = next;
	peer->paused = false;
	peer->probe_last = next - 1;
	peer->check_round = 0;
	flights_clear(peer);
	raft_progress_fetch_forget(peer);
	must(peer->fetch_request == 0 && peer->fetched_count == 0);
}

void
raft_progress_reset(struct raft *raft, struct raft_peer *peer)
{
	peer->match = 0;
	peer->accepted = 0;
	peer->commit_sent = 0;
	peer->commit_at.ms = 0;
	peer->commit_wanted = false;
	raft_progress_probe(raft, peer, raft->log.last + 1);
	must(peer->match == 0 && peer->flights_size == 0);
}

void
raft_progress_snapshot(struct raft_peer *peer)
{
	peer->state = PROGRESS_SNAPSHOT;
	peer->snapshot_asked = false;
	peer->snapshot_at.ms = 0;
	peer->paused = false;
	peer->check_round = 0;
	flights_clear(peer);
	raft_progress_fetch_forget(peer);
	must(peer->fetch_request == 0 && peer->fetched_count == 0);
}

/* Nobody answers: it goes on once the peer has answered a heartbeat. */
void
raft_progress_pause(struct raft *raft, struct raft_peer *peer)
{
	/* Who sends the snapshot sees for himself that nothing moves. */
	if (peer->state == PROGRESS_SNAPSHOT)
		return;
	/* While probing, what is accepted is no guess worth trying: keep the one there is. */
	raft_progress_probe(
	    raft, peer, peer->state == PROGRESS_PROBE ? peer->next : peer->accepted + 1);
	peer->paused = true;
	must(peer->next > peer->accepted);
}

/* Watches this round, unless one is being watched or nothing is under way. */
void
raft_progress_check(struct raft *raft, struct raft_peer *peer)
{
	uint64_t last = peer->state == PROGRESS_PIPELINE ? peer->next - 1 : peer->probe_last;

	if (peer->state == PROGRESS_SNAPSHOT || peer->check_round != 0 ||
	    (peer->state == PROGRESS_PROBE && !peer->paused))
		return;
	if (peer->accepted >= last && peer->state == PROGRESS_PIPELINE)
		return;
	peer->check_round = raft->round;
	peer->check_last = last;
	must(peer->check_round > 0);
	must(last <= raft->log.last);
}

/* Of a way that has just been found, or found again, nothing is known. */
static void
window_begin(const struct raft *raft, struct raft_peer *peer)
{
	uint64_t known =
	    peer->window_size == 0 ? WINDOW_FIRST : min_u64(peer->window_size, WINDOW_FIRST);

	peer->window_size = min_u64(known, raft->settings.window_size_max);
	must(peer->window_size <= WINDOW_FIRST);
}

static void
progress_pipeline(const struct raft *raft, struct raft_peer *peer)
{
	must(peer->state == PROGRESS_PROBE && peer->flights_count == 0);
	must(peer->accepted <= raft->log.last);
	peer->state = PROGRESS_PIPELINE;
	peer->next = peer->accepted + 1;
	window_begin(raft, peer);
	peer->paused = false;
	peer->check_round = 0;
}

/* ------------------------------------------------------------ window */

uint64_t
raft_progress_message_max(const struct raft *raft, const struct raft_peer *peer)
{
	uint64_t window = peer->window_size == 0 ? WINDOW_FIRST : peer->window_size;

	return min_u64(raft->settings.message_size_max, max_u64(window / 4, MESSAGE_LEAST));
}

bool
raft_progress_window_open(const struct raft *raft, const struct raft_peer *peer)
{
	if (peer->flights_count == 0)
		return true;
	return peer->flights_count < raft->settings.window_messages_max &&
	       peer->flights_size + raft_progress_message_max(raft, peer) <= peer->window_size;
}

void
raft_progress_sent(struct raft *raft, struct raft_peer *peer, uint64_t last, uint64_t size)
{
	size_t ring = raft->settings.window_messages_max;

	must(peer->state != PROGRESS_SNAPSHOT);
	must(last <= raft->log.last);
	must(last + 1 >= peer->next);
	if (peer->state == PROGRESS_PROBE) {
		peer->paused = true;
		peer->probe_last = last;
		return;
	}
	must(peer->flights_count < ring);
	must(peer->flights_count > 0 || peer->flights_size == 0);
	must(size > 0);
	peer->flights[(peer->flights_head + peer->flights_count++) % ring] =
	    (struct raft_flight){last, size, peer->flights_size, raft->now};
	peer->flights_size += size;
	peer->next = last + 1;
}

/*
 * Ours: the window by delay.  A full one that is acknowledged in time grows, doubling every round
 * trip; one that took too long shrinks to what would have come in time, once a round trip.
 * In time: as quick as the way itself, and a part of an election timeout more.
 */
static void
window_follow(struct raft *raft, struct raft_peer *peer, const struct raft_flight *flight)
{
	uint64_t took = raft->now.ms - flight->sent_at.ms, whole = flight->before + flight->size;
	uint64_t in_time;

	if ((flight->before == 0 && flight->size <= MESSAGE_LEAST) || took < peer->quickest_ms)
		peer->quickest_ms = took;
	in_time = peer->quickest_ms + raft->settings.election_timeout_ms / WAIT_PART;
	if (took > in_time) {
		if (flight->sent_at.ms < peer->slowed_at.ms)
			return;
		peer->window_size =
		    min_u64(peer->window_size, max_u64(whole * in_time / took, WINDOW_LEAST));
		peer->slowed_at = raft->now;
	} else if (whole + raft_progress_message_max(raft, peer) > peer->window_size / 2) {
		peer->window_size =
		    min_u64(peer->window_size + flight->size, raft->settings.window_size_max);
	}
	must(peer->window_size <= raft->settings.window_size_max);
}

static void
flights_landed(struct raft *raft, struct raft_peer *peer)
{
	size_t ring = raft->settings.window_messages_max;

	while (peer->flights_count > 0 && peer->flights[peer->flights_head].last <= peer->match) {
		struct raft_flight flight = peer->flights[peer->flights_head];

		must(peer->flights_size >= flight.size);
		peer->flights_size -= flight.size;
		peer->flights_head = (peer->flights_head + 1) % ring;
		peer->flights_count--;
		window_follow(raft, peer, &flight);
	}
	must(peer->flights_count > 0 || peer->flights_size == 0);
}

/* ------------------------------------------------------------ replies */

/* The reply to the round that was watched: whether something sent before it is missing. */
static bool
check_lost(struct raft_peer *peer, uint64_t round)
{
	if (peer->check_round == 0 || round < peer->check_round)
		return false;
	peer->check_round = 0;
	return peer->accepted < peer->check_last;
}

void
raft_progress_accepted(
    struct raft *raft, struct raft_peer *peer, uint64_t match, uint64_t accepted, uint64_t round)
{
	bool lost;

	must(raft->role == RAFT_LEADER);
	must(accepted <= raft->log.last);
	must(match <= accepted);
	if (match > peer->match)
		peer->match = match;
	if (accepted > peer->accepted)
		peer->accepted = accepted;
	if (peer->state == PROGRESS_SNAPSHOT) {
		/* It has got there by itself, or by a snapshot of another leader. */
		if (peer->accepted >= raft->log.before.index)
			raft_progress_probe(raft, peer, peer->accepted + 1);
		else if (peer->next <= peer->accepted)
			peer->next = peer->accepted + 1;
		return;
	}
	flights_landed(raft, peer);
	lost = check_lost(peer, round);
	if (peer->state == PROGRESS_PROBE && peer->paused && peer->accepted >= peer->probe_last)
		progress_pipeline(raft, peer);
	else if (lost && peer->state == PROGRESS_PROBE)
		peer->paused = false;
	else if (lost)
		raft_progress_probe(raft, peer, peer->accepted + 1);
	if (peer->next <= peer->accepted) {
		raft_progress_fetch_forget(peer);
		peer->next = peer->accepted + 1;
	}
}

/* Skips whole terms: theirs in the hint, ours by rlog_agree. */
void
raft_progress_refused(
    struct raft *raft, struct raft_peer *peer, uint64_t refused, struct raft_pos hint)
{
	uint64_t agreed;

	must(raft->role == RAFT_LEADER);
	if (peer->state == PROGRESS_SNAPSHOT)
		return;
	if (refused <= peer->accepted || refused >= peer->next)
		return; /* of an older message; since then more was accepted, or less tried */
	if (peer->state == PROGRESS_PROBE && refused != peer->next - 1)
		return;
	if (hint.index >= refused)
		hint.index = refused - 1;
	/* Below our log's beginning nothing can be tried; a snapshot is needed. */
	agreed = hint.index < raft->log.before.index ? hint.index
						     : raft_rlog_agree(&raft->log, hint).index;
	must(agreed < refused);
	raft_progress_probe(raft, peer, (agreed > peer->accepted ? agreed : peer->accepted) + 1);
	must(peer->next <= refused);
}

const char *
raft_progress_name(const struct raft *raft, const struct raft_peer *peer)
{
	if (peer->state == PROGRESS_SNAPSHOT)
		return "snapshot";
	if (peer->state == PROGRESS_PROBE)
		return "probe";
	return peer->next < raft->log.tail_first ? "fetch" : "pipeline";
}
