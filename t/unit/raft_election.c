/* SPDX-License-Identifier: ISC */
/*
 * Elections of one core: terms, votes, the pre-vote before them, who may stand.
 * The ids are those of the catalogue of pitfalls.
 */
#include "raft_rig.h"

/* A follower of three with a log of `count` entries of term 1, all on disk. */
static void
follower(struct rig *rig, size_t count)
{
	rig_init(rig, 1, 3);
	for (size_t i = 0; i < count; i++)
		rig_disk_put(rig, 1, RAFT_NOOP);
	if (count == 0)
		rig->disk.term = 1;
	rig_start(rig);
}

static void
until_prevote(struct rig *rig)
{
	for (int i = 0; i < 100 && rig_status(rig).role == RAFT_FOLLOWER; i++)
		rig_time(rig, 50);
	CHECK(rig_status(rig).role == RAFT_PRE_CANDIDATE);
}

static void
test_vote_durable(void)
{
	struct rig rig;

	follower(&rig, 1);
	rig.hold_writes = true;
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2) == NULL);
	CHECK(rig.writes_count == 1);
	/* It dies here: nothing was said, and the vote of term 5 is still free. */
	rig_writes_clear(&rig);
	rig_start(&rig);
	rig.hold_writes = false;
	rig_vote_request(&rig, 3, 5, false, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3) != NULL &&
	      rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	/* But once only, also over a restart. */
	rig_sent_clear(&rig);
	rig_start(&rig);
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2) != NULL &&
	      !rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_vote_in_known_term(void)
{
	struct rig rig;

	follower(&rig, 1);
	rig.hold_writes = true;
	rig_vote_request(&rig, 2, 1, false, (struct raft_pos){1, 1});
	CHECK(
	    rig.writes_count == 1 && raft_id_equal(&rig.writes[0].w.vote, &(struct raft_id){"n2"}));
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2) == NULL);
	rig_store_all(&rig);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_term_and_vote_together(void)
{
	struct rig rig;

	follower(&rig, 1);
	rig.hold_writes = true;
	rig_vote_request(&rig, 2, 4, false, (struct raft_pos){1, 1});
	CHECK(rig.writes_count == 1 && rig.writes[0].w.term == 4);
	CHECK(raft_id_equal(&rig.writes[0].w.vote, &(struct raft_id){"n2"}));
	rig_store_all(&rig);
	rig_append(&rig, 3, 5, (struct raft_pos){1, 1}, 5, 0, 0);
	CHECK(rig.writes_count == 1 && rig.writes[0].w.term == 5 &&
	      raft_id_none(&rig.writes[0].w.vote));
	rig_free(&rig);
}

static void
test_vote_kept_in_term(void)
{
	struct rig rig;

	follower(&rig, 1);
	rig_vote_request(&rig, 2, 3, false, (struct raft_pos){1, 1});
	until_prevote(&rig);
	rig_append(&rig, 2, 3, (struct raft_pos){9, 3}, 3, 0, 0);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	rig_sent_clear(&rig);
	rig.now += RIG_E;
	rig_vote_request(&rig, 3, 3, false, (struct raft_pos){9, 3});
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	CHECK(raft_id_equal(&rig.disk.vote, &(struct raft_id){"n2"}));
	rig_free(&rig);
}

