/* SPDX-License-Identifier: ISC */
/*
 * Snapshots (chapter 5): where a log may begin, what a leader's snapshot does to a follower, and
 * how a leader goes on with a peer that needs one.
 */
#include "raft_changes.h"

/* ------------------------------------------------------------- helpers */

static struct raft_pos
pos(uint64_t index, uint64_t term)
{
	return (struct raft_pos){index, term};
}

/* A follower of n2 in that term, with so many entries of term 1, none known to be committed. */
static void
follower_new(struct rig *rig, size_t count, uint64_t term)
{
	rig_new(rig, 3);
	rig_append(rig, 2, 1, pos(0, 0), 1, count, 0);
	if (term > 1)
		rig_append(rig, 2, term, pos(0, 0), term, 0, 0);
	rig_sent_clear(rig);
}

static void
ready(struct rig *rig, struct raft_pos at)
{
	rig_snapshot_ready(rig, at, &rig->config, raft_sessions_new());
}

static const struct raft_append_reply *
last_reply(const struct rig *rig)
{
	const struct raft_message *message = rig_find_last(rig, RAFT_MSG_APPEND_REPLY, 0);

	return message == NULL ? NULL : &message->append_reply;
}

static bool
log_is(const struct rig *rig, struct raft_pos before, struct raft_pos last, uint64_t commit)
{
	struct raft_status s = rig_status(rig);

	return s.before.index == before.index && s.before.term == before.term &&
	       s.last.index == last.index && s.last.term == last.term && s.commit.index == commit &&
	       rig_disk_last(rig) == last.index && rig->disk.before.index == before.index;
}

/* A leader in term 1 with ten entries, all committed by n2, of which the first ones are cut. */
static void
leader_compacted(struct rig *rig, uint64_t before)
{
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};

	rig_new(rig, 3);
	rig_elect(rig);
	rig_accept(rig, 3, 1);
	rig_propose_serials(rig, 5, &sid, 1, 9, base);
	rig_accept(rig, 2, 10);
	CHECK(rig_status(rig).commit.index == 10);
	rig_compact(rig, before);
	rig_clear(rig);
}

/* n3 refuses prev, and names where it stands. */
static void
refuse(struct rig *rig, uint64_t prev, struct raft_pos hint)
{
	rig_append_reply(rig, 3, rig_status(rig).term, false, prev, hint, 0);
}

/* The next round, answered by n2 alone. */
static void
beat(struct rig *rig)
{
	rig_time(rig, RIG_HEARTBEAT);
	rig_accept(rig, 2, rig_status(rig).last.index);
}

static const struct raft_peer_status *
peer3(const struct rig *rig)
{
	static struct raft_status status;

	status = rig_status(rig);
	return &status.peers[2];
}

/* ------------------------------------------------------ installation */

static void
test_older_ignored(void)
{
	struct rig rig;
	uint64_t writes;

	follower_new(&rig, 30, 1);
	rig_append(&rig, 2, 1, pos(30, 1), 1, 0, 20);
	CHECK(rig_status(&rig).commit.index == 20);
	rig.hold_writes = true;
	writes = rig.writes_count;
	ready(&rig, pos(15, 1));
	ready(&rig, pos(20, 1));
	ready(&rig, pos(0, 0));
	ready(&rig, pos(40, 0)); /* no such place */
	ready(&rig, pos(40, 2)); /* of a term that this node does not know of */
	CHECK(rig.writes_count == writes);
	CHECK(log_is(&rig, pos(0, 0), pos(30, 1), 20));
	/* Nor does anybody install one who follows no leader. */
	rig.hold_writes = false;
	rig_time(&rig, 2 * RIG_E);
	ready(&rig, pos(40, 1));
	CHECK(log_is(&rig, pos(0, 0), pos(30, 1), 20));
	rig_free(&rig);
	leader_compacted(&rig, 5);
	ready(&rig, pos(40, 1));
	CHECK(log_is(&rig, pos(5, 1), pos(10, 1), 10));
	rig_free(&rig);
}

