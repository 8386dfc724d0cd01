/* SPDX-License-Identifier: ISC */
/*
 * Who leaves a cluster (§4.2.2, §4.2.3): the leader itself, members that are away, members that
 * are told of it.
 */
#include "raft_changes.h"

/* ------------------------------------------------------ the leader goes */

static void
leader_goes(enum raft_change_op op)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	uint64_t last, elections;

	leader_new(&rig, 3);
	rig_propose_serials(&rig, 5, &sid, 1, 2, base);
	ask(&rig, op, 1, 0);
	CHECK(rig.answers_count == 0);
	last = rig_status(&rig).last.index;
	CHECK(last == 4);
	rig_accept(&rig, 2, last); /* with itself it would be a majority */
	CHECK(rig_status(&rig).commit.index == 1);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_accept(&rig, 3, 3);
	CHECK(rig_status(&rig).commit.index == 3);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_sent_clear(&rig);
	rig_accept(&rig, 3, last);
	CHECK(rig_status(&rig).commit.index == last);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	CHECK(answered(&rig) == RAFT_REASON_NONE);
	CHECK(strncmp(rig.why, "no longer a voter since entry 4", 31) == 0);
	/* Both have heard of the commit, and one of them need not wait for its timeout. */
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.commit == last);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.commit == last);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 1);
	elections = rig_status(&rig).elections;
	rig_sent_clear(&rig);
	for (int i = 0; i < 20; i++)
		rig_time(&rig, RIG_E);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 0);
	CHECK(rig_status(&rig).elections == elections);
	/* Also not after a restart. */
	rig_start_commit(&rig, last);
	for (int i = 0; i < 20; i++)
		rig_time(&rig, RIG_E);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 0);
	rig_free(&rig);
}

static void
test_leader_removed(void)
{
	leader_goes(RAFT_CHANGE_REMOVE);
}

static void
test_leader_demoted(void)
{
	leader_goes(RAFT_CHANGE_DEMOTE);
}

static void
removed_when_committed(enum raft_change_op op, bool removed)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 3);
	ask(&rig, op, 1, 0);
	last = rig_status(&rig).last.index;
	CHECK(raft_removed(rig.raft) == 0);
	rig_accept(&rig, 2, last);
	rig_accept(&rig, 3, last);
	CHECK(rig_status(&rig).commit.index == last);
	CHECK(raft_removed(rig.raft) == (removed ? last : 0));
	rig_start_commit(&rig, last);
	CHECK(raft_removed(rig.raft) == (removed ? last : 0));
	rig_free(&rig);
}

static void
test_leader_knows(void)
{
	removed_when_committed(RAFT_CHANGE_REMOVE, true);
	removed_when_committed(RAFT_CHANGE_DEMOTE, false);
}

static void
test_follower_knows(void)
{
	struct net net;
	int leader, follower;

	net_part(&net, 3);
	leader = net_leader(&net);
	follower = (leader + 1) % 3;
	CHECK(net_change(&net, RAFT_CHANGE_REMOVE, follower + 1) == RAFT_REASON_NONE);
	net_run(&net, 1000);
	CHECK(raft_removed(net.rigs[follower].raft) == raft_config_index(net.rigs[leader].raft));
	CHECK(raft_removed(net.rigs[leader].raft) == 0);
	net_free(&net);
}

static void
test_leader_of_two(void)
{
	struct net net;
	int leader, other;
	uint64_t term;

	net_part(&net, 2);
	leader = net_leader(&net);
	other = 1 - leader;
	term = rig_status(&net.rigs[leader]).term;
	CHECK(net_change(&net, RAFT_CHANGE_REMOVE, leader + 1) == RAFT_REASON_NONE);
	net_run(&net, 300); /* less than an election timeout: it was told to stand */
	CHECK(net_leader(&net) == other);
	CHECK(rig_status(&net.rigs[other]).term == term + 1);
	CHECK(net_change(&net, RAFT_CHANGE_ADD, 3) == RAFT_REASON_NONE);
	net_run(&net, 5000);
	CHECK(net_leader(&net) == other);
	CHECK(rig_status(&net.rigs[leader]).role == RAFT_FOLLOWER);
	net_free(&net);
}

static void
test_follower_of_two(void)
{
	struct net net;
	int leader;

	net_part(&net, 2);
	leader = net_leader(&net);
	net_crash(&net, 1 - leader); /* it may even be dead */
	CHECK(net_change(&net, RAFT_CHANGE_REMOVE, 2 - leader) == RAFT_REASON_NONE);
	CHECK(net_change(&net, RAFT_CHANGE_ADD, 3) == RAFT_REASON_NONE);
	net_run(&net, 3000);
	CHECK(net_leader(&net) == leader);
	net_free(&net);
}

/* ------------------------------------------------------------ who was removed */

