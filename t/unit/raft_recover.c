/* SPDX-License-Identifier: ISC */
/*
 * A node whose log went backwards: it promises nothing until it has what it may
 * have promised before.
 */
#include "raft_cluster.h"

/* n1 of three with `count` entries of term 1, recovering. */
static void
recovering(struct rig *rig, size_t count, bool mark_valid, uint64_t mark_term)
{
	rig_init(rig, 1, 3);
	for (size_t i = 0; i < count; i++)
		rig_disk_put(rig, 1, RAFT_NOOP);
	rig->disk.term = mark_valid ? mark_term : 1;
	rig->disk.recovering = true;
	rig->mark_valid = mark_valid;
	rig->mark_term = mark_valid ? mark_term : 0;
	rig_start(rig);
}

/* An append with what recovery looks at. */
static void
append(struct rig *rig, int from, uint64_t term, struct raft_pos prev, size_t count, uint64_t last,
    bool echo, uint64_t clean)
{
	struct raft_message message = rig_append_make(rig, from, term, prev, term, count, 0);

	message.append.last = last;
	message.append.echo = echo ? (uint64_t)rig->id.s[1] * 1000 + rig->starts : 0;
	message.append.clean_commit = clean;
	rig_message(rig, &message);
	rig_append_free(&message);
}

static void
test_neither_votes_nor_stands(void)
{
	struct rig rig;

	recovering(&rig, 3, true, 1);
	for (int i = 0; i < 100; i++)
		rig_time(&rig, 100);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig.sent_count == 0);
	rig_vote_request(&rig, 2, 5, true, (struct raft_pos){9, 4});
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.recovering);
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){9, 4});
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.recovering);
	CHECK(raft_id_none(&rig.disk.vote));
	rig_free(&rig);
}

static void
test_clears_with_the_log(void)
{
	struct rig rig;

	recovering(&rig, 3, true, 2);
	rig.hold_writes = true;
	/* Without the echo the leader may still count what the former incarnation said. */
	append(&rig, 2, 3, (struct raft_pos){3, 1}, 2, 5, false, 0);
	rig_store_all(&rig);
	CHECK(rig.disk.recovering && rig_status(&rig).recovering);
	append(&rig, 2, 3, (struct raft_pos){5, 3}, 1, 8, true, 0); /* target: 8 */
	append(&rig, 2, 3, (struct raft_pos){6, 3}, 1, 20, true, 0);
	rig_store_all(&rig);
	CHECK(rig.disk.recovering);
	append(&rig, 2, 3, (struct raft_pos){7, 3}, 1, 20, true, 0);
	CHECK(rig.writes_count == 1 && rig.writes[0].w.recovered &&
	      rig.writes[0].w.entries_count == 1);
	/* Still recovering until that write is durable. */
	CHECK(rig_status(&rig).recovering);
	rig_store_all(&rig);
	CHECK(!rig.disk.recovering && !rig_status(&rig).recovering);
	rig_sent_clear(&rig);
	rig.now += RIG_E;
	rig_vote_request(&rig, 3, 4, false, (struct raft_pos){8, 3});
	rig_store_all(&rig);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_durable_before_over(void)
{
	struct rig rig;

	/* An older write's confirmation does not end it. */
	recovering(&rig, 3, true, 1);
	rig.hold_writes = true;
	append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 5, true, 0);
	append(&rig, 2, 1, (struct raft_pos){4, 1}, 1, 5, true, 0);
	CHECK(rig.writes_count == 2 && !rig.writes[0].w.recovered && rig.writes[1].w.recovered);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).recovering);
	rig_store_all(&rig);
	CHECK(!rig_status(&rig).recovering);
	rig_free(&rig);
}

static void
test_empty_write(void)
{
	struct rig rig;

	/* All is there already: a write of its own says so. */
	recovering(&rig, 3, true, 1);
	rig.hold_writes = true;
	append(&rig, 2, 1, (struct raft_pos){3, 1}, 0, 3, true, 0);
	CHECK(rig.writes_count == 1 && rig.writes[0].w.recovered &&
	      rig.writes[0].w.entries_count == 0);
	rig_store_all(&rig);
	CHECK(!rig_status(&rig).recovering);
	append(&rig, 2, 1, (struct raft_pos){3, 1}, 0, 3, true, 0);
	CHECK(rig.writes_count == 0);
	rig_free(&rig);
}

static void
test_mark_term(void)
{
	struct rig rig;

	/* A leader of a term below the mark's may lack what was acknowledged in that one. */
	recovering(&rig, 3, true, 6);
	rig.disk.term = 2;
	rig_start(&rig);
	append(&rig, 2, 5, (struct raft_pos){3, 1}, 0, 3, true, 0);
	CHECK(rig_status(&rig).recovering);
	append(&rig, 3, 6, (struct raft_pos){3, 1}, 0, 3, true, 0);
	CHECK(!rig_status(&rig).recovering);
	rig_free(&rig);
}

