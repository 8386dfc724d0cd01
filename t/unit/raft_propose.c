/* SPDX-License-Identifier: ISC */
/*
 * Proposals: admission, sessions, the three answers.  Forwarding is raft_forward.c.
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
open_data(struct raft_session_open *open, int run, uint64_t replaces, const char *name)
{
	memset(open, 0, sizeof *open);
	open->run[0] = (uint8_t)run;
	open->replaces = replaces;
	strcpy(open->name, name);
}

static void
session_open(struct rig *rig, uint64_t ticket, int number, int run, uint64_t replaces)
{
	struct raft_session_open open;
	struct raft_sid sid = rig_sid(number, true);
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX];

	open_data(&open, run, replaces, "x");
	rig_propose_one(
	    rig, ticket, RAFT_SESSION_OPEN, &sid, bytes, raft_session_open_encode(&open, bytes));
}

/* ---------------------------------------------------------- admission */

static void
test_once(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	leader(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 3, plain);
	CHECK(rig.answers_count == 0 && rig_status(&rig).last.index == 4);
	CHECK(bytes_get_u64(raft_entry_at(rig.raft, 2)->bytes) == 1); /* the leader's term */
	commit_all(&rig);
	CHECK(rig.answers_count == 1 && rig.answers[0].ticket == 1 &&
	      committed(answer_at(&rig, 0), 1, 3, 2));
	CHECK(answer_at(&rig, 0)->pos.term == 1);
	/* Again: the same answer, and nothing in the log. */
	rig_clear(&rig);
	rig_propose_serials(&rig, 2, &sid, 1, 3, plain);
	CHECK(rig.answers_count == 1 && committed(answer_at(&rig, 0), 1, 3, 2));
	CHECK(rig_status(&rig).last.index == 4);
	/* The last one alone, too. */
	rig_clear(&rig);
	rig_propose_serials(&rig, 3, &sid, 3, 1, plain);
	CHECK(rig.answers_count == 1 && committed(answer_at(&rig, 0), 3, 1, 4));
	CHECK(rig_status(&rig).last.index == 4);
	rig_free(&rig);
}

static void
test_duplicate_waits(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	leader(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 2, plain);
	rig_propose_serials(&rig, 2, &sid, 1, 2, plain);
	CHECK(rig.answers_count == 0);
	commit_all(&rig);
	CHECK(rig.answers_count == 2 && rig.answers[0].ticket == 1 && rig.answers[1].ticket == 2);
	CHECK(committed(answer_at(&rig, 1), 1, 2, 2));
	rig_free(&rig);
}

static void
test_partly_duplicate(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_sid other = rig_sid(2, false);

	leader(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 2, plain);   /* 2, 3 */
	rig_propose_serials(&rig, 2, &other, 1, 1, plain); /* 4 */
	rig_propose_serials(&rig, 3, &sid, 3, 1, plain);   /* 5 */
	commit_all(&rig);
	rig_clear(&rig);
	rig_propose_serials(&rig, 4, &sid, 1, 5, plain); /* new: 4, 5 at 6, 7 */
	CHECK(rig.answers_count == 2);
	CHECK(committed(answer_at(&rig, 0), 3, 1, 5) && committed(answer_at(&rig, 1), 1, 2, 2));
	CHECK(rig_status(&rig).last.index == 7);
	commit_all(&rig);
	CHECK(rig.answers_count == 3 && committed(answer_at(&rig, 2), 4, 2, 6));
	/* Each serial was answered once. */
	{
		unsigned seen = 0;

		for (size_t i = 0; i < 3; i++)
			for (uint64_t j = 0; j < answer_at(&rig, i)->count; j++) {
				unsigned bit = 1u << (answer_at(&rig, i)->serial + j);

				CHECK((seen & bit) == 0);
				seen |= bit;
			}
		CHECK(seen == 0x3e);
	}
	rig_free(&rig);
}

static void
test_duplicate_out_of_memory(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	rig_init(&rig, 1, 3);
	rig.settings.tail_size_max = 0;
	rig_start(&rig);
	rig_elect(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 5, plain);
	commit_all(&rig);
	rig_time(&rig, 1);
	CHECK(raft_entry_at(rig.raft, 3) == NULL);
	rig_clear(&rig);
	rig_propose_serials(&rig, 2, &sid, 2, 3, plain);
	CHECK(rig.answers_count == 1 && committed(answer_at(&rig, 0), 2, 3, 0));
	rig_free(&rig);
}