/* A follower votes for no other in its term, nor when it has lost its leader. */
static void
refuses_another(struct rig *rig)
{
	CHECK(rig_status(rig).role == RAFT_FOLLOWER);
	until_prevote(rig);
	rig_vote_request(rig, 3, rig_status(rig).term, false, (struct raft_pos){9, 1});
	CHECK(!rig_find(rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	CHECK(raft_id_equal(&rig->disk.vote, &(struct raft_id){"n1"}));
}

static void
test_own_vote_kept(void)
{
	struct rig rig;
	uint64_t term;

	follower(&rig, 1);
	until_prevote(&rig);
	term = rig_status(&rig).term + 1;
	rig_vote_reply(&rig, 2, term, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_append(&rig, 2, term, (struct raft_pos){1, 1}, term, 0, 1);
	refuses_another(&rig);
	rig_free(&rig);
	rig_new(&rig, 3);
	rig_elect(&rig);
	for (int i = 0; i < 100 && rig_status(&rig).role == RAFT_LEADER; i++)
		rig_time(&rig, 50);
	refuses_another(&rig);
	rig_free(&rig);
}

static void
test_leader_is_no_vote(void)
{
	struct rig rig;

	follower(&rig, 1);
	rig_append(&rig, 2, 3, (struct raft_pos){1, 1}, 3, 0, 0);
	CHECK(rig.disk.term == 3 && raft_id_none(&rig.disk.vote));
	rig_sent_clear(&rig);
	rig.now += RIG_E;
	rig_vote_request(&rig, 3, 3, false, (struct raft_pos){9, 2});
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_one_peer_counts_once(void)
{
	struct rig rig;
	uint64_t term;

	rig_new(&rig, 5);
	until_prevote(&rig);
	rig_vote_reply(&rig, 2, 1, true, true);
	rig_vote_reply(&rig, 2, 1, true, true);
	CHECK(rig_status(&rig).role == RAFT_PRE_CANDIDATE);
	rig_vote_reply(&rig, 3, 1, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	term = rig_status(&rig).term;
	for (int i = 0; i < 3; i++)
		rig_vote_reply(&rig, 2, term, false, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_vote_reply(&rig, 3, term, false, true);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
}

static void
test_old_votes_ignored(void)
{
	struct rig rig;

	rig_new(&rig, 5);
	until_prevote(&rig);
	rig_vote_reply(&rig, 2, 1, true, true);
	rig_vote_reply(&rig, 3, 1, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE && rig_status(&rig).term == 1);
	for (int i = 0; i < 100 && rig_status(&rig).role == RAFT_CANDIDATE; i++)
		rig_time(&rig, 50);
	rig_vote_reply(&rig, 2, 2, true, true);
	rig_vote_reply(&rig, 3, 2, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE && rig_status(&rig).term == 2);
	rig_vote_reply(&rig, 2, 1, false, true);
	rig_vote_reply(&rig, 3, 1, false, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_free(&rig);
}

static void
test_replies_of_another_role(void)
{
	struct rig rig;
	uint64_t term;

	rig_new(&rig, 5);
	until_prevote(&rig);
	rig_vote_reply(&rig, 2, 1, true, true);
	rig_vote_reply(&rig, 3, 1, true, true);
	term = rig_status(&rig).term;
	rig_append(&rig, 4, term, (struct raft_pos){0, 0}, term, 1, 0);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	rig_vote_reply(&rig, 2, term, false, true);
	rig_vote_reply(&rig, 3, term, false, true);
	rig_append_reply(&rig, 2, term, true, 1, (struct raft_pos){1, term}, 0);
	rig_append_reply(&rig, 3, term, true, 1, (struct raft_pos){1, term}, 0);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).commit.index == 0);
	rig_free(&rig);
}

static void
test_candidate_durable(void)
{
	struct rig rig;
	struct raft_status status;

	follower(&rig, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 4, 0);
	CHECK(rig.writes_count == 1);
	until_prevote(&rig);
	rig_vote_reply(&rig, 2, 2, true, true);
	status = rig_status(&rig);
	CHECK(status.role == RAFT_CANDIDATE && status.durable == 1);
	/* The request waits for the vote, and for the entries that it speaks of. */
	for (size_t i = 0; i < rig.sent_count; i++)
		CHECK(rig.sent[i].m.type != RAFT_MSG_VOTE || rig.sent[i].m.vote.pre);
	rig_store(&rig, 1);
	for (size_t i = 0; i < rig.sent_count; i++)
		CHECK(rig.sent[i].m.type != RAFT_MSG_VOTE || rig.sent[i].m.vote.pre);
	rig_vote_reply(&rig, 2, 2, false, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_store_all(&rig);
	CHECK(rig_find_last(&rig, RAFT_MSG_VOTE, 3) != NULL);
	CHECK(!rig_find_last(&rig, RAFT_MSG_VOTE, 3)->vote.pre);
	CHECK(rig_find_last(&rig, RAFT_MSG_VOTE, 3)->vote.last.index == 5 &&
	      rig_status(&rig).durable >= 5);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
}

static void
test_up_to_date(void)
{
	static const struct {
		struct raft_pos last;
		bool granted;
	} cases[] = {
	    /* against 1 1 1 2 2 */
	    {{5, 2}, true},
	    {{6, 2}, true},
	    {{4, 2}, false},
	    {{99, 1}, false},
	    {{1, 3}, true},
	    {{0, 0}, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (int pre = 0; pre < 2; pre++) {
			struct rig rig;

			rig_init(&rig, 1, 3);
			for (int j = 0; j < 5; j++)
				rig_disk_put(&rig, j < 3 ? 1 : 2, RAFT_NOOP);
			rig_start(&rig);
			rig_vote_request(&rig, 2, 9, pre == 1, cases[i].last);
			CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted ==
			      cases[i].granted);
			rig_free(&rig);
		}
	}
}

static void
test_own_vote_durable(void)
{
	struct rig rig;

	rig_new(&rig, 3);
	until_prevote(&rig);
	rig.hold_writes = true;
	rig_vote_reply(&rig, 2, 1, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	/* A grant that comes before the own vote is on disk is not a majority of three. */
	rig_vote_reply(&rig, 2, 1, false, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_store_all(&rig);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
}

static void
test_grant_again(void)
{
	struct rig rig;

	follower(&rig, 1);
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){1, 1});
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_learner(void)
{
	struct rig rig;

	rig_init(&rig, 3, 3);
	rig.config = rig_config(3, 1, false);
	rig_disk_put(&rig, 1, RAFT_NOOP);
	rig_start(&rig);
	for (int i = 0; i < 100; i++)
		rig_time(&rig, 100);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == 1 &&
	      rig.sent_count == 0);
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_learner_no_vote(void)
{
	struct rig rig;

	rig_init(&rig, 1, 4);
	rig.config = rig_config(4, 2, false); /* n3 and n4 learn */
	rig_start(&rig);
	until_prevote(&rig);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 1 && rig_find(&rig, RAFT_MSG_VOTE, 2) != NULL);
	rig_vote_reply(&rig, 3, rig_status(&rig).term + 1, true, true);
	rig_vote_reply(&rig, 4, rig_status(&rig).term + 1, true, true);
	CHECK(rig_status(&rig).role == RAFT_PRE_CANDIDATE);
	rig_vote_reply(&rig, 2, rig_status(&rig).term + 1, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_vote_reply(&rig, 3, rig_status(&rig).term, false, true);
	rig_vote_reply(&rig, 4, rig_status(&rig).term, false, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_free(&rig);
}

static void
test_learner_no_quorum(void)
{
	struct rig rig;

	rig_init(&rig, 1, 4);
	rig.config = rig_config(4, 1, false); /* n4 learns */
	rig_start(&rig);
	rig_elect(&rig);
	rig_accept(&rig, 4, 1);
	CHECK(rig.commit == 0);
	rig_accept(&rig, 2, 1);
	CHECK(rig.commit == 1);
	rig_free(&rig);
}

static void
test_timeouts_differ(void)
{
	enum { NODES = 5, ROUNDS = 1000 };
	static const uint64_t slots = 10;
	size_t spread[10] = {0};
	size_t close = 0;
	struct rig rigs[NODES];

	for (int i = 0; i < NODES; i++) {
		rig_init(&rigs[i], i + 1, NODES);
		rig_start(&rigs[i]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t first = UINT64_MAX;
		uint64_t second = UINT64_MAX;

		for (int i = 0; i < NODES; i++) {
			uint64_t timeout;

			rig_append(&rigs[i], (i + 1) % NODES + 1, (uint64_t)round + 1,
			    (struct raft_pos){0, 0}, 1, 0, 0);
			rig_sent_clear(&rigs[i]);
			timeout = rigs[i].wake_at - rigs[i].now;
			CHECK(timeout >= RIG_E && timeout < 2 * RIG_E);
			spread[(timeout - RIG_E) * slots / RIG_E]++;
			if (timeout < first) {
				second = first;
				first = timeout;
			} else if (timeout < second) {
				second = timeout;
			}
		}
		close += second - first < 10;
	}
	for (uint64_t i = 0; i < slots; i++)
		CHECK(spread[i] > NODES * ROUNDS / slots * 8 / 10 &&
		      spread[i] < NODES * ROUNDS / slots * 12 / 10);
	/* Within 10 ms of each other: about 5 % of elections. */
	CHECK(close < ROUNDS / 10);
	for (int i = 0; i < NODES; i++)
		rig_free(&rigs[i]);
}

static void
test_absurd_term(void)
{
	struct rig rig;
	uint64_t dropped;

	follower(&rig, 1);
	dropped = rig_status(&rig).dropped;
	rig_vote_request(&rig, 2, UINT64_MAX, false, (struct raft_pos){9, 9});
	rig_append(&rig, 2, UINT64_MAX - 1, (struct raft_pos){0, 0}, 1, 0, 0);
	rig_vote_reply(&rig, 2, UINT64_MAX, false, false);
	CHECK(rig_status(&rig).term == 1);
	CHECK(rig_status(&rig).dropped == dropped + 3);
	CHECK(rig.sent_count == 0);
	rig_free(&rig);
}

static void
test_unmatched_append_ends_candidacy(void)
{
	struct rig rig;
	uint64_t term;

	rig_new(&rig, 3);
	until_prevote(&rig);
	rig_vote_reply(&rig, 2, 1, true, true);
	term = rig_status(&rig).term;
	rig_append(&rig, 3, term, (struct raft_pos){7, term}, term, 1, 0);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == term);
	CHECK(!rig_find(&rig, RAFT_MSG_APPEND_REPLY, 3)->append_reply.ok);
	CHECK(rig.wake_at >= rig.now + RIG_E);
	rig_free(&rig);
}

static void
test_refused_vote_keeps_timer(void)
{
	struct rig rig;
	uint64_t deadline;

	follower(&rig, 3);
	deadline = rig.wake_at;
	rig_time(&rig, 0);
	deadline = rig.wake_at;
	for (int i = 0; i < 15; i++) {
		rig.now += 50;
		rig_vote_request(&rig, 2, 2 + (uint64_t)i, false, (struct raft_pos){1, 1});
	}
	CHECK(rig.wake_at == deadline);
	for (int i = 0; i < 30 && rig_status(&rig).role == RAFT_FOLLOWER; i++)
		rig_time(&rig, 50);
	CHECK(rig.now <= deadline + 50);
	CHECK(rig_status(&rig).role == RAFT_PRE_CANDIDATE);
	rig_free(&rig);
}

static void
test_leader_refuses_prevotes(void)
{
	struct rig rig;

	rig_new(&rig, 3);
	rig_elect(&rig);
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 2, 2, true, (struct raft_pos){9, 1});
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
}

static void
test_restarted_leader(void)
{
	struct rig rig;

	/* It leads no more when it asks itself; nobody needs to wait for its heartbeats to be
	 * missed. */
	follower(&rig, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 0);
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 2, 2, true, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 2, 2, false, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_prevote_changes_nothing(void)
{
	struct rig rig;
	uint64_t deadline;
	uint64_t random = 7;

	follower(&rig, 3);
	rig_time(&rig, 0);
	deadline = rig.wake_at;
	for (int i = 0; i < 10000; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		rig_vote_request(&rig, 2 + i % 2, 1 + (random >> 33) % 1000, true,
		    (struct raft_pos){(random >> 20) % 6, (random >> 40) % 6});
		rig_sent_clear(&rig);
	}
	CHECK(rig.writes_count == 0 && rig.disk.term == 1 && raft_id_none(&rig.disk.vote));
	CHECK(rig_status(&rig).term == 1 && rig.wake_at == deadline);
	rig_free(&rig);
}

static void
test_prevote_carries_asked_term(void)
{
	struct rig rig;

	follower(&rig, 3);
	rig_vote_request(&rig, 2, 7, true, (struct raft_pos){3, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->term == 7);
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 2, 7, true, (struct raft_pos){2, 1});
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->term == 1);
	rig_free(&rig);
}

static void
test_prevote_forgets_leader(void)
{
	struct rig rig;
	struct raft_status status;

	follower(&rig, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 0);
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 3, 2, true, (struct raft_pos){1, 1});
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	until_prevote(&rig);
	status = rig_status(&rig);
	CHECK(raft_id_none(&status.leader));
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 3, 2, true, (struct raft_pos){1, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_stickiness(void)
{
	struct rig rig;
	struct raft_message message;

	follower(&rig, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 0);
	rig_sent_clear(&rig);
	rig.now += RIG_E - 1;
	rig_vote_request(&rig, 3, 9, false, (struct raft_pos){9, 8});
	CHECK(rig.sent_count == 0 && rig_status(&rig).term == 1);
	/* B11: unless the leader itself asked for it. */
	message = rig_make(RAFT_MSG_VOTE, 3, 1, 9);
	message.vote.transfer = true;
	message.vote.last = (struct raft_pos){9, 8};
	rig_message(&rig, &message);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted &&
	      rig_status(&rig).term == 9);
	rig_free(&rig);
}

static void
test_check_quorum(void)
{
	struct rig rig;
	uint64_t elected;

	rig_new(&rig, 4);
	rig_elect(&rig);
	elected = rig.now;
	/* Half of four answer: not a majority. */
	while (rig_status(&rig).role == RAFT_LEADER && rig.now < elected + 3 * RIG_E) {
		rig_time(&rig, 50);
		if (rig_status(&rig).role == RAFT_LEADER)
			rig_accept(&rig, 2, 1);
	}
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	CHECK(rig.now >= elected + RIG_E && rig.now <= elected + 2 * RIG_E);
	CHECK(strncmp(rig.why, "no quorum for ", 14) == 0 && rig.was == RAFT_LEADER);
	rig_free(&rig);

	rig_new(&rig, 4);
	rig_elect(&rig);
	for (int i = 0; i < 100; i++) {
		rig_time(&rig, 50);
		rig_accept(&rig, 2, 1);
		rig_accept(&rig, 3, 1);
	}
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
}

static void
test_quorum_sizes(void)
{
	for (int members = 1; members <= 7; members++) {
		for (unsigned acks = 0; acks < 1u << (members - 1); acks++) {
			struct rig rig;
			int got = 1;

			rig_new(&rig, members);
			rig_time(&rig, 0);
			rig_elect(&rig);
			for (int i = 2; i <= members; i++) {
				if ((acks >> (i - 2) & 1) == 0)
					continue;
				rig_accept(&rig, i, 1);
				got++;
			}
			CHECK((rig.commit == 1) == (got >= members / 2 + 1));
			rig_free(&rig);
		}
	}
}

/*
 * Nobody is asked before the own vote is durable; one who grants it unasked is no reason to lead.
 */
static void
test_unasked_votes(void)
{
	struct rig rig;
	uint64_t term;

	rig_init(&rig, 1, 5);
	rig_start(&rig);
	rig.hold_writes = true;
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig_status(&rig).role == RAFT_PRE_CANDIDATE);
	term = rig_status(&rig).term + 1;
	rig_vote_reply(&rig, 2, term, true, true);
	rig_vote_reply(&rig, 3, term, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	for (int i = 2; i <= 4; i++)
		rig_vote_reply(&rig, i, term, false, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_store_all(&rig);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
}

static void
test_single(void)
{
	struct rig rig;

	rig_new(&rig, 1);
	rig.hold_writes = true;
	rig_time(&rig, 0);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_store_all(&rig);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig.hold_writes = true;
	CHECK(rig_status(&rig).last.index == 1);
	rig_store_all(&rig);
	CHECK(rig.commit == 1);
	rig_free(&rig);
}

static void
test_why(void)
{
	struct rig rig;

	rig_new(&rig, 3);
	until_prevote(&rig);
	CHECK(strncmp(rig.why, "no leader for ", 14) == 0);
	CHECK(strstr(rig.why, " ms") != NULL && rig.was == RAFT_FOLLOWER);
	rig_vote_reply(&rig, 2, 1, true, true);
	CHECK(strcmp(rig.why, "pre-vote won by 2 of 3") == 0);
	rig_vote_reply(&rig, 3, 1, false, true);
	CHECK(strcmp(rig.why, "elected by 2 of 3") == 0 && rig.was == RAFT_CANDIDATE);
	rig_append(&rig, 3, 9, (struct raft_pos){0, 0}, 9, 0, 0);
	CHECK(strcmp(rig.why, "term 9 heard from n3") == 0 && rig.was == RAFT_LEADER);
	rig_free(&rig);
}

static void
test_stalled(void)
{
	struct rig rig;
	uint64_t began;

	rig_new(&rig, 3);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	rig.hold_writes = true;
	rig_propose_one(&rig, 1, RAFT_NOOP, NULL, NULL, 0);
	began = rig.now;
	for (int i = 0; i < 100 && rig_status(&rig).role == RAFT_LEADER; i++) {
		rig_time(&rig, 50);
		if (rig_status(&rig).role == RAFT_LEADER)
			rig_accept(&rig, 2, 1);
	}
	CHECK(strncmp(rig.why, "disk silent for ", 16) == 0);
	CHECK(rig.now > began + 2000 && rig.now <= began + 2100);
	CHECK(rig.answers_count == 1 && rig.answers[0].answer.verdict == RAFT_UNKNOWN);
	CHECK(rig.answers[0].answer.reason == RAFT_REASON_STEPPED_DOWN);
	for (int i = 0; i < 100; i++)
		rig_time(&rig, 50);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).stalled);
	rig_store_all(&rig);
	until_prevote(&rig);
	rig_free(&rig);
}

static void
test_full(void)
{
	struct rig rig;

	rig_new(&rig, 3);
	rig_elect(&rig);
	rig_disk_full(&rig, true);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && strcmp(rig.why, "disk full") == 0);
	for (int i = 0; i < 100; i++)
		rig_time(&rig, 50);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	/* Its vote is small enough. */
	rig_sent_clear(&rig);
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){9, 4});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	/* Entries are not taken, but heartbeats are answered and nothing is written. */
	rig_sent_clear(&rig);
	rig_append(&rig, 2, 5, (struct raft_pos){1, 1}, 5, 3, 0);
	CHECK(rig_status(&rig).last.index == 1);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.ok);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.match == 1);
	rig_disk_full(&rig, false);
	rig_append(&rig, 2, 5, (struct raft_pos){1, 1}, 5, 3, 0);
	CHECK(rig_status(&rig).last.index == 4);
	rig_free(&rig);

	rig_new(&rig, 1);
	rig_time(&rig, 0);
	rig_disk_full(&rig, true);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_propose_one(&rig, 1, RAFT_NOOP, NULL, NULL, 0);
	CHECK(rig.answers_count == 1 && rig.answers[0].answer.reason == RAFT_REASON_DISK_FULL);
	rig_free(&rig);
}

static void
test_slow_disk_no_election(void)
{
	struct rig rig;

	follower(&rig, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 1, 1);
	for (int i = 0; i < 50; i++) {
		rig.now += 100;
		rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 1);
	}
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).stalled);
	rig_free(&rig);
}