static void
test_new_leader_new_contact(void)
{
	struct rig rig;

	recovering(&rig, 3, true, 1);
	append(&rig, 2, 2, (struct raft_pos){3, 1}, 0, 4, true, 0);
	/* Another leader, without the echo yet: nothing of the former contact holds. */
	append(&rig, 3, 3, (struct raft_pos){3, 1}, 1, 9, false, 0);
	CHECK(rig_status(&rig).recovering);
	append(&rig, 3, 3, (struct raft_pos){4, 3}, 0, 9, true, 0);
	CHECK(rig_status(&rig).recovering);
	append(&rig, 3, 3, (struct raft_pos){4, 3}, 5, 9, true, 0);
	CHECK(!rig_status(&rig).recovering);
	rig_free(&rig);
}

static void
test_without_mark(void)
{
	struct rig rig;

	recovering(&rig, 3, false, 0);
	append(&rig, 2, 3, (struct raft_pos){3, 1}, 2, 5, true, 0); /* target: 5 */
	CHECK(rig_status(&rig).recovering);
	append(&rig, 2, 3, (struct raft_pos){5, 3}, 1, 6, true, 5);
	CHECK(rig_status(&rig).recovering); /* 5 was there at contact */
	/* A clean commit heard from another leader or term counts for nothing. */
	append(&rig, 3, 4, (struct raft_pos){6, 3}, 0, 6, true, 0);
	CHECK(rig_status(&rig).recovering);
	append(&rig, 3, 4, (struct raft_pos){6, 3}, 1, 7, true, 6);
	CHECK(rig_status(&rig).recovering);
	append(&rig, 3, 4, (struct raft_pos){7, 4}, 0, 7, true, 7);
	CHECK(!rig_status(&rig).recovering);
	rig_free(&rig);
}

static void
test_acknowledges_what_it_has(void)
{
	struct rig rig;
	const struct raft_append_reply *reply;

	recovering(&rig, 3, true, 1);
	rig.hold_writes = true;
	append(&rig, 2, 1, (struct raft_pos){3, 1}, 4, 90, true, 0);
	reply = &rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply;
	CHECK(reply->ok && reply->recovering && reply->mark_valid && reply->match == 3);
	CHECK(reply->start_number != 0);
	rig_sent_clear(&rig);
	rig_store_all(&rig);
	reply = &rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply;
	CHECK(reply->ok && reply->recovering && reply->match == 7);
	rig_free(&rig);
}

static void
test_sole_voter(void)
{
	struct rig rig;

	rig_init(&rig, 1, 1);
	rig_disk_put(&rig, 1, RAFT_NOOP);
	rig.disk.recovering = true;
	rig_start(&rig);
	for (int i = 0; i < 100; i++)
		rig_time(&rig, 100);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).recovering);
	append(&rig, 2, 5, (struct raft_pos){1, 1}, 0, 1, true, 0);
	CHECK(rig_status(&rig).recovering);
	rig_free(&rig);
}

/* ------------------------------------------------------- the leader of one */

static void
reply_recovering(
    struct rig *rig, int from, uint64_t start, bool mark_valid, uint64_t match, uint64_t round)
{
	struct raft_message message = rig_make(RAFT_MSG_APPEND_REPLY, from, 1, 1);

	message.append_reply.ok = true;
	message.append_reply.recovering = true;
	message.append_reply.mark_valid = mark_valid;
	message.append_reply.match = match;
	message.append_reply.hint = (struct raft_pos){match, match > 0};
	message.append_reply.round = round;
	message.append_reply.start_number = start;
	rig_message(rig, &message);
}

static void
test_clean_commit(void)
{
	struct rig rig;
	uint64_t round;
	uint64_t last;

	rig_new(&rig, 3);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	/* n3 comes back without a valid mark. */
	reply_recovering(&rig, 3, 50, false, 1, 1);
	CHECK(rig_status(&rig).last.index == 1);
	rig_time(&rig, RIG_HEARTBEAT);
	/* Not before it is sure to have seen its number: the no-op must be beyond its target. */
	reply_recovering(&rig, 3, 50, false, 1, 1);
	CHECK(rig_status(&rig).last.index == 1);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.echo == 50);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.clean_commit == 0);
	round = rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.round;
	/* It has seen its number: one no-op, and one only, so that a clean commit can come. */
	reply_recovering(&rig, 3, 50, false, 1, round);
	last = rig_status(&rig).last.index;
	CHECK(last == 2);
	reply_recovering(&rig, 3, 50, false, 2, round);
	CHECK(rig_status(&rig).last.index == 2);
	/* ⚠ What it acknowledges counts neither for the commit nor for the clean one. */
	CHECK(rig.commit == 1);
	rig_accept(&rig, 2, 2);
	CHECK(rig.commit == 2);
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.clean_commit == 2);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.clean_commit == 0);
	rig_free(&rig);
}

