/* SPDX-License-Identifier: ISC */
/*
 * Proposals that go from a follower to the leader: asked, taken and answered once.
 */
#include "raft_cluster.h"

static const struct raft_proposal plain;

/* The leader of three; its no-op is committed at index 1, in term 1. */
static void
leader(struct rig *rig)
{
	rig_new(rig, 3);
	rig_elect(rig);
	rig_accept(rig, 2, 1);
	CHECK(rig->commit == 1);
	rig_clear(rig);
}

/* A follower of n2, in term 1. */
static void
follower(struct rig *rig)
{
	rig_new(rig, 3);
	rig_append(rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	rig_clear(rig);
}

static void
commit_all(struct rig *rig)
{
	rig_accept(rig, 2, rig_status(rig).last.index);
	CHECK(rig->commit == rig_status(rig).last.index);
}

static const struct raft_answer *
answer_at(const struct rig *rig, size_t i)
{
	static const struct raft_answer none;

	CHECK(i < rig->answers_count);
	return i < rig->answers_count ? &rig->answers[i].answer : &none;
}

static bool
refused(const struct rig *rig, enum raft_reason reason)
{
	return rig->answers_count == 1 && rig->answers[0].answer.verdict == RAFT_REFUSED &&
	       rig->answers[0].answer.reason == reason;
}

static bool
committed(const struct raft_answer *answer, uint64_t serial, uint64_t count, uint64_t index)
{
	return answer->verdict == RAFT_COMMITTED && answer->serial == serial &&
	       answer->count == count && answer->pos.index == index;
}

static void
answer_message(struct rig *rig, uint64_t start, uint64_t request, enum raft_verdict verdict,
    uint64_t serial, uint64_t count, uint64_t index)
{
	struct raft_message message = rig_make(RAFT_MSG_ANSWER, 2, 1, 1);

	message.answer.start_number = start;
	message.answer.request = request;
	message.answer.verdict = verdict;
	message.answer.serial = serial;
	message.answer.count = count;
	message.answer.pos = (struct raft_pos){index, 1};
	rig_message(rig, &message);
}

static void
test_forwarded(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_propose propose;

	follower(&rig);
	rig_propose_serials(&rig, 5, &sid, 1, 10, (struct raft_proposal){.seen = 1, .fence = 1});
	CHECK(rig_find(&rig, RAFT_MSG_PROPOSE, 2) != NULL &&
	      rig_find(&rig, RAFT_MSG_PROPOSE, 2)->term == 1);
	propose = rig_find(&rig, RAFT_MSG_PROPOSE, 2)->propose;
	CHECK(propose.entries_count == 10 && propose.seen == 1 && propose.fence == 1 &&
	      propose.start_number != 0);
	/* Answers come in parts, in any order, and again; each serial is answered once. */
	answer_message(&rig, propose.start_number, propose.request, RAFT_COMMITTED, 4, 3, 20);
	answer_message(&rig, propose.start_number, propose.request, RAFT_COMMITTED, 4, 3, 20);
	answer_message(&rig, propose.start_number, propose.request, RAFT_COMMITTED, 3, 3, 19);
	CHECK(rig.answers_count == 1 && rig.answers[0].ticket == 5 &&
	      committed(answer_at(&rig, 0), 4, 3, 20));
	answer_message(&rig, propose.start_number, propose.request, RAFT_COMMITTED, 1, 3, 10);
	answer_message(&rig, propose.start_number + 1, propose.request, RAFT_COMMITTED, 7, 4, 30);
	answer_message(&rig, propose.start_number, propose.request + 1, RAFT_COMMITTED, 7, 4, 30);
	CHECK(rig.answers_count == 2);
	rig_time(&rig, RIG_E);
	CHECK(rig.answers_count == 3 && answer_at(&rig, 2)->verdict == RAFT_UNKNOWN);
	CHECK(answer_at(&rig, 2)->serial == 7 && answer_at(&rig, 2)->count == 4);
	CHECK(answer_at(&rig, 2)->reason == RAFT_REASON_NO_ANSWER);
	answer_message(&rig, propose.start_number, propose.request, RAFT_COMMITTED, 7, 4, 30);
	CHECK(rig.answers_count == 3);
	rig_free(&rig);
}

/* Time passes while the leader is heard. */
static void
later(struct rig *rig, uint64_t ms)
{
	rig_time(rig, ms);
	rig_append(rig, 2, 1, (struct raft_pos){1, 1}, 0, 0, 1);
}

/* Three of them, and the leader's answers come slowly: each is waited for while those before it are
 * committed. */
static void
test_slow_way(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_propose first;

	follower(&rig);
	rig_propose_serials(&rig, 5, &sid, 1, 2, plain);
	first = rig_find(&rig, RAFT_MSG_PROPOSE, 2)->propose;
	rig_propose_serials(&rig, 6, &sid, 3, 2, plain);
	rig_propose_serials(&rig, 7, &sid, 5, 2, plain);
	later(&rig, RIG_E - 1);
	answer_message(&rig, first.start_number, first.request, RAFT_COMMITTED, 1, 2, 10);
	CHECK(rig.answers_count == 1);
	later(&rig, RIG_E - 1);
	CHECK(rig.answers_count == 1);
	answer_message(&rig, first.start_number, first.request + 2, RAFT_COMMITTED, 5, 2, 14);
	/* The second was overtaken: its time has long been over. */
	CHECK(rig.answers_count == 3 && answer_at(&rig, 2)->verdict == RAFT_UNKNOWN);
	CHECK(
	    answer_at(&rig, 2)->serial == 3 && answer_at(&rig, 2)->reason == RAFT_REASON_NO_ANSWER);
	/* Nothing more is committed: that ends, too. */
	rig_propose_serials(&rig, 8, &sid, 7, 2, plain);
	later(&rig, RIG_E - 1);
	CHECK(rig.answers_count == 3);
	later(&rig, 1);
	CHECK(rig.answers_count == 4 && answer_at(&rig, 3)->serial == 7);
	rig_free(&rig);
}

static void
test_forward_ends(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	follower(&rig);
	rig_propose_serials(&rig, 5, &sid, 1, 1, plain);
	rig_append(&rig, 3, 2, (struct raft_pos){1, 1}, 2, 0, 0);
	CHECK(rig.answers_count == 1 && answer_at(&rig, 0)->verdict == RAFT_UNKNOWN);
	CHECK(answer_at(&rig, 0)->reason == RAFT_REASON_LEADER_CHANGED);
	rig_clear(&rig);
	rig_propose_serials(&rig, 6, &sid, 1, 1, plain);
	rig_unreachable(&rig, 2);
	CHECK(rig.answers_count == 0);
	rig_unreachable(&rig, 3);
	CHECK(rig.answers_count == 1 && answer_at(&rig, 0)->reason == RAFT_REASON_NO_ANSWER);
	rig_clear(&rig);
	rig_propose_serials(&rig, 7, &sid, 1, 1, plain);
	/* The leader is lost without a word. */
	for (int i = 0; i < 30; i++)
		rig_time(&rig, 100);
	CHECK(rig.answers_count == 1 && answer_at(&rig, 0)->verdict == RAFT_UNKNOWN);
	rig_clear(&rig);
	rig_propose_serials(&rig, 8, &sid, 1, 1, plain);
	CHECK(refused(&rig, RAFT_REASON_NO_LEADER)); /* C31 */
	rig_free(&rig);
}

static void
test_forward_bounded(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	follower(&rig);
	rig.settings.uncommitted_size_max = 0;
	for (uint64_t i = 0; i < 30000; i++) {
		rig_propose_serials(&rig, i, &sid, i + 1, 1, plain);
		rig_sent_clear(&rig);
	}
	CHECK(rig.answers_count > 0 && answer_at(&rig, 0)->reason == RAFT_REASON_BUSY);
	CHECK(raft_congested(rig.raft));
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig.answers_count == 30000 && !raft_congested(rig.raft));
	rig_free(&rig);
}