static void
test_gap_and_unknown(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	leader(&rig);
	rig_propose_serials(&rig, 1, &sid, 2, 1, plain);
	CHECK(refused(&rig, RAFT_REASON_EXPIRED)); /* F5: never re-created */
	rig_propose_serials(&rig, 1, &sid, 1, 1, plain);
	rig_clear(&rig);
	rig_propose_serials(&rig, 1, &sid, 3, 1, plain);
	CHECK(refused(&rig, RAFT_REASON_GAP));
	rig_clear(&rig);
	sid = rig_sid(1, true);
	rig_propose_serials(&rig, 1, &sid, 1, 1, plain);
	CHECK(refused(&rig, RAFT_REASON_EXPIRED));
	CHECK(rig_status(&rig).last.index == 2);
	rig_free(&rig);
}

static void
test_opening_window(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_sid late = rig_sid(2, false);
	uint64_t last;

	rig_init(&rig, 1, 3);
	rig.settings.uncommitted_size_max = 1 << 30;
	rig_start(&rig);
	rig_elect(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 1, (struct raft_proposal){.seen = 2});
	CHECK(refused(&rig, RAFT_REASON_AHEAD) && answer_at(&rig, 0)->epoch == 1);
	rig_clear(&rig);
	for (uint64_t i = 0; i < 66; i++)
		rig_propose_serials(
		    &rig, 1, &sid, 1 + i * 1000, 1000, (struct raft_proposal){.seen = 1});
	last = rig_status(&rig).last.index;
	CHECK(last == 66001);
	rig_clear(&rig);
	/* ⚠ An opening that old may be a late duplicate of one that was forgotten since. */
	rig_propose_serials(&rig, 2, &late, 1, 1, (struct raft_proposal){.seen = last - 65537});
	CHECK(refused(&rig, RAFT_REASON_TOO_OLD) && answer_at(&rig, 0)->epoch == last);
	rig_clear(&rig);
	rig_propose_serials(&rig, 2, &late, 1, 1, (struct raft_proposal){.seen = last - 65536});
	CHECK(rig.answers_count == 0 && rig_status(&rig).last.index == last + 1);
	rig_free(&rig);
}

static void
test_evicted_opening(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(0, false);

	/* ⚠ An evicted session's opening comes again: whatever it says it saw, it is refused. */
	rig_init(&rig, 1, 1);
	rig.settings.uncommitted_size_max = 1 << 30;
	rig_start(&rig);
	rig_time(&rig, 0);
	rig_propose_serials(&rig, 1, &sid, 1, 1, (struct raft_proposal){.seen = 1});
	for (int i = 1; i <= RAFT_SESSIONS_ANONYMOUS_MAX; i++) {
		struct raft_sid other = rig_sid(i, false);

		rig_propose_serials(&rig, 1, &other, 1, 1,
		    (struct raft_proposal){.seen = rig_status(&rig).last.index});
		rig_clear(&rig);
	}
	CHECK(raft_sessions_find(raft_sessions_committed(rig.raft), &sid) == NULL);
	rig_propose_serials(&rig, 2, &sid, 1, 1, (struct raft_proposal){.seen = 1});
	CHECK(refused(&rig, RAFT_REASON_TOO_OLD));
	rig_free(&rig);
}