static void
test_suffix(void)
{
	struct rig rig;

	/* The very place is there: all is kept, and known to be committed. */
	follower_new(&rig, 10, 2);
	ready(&rig, pos(6, 1));
	CHECK(log_is(&rig, pos(0, 0), pos(10, 1), 6));
	CHECK(last_reply(&rig)->ok && last_reply(&rig)->match == 6);
	rig_free(&rig);
	/* The last place is that very place. */
	follower_new(&rig, 10, 2);
	ready(&rig, pos(10, 1));
	CHECK(log_is(&rig, pos(0, 0), pos(10, 1), 10));
	rig_free(&rig);
	/* The log ends before it. */
	follower_new(&rig, 10, 2);
	ready(&rig, pos(11, 1));
	CHECK(log_is(&rig, pos(11, 1), pos(11, 1), 11));
	rig_free(&rig);
	/* Another term stands there: all that was uncommitted goes, below that place, too. */
	follower_new(&rig, 10, 2);
	ready(&rig, pos(6, 2));
	CHECK(log_is(&rig, pos(6, 2), pos(6, 2), 6));
	rig_append(&rig, 2, 2, pos(6, 2), 2, 3, 8);
	CHECK(log_is(&rig, pos(6, 2), pos(9, 2), 8));
	rig_start(&rig);
	CHECK(log_is(&rig, pos(6, 2), pos(9, 2), 6));
	rig_free(&rig);
}

static void
test_while_installing(void)
{
	struct rig rig;

	follower_new(&rig, 10, 2);
	rig.hold_writes = true;
	ready(&rig, pos(50, 2));
	CHECK(rig.writes_count == 1 && rig.writes[0].w.install);
	CHECK(rig.writes[0].w.install_pos.index == 50 && rig.writes[0].w.entries_count == 0);
	CHECK(!rig.writes[0].w.truncate);
	ready(&rig, pos(60, 2)); /* a second one: not before the first has ended */
	CHECK(rig_status(&rig).last.index == 50);
	rig_append(&rig, 2, 2, pos(50, 2), 2, 1, 50);
	CHECK(rig_status(&rig).last.index == 51 && rig_status(&rig).commit.index == 50);
	for (int i = 0; i < 5; i++)
		rig_time(&rig, 2 * RIG_E);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 0);
	rig_append(&rig, 2, 2, pos(51, 2), 2, 0, 51);
	rig_store_all(&rig);
	rig.hold_writes = false;
	CHECK(log_is(&rig, pos(50, 2), pos(51, 2), 51));
	ready(&rig, pos(60, 2));
	CHECK(log_is(&rig, pos(60, 2), pos(60, 2), 60));
	rig_free(&rig);
}

/* The own cut arrives in the middle of an installation. */
static void
test_compacted_meanwhile(void)
{
	struct rig rig;
	struct raft_event event = {.type = RAFT_EVENT_COMPACTED};

	follower_new(&rig, 10, 2);
	rig_append(&rig, 2, 2, pos(10, 1), 2, 0, 8);
	event.compacted = pos(9, 1); /* not committed */
	rig_event(&rig, &event);
	CHECK(rig_status(&rig).before.index == 0);
	rig.hold_writes = true;
	ready(&rig, pos(50, 2));
	event.compacted = pos(5, 1);
	rig_event(&rig, &event);
	CHECK(rig_status(&rig).before.index == 50);
	rig_store_all(&rig);
	CHECK(log_is(&rig, pos(50, 2), pos(50, 2), 50));
	/* What is not committed, not there, or of another term was never cut. */
	event.compacted = pos(51, 2);
	rig_event(&rig, &event);
	event.compacted = pos(50, 1);
	rig_event(&rig, &event);
	CHECK(rig_status(&rig).before.index == 50 && rig_status(&rig).before.term == 2);
	rig_free(&rig);
}