static void
test_stopped_follower(void)
{
	struct rig rig;
	struct raft_message message;

	follower(&rig, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 1);
	/* Stopped for long; on waking the heartbeat in the socket is read with the clock. */
	rig.now += 10 * RIG_E;
	message = rig_append_make(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 1);
	rig_gather(&rig, &message);
	rig_append_free(&message);
	rig_time(&rig, 0);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	rig_free(&rig);
}

static void
test_stopped_leader(void)
{
	struct rig rig;
	struct raft_event event = {.type = RAFT_EVENT_TIME};
	struct raft_message message = rig_make(RAFT_MSG_APPEND_REPLY, 2, 1, 1);

	rig_new(&rig, 3);
	rig_elect(&rig);
	rig.now += 10 * RIG_E;
	event.now.ms = rig.now;
	raft_step(rig.raft, &event, NULL);
	/* An old acknowledgement in its socket commits nothing. */
	message.append_reply.ok = true;
	message.append_reply.match = 1;
	message.append_reply.hint = (struct raft_pos){1, 1};
	message.append_reply.start_number = 2;
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig.commit == 0);
	CHECK(strcmp(rig.why, "no quorum for 10000 ms") == 0);
	rig_free(&rig);
}

static void
test_wrong_addressees(void)
{
	struct rig rig;
	struct raft_message message;

	follower(&rig, 1);
	message = rig_make(RAFT_MSG_VOTE, 2, 3, 5);
	rig_message(&rig, &message);
	message = rig_make(RAFT_MSG_VOTE, 1, 1, 5);
	rig_message(&rig, &message);
	message = rig_make(RAFT_MSG_VOTE, 2, 1, 0);
	rig_message(&rig, &message);
	memset(message.from.s, 0, sizeof message.from.s);
	message.term = 5;
	rig_message(&rig, &message);
	message = rig_make(RAFT_MSG_APPEND_REPLY, 9, 1, 1);
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).dropped == 4);
	CHECK(rig_status(&rig).term == 1 && rig.sent_count == 0);
	rig_free(&rig);
}