static void
test_malformed(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_sid named = rig_sid(1, true);
	struct raft_sid none;
	struct raft_entry entries[2];
	struct raft_proposal proposal = {.ticket = 1, .entries = entries, .entries_count = 2};
	uint8_t *big = calloc(1, 70000);

	memset(&none, 0, sizeof none);
	leader(&rig);
	entries[0] = rig_entry(0, RAFT_CLIENT, &sid, 1, "a", 1);
	entries[1] = rig_entry(0, RAFT_CLIENT, &sid, 3, "a", 1);
	rig_propose(&rig, &proposal);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED) && answer_at(&rig, 0)->count == 2);
	rig_clear(&rig);
	entries[1].serial = 2;
	entries[1].session = named;
	rig_propose(&rig, &proposal);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	entries[1].session = sid;
	entries[1].kind = RAFT_NOOP;
	rig_propose(&rig, &proposal);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	entries[0].kind = RAFT_NOOP;
	rig_propose(&rig, &proposal);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	raft_chunk_unref(entries[0].chunk);
	raft_chunk_unref(entries[1].chunk);
	rig_propose_one(&rig, 1, RAFT_CONFIG, NULL, "x", 1);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	rig_propose_one(&rig, 1, RAFT_SESSION_OPEN, &named, "x", 1);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	rig_propose_one(&rig, 1, RAFT_SESSION_DROP, &sid, "x", 1);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	rig_propose_serials(&rig, 1, &none, 1, 1, plain);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	rig_propose_serials(&rig, 1, &sid, UINT64_MAX - 1, 3, plain);
	CHECK(refused(&rig, RAFT_REASON_MALFORMED));
	rig_clear(&rig);
	entries[0] = rig_entry(0, RAFT_CLIENT, &sid, 1, big, 65536);
	entries[1] = rig_entry(0, RAFT_CLIENT, &sid, 2, big, 65537);
	rig_propose(&rig, &proposal);
	CHECK(refused(&rig, RAFT_REASON_TOO_LARGE) && answer_at(&rig, 0)->count == 2);
	CHECK(rig_status(&rig).last.index == 1);
	rig_clear(&rig);
	proposal.entries_count = 1;
	rig_propose(&rig, &proposal);
	CHECK(rig.answers_count == 0 && rig_status(&rig).last.index == 2);
	raft_chunk_unref(entries[0].chunk);
	raft_chunk_unref(entries[1].chunk);
	free(big);
	rig_free(&rig);
}

static void
test_fence_after_session(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	leader(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 2, (struct raft_proposal){.fence = 2});
	CHECK(refused(&rig, RAFT_REASON_FENCED) && rig_status(&rig).last.index == 1);
	rig_clear(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 2, (struct raft_proposal){.fence = 1});
	commit_all(&rig);
	rig_clear(&rig);
	/* ⚠ What is in the log already is committed, whatever the fence says now. */
	rig_propose_serials(&rig, 1, &sid, 1, 3, (struct raft_proposal){.fence = 2});
	CHECK(rig.answers_count == 2 && committed(answer_at(&rig, 0), 1, 2, 2));
	CHECK(answer_at(&rig, 1)->reason == RAFT_REASON_FENCED && answer_at(&rig, 1)->serial == 3);
	rig_free(&rig);
}

static void
test_fence_of_an_earlier_term(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	rig_init(&rig, 1, 3);
	rig.disk.term = 4;
	rig_start(&rig);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	rig_clear(&rig);
	CHECK(rig_status(&rig).term == 5);
	/* ⚠ Its holder led once, and another has led since. */
	rig_propose_serials(&rig, 1, &sid, 1, 2, (struct raft_proposal){.fence = 4});
	CHECK(refused(&rig, RAFT_REASON_FENCED) && rig_status(&rig).last.index == 1);
	rig_free(&rig);
}

static void
test_barrier(void)
{
	struct rig rig;

	leader(&rig);
	rig_propose_one(&rig, 9, RAFT_NOOP, NULL, NULL, 0);
	commit_all(&rig);
	CHECK(rig.answers_count == 1 && rig.answers[0].ticket == 9 &&
	      committed(answer_at(&rig, 0), 0, 1, 2));
	rig_free(&rig);
}

/* ----------------------------------------------------- named sessions */