static void
test_acknowledged_when_durable(void)
{
	struct rig rig;

	follower_new(&rig, 10, 1);
	rig.hold_writes = true;
	ready(&rig, pos(50, 1));
	rig_append(&rig, 2, 1, pos(50, 1), 1, 1, 50);
	CHECK(last_reply(&rig)->ok && last_reply(&rig)->match == 0);
	CHECK(last_reply(&rig)->hint.index == 51);
	/* A write from before it, confirmed late, says nothing of it. */
	rig_append(&rig, 2, 1, pos(51, 1), 1, 0, 50);
	CHECK(last_reply(&rig)->match == 0);
	rig_store(&rig, 1);
	CHECK(last_reply(&rig)->match == 50);
	rig_store_all(&rig);
	CHECK(last_reply(&rig)->match == 51);
	rig_free(&rig);
	/* Killed before it is durable: the old log is there, and what it acknowledged. */
	follower_new(&rig, 10, 1);
	rig.hold_writes = true;
	ready(&rig, pos(50, 1));
	rig_writes_clear(&rig);
	rig_start(&rig);
	CHECK(log_is(&rig, pos(0, 0), pos(10, 1), 0));
	rig_free(&rig);
}

/* An older write is under way when the installation begins. */
static void
test_write_before(void)
{
	struct rig rig;

	follower_new(&rig, 10, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, pos(10, 1), 1, 2, 0);
	ready(&rig, pos(50, 1));
	CHECK(rig.writes_count == 2);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 0);
	CHECK(last_reply(&rig) == NULL || last_reply(&rig)->match <= 10);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 50);
	CHECK(last_reply(&rig)->match == 50);
	rig_free(&rig);
	/* A truncation that has not left yet goes with what it would have cut. */
	follower_new(&rig, 10, 1);
	rig.hold_writes = true;
	{
		struct raft_message cut = rig_append_make(&rig, 2, 1, pos(10, 1), 1, 1, 0);

		rig_gather(&rig, &cut);
		rig_append_free(&cut);
	}
	ready(&rig, pos(50, 1));
	CHECK(
	    rig.writes_count == 1 && rig.writes[0].w.install && rig.writes[0].w.entries_count == 0);
	rig_store_all(&rig);
	CHECK(log_is(&rig, pos(50, 1), pos(50, 1), 50));
	rig_free(&rig);
}

/* As `ready`, but more follows before there is an update. */
static void
ready_gather(struct rig *rig, struct raft_pos at, bool kept)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_READY, .now.ms = rig->now};
	struct raft_snapshot snapshot = {
	    .pos = at, .level = 1, .config = &rig->config, .sessions = raft_sessions_new()};

	if (kept) {
		raft_sessions_free(rig->ready.sessions);
		rig->ready = (struct rig_snapshot){at, rig->config, raft_sessions_new()};
	}
	event.snapshot = &snapshot;
	raft_step(rig->raft, &event, NULL);
}

static void
test_one_turn(void)
{
	struct rig rig;

	follower_new(&rig, 10, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, pos(10, 1), 1, 2, 0);
	ready_gather(&rig, pos(50, 1), true);
	ready_gather(&rig, pos(60, 1), false); /* a second one */
	CHECK(rig_status(&rig).last.index == 50 && rig_status(&rig).commit.index == 50);
	/* The report of the write before it: of what is gone. */
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 0);
	CHECK(last_reply(&rig) == NULL || last_reply(&rig)->match <= 12);
	CHECK(rig.writes_count == 1 && rig.writes[0].w.install &&
	      rig.writes[0].w.install_pos.index == 50);
	rig_store_all(&rig);
	CHECK(log_is(&rig, pos(50, 1), pos(50, 1), 50) && rig_status(&rig).durable == 50);
	CHECK(last_reply(&rig)->match == 50);
	rig_free(&rig);
}

static void
test_term_stays(void)
{
	struct rig rig;

	follower_new(&rig, 3, 4);
	ready(&rig, pos(9, 2));
	CHECK(rig_status(&rig).term == 4 && rig.disk.term == 4);
	CHECK(log_is(&rig, pos(9, 2), pos(9, 2), 9));
	rig_start(&rig);
	CHECK(rig_status(&rig).term == 4);
	/* Its log ends with term 2: so do its requests for votes. */
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE, 2)->term == 5);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE, 2)->vote.last.index == 9);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE, 2)->vote.last.term == 2);
	rig_free(&rig);
}

/*
 * A snapshot of a leader that was deposed meanwhile: it holds what is committed, whoever sent it.
 */