static void
test_late_messages(void)
{
	struct rig rig;
	struct raft_message message;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	struct raft_id transfer;
	uint64_t last;

	leader_new(&rig, 4);
	CHECK(change_now(&rig, RAFT_CHANGE_REMOVE, 4, 0) == RAFT_REASON_NONE);
	rig_accept(&rig, 4, rig_status(&rig).last.index);
	rig_time(&rig, RIG_HEARTBEAT);
	all_accept(&rig);
	rig_propose_serials(&rig, 5, &sid, 1, 1, base);
	last = rig_status(&rig).last.index;
	rig_accept(&rig, 4, last);
	CHECK(rig_status(&rig).commit.index == last - 1);
	rig_vote_reply(&rig, 4, rig_status(&rig).term, false, true);
	rig_vote_reply(&rig, 4, rig_status(&rig).term + 1, true, true);
	rig_append_reply(&rig, 4, rig_status(&rig).term, false, 1, (struct raft_pos){0, 0}, 0);
	rig_unreachable(&rig, 4);
	rig_snapshot_sent(&rig, 4, true, 1);
	message = rig_make(RAFT_MSG_READ, 4, 1, rig_status(&rig).term);
	rig_message(&rig, &message);
	message = rig_make(RAFT_MSG_TRANSFER, 4, 1, rig_status(&rig).term);
	message.transfer.start_number = 1;
	message.transfer.target = rig_id(2);
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	transfer = rig_status(&rig).transfer;
	CHECK(raft_id_none(&transfer));
	rig_accept(&rig, 2, last);
	CHECK(rig_status(&rig).commit.index == last);
	rig_free(&rig);
}

/* While it is told it counts for nothing: neither its log nor its answers. */
static void
test_leaving_counts_nothing(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 4);
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	last = rig_status(&rig).last.index;
	rig_accept(&rig, 4, last);
	CHECK(rig_status(&rig).commit.index == last - 1);
	/* It alone is heard: no quorum. */
	for (int i = 0; i < 12; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		if (rig_status(&rig).role == RAFT_LEADER)
			rig_accept(&rig, 4, last);
	}
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	rig_free(&rig);
}

static void
test_told_before_forgotten(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 4);
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	last = rig_status(&rig).last.index;
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 4)->append.entries_count == 1);
	rig_sent_clear(&rig);
	rig_accept(&rig, 2, last);
	rig_accept(&rig, 3, last);
	CHECK(rig_status(&rig).commit.index == last);
	/* It has not answered: it is still told. */
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 4) != NULL);
	rig_accept(&rig, 4, last);
	rig_time(&rig, RIG_COMMIT_WAIT);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 4)->append.commit == last);
	/* It knows that it is removed, and that this is committed. */
	rig_time(&rig, RIG_HEARTBEAT);
	all_accept(&rig);
	rig_sent_clear(&rig);
	for (int i = 0; i < 30; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		all_accept(&rig);
	}
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 4) == NULL);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 3) != NULL);
	rig_free(&rig);
}

static void
test_forgotten_in_the_end(void)
{
	struct rig rig;

	leader_new(&rig, 4);
	CHECK(change_now(&rig, RAFT_CHANGE_REMOVE, 4, 0) == RAFT_REASON_NONE);
	for (int i = 0; i < 95; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		all_accept(&rig);
	}
	rig_sent_clear(&rig);
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 4) != NULL);
	for (int i = 0; i < 10; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		all_accept(&rig);
	}
	rig_sent_clear(&rig);
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 4) == NULL);
	rig_free(&rig);
}

/* D8: the peer of a configuration that was rolled back is not the one of before. */
static void
test_new_peer_starts_at_nothing(void)
{
	struct rig rig;
	struct raft_config two = rig_config(2, 0, false);

	leader_new(&rig, 3);
	CHECK(rig_status(&rig).peers[2].match == 1);
	append_config(&rig, 2, 2, (struct raft_pos){1, 1}, &two); /* n2 leads and removes n3 */
	CHECK(config_is(&rig, "1v 2v"));
	rig_append(&rig, 2, 3, (struct raft_pos){1, 1}, 3, 1, 0);
	CHECK(config_is(&rig, "1v 2v 3v"));
	CHECK(rig_status(&rig).peers[2].match == 0);
	rig_free(&rig);
}

/* ------------------------------------------------------------ partitions */

static void
removed_while_away(uint64_t away_ms, bool told)
{
	struct net net;
	int leader, away;
	uint64_t term;

	net_part(&net, 4);
	leader = net_leader(&net);
	away = (leader + 1) % 4;
	net_isolate(&net, away, true);
	CHECK(net_change(&net, RAFT_CHANGE_REMOVE, away + 1) == RAFT_REASON_NONE);
	net_run(&net, away_ms);
	term = rig_status(&net.rigs[leader]).term;
	net_isolate(&net, away, false);
	net_run(&net, 10 * RIG_E);
	CHECK(net_leader(&net) == leader);
	CHECK(rig_status(&net.rigs[leader]).term == term);
	CHECK(rig_status(&net.rigs[away]).term <= term);
	CHECK((raft_config_now(net.rigs[away].raft)->count == 3) == told);
	CHECK(net_change(&net, RAFT_CHANGE_ADD, 5) == RAFT_REASON_NONE);
	net_free(&net);
}