static void
test_named(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, true);

	leader(&rig);
	session_open(&rig, 1, 1, 7, 0);
	CHECK(rig.answers_count == 0);
	commit_all(&rig);
	CHECK(committed(answer_at(&rig, 0), 0, 1, 2) && answer_at(&rig, 0)->epoch == 2 &&
	      answer_at(&rig, 0)->last_serial == 0);
	rig_clear(&rig);
	rig_propose_serials(&rig, 2, &sid, 1, 4, (struct raft_proposal){.epoch = 2});
	commit_all(&rig);
	CHECK(committed(answer_at(&rig, 0), 1, 4, 3));
	rig_clear(&rig);
	/* The same run again: the same epoch. */
	session_open(&rig, 3, 1, 7, 0);
	CHECK(rig.answers_count == 1 && answer_at(&rig, 0)->epoch == 2 &&
	      rig_status(&rig).last.index == 6);
	rig_clear(&rig);
	/* Another run that does not know the present epoch is told it. */
	session_open(&rig, 4, 1, 8, 0);
	CHECK(refused(&rig, RAFT_REASON_OLD_EPOCH) && answer_at(&rig, 0)->epoch == 2 &&
	      answer_at(&rig, 0)->last_serial == 4);
	rig_clear(&rig);
	session_open(&rig, 5, 1, 8, 2);
	CHECK(rig.answers_count == 0);
	/* ⚠ From now on nothing of the old epoch gets in, committed or not. */
	rig_propose_serials(&rig, 6, &sid, 5, 1, (struct raft_proposal){.epoch = 2});
	CHECK(refused(&rig, RAFT_REASON_OLD_EPOCH));
	rig_clear(&rig);
	commit_all(&rig);
	CHECK(answer_at(&rig, 0)->epoch == 7 && answer_at(&rig, 0)->last_serial == 4);
	rig_clear(&rig);
	rig_propose_serials(&rig, 7, &sid, 5, 1, (struct raft_proposal){.epoch = 7});
	commit_all(&rig);
	CHECK(committed(answer_at(&rig, 0), 5, 1, 8));
	rig_clear(&rig);
	/* Dropped: unknown. */
	rig_propose_one(&rig, 8, RAFT_SESSION_DROP, &sid, "x", 1);
	commit_all(&rig);
	CHECK(committed(answer_at(&rig, 0), 0, 1, 9));
	rig_clear(&rig);
	rig_propose_serials(&rig, 9, &sid, 6, 1, (struct raft_proposal){.epoch = 7});
	CHECK(refused(&rig, RAFT_REASON_EXPIRED));
	rig_clear(&rig);
	rig_propose_one(&rig, 8, RAFT_SESSION_DROP, &sid, "x", 1);
	CHECK(refused(&rig, RAFT_REASON_EXPIRED));
	rig_free(&rig);
}

static void
test_named_open_twice(void)
{
	struct rig rig;

	leader(&rig);
	session_open(&rig, 1, 1, 7, 0);
	session_open(&rig, 2, 1, 7, 0);
	CHECK(rig.answers_count == 0 && rig_status(&rig).last.index == 2);
	commit_all(&rig);
	CHECK(rig.answers_count == 2 && answer_at(&rig, 0)->epoch == 2 &&
	      answer_at(&rig, 1)->epoch == 2);
	rig_free(&rig);
}

static void
test_named_full(void)
{
	struct rig rig;

	rig_init(&rig, 1, 1);
	rig.settings.uncommitted_size_max = 1 << 30;
	rig_start(&rig);
	rig_time(&rig, 0);
	for (int i = 0; i < RAFT_SESSIONS_NAMED_MAX; i++)
		session_open(&rig, 1, i + 1, 1, 0);
	CHECK(rig.answers_count == RAFT_SESSIONS_NAMED_MAX);
	rig_clear(&rig);
	session_open(&rig, 1, RAFT_SESSIONS_NAMED_MAX + 1, 1, 0);
	CHECK(refused(&rig, RAFT_REASON_SESSIONS_FULL));
	rig_clear(&rig);
	/* One that is there may still be taken over. */
	session_open(&rig, 1, 5, 2,
	    raft_sessions_find(raft_sessions_committed(rig.raft),
		&(struct raft_sid){
		    .b = {RAFT_SID_NAMED, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}})
		->epoch);
	CHECK(rig.answers_count == 1 && answer_at(&rig, 0)->verdict == RAFT_COMMITTED);
	rig_free(&rig);
}

/* ------------------------------------------------------------ answers */

static void
test_stepped_down(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	leader(&rig);
	rig_propose_serials(&rig, 1, &sid, 1, 5, plain);
	rig_propose_serials(&rig, 2, &sid, 6, 1, plain);
	rig_accept(&rig, 2, 4); /* serials 1 to 3 */
	CHECK(rig.answers_count == 0);
	rig_append(&rig, 3, 2, (struct raft_pos){4, 1}, 2, 1, 0);
	CHECK(rig.answers_count == 3);
	CHECK(committed(answer_at(&rig, 0), 1, 3, 2));
	CHECK(answer_at(&rig, 1)->verdict == RAFT_UNKNOWN && answer_at(&rig, 1)->serial == 4 &&
	      answer_at(&rig, 1)->count == 2);
	CHECK(answer_at(&rig, 2)->verdict == RAFT_UNKNOWN && answer_at(&rig, 2)->serial == 6);
	CHECK(answer_at(&rig, 2)->reason == RAFT_REASON_STEPPED_DOWN);
	/* F2: what stands there now is another's, and nobody is told it is his. */
	rig_append(&rig, 3, 2, (struct raft_pos){5, 2}, 2, 1, 6);
	CHECK(rig.answers_count == 3 && rig.commit == 6);
	rig_free(&rig);
}