static void
test_clean_commit_without_it(void)
{
	struct rig rig;
	uint64_t round;

	/* Five voters; n2 recovers with a valid mark, so its acknowledgements commit, but not
	 * cleanly. */
	rig_new(&rig, 5);
	rig_elect(&rig);
	reply_recovering(&rig, 2, 50, true, 0, 1);
	rig_time(&rig, RIG_HEARTBEAT);
	round = rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.round;
	reply_recovering(&rig, 2, 50, true, 1, round);
	rig_propose_one(&rig, 1, RAFT_NOOP, NULL, NULL, 0);
	rig_accept(&rig, 3, 2);
	reply_recovering(&rig, 2, 50, true, 2, round);
	CHECK(rig.commit == 2);
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.clean_commit == 0);
	rig_accept(&rig, 4, 2);
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.clean_commit == 2);
	rig_free(&rig);
}

static void
test_reads_not_confirmed_by_it(void)
{
	struct rig rig;

	rig_new(&rig, 3);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	reply_recovering(&rig, 3, 50, false, 1, 1);
	rig_read(&rig, 1);
	reply_recovering(
	    &rig, 3, 50, false, 1, rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.round);
	CHECK(rig.reads_count == 0);
	rig_accept(&rig, 2, 1);
	CHECK(rig.reads_count == 1 && rig.reads[0].ok);
	rig_free(&rig);
}

/* --------------------------------------------------------- all together */

static void
heal(bool mark_valid)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	int chief;
	int hurt;

	net_new(&net, 3, 0);
	chief = net_elect(&net);
	hurt = (chief + 1) % 3;
	rig_propose_serials(&net.rigs[chief], 1, &sid, 1, 40, (struct raft_proposal){0});
	net_run(&net, 300);
	CHECK(net.rigs[hurt].disk.count == 41);
	net_crash(&net, hurt);
	rig_disk_cut(&net.rigs[hurt], 7);
	net.rigs[hurt].disk.recovering = true;
	net.rigs[hurt].mark_valid = mark_valid;
	net.rigs[hurt].mark_term = mark_valid ? net.rigs[hurt].disk.term : 0;
	if (!mark_valid)
		net.rigs[hurt].disk.term = 0;
	net_restart(&net, hurt);
	net_run(&net, 10 * RIG_HEARTBEAT);
	CHECK(!net.rigs[hurt].disk.recovering && !rig_status(&net.rigs[hurt]).recovering);
	CHECK(net_equal(&net) && net_leader(&net) == chief);
	net_free(&net);
}

static void
test_heals_with_mark(void)
{
	heal(true);
}

static void
test_heals_without_mark(void)
{
	heal(false);
}

static void
test_acknowledged_survives(void)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	int chief;
	int hurt;
	int third;

	/* D19: committed on two of three; one of the two loses it; the other dies. */
	net_new(&net, 3, 0);
	chief = net_elect(&net);
	hurt = (chief + 1) % 3;
	third = (chief + 2) % 3;
	net_isolate(&net, third, true);
	rig_propose_serials(&net.rigs[chief], 1, &sid, 1, 5, (struct raft_proposal){0});
	net_run(&net, 200);
	CHECK(net.rigs[chief].answers_count == 1);
	net_crash(&net, hurt);
	rig_disk_cut(&net.rigs[hurt], 1);
	net.rigs[hurt].disk.recovering = true;
	net.rigs[hurt].mark_term = net.rigs[hurt].disk.term;
	net_crash(&net, chief);
	net_isolate(&net, third, false);
	net_restart(&net, hurt);
	net_run(&net, 20 * RIG_E);
	/* The third one, which lacks them, is not elected by the hurt one. */
	CHECK(net_leader(&net) < 0);
	net_restart(&net, chief);
	net_run(&net, 10 * RIG_E);
	CHECK(net_leader(&net) == chief);
	CHECK(net_equal(&net) && net.rigs[third].disk.count >= 6);
	CHECK(!rig_status(&net.rigs[hurt]).recovering);
	net_free(&net);
}

int
main(void)
{
	check_run("H13: a recovering node neither votes, pre-votes nor stands",
	    test_neither_votes_nor_stands);
	check_run("H13: it recovers in the write that stores all up to the leader's last at first "
		  "contact",
	    test_clears_with_the_log);
	check_run("H13: it is over when that write is durable", test_durable_before_over);
	check_run("H13: or in an empty write when all is there", test_empty_write);
	check_run("a leader of a term below the mark's heals nobody", test_mark_term);
	check_run("another leader or term is a new contact", test_new_leader_new_contact);
	check_run("without a valid mark it needs a clean commit of that leader", test_without_mark);
	check_run("a recovering node acknowledges what is durable, and its start number",
	    test_acknowledges_what_it_has);
	check_run("a sole voter does not recover by itself", test_sole_voter);
	check_run("a leader makes a clean commit come, once a contact", test_clean_commit);
	check_run(
	    "a clean commit is counted without the node it is for", test_clean_commit_without_it);
	check_run(
	    "who recovers without a valid mark confirms no read", test_reads_not_confirmed_by_it);
	check_run("a damaged follower heals, with a valid mark", test_heals_with_mark);
	check_run("a damaged follower heals, without one", test_heals_without_mark);
	check_run("D19: what was acknowledged survives the loss of one log and one leader",
	    test_acknowledged_survives);
	return check_done();
}