static void
test_removed_while_away(void)
{
	removed_while_away(5 * RIG_E, true);
}

static void
test_removed_while_away_long(void)
{
	removed_while_away(15 * RIG_E, false);
}

static void
test_demoted_while_away(void)
{
	struct net net;
	int leader, away;
	uint64_t term;

	net_part(&net, 4);
	leader = net_leader(&net);
	away = (leader + 1) % 4;
	net_isolate(&net, away, true);
	CHECK(net_change(&net, RAFT_CHANGE_DEMOTE, away + 1) == RAFT_REASON_NONE);
	net_run(&net, 5 * RIG_E);
	term = rig_status(&net.rigs[leader]).term;
	net_isolate(&net, away, false);
	net_run(&net, 3 * RIG_E);
	CHECK(net_leader(&net) == leader);
	CHECK(rig_status(&net.rigs[away]).term == term);
	CHECK(rig_status(&net.rigs[away]).role == RAFT_FOLLOWER);
	net_isolate(&net, away, true); /* now it knows: not even a pre-vote */
	net.rigs[away].sent_count = 0;
	net_run(&net, 5 * RIG_E);
	CHECK(rig_status(&net.rigs[away]).role == RAFT_FOLLOWER);
	net_free(&net);
}

static void
test_isolated_leader(void)
{
	struct net net;
	int old, now;

	net_part(&net, 4);
	old = net_leader(&net);
	net_isolate(&net, old, true);
	ask(&net.rigs[old], RAFT_CHANGE_REMOVE, (old + 1) % 4 + 1, 0);
	net_run(&net, 5 * RIG_E);
	CHECK(net.rigs[old].answers_count == 1);
	CHECK(net.rigs[old].answers[0].answer.verdict == RAFT_UNKNOWN);
	now = net_leader(&net);
	CHECK(now != old);
	CHECK(net_change(&net, RAFT_CHANGE_ADD, 5) == RAFT_REASON_NONE);
	net_isolate(&net, old, false);
	net_run(&net, 3 * RIG_E);
	for (int i = 0; i < 4; i++)
		CHECK(config_is(&net.rigs[i], "1v 2v 3v 4v 5l"));
	net_free(&net);
}

/* Every original member is replaced, one after the other. */
static void
test_all_replaced(void)
{
	struct net net;
	int leader;

	net_part(&net, 1);
	for (int i = 1; i < 5; i++) {
		CHECK(net_change(&net, RAFT_CHANGE_ADD, i + 1) == RAFT_REASON_NONE);
		net_restart(&net, i);
		net_run(&net, 500);
		CHECK(net_change(&net, RAFT_CHANGE_PROMOTE, i + 1) == RAFT_REASON_NONE);
	}
	CHECK(net_leader(&net) == 0);
	CHECK(net_change(&net, RAFT_CHANGE_REMOVE, 1) == RAFT_REASON_NONE);
	net_run(&net, 5 * RIG_E);
	CHECK(net_leader(&net) > 0);
	CHECK(
	    net_change(&net, RAFT_CHANGE_REMOVE, 2 + (net_leader(&net) == 1)) == RAFT_REASON_NONE);
	net_run(&net, 3 * RIG_E);
	/* Three are left, and one of them may go. */
	leader = net_leader(&net);
	CHECK(raft_config_voters(raft_config_now(net.rigs[leader].raft)) == 3);
	net_crash(&net, leader);
	net_run(&net, 5 * RIG_E);
	CHECK(net_leader(&net) > 0 && net_leader(&net) != leader);
	net_free(&net);
}

int
main(void)
{
	check_run("D5, D6: a leader that removes itself leads until that is committed",
	    test_leader_removed);
	check_run(
	    "D12: a leader that demotes itself leads until that is committed", test_leader_demoted);
	check_run(
	    "D5: the leader of two removes itself: the other leads at once", test_leader_of_two);
	check_run(
	    "D5: the leader of two removes the other, even if it is dead", test_follower_of_two);
	check_run(
	    "D6: a leader knows that it was removed once that is committed, also after a restart",
	    test_leader_knows);
	check_run(
	    "D20: a follower that was removed knows it, and by which entry", test_follower_knows);
	check_run("D7: late messages of a removed peer change nothing", test_late_messages);
	check_run("D7: a member that is being told of its removal counts for nothing",
	    test_leaving_counts_nothing);
	check_run(
	    "D20: a removed member is told before it is forgotten", test_told_before_forgotten);
	check_run("D20: a removed member that never answers is forgotten in the end",
	    test_forgotten_in_the_end);
	check_run("D8: a member that comes back by a roll-back starts at nothing",
	    test_new_peer_starts_at_nothing);
	check_run("D20: removed while cut off, then healed: it learns, no term rises",
	    test_removed_while_away);
	check_run(
	    "D20: healed long after: it stays alone, no term rises", test_removed_while_away_long);
	check_run("D12: a demoted voter that is unaware does not disturb", test_demoted_while_away);
	check_run("D17: a change through an isolated leader is never made", test_isolated_leader);
	check_run("§4: every original member is replaced", test_all_replaced);
	return check_done();
}