static void
test_of_former_leader(void)
{
	struct rig rig;

	follower_new(&rig, 3, 1);
	rig_append(&rig, 3, 2, pos(3, 1), 2, 2, 0); /* n3 leads now */
	ready(&rig, pos(4, 1));                     /* from n2 */
	CHECK(log_is(&rig, pos(4, 1), pos(4, 1), 4));
	/* The new leader's log says otherwise: that can't be, and nothing committed is touched. */
	rig_append(&rig, 3, 2, pos(3, 1), 2, 2, 5);
	CHECK(log_is(&rig, pos(4, 1), pos(4, 1), 4));
	rig_append(&rig, 3, 2, pos(4, 1), 2, 2, 5);
	CHECK(log_is(&rig, pos(4, 1), pos(6, 2), 5));
	ready(&rig, pos(9, 2)); /* n3's own */
	CHECK(log_is(&rig, pos(9, 2), pos(9, 2), 9));
	rig_free(&rig);
}

/* ------------------------------------------------------ where a log begins */

static void
test_boundary(void)
{
	struct rig rig;
	uint64_t term = 0;

	rig_new(&rig, 3);
	rig_append(&rig, 2, 2, pos(0, 0), 1, 0, 0);
	ready(&rig, pos(5, 1));
	CHECK(log_is(&rig, pos(5, 1), pos(5, 1), 5));
	CHECK(raft_term_at(rig.raft, 5, &term) && term == 1);
	CHECK(!raft_term_at(rig.raft, 4, &term) && !raft_term_at(rig.raft, 6, &term));
	rig_sent_clear(&rig);
	rig_append(&rig, 2, 2, pos(4, 1), 1, 0, 0);
	CHECK(last_reply(&rig)->ok && last_reply(&rig)->hint.index == 5);
	rig_append(&rig, 2, 2, pos(4, 1), 1, 2, 0); /* reaches beyond it */
	CHECK(log_is(&rig, pos(5, 1), pos(6, 1), 5));
	rig_append(&rig, 2, 2, pos(5, 1), 1, 1, 6);
	CHECK(log_is(&rig, pos(5, 1), pos(6, 1), 6));
	rig_sent_clear(&rig);
	rig_append(&rig, 2, 2, pos(8, 1), 1, 0, 0);
	CHECK(!last_reply(&rig)->ok && last_reply(&rig)->hint.index == 6);
	/* A vote by the log's end: the snapshot's place counts. */
	rig_free(&rig);
	rig_new(&rig, 3);
	rig_append(&rig, 2, 2, pos(0, 0), 1, 0, 0);
	ready(&rig, pos(5, 1));
	rig_start(&rig);
	rig_vote_request(&rig, 3, 3, false, pos(4, 1));
	CHECK(!rig_find_last(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	rig_vote_request(&rig, 3, 3, false, pos(5, 1));
	CHECK(rig_find_last(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_first_append_again(void)
{
	struct rig rig;

	follower_new(&rig, 10, 1);
	rig_append(&rig, 2, 1, pos(10, 1), 1, 0, 10);
	rig_compact(&rig, 5);
	rig_append(&rig, 2, 1, pos(0, 0), 1, 1, 0);
	CHECK(log_is(&rig, pos(5, 1), pos(10, 1), 10));
	rig_append(&rig, 2, 1, pos(0, 0), 1, 10, 0);
	CHECK(log_is(&rig, pos(5, 1), pos(10, 1), 10));
	rig_append(&rig, 2, 1, pos(0, 0), 1, 0, 0);
	CHECK(log_is(&rig, pos(5, 1), pos(10, 1), 10));
	CHECK(last_reply(&rig)->ok && last_reply(&rig)->match == 10);
	/* A place without a term is no place. */
	rig_sent_clear(&rig);
	rig_append(&rig, 2, 1, pos(7, 0), 1, 1, 0);
	CHECK(last_reply(&rig) == NULL && rig_status(&rig).dropped == 1);
	rig_free(&rig);
}

static void
test_compacted_runs(void)
{
	struct rig rig;
	uint64_t term = 0;

	rig_init(&rig, 1, 3);
	for (int i = 0; i < 12; i++)
		rig_disk_put(&rig, 1 + (uint64_t)i / 3, RAFT_NOOP); /* terms 1 to 4, three each */
	rig_start_commit(&rig, 12);
	for (uint64_t before = 1; before <= 12; before++) {
		rig_compact(&rig, before);
		for (uint64_t i = before; i <= 12; i++)
			CHECK(raft_term_at(rig.raft, i, &term) && term == 1 + (i - 1) / 3);
		CHECK(!raft_term_at(rig.raft, before - 1, &term));
	}
	rig_append(&rig, 2, 5, pos(12, 4), 5, 1, 0);
	CHECK(raft_term_at(rig.raft, 13, &term) && term == 5);
	rig_start(&rig);
	CHECK(raft_term_at(rig.raft, 12, &term) && term == 4);
	CHECK(raft_term_at(rig.raft, 13, &term) && term == 5);
	rig_free(&rig);
}

/* ------------------------------------------------------ configurations, sessions */

static void
test_config_at_index(void)
{
	struct net net;
	int leader, away;

	net_part(&net, 3);
	leader = net_leader(&net);
	away = (leader + 1) % 3;
	net_isolate(&net, away, true);
	CHECK(net_change(&net, RAFT_CHANGE_ADD, 4) == RAFT_REASON_NONE);
	rig_compact(&net.rigs[leader], net.rigs[leader].disk.count);
	CHECK(net_change(&net, RAFT_CHANGE_ADD, 5) == RAFT_REASON_NONE);
	CHECK(net.rigs[leader].disk.config.count == 4);
	net_isolate(&net, away, false);
	net_run(&net, 3000);
	CHECK(net.rigs[away].disk.before.index == net.rigs[leader].disk.before.index);
	CHECK(net.rigs[away].disk.config.count == 4);
	CHECK(config_is(&net.rigs[away], "1v 2v 3v 4l 5l"));
	rig_start(&net.rigs[away]);
	CHECK(config_is(&net.rigs[away], "1v 2v 3v 4l 5l"));
	net_free(&net);
}

/*
 * What was rolled back must not come back by way of the log's beginning, and the other way round.
 */
static void
test_config_rolled_back_to_it(void)
{
	struct rig rig;
	struct raft_config four = rig_config(4, 0, false);
	struct raft_config two = rig_config(2, 0, false);

	rig_new(&rig, 3);
	append_config(&rig, 2, 1, pos(0, 0), &four);
	append_config(&rig, 2, 1, pos(1, 1), &two);
	rig_append(&rig, 2, 1, pos(2, 1), 1, 1, 1);
	rig_compact(&rig, 1);
	CHECK(config_is(&rig, "1v 2v"));
	rig_append(&rig, 3, 2, pos(1, 1), 2, 1, 1);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	append_config(&rig, 3, 2, pos(2, 2), &two);
	rig_snapshot_ready(&rig, pos(9, 2), &four, raft_sessions_new());
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	rig_start(&rig);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	rig_free(&rig);
}

static void
test_holds_all(void)
{
	struct rig rig;
	struct raft_config two = rig_config(2, 0, false);
	struct raft_sid sid = rig_sid(1, false);
	struct raft_sessions *sessions = raft_sessions_new();
	struct raft_entry entry = rig_entry(1, RAFT_CLIENT, &sid, 1, "x", 1);

	raft_sessions_apply(sessions, 7, &entry);
	raft_chunk_unref(entry.chunk);
	follower_new(&rig, 3, 1);
	rig_snapshot_ready(&rig, pos(9, 1), &two, sessions);
	CHECK(config_is(&rig, "1v 2v"));
	CHECK(raft_sessions_find(raft_sessions_committed(rig.raft), &sid) != NULL);
	rig_free(&rig);
}

static void
test_sessions_ahead(void)
{
	struct rig rig;
	struct raft_config two = rig_config(2, 0, false);
	struct raft_sid sid = rig_sid(1, false);
	struct raft_entry entry = rig_entry(1, RAFT_CLIENT, &sid, 1, "x", 1);

	follower_new(&rig, 3, 1);
	/* The same table, before its place and at it. */
	for (uint64_t at = 6; at <= 7; at++) {
		struct raft_sessions *sessions = raft_sessions_new();

		raft_sessions_apply(sessions, 7, &entry);
		rig_snapshot_ready(&rig, pos(at, 1), &two, sessions);
		CHECK(config_is(&rig, at == 7 ? "1v 2v" : "1v 2v 3v"));
	}
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

static void
test_sessions(void)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	int leader, away;
	uint64_t last;

	net_part(&net, 3);
	leader = net_leader(&net);
	away = (leader + 1) % 3;
	net_isolate(&net, away, true);
	rig_propose_serials(&net.rigs[leader], 5, &sid, 1, 7, base);
	net_run(&net, 300);
	rig_compact(&net.rigs[leader], net.rigs[leader].disk.count);
	net_isolate(&net, away, false);
	net_run(&net, 3000);
	leader = net_leader(&net);
	CHECK(net.rigs[away].disk.before.index > 0);
	/*
	 * Retried where the snapshot was installed, after a restart, with that node as the leader.
	 */
	rig_start(&net.rigs[away]);
	net.rigs[away].wake_at = 0;
	net_run(&net, 1000);
	rig_transfer(&net.rigs[leader], 6, away + 1);
	net_run(&net, 300);
	CHECK(net_leader(&net) == away);
	last = rig_status(&net.rigs[away]).last.index;
	net.rigs[away].answers_count = 0;
	rig_propose_serials(&net.rigs[away], 7, &sid, 7, 1, base);
	CHECK(net.rigs[away].answers_count == 1);
	CHECK(net.rigs[away].answers[0].answer.verdict == RAFT_COMMITTED);
	CHECK(rig_status(&net.rigs[away]).last.index == last);
	rig_propose_serials(&net.rigs[away], 8, &sid, 8, 1, base);
	CHECK(rig_status(&net.rigs[away]).last.index == last + 1);
	net_free(&net);
}

/* ------------------------------------------------------ the leader's side */

static void
test_next_at_the_beginning(void)
{
	struct rig rig;
	const struct raft_message *message;

	for (uint64_t next = 4; next <= 6; next++) {
		leader_compacted(&rig, 5);
		refuse(&rig, 10, pos(next - 1, 1));
		message = rig_find_last(&rig, RAFT_MSG_APPEND, 3);
		CHECK((rig.snapshots_count == 1) == (next <= 5));
		CHECK((strcmp(peer3(&rig)->state, "snapshot") == 0) == (next <= 5));
		if (next == 6) {
			must(message != NULL);
			CHECK(message->append.prev.index == 5);
			CHECK(message->append.prev.term == 1 && message->append.entries_count == 5);
		} else {
			CHECK(message == NULL || message->append.entries_count == 0);
		}
		rig_free(&rig);
	}
}

static void
test_no_probe_without_term(void)
{
	struct rig rig;

	leader_compacted(&rig, 8);
	refuse(&rig, 10, pos(3, 1));
	for (int i = 0; i < 30; i++)
		beat(&rig);
	for (size_t i = 0; i < rig.sent_count; i++) {
		const struct raft_message *m = &rig.sent[i].m;

		if (m->type != RAFT_MSG_APPEND || m->to.s[1] != '3')
			continue;
		/* Nothing but heartbeats; the first entry is known to be there. */
		CHECK(m->append.prev.index == 0 && m->append.prev.term == 0);
		CHECK(m->append.entries_count == 0 && m->append.commit <= 1);
	}
	CHECK(rig.snapshots_count == 1); /* asked for once, while it is under way */
	rig_free(&rig);
}

static void
test_goes_on(void)
{
	struct rig rig;

	leader_compacted(&rig, 8);
	refuse(&rig, 10, pos(3, 1));
	CHECK(rig.snapshots_count == 1);
	rig_sent_clear(&rig);
	rig_snapshot_sent(&rig, 3, true, 8);
	CHECK(strcmp(peer3(&rig)->state, "probe") == 0 && peer3(&rig)->next == 9);
	beat(&rig);
	rig_accept(&rig, 3, 8);
	CHECK(strcmp(peer3(&rig)->state, "pipeline") == 0);
	/* What follows is on its way, without any new entry. */
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.prev.index == 8);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.entries_count == 2);
	rig_accept(&rig, 3, 10);
	CHECK(peer3(&rig)->match == 10);
	rig_free(&rig);
	/* It has got there by itself, before the sending ended. */
	leader_compacted(&rig, 8);
	refuse(&rig, 10, pos(3, 1));
	rig_sent_clear(&rig);
	rig_append_reply(&rig, 3, 1, true, 8, pos(8, 1), 0);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.entries_count == 2);
	rig_accept(&rig, 3, 10);
	rig_snapshot_sent(&rig, 3, true, 8); /* late */
	CHECK(peer3(&rig)->match == 10 && peer3(&rig)->next == 11);
	rig_free(&rig);
	/* An answer from below the beginning ends nothing. */
	leader_compacted(&rig, 8);
	refuse(&rig, 10, pos(3, 1));
	rig_append_reply(&rig, 3, 1, true, 3, pos(3, 1), 0);
	CHECK(strcmp(peer3(&rig)->state, "snapshot") == 0);
	refuse(&rig, 4, pos(2, 1));
	rig_unreachable(&rig, 3);
	CHECK(strcmp(peer3(&rig)->state, "snapshot") == 0);
	CHECK(rig.snapshots_count == 1);
	rig_free(&rig);
}

static void
test_sending_fails(void)
{
	struct rig rig;

	leader_compacted(&rig, 8);
	refuse(&rig, 10, pos(3, 1));
	rig_snapshot_sent(&rig, 3, false, 0);
	refuse(&rig, 4, pos(3, 1));
	CHECK(rig.snapshots_count == 1); /* not at once */
	for (int i = 0; i < 9; i++)
		beat(&rig);
	CHECK(rig.snapshots_count == 1);
	refuse(&rig, 4, pos(3, 1));
	beat(&rig);
	CHECK(rig.snapshots_count == 2);
	/* Nor to one that is not there. */
	rig_snapshot_sent(&rig, 3, false, 0);
	for (int i = 0; i < 30; i++)
		beat(&rig);
	CHECK(rig.snapshots_count == 2);
	refuse(&rig, 4, pos(3, 1));
	CHECK(rig.snapshots_count == 3);
	rig_free(&rig);
}

/* While one was sent the log was cut again: what follows it is no longer there. */
static void
test_sent_too_old(void)
{
	struct rig rig;

	leader_compacted(&rig, 5);
	refuse(&rig, 10, pos(3, 1));
	rig_compact(&rig, 8);
	rig_snapshot_sent(&rig, 3, true, 5);
	CHECK(strcmp(peer3(&rig)->state, "snapshot") == 0);
	for (int i = 0; i < 10; i++) {
		beat(&rig);
		rig_append_reply(&rig, 3, 1, true, 5, pos(5, 1), 0);
	}
	beat(&rig);
	CHECK(rig.snapshots_count == 2);
	rig_snapshot_sent(&rig, 3, true, 99); /* nobody has that */
	CHECK(strcmp(peer3(&rig)->state, "snapshot") == 0);
	rig_free(&rig);
}

static void
test_sender_deposed(void)
{
	struct rig rig;

	leader_compacted(&rig, 8);
	refuse(&rig, 10, pos(3, 1));
	rig_append(&rig, 2, 2, pos(10, 1), 2, 1, 10);
	rig_snapshot_sent(&rig, 3, true, 8);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	/* It leads again: it does not take the old sending for a new one. */
	rig_elect(&rig);
	rig_snapshot_sent(&rig, 3, true, 8);
	CHECK(peer3(&rig)->match == 0 && peer3(&rig)->next > 8);
	refuse(&rig, 11, pos(3, 1));
	CHECK(rig.snapshots_count == 2);
	rig_free(&rig);
}

/* The peer that is fetching from disk when the log is cut gets a snapshot instead. */
static void
test_cut_while_fetching(void)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	int leader, away;

	net_part(&net, 3);
	leader = net_leader(&net);
	away = (leader + 1) % 3;
	net.rigs[leader].settings.tail_size_max = 0;
	net_isolate(&net, away, true);
	for (uint64_t i = 0; i < 20; i++) {
		rig_propose_serials(&net.rigs[leader], 5, &sid, 1 + 50 * i, 50, base);
		net_run(&net, 50);
	}
	net_isolate(&net, away, false);
	for (int i = 0; i < 40; i++) {
		net_run(&net, 50);
		if (rig_status(&net.rigs[leader]).role == RAFT_LEADER &&
		    net.rigs[leader].disk.count > 30)
			rig_compact(&net.rigs[leader], rig_disk_last(&net.rigs[leader]) - 20);
	}
	net_run(&net, 3000);
	CHECK(rig_disk_last(&net.rigs[away]) == rig_disk_last(&net.rigs[leader]));
	CHECK(
	    rig_status(&net.rigs[away]).commit.index == rig_status(&net.rigs[leader]).commit.index);
	net_free(&net);
}

/* A learner with an empty log, behind a snapshot, becomes a voter; then the others go. */
static void
test_joiner_by_snapshot(void)
{
	struct net net;

	net_part(&net, 1);
	for (int i = 1; i < 3; i++) {
		CHECK(net_change(&net, RAFT_CHANGE_ADD, i + 1) == RAFT_REASON_NONE);
		rig_compact(&net.rigs[0], rig_disk_last(&net.rigs[0]));
		net_restart(&net, i);
		net_run(&net, 1000);
		CHECK(net.rigs[i].disk.before.index > 0);
		CHECK(net_change(&net, RAFT_CHANGE_PROMOTE, i + 1) == RAFT_REASON_NONE);
	}
	net_crash(&net, 0);
	net_run(&net, 5000);
	CHECK(net_leader(&net) > 0);
	CHECK(net_change(&net, RAFT_CHANGE_REMOVE, 1) == RAFT_REASON_NONE);
	net_free(&net);
}

int
main(void)
{
	check_run("E1: an older or equal snapshot is ignored", test_older_ignored);
	check_run("E2: a matching suffix is kept, else all goes (§5.1)", test_suffix);
	check_run(
	    "E6: while one is being stored: no candidacy, no second one", test_while_installing);
	check_run(
	    "E6: a cut of the own log does not cross an installation", test_compacted_meanwhile);
	check_run("E11: only a durable snapshot is acknowledged", test_acknowledged_when_durable);
	check_run(
	    "E11: writes from before an installation confirm nothing of it", test_write_before);
	check_run("E6, E11: the same when all comes in one turn", test_one_turn);
	check_run("A13: a snapshot never lowers the term", test_term_stays);
	check_run("E16: a snapshot of a former leader mixes with nothing", test_of_former_leader);
	check_run("E10: the place before the first entry is known, what is before it is not",
	    test_boundary);
	check_run(
	    "C13: the very first append again, after the log was cut", test_first_append_again);
	check_run("terms are known from the beginning of the log on, wherever it is cut",
	    test_compacted_runs);
	check_run("D4: a snapshot carries the configuration of its place", test_config_at_index);
	check_run("D4: a roll-back ends at the configuration of the log's beginning",
	    test_config_rolled_back_to_it);
	check_run("E9: with a snapshot come its configuration and its sessions", test_holds_all);
	check_run(
	    "E9: a snapshot with a session ahead of its place is ignored", test_sessions_ahead);
	check_run("E9, F3: a serial is known after snapshot, restart and change of leader",
	    test_sessions);
	check_run(
	    "C14: next at the beginning: snapshot, snapshot, entries", test_next_at_the_beginning);
	check_run("C12: what is needed is cut: a snapshot, never a made-up term",
	    test_no_probe_without_term);
	check_run("E7: after a snapshot replication goes on by itself", test_goes_on);
	check_run(
	    "a sending that failed is tried again, later, to one that answers", test_sending_fails);
	check_run("E13: a snapshot that the log has left behind is followed by a newer one",
	    test_sent_too_old);
	check_run(
	    "E16: the end of a sending of an earlier term counts for nothing", test_sender_deposed);
	check_run(
	    "E13: the log is cut again and again while a peer catches up", test_cut_while_fetching);
	check_run(
	    "D10: a joiner that begins with a snapshot becomes a voter", test_joiner_by_snapshot);
	return check_done();
}