int
main(void)
{
	check_run(
	    "A1: a vote leaves only once it is durable, and is given once a term, over restarts",
	    test_vote_durable);
	check_run("A1: a vote in a term that is already known is durable before it leaves",
	    test_vote_in_known_term);
	check_run("A2: term and vote are one write", test_term_and_vote_together);
	check_run("A3: the vote is cleared only when the term rises", test_vote_kept_in_term);
	check_run("A3: a candidate and a leader that become followers keep their own vote",
	    test_own_vote_kept);
	check_run("A4: to follow a leader is not to vote for it", test_leader_is_no_vote);
	check_run("A5: one peer's vote counts once", test_one_peer_counts_once);
	check_run("A6: votes of an old term are ignored", test_old_votes_ignored);
	check_run("A7: replies count only in the role that asked", test_replies_of_another_role);
	check_run("A9: a candidate's requests leave when what they state is durable",
	    test_candidate_durable);
	check_run("A9: a candidate's own vote counts once it is durable", test_own_vote_durable);
	check_run("a vote goes to the later last term, then to the longer log", test_up_to_date);
	check_run("A10: a vote is granted again to the same candidate", test_grant_again);
	check_run("A11: a learner never stands, and votes if asked", test_learner);
	check_run("A11: a learner is asked for no vote, and its vote elects nobody",
	    test_learner_no_vote);
	check_run(
	    "A11: a learner's acknowledgement is no part of a majority", test_learner_no_quorum);
	check_run("A12: election timeouts differ, whatever the seed", test_timeouts_differ);
	check_run("A14: an absurd term is dropped and counted", test_absurd_term);
	check_run("A15: an unmatched append of the same term ends a candidacy",
	    test_unmatched_append_ends_candidacy);
	check_run("A17: a slow disk is not a dead leader", test_slow_disk_no_election);
	check_run(
	    "A18: refused votes don't reset the election timer", test_refused_vote_keeps_timer);
	check_run("A19: a leader refuses others' pre-votes", test_leader_refuses_prevotes);
	check_run("A19: a leader that has restarted is not refused for its own sake",
	    test_restarted_leader);
	check_run("B2: a pre-vote changes nothing", test_prevote_changes_nothing);
	check_run("B3: a granted pre-vote carries the term that was asked for",
	    test_prevote_carries_asked_term);
	check_run("B5: a pre-candidate knows no leader, and grants others their pre-vote",
	    test_prevote_forgets_leader);
	check_run("B10, B11: who heard a leader lately ignores candidates, but for a transfer",
	    test_stickiness);
	check_run("B12: a leader without a majority for an election timeout steps down",
	    test_check_quorum);
	check_run("B13: a majority is n/2+1 for every size and pattern", test_quorum_sizes);
	check_run("B16: a stopped follower hears its leader before it looks at the clock",
	    test_stopped_follower);
	check_run(
	    "B16: a stopped leader steps down before it hears what waited", test_stopped_leader);
	check_run("C29: a leader whose disk is silent steps down, and does not stand while it is",
	    test_stalled);
	check_run("C34: messages with a wrong sender, receiver or term are dropped and counted",
	    test_wrong_addressees);
	check_run("a full node gives up leadership, does not stand, takes no entries, and votes",
	    test_full);
	check_run(
	    "a candidate leads only once its own vote is durable, whoever grants theirs unasked",
	    test_unasked_votes);
	check_run("a single voter leads, once its vote and its entry are durable", test_single);
	check_run("each change of role says why in one clause", test_why);
	return check_done();
}