static void
test_survives_leader_change(void)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	int chief;
	int next;

	net_new(&net, 3, 0);
	chief = net_elect(&net);
	rig_propose_serials(&net.rigs[chief], 1, &sid, 1, 5, plain);
	net_settle(&net);
	CHECK(net.rigs[chief].answers_count == 1);
	net_run(&net, 300);
	net_crash(&net, chief);
	for (int i = 0; i < 50 && (net_leader(&net) < 0 || net_leader(&net) == chief); i++)
		net_run(&net, 100);
	next = net_leader(&net);
	CHECK(next >= 0 && next != chief);
	rig_clear(&net.rigs[next]);
	rig_propose_serials(&net.rigs[next], 2, &sid, 4, 3, plain);
	net_settle(&net);
	CHECK(net.rigs[next].answers_count == 2);
	CHECK(committed(
	    answer_at(&net.rigs[next], 0), 4, 2, net.rigs[next].answers[0].answer.pos.index));
	CHECK(answer_at(&net.rigs[next], 1)->serial == 6 &&
	      answer_at(&net.rigs[next], 1)->count == 1);
	/* And a restart of them all. */
	for (int i = 0; i < 3; i++)
		net_crash(&net, i);
	for (int i = 0; i < 3; i++)
		net_restart(&net, i);
	chief = net_elect(&net);
	rig_clear(&net.rigs[chief]);
	rig_propose_serials(&net.rigs[chief], 3, &sid, 1, 6, plain);
	net_settle(&net);
	CHECK(net.rigs[chief].answers_count > 0);
	for (size_t i = 0; i < net.rigs[chief].answers_count; i++)
		CHECK(answer_at(&net.rigs[chief], i)->verdict == RAFT_COMMITTED);
	net_free(&net);
}

static void
test_one_chunk_twice(void)
{
	struct rig rig;
	struct rig second;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_entry entry = rig_entry(0, RAFT_CLIENT, &sid, 1, "a", 1);
	struct raft_proposal proposal = {.ticket = 1, .entries = &entry, .entries_count = 1};

	/* A record in one log is never changed by being proposed to another leader. */
	leader(&rig);
	rig_propose(&rig, &proposal);
	rig_init(&second, 1, 3);
	second.disk.term = 8;
	rig_start(&second);
	rig_elect(&second);
	rig_propose(&second, &proposal);
	CHECK(bytes_get_u64(raft_entry_at(rig.raft, 2)->bytes) == 1);
	CHECK(bytes_get_u64(raft_entry_at(second.raft, 2)->bytes) == 9);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
	rig_free(&second);
}

int
main(void)
{
	check_run("a serial is admitted once, and answered with its index each time", test_once);
	check_run("a duplicate of what is not yet committed is answered when it is",
	    test_duplicate_waits);
	check_run("of a proposal that is partly in the log only the rest is appended",
	    test_partly_duplicate);
	check_run("a duplicate that is no longer in memory is answered with index 0",
	    test_duplicate_out_of_memory);
	check_run("F5: a gap is refused, and an unknown session is never made anew",
	    test_gap_and_unknown);
	check_run(
	    "an opening that has seen too little or too much is refused", test_opening_window);
	check_run(
	    "an evicted session's opening is refused when it comes again", test_evicted_opening);
	check_run("H20: malformed and too large proposals are refused whole", test_malformed);
	check_run("F13: the fence is checked after the session", test_fence_after_session);
	check_run("F13: the fence of an earlier term is refused", test_fence_of_an_earlier_term);
	check_run("a barrier is a committed no-op", test_barrier);
	check_run("a named session has one producer at a time", test_named);
	check_run("the same opening twice is one epoch", test_named_open_twice);
	check_run("named sessions are bounded and never evicted", test_named_full);
	check_run("F1, F2: a leader that steps down answers committed or unknown, by serial",
	    test_stepped_down);
	check_run(
	    "F3: exactly once survives leader changes and restarts", test_survives_leader_change);
	check_run(
	    "a record in a log never changes, though it is proposed again", test_one_chunk_twice);
	return check_done();
}