static struct raft_message
propose_message(
    struct rig *rig, uint64_t term, uint64_t request, struct raft_entry *entry, uint64_t fence)
{
	struct raft_message message = rig_make(RAFT_MSG_PROPOSE, 3, 1, term);

	message.propose.start_number = 33;
	message.propose.request = request;
	message.propose.fence = fence;
	message.propose.entries = entry;
	message.propose.entries_count = 1;
	rig_message(rig, &message);
	return message;
}

static void
test_forward_received(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_entry entry = rig_entry(0, RAFT_CLIENT, &sid, 1, "a", 1);
	struct raft_answer answer;

	leader(&rig);
	propose_message(&rig, 1, 1, &entry, 0);
	CHECK(rig_find(&rig, RAFT_MSG_ANSWER, 3) == NULL && rig_status(&rig).last.index == 2);
	commit_all(&rig);
	answer = rig_find(&rig, RAFT_MSG_ANSWER, 3)->answer;
	CHECK(committed(&answer, 1, 1, 2) && answer.start_number == 33 && answer.request == 1);
	rig_clear(&rig);
	/* Another term's leader is meant. */
	propose_message(&rig, 2, 2, &entry, 0);
	answer = rig_find(&rig, RAFT_MSG_ANSWER, 3)->answer;
	CHECK(answer.verdict == RAFT_REFUSED && answer.reason == RAFT_REASON_NOT_LEADER);
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig_status(&rig).term == 1);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

