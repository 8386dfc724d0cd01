/* SPDX-License-Identifier: ISC */
/*
 * ReadIndex: on the leader, and asked of it.
 */
#include "raft_cluster.h"

static void
leader(struct rig *rig, bool noop_committed)
{
	rig_new(rig, 3);
	for (int i = 0; i < 8; i++)
		rig_disk_put(rig, 1, RAFT_NOOP);
	rig_start(rig);
	rig_elect(rig);
	if (noop_committed)
		rig_accept(rig, 2, 9);
	rig_clear(rig);
}

static uint64_t
round_now(const struct rig *rig)
{
	const struct raft_message *append = rig_find_last(rig, RAFT_MSG_APPEND, 0);

	CHECK(append != NULL);
	return append == NULL ? 0 : append->append.round;
}

static void
test_waits_for_own_term(void)
{
	struct rig rig;

	leader(&rig, false);
	rig_read(&rig, 1);
	rig_append_reply(&rig, 2, 2, true, 0, (struct raft_pos){0, 0}, 1);
	rig_append_reply(&rig, 2, 2, true, 0, (struct raft_pos){0, 0}, round_now(&rig));
	CHECK(rig.reads_count == 0);
	rig_accept(&rig, 2, 9);
	CHECK(rig.reads_count == 1 && rig.reads[0].ok && rig.reads[0].ticket == 1 &&
	      rig.reads[0].index >= 9);
	rig_free(&rig);
}

static void
test_needs_later_round(void)
{
	struct rig rig;
	uint64_t before;

	leader(&rig, true);
	rig_time(&rig, RIG_HEARTBEAT);
	before = round_now(&rig);
	rig_read(&rig, 1);
	/* The answer to the round before it is no proof; it makes room for the next. */
	CHECK(round_now(&rig) == before);
	rig_append_reply(&rig, 2, 2, true, 9, (struct raft_pos){9, 2}, before);
	rig_append_reply(&rig, 3, 2, true, 9, (struct raft_pos){9, 2}, before);
	CHECK(rig.reads_count == 0);
	CHECK(round_now(&rig) == before + 1);
	rig_append_reply(&rig, 3, 2, true, 9, (struct raft_pos){9, 2}, round_now(&rig));
	CHECK(rig.reads_count == 1 && rig.reads[0].ok && rig.reads[0].index == 9);
	rig_free(&rig);
}

static void
test_reads_share_rounds(void)
{
	struct rig rig;
	uint64_t before;

	leader(&rig, true);
	rig_read(&rig, 0);
	before = rig_count(&rig, RAFT_MSG_APPEND);
	for (uint64_t i = 1; i < 100; i++)
		rig_read(&rig, i);
	CHECK(rig_count(&rig, RAFT_MSG_APPEND) == before);
	rig_accept(&rig, 2, 9);
	CHECK(rig.reads_count == 1);
	rig_accept(&rig, 2, 9);
	CHECK(rig.reads_count == 100);
	rig_free(&rig);
}

static void
test_paused_leader(void)
{
	struct rig rig;
	uint64_t round;

	leader(&rig, true);
	rig_read(&rig, 7);
	round = round_now(&rig);
	/*
	 * Deposed; the read is over. Elected again, the same ticket, and old acknowledgements come.
	 */
	rig_append(&rig, 3, 3, (struct raft_pos){9, 2}, 3, 1, 10);
	CHECK(rig.reads_count == 1 && !rig.reads[0].ok &&
	      rig.reads[0].reason == RAFT_REASON_STEPPED_DOWN);
	rig_clear(&rig);
	rig_elect(&rig);
	rig_read(&rig, 7);
	rig_append_reply(&rig, 2, 2, true, 9, (struct raft_pos){9, 2}, round);
	rig_append_reply(&rig, 3, 2, true, 9, (struct raft_pos){9, 2}, round);
	CHECK(rig.reads_count == 0);
	rig_accept(&rig, 2, 11); /* the round of its election */
	CHECK(rig.reads_count == 0);
	rig_accept(&rig, 2, 11);
	CHECK(rig.reads_count == 1 && rig.reads[0].ok && rig.reads[0].index >= 11);
	rig_free(&rig);
}

static void
test_single(void)
{
	struct rig rig;

	rig_new(&rig, 1);
	rig.hold_writes = true;
	rig_time(&rig, 0);
	rig_store(&rig, 1);
	rig_read(&rig, 1);
	CHECK(rig.reads_count == 0); /* its no-op is not durable */
	rig_store_all(&rig);
	CHECK(rig.reads_count == 1 && rig.reads[0].ok && rig.reads[0].index == 1);
	rig_read(&rig, 2);
	CHECK(rig.reads_count == 2 && rig.reads[1].ok);
	rig_free(&rig);
}

