/* SPDX-License-Identifier: ISC */
/*
 * Elections: the timer, standing, voting (§3.4), the pre-vote before it (§9.6) and
 * the leader's protection from those who have lost it (§4.2.3).
 *
 * A candidate states the last entry that it holds.  Its requests rest on its own
 * vote, so they leave only once the write of the vote is durable, and with it
 * all entries before it: what is stated is durable when it is heard.
 */
#include "core.h"

static uint64_t
random_next(struct raft *raft)
{
	uint64_t x = raft->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void
raft_election_timer_reset(struct raft *raft)
{
	uint64_t timeout = raft->settings.election_timeout_ms;

	raft->election_at.ms = raft->now.ms + timeout + random_next(raft) % timeout;
	must(raft->election_at.ms > raft->now.ms);
}

/*
 * Ours: the connection to the leader has ended, so the leader may have, too.  When it is not heard
 * again, this node stands after one to one and a quarter timeouts, which still keeps followers
 * apart.
 */
void
raft_election_timer_shorten(struct raft *raft)
{
	uint64_t timeout = raft->settings.election_timeout_ms;
	uint64_t at = raft->heard_at.ms + timeout + random_next(raft) % (timeout / 4 + 1);

	if (at < raft->election_at.ms)
		raft->election_at.ms = at;
}

/*
 * Ours: a node that starts with its own vote may have led until its last stop.  While it is away no
 * other node leads in this term, and those that have not missed it yet grant it their pre-vote (see
 * leader_is_near): it asks for them after a heartbeat, in which its connections are made again.
 */
void
raft_election_timer_start(struct raft *raft)
{
	raft_election_timer_reset(raft);
	if (raft_quorum_sole_voter(raft))
		raft->election_at = raft->now; /* no other node could lead */
	else if (raft_id_equal(&raft->vote, &raft->id))
		raft->election_at.ms = raft->now.ms + raft->settings.heartbeat_ms;
}

/*
 * A leader is there, as far as this node can know: don't help to depose it.  One
 * that asks for votes itself has restarted, and leads no more.
 */
static bool
leader_is_near(const struct raft *raft, const struct raft_id *candidate)
{
	if (raft->role == RAFT_LEADER)
		return true;
	return !raft_id_none(&raft->leader) && !raft_id_equal(&raft->leader, candidate) &&
	       raft->now.ms - raft->heard_at.ms < raft->settings.election_timeout_ms;
}

static bool
election_may_stand(const struct raft *raft)
{
	return raft_quorum_self_needed(raft) && !raft->recover.active && !raft->full &&
	       !raft_snapshot_installing(raft) && !raft_store_stalled(raft, raft->now) &&
	       raft->term < RAFT_TERM_MAX &&
	       (raft->stall_penalty_ms == 0 || raft_quorum_sole_voter(raft) ||
		   raft->now.ms - raft->stalled_at.ms >= raft->stall_penalty_ms);
}

/* ------------------------------------------------------------ standing */

static size_t
votes_count(const struct raft *raft)
{
	size_t votes = raft->self_granted && raft_quorum_self_votes(raft);

	for (size_t i = 0; i < raft->peers_count; i++)
		votes += raft->peers[i].role == RAFT_VOTER && raft->peers[i].vote_granted;
	return votes;
}

static void
votes_clear(struct raft *raft)
{
	raft->self_granted = false;
	raft->lead.reported = (struct raft_lead_times){0};
	for (size_t i = 0; i < raft->peers_count; i++)
		raft->peers[i].vote_granted = false;
	must(votes_count(raft) == 0);
}

static void
votes_ask(struct raft *raft, bool pre, bool transfer)
{
	for (size_t i = 0; i < raft->peers_count; i++) {
		struct raft_message *message;

		if (raft->peers[i].role != RAFT_VOTER)
			continue;
		message = raft_out_message(raft, RAFT_MSG_VOTE, &raft->peers[i].id);
		message->term = raft->term + pre;
		message->vote.pre = pre;
		message->vote.transfer = transfer;
		message->vote.last = raft_rlog_last(&raft->log);
	}
}

/* The own vote is counted by raft_election_stored, once it is durable.  why: said before. */
static void
election_stand(struct raft *raft, bool transfer)
{
	must(!raft->recover.active && !raft_snapshot_installing(raft));
	must(raft->term < RAFT_TERM_MAX);
	raft_role_set(raft, RAFT_CANDIDATE, &RAFT_NOBODY);
	raft->term++;
	raft->vote = raft->id;
	raft->store.hard_dirty = true;
	raft_append_reset(raft);
	raft->elections++;
	votes_clear(raft);
	raft_election_timer_reset(raft);
	votes_ask(raft, false, transfer);
	must(!raft->self_granted);
	must(!raft_store_hard_durable(&raft->store));
	must(raft_rlog_last(&raft->log).term < raft->term);
}

static void
election_prevote_won(struct raft *raft)
{
	raft_why_start(raft, "pre-vote won by ");
	raft_why_number(raft, votes_count(raft));
	raft_why_text(raft, " of ");
	raft_why_number(raft, raft_config_voters(raft_core_config(raft)));
	election_stand(raft, false);
}

void
raft_election_at_once(struct raft *raft, const struct raft_id *leader)
{
	if (!election_may_stand(raft)) {
		raft_core_drop(raft);
		return;
	}
	raft_why_start(raft, "");
	raft_why_id(raft, leader);
	raft_why_text(raft, " hands leadership over");
	election_stand(raft, true);
}

static void
election_won(struct raft *raft)
{
	raft_why_start(raft, "elected by ");
	raft_why_number(raft, votes_count(raft));
	raft_why_text(raft, " of ");
	raft_why_number(raft, raft_config_voters(raft_core_config(raft)));
	must(raft_id_equal(&raft->vote, &raft->id));
	must(raft_store_hard_durable(&raft->store));
	must(raft->store.durable == raft->log.last);
	raft_role_set(raft, RAFT_LEADER, &raft->id);
	raft_leader_begin(raft);
}

static void
votes_counted(struct raft *raft)
{
	/* From outside: votes that come before the own one is durable were not asked for. */
	if (!raft->self_granted || votes_count(raft) < raft_quorum_size(raft))
		return;
	if (raft->role == RAFT_PRE_CANDIDATE)
		election_prevote_won(raft);
	else
		election_won(raft);
}

/* Pre-vote: nothing changes but the role, and that this node knows no leader (§9.6). */
static void
election_try(struct raft *raft)
{
	raft_role_set(raft, RAFT_PRE_CANDIDATE, &RAFT_NOBODY);
	votes_clear(raft);
	raft->self_granted = true;
	raft_election_timer_reset(raft);
	votes_ask(raft, true, false);
	votes_counted(raft);
}

void
raft_election_tick(struct raft *raft)
{
	if (raft->role == RAFT_LEADER || raft->now.ms < raft->election_at.ms)
		return;
	raft_why_start(raft, "no leader for ");
	raft_why_number(raft, raft->now.ms - raft->heard_at.ms);
	raft_why_text(raft, " ms");
	if (election_may_stand(raft)) {
		election_try(raft);
		return;
	}
	raft_role_set(raft, RAFT_FOLLOWER, &RAFT_NOBODY);
	raft_election_timer_reset(raft);
}

void
raft_election_stored(struct raft *raft)
{
	if (raft->role != RAFT_CANDIDATE || raft->self_granted ||
	    !raft_store_hard_durable(&raft->store))
		return;
	must(raft_id_equal(&raft->vote, &raft->id));
	raft->self_granted = true;
	votes_counted(raft);
}

/* -------------------------------------------------------------- voting */

/* §3.6.1: the later last term, or at the same the longer log. */
static bool
log_up_to_date(const struct raft *raft, struct raft_pos theirs)
{
	struct raft_pos ours = raft_rlog_last(&raft->log);

	if (theirs.term != ours.term)
		return theirs.term > ours.term;
	return theirs.index >= ours.index;
}

/* Whether the vote of the present term is free for this candidate. */
static bool
vote_free_for(const struct raft *raft, const struct raft_id *candidate)
{
	if (raft_id_equal(&raft->vote, candidate))
		return true;
	return raft_id_none(&raft->vote) && raft_id_none(&raft->leader);
}

static void
vote_answer(struct raft *raft, const struct raft_message *message, bool granted)
{
	struct raft_message *reply = raft_out_message(raft, RAFT_MSG_VOTE_REPLY, &message->from);

	must(!granted || !raft->recover.active);
	must(!granted || message->vote.pre || raft_id_equal(&raft->vote, &message->from));
	reply->vote_reply.pre = message->vote.pre;
	reply->vote_reply.granted = granted;
	reply->vote_reply.recovering = raft->recover.active;
	if (!message->vote.pre) {
		reply->vote_reply.timeout = raft_lead_report(raft).timeout;
		reply->vote_reply.grace = raft_lead_report(raft).grace;
	}
	/*
	 * The asker's own term may be behind; only the asked one tells it which pre-vote this is.
	 */
	if (message->vote.pre && granted)
		reply->term = message->term;
}

/* Changes nothing, whatever it says (§9.6). */
static void
vote_prevote(struct raft *raft, const struct raft_message *message)
{
	bool term_ok = message->term > raft->term ||
		       (message->term == raft->term && vote_free_for(raft, &message->from));

	vote_answer(raft, message,
	    term_ok && !leader_is_near(raft, &message->from) && !raft->recover.active &&
		log_up_to_date(raft, message->vote.last));
}

void
raft_election_vote(struct raft *raft, const struct raft_message *message)
{
	bool granted;

	if (message->vote.pre) {
		vote_prevote(raft, message);
		return;
	}
	if (!message->vote.transfer && leader_is_near(raft, &message->from))
		return; /* §4.2.3: not even its term is taken over */
	if (message->term > raft->term) {
		raft_transfer_deposed(raft, message);
		raft_role_higher_term(raft, message, &RAFT_NOBODY);
	}
	granted = message->term == raft->term && !raft->recover.active &&
		  vote_free_for(raft, &message->from) && log_up_to_date(raft, message->vote.last);
	if (granted) {
		if (raft_id_none(&raft->vote)) {
			raft->vote = message->from;
			raft->store.hard_dirty = true;
		}
		if (raft->role == RAFT_PRE_CANDIDATE) {
			raft_why_start(raft, "voted for ");
			raft_why_id(raft, &message->from);
			raft_role_set(raft, RAFT_FOLLOWER, &RAFT_NOBODY);
		}
		raft_election_timer_reset(raft);
	}
	vote_answer(raft, message, granted);
}

void
raft_election_vote_reply(struct raft *raft, const struct raft_message *message)
{
	const struct raft_vote_reply *reply = &message->vote_reply;
	bool prevote_granted = reply->pre && reply->granted;
	enum raft_role role = reply->pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;
	struct raft_peer *peer = raft_peer_find(raft, &message->from);

	if (!prevote_granted && message->term > raft->term) {
		raft_role_higher_term(raft, message, &RAFT_NOBODY);
		return;
	}
	if (peer == NULL || raft->role != role || message->term != raft->term + reply->pre)
		return; /* late: of another term, or of a pre-vote that is over */
	if (!reply->granted || reply->recovering)
		return;
	must(raft_id_none(&raft->leader));
	raft_lead_heard(&raft->lead.reported, reply->timeout, reply->grace);
	peer->vote_granted = true;
	votes_counted(raft);
}