/* The client that it answers may ask the follower's own state machine next. */
static void
test_answer_with_commit(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_entry entry = rig_entry(0, RAFT_CLIENT, &sid, 1, "a", 1);

	rig_init(&rig, 1, 3);
	rig.settings.commit_wait_ms = RIG_COMMIT_WAIT;
	rig_start(&rig);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	rig_accept(&rig, 3, 1);
	rig_time(&rig, RIG_COMMIT_WAIT);
	propose_message(&rig, 1, 1, &entry, 0);
	rig_accept(&rig, 2, 1);
	rig_clear(&rig);
	rig_accept(&rig, 3, 2);
	CHECK(rig.commit == 2 && rig.sent_count == 2);
	CHECK(rig.sent[0].m.type == RAFT_MSG_ANSWER);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 3)->append.commit == 2);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

static void
test_refused_is_final(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_sid other = rig_sid(2, false);
	struct raft_entry first = rig_entry(0, RAFT_CLIENT, &sid, 1, "a", 1);
	struct raft_entry second = rig_entry(0, RAFT_CLIENT, &sid, 2, "b", 1);
	struct raft_entry third = rig_entry(0, RAFT_CLIENT, &other, 1, "b", 1);

	leader(&rig);
	propose_message(&rig, 1, 1, &second, 0); /* refused: its session isn't open */
	CHECK(rig_find(&rig, RAFT_MSG_ANSWER, 3)->answer.verdict == RAFT_REFUSED);
	propose_message(&rig, 1, 2, &first, 0);
	rig_sent_clear(&rig);
	/* ⚠ The refused one comes again, and would now fit: it stays refused. */
	propose_message(&rig, 1, 1, &second, 0);
	CHECK(rig_status(&rig).last.index == 2);
	/* Nor is it the newest one that comes twice. */
	propose_message(&rig, 1, 3, &third, 5); /* refused: fenced */
	CHECK(rig_find(&rig, RAFT_MSG_ANSWER, 3)->answer.verdict == RAFT_REFUSED);
	propose_message(&rig, 1, 3, &third, 0);
	CHECK(rig_status(&rig).last.index == 2);
	/* The same of one that lost its leader meanwhile. */
	rig_append(&rig, 2, 2, (struct raft_pos){1, 1}, 2, 0, 0);
	propose_message(&rig, 3, 4, &third, 0);
	CHECK(rig_find_last(&rig, RAFT_MSG_ANSWER, 3)->answer.reason == RAFT_REASON_NOT_LEADER);
	raft_chunk_unref(first.chunk);
	raft_chunk_unref(second.chunk);
	raft_chunk_unref(third.chunk);
	rig_free(&rig);
}

static void
test_forwarded_stepped_down(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_entry entry = rig_entry(0, RAFT_CLIENT, &sid, 1, "a", 1);
	const struct raft_message *message;

	leader(&rig);
	propose_message(&rig, 1, 1, &entry, 0);
	rig_append(&rig, 2, 2, (struct raft_pos){1, 1}, 2, 1, 0);
	message = rig_find(&rig, RAFT_MSG_ANSWER, 3);
	CHECK(message != NULL && message->answer.verdict == RAFT_UNKNOWN && message->term == 1);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

static void
test_end_to_end(void)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	int chief;
	int other;

	net_new(&net, 3, 0);
	chief = net_elect(&net);
	other = (chief + 1) % 3;
	for (uint64_t i = 0; i < 50; i++) {
		rig_propose_serials(
		    &net.rigs[other], i, &sid, 1 + i * 4, 4, (struct raft_proposal){.seen = 1});
		if (i % 3 == 0)
			net_settle(&net);
	}
	net_settle(&net);
	CHECK(net.rigs[other].answers_count == 50);
	for (uint64_t i = 0; i < 50; i++)
		CHECK(net.rigs[other].answers[i].ticket == i &&
		      answer_at(&net.rigs[other], i)->verdict == RAFT_COMMITTED);
	net_free(&net);
}

int
main(void)
{
	check_run("a forwarded proposal's serials are each answered once", test_forwarded);
	check_run("a forwarded proposal is in doubt when leader, term or link changes, or in time",
	    test_forward_ends);
	check_run(
	    "on a slow way a forwarded proposal is waited for while those before it are committed",
	    test_slow_way);
	check_run("what is forwarded is bounded", test_forward_bounded);
	check_run(
	    "a leader takes forwarded proposals that name it and its term", test_forward_received);
	check_run("with the answer to a forwarded proposal goes the commit index, without a wait",
	    test_answer_with_commit);
	check_run("a refused proposal that comes again is not admitted", test_refused_is_final);
	check_run("a leader that steps down tells forwarders, in its old term",
	    test_forwarded_stepped_down);
	check_run("proposals on a follower are committed and answered in order", test_end_to_end);
	return check_done();
}