static void
test_forwarded(void)
{
	struct net net;
	int chief;
	int other;

	net_new(&net, 3, 0);
	chief = net_elect(&net);
	other = (chief + 1) % 3;
	rig_read(&net.rigs[other], 5);
	net_settle(&net);
	CHECK(net.rigs[other].reads_count == 1 && net.rigs[other].reads[0].ok &&
	      net.rigs[other].reads[0].index == 1);
	/* F11: the leader is lost: an answer within an election timeout, and the next is not stuck
	 * behind it. */
	net_isolate(&net, chief, true);
	rig_read(&net.rigs[other], 6);
	net_run(&net, RIG_E + 20);
	CHECK(net.rigs[other].reads_count == 2 && !net.rigs[other].reads[1].ok);
	net_run(&net, 3 * RIG_E);
	CHECK(net_leader(&net) != chief);
	rig_read(&net.rigs[other], 7);
	net_settle(&net);
	CHECK(net.rigs[other].reads_count == 3 && net.rigs[other].reads[2].ok);
	net_free(&net);
}

static void
test_cut_off_leader(void)
{
	struct net net;
	int chief;

	net_new(&net, 3, 0);
	chief = net_elect(&net);
	net_isolate(&net, chief, true);
	rig_read(&net.rigs[chief], 1);
	net_run(&net, 5 * RIG_E);
	/* F12: it never answers from its own, old state. */
	CHECK(net.rigs[chief].reads_count == 1 && !net.rigs[chief].reads[0].ok);
	rig_read(&net.rigs[chief], 2);
	CHECK(net.rigs[chief].reads_count == 2 && !net.rigs[chief].reads[1].ok);
	CHECK(net.rigs[chief].reads[1].reason == RAFT_REASON_NO_LEADER);
	net_free(&net);
}

static void
test_wrong_replies(void)
{
	struct rig rig;
	struct raft_message message;
	struct raft_read read;

	rig_new(&rig, 3);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	rig_clear(&rig);
	rig_read(&rig, 1);
	read = rig_find(&rig, RAFT_MSG_READ, 2)->read;
	message = rig_make(RAFT_MSG_READ_REPLY, 2, 1, 1);
	message.read_reply.ok = true;
	message.read_reply.index = 1;
	message.read_reply.start_number = read.start_number + 1;
	message.read_reply.request = read.request;
	rig_message(&rig, &message);
	message.read_reply.start_number = read.start_number;
	message.read_reply.request = read.request + 1;
	rig_message(&rig, &message);
	message.read_reply.request = read.request;
	message.from = rig_id(3);
	rig_message(&rig, &message);
	CHECK(rig.reads_count == 0);
	message.from = rig_id(2);
	rig_message(&rig, &message);
	rig_message(&rig, &message);
	CHECK(rig.reads_count == 1 && rig.reads[0].ok && rig.reads[0].index == 1);
	rig_free(&rig);
}

static void
test_refused_elsewhere(void)
{
	struct rig rig;
	struct raft_message message = rig_make(RAFT_MSG_READ, 3, 1, 1);

	rig_new(&rig, 3);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	rig_clear(&rig);
	message.read.start_number = 5;
	message.read.request = 6;
	rig_message(&rig, &message);
	CHECK(rig_find(&rig, RAFT_MSG_READ_REPLY, 3) != NULL &&
	      !rig_find(&rig, RAFT_MSG_READ_REPLY, 3)->read_reply.ok);
	CHECK(rig_find(&rig, RAFT_MSG_READ_REPLY, 3)->read_reply.request == 6);
	rig_free(&rig);
}

int
main(void)
{
	check_run("F7: a read waits for a commit of the own term", test_waits_for_own_term);
	check_run("F8: only a round that began after the read confirms it", test_needs_later_round);
	check_run("reads that come together share a round", test_reads_share_rounds);
	check_run("F8: a read inherits nothing from an earlier leadership", test_paused_leader);
	check_run("a single voter's read waits for its own disk only", test_single);
	check_run("F11: a read on a follower is answered, or refused within an election timeout",
	    test_forwarded);
	check_run("F12: a leader that is cut off answers no read", test_cut_off_leader);
	check_run("replies to another's read are dropped", test_wrong_replies);
	check_run("a node that does not lead refuses another's read", test_refused_elsewhere);
	return check_done();
}
