/* SPDX-License-Identifier: ISC */
/* The grant of a leader: from when on, until when, and what members tell each other for it. */
#include "raft_cluster.h"

enum { GRACE = 300, WAIT = (RIG_E + GRACE) * 11 / 10 + 1 };

static void
init(struct rig *rig, int members)
{
	rig_init(rig, 1, members);
	rig->settings.level_max = RAFT_LEVEL_MAX;
	rig->settings.lead_grace_ms = GRACE;
}

static struct raft_grant
grant(const struct rig *rig)
{
	return raft_grant_now(rig->raft);
}

static bool
granted(const struct rig *rig)
{
	return grant(rig).state == RAFT_GRANT_GIVEN;
}

/* The round in the newest append. */
static uint64_t
newest_round(const struct rig *rig)
{
	return rig_find_last(rig, RAFT_MSG_APPEND, 0)->append.round;
}

/* A peer answers this round, and has the log up to this place. */
static void
answer_up_to(struct rig *rig, int from, struct raft_pos pos, uint64_t round, uint64_t level)
{
	struct raft_message message =
	    rig_make(RAFT_MSG_APPEND_REPLY, from, 1, rig_status(rig).term);

	message.append_reply = (struct raft_append_reply){.ok = true,
	    .round = round,
	    .start_number = (uint64_t)from,
	    .match = pos.index,
	    .hint = pos,
	    .level = level};
	rig_message(rig, &message);
}

static void
answer(struct rig *rig, int from, uint64_t round, uint64_t level)
{
	answer_up_to(rig, from, rig_status(rig).last, round, level);
}

static void
answer_all(struct rig *rig)
{
	answer(rig, 2, newest_round(rig), RAFT_LEVEL_MAX);
	answer(rig, 3, newest_round(rig), RAFT_LEVEL_MAX);
}

/* Time passes, with heartbeats that are answered at once. */
static void
lead_for(struct rig *rig, uint64_t ms)
{
	for (; ms > 0; ms--) {
		rig_time(rig, 1);
		if (rig->sent_count > 0)
			answer_all(rig);
		rig_clear(rig);
	}
}

/* Elected, level 3 is in force.  Its wait began at rig->now. */
static void
elect(struct rig *rig)
{
	rig_start(rig);
	rig_elect(rig);
	answer_all(rig);
	answer_all(rig);
	rig_clear(rig);
	CHECK(rig_status(rig).role == RAFT_LEADER && rig_status(rig).level == RAFT_LEVEL_LEAD);
}

/* A round that is due now; its number. */
static uint64_t
begin_round(struct rig *rig)
{
	rig_clear(rig);
	for (size_t before = 0; rig_count(rig, RAFT_MSG_APPEND) == before; rig_time(rig, 1)) {
		rig_read(rig, 1);
		if (rig_count(rig, RAFT_MSG_APPEND) > before)
			break;
	}
	return newest_round(rig);
}

static void
test_from_the_sending(void)
{
	struct rig rig;
	uint64_t sent, first, second;

	init(&rig, 3);
	elect(&rig);
	lead_for(&rig, WAIT);
	CHECK(granted(&rig));
	first = begin_round(&rig);
	sent = rig.now;
	rig_time(&rig, 90);
	answer(&rig, 2, first, RAFT_LEVEL_MAX);
	CHECK(granted(&rig) && grant(&rig).until_ms == sent + RIG_E && grant(&rig).term == 1);
	/* A later round says more only once a majority has answered it. */
	rig_time(&rig, 10);
	second = begin_round(&rig);
	CHECK(second > first && grant(&rig).until_ms == sent + RIG_E);
	answer(&rig, 3, first, RAFT_LEVEL_MAX);
	CHECK(grant(&rig).until_ms == sent + RIG_E);
	answer(&rig, 3, second, RAFT_LEVEL_MAX);
	CHECK(grant(&rig).until_ms > sent + RIG_E && grant(&rig).until_ms <= rig.now + RIG_E);
	rig_free(&rig);
}

static void
test_the_newest_of_many(void)
{
	struct rig rig;
	uint64_t round = 0;

	init(&rig, 3);
	elect(&rig);
	lead_for(&rig, WAIT);
	/* Each read begins a round; the time told is at most a sixteenth of E too early. */
	for (int i = 0; i < 500; i++) {
		rig_time(&rig, 1);
		round = begin_round(&rig);
		answer(&rig, 2, round, RAFT_LEVEL_MAX);
		CHECK(grant(&rig).until_ms <= rig.now + RIG_E);
		CHECK(grant(&rig).until_ms + RIG_E / 16 >= rig.now + RIG_E);
	}
	rig_free(&rig);
}

static void
test_not_before_the_wait(void)
{
	struct rig rig;
	uint64_t begins;

	init(&rig, 3);
	elect(&rig);
	begins = rig.now + WAIT;
	CHECK(grant(&rig).state == RAFT_GRANT_WAIT);
	lead_for(&rig, WAIT - 1);
	CHECK(rig.now == begins - 1 && grant(&rig).state == RAFT_GRANT_WAIT);
	lead_for(&rig, 1);
	CHECK(granted(&rig));
	rig_free(&rig);
}

static void
test_not_before_the_noop_is_here(void)
{
	struct rig rig;
	struct raft_entry level;
	uint8_t three[8] = {0, 0, 0, 0, 0, 0, 0, 3};

	init(&rig, 3);
	level = rig_entry(1, RAFT_LEVEL, NULL, 0, three, sizeof three);
	RIG_PUSH(rig.disk.entries, rig.disk.count, level);
	rig.disk.term = 1;
	rig_start_commit(&rig, 1);
	CHECK(rig_status(&rig).level == RAFT_LEVEL_LEAD);
	rig_elect(&rig);
	rig_clear(&rig);
	/* Heard, but the no-op is accepted nowhere else. */
	for (int i = 0; i < WAIT + 200; i += 100) {
		rig_time(&rig, 100);
		for (int from = 2; from <= 3; from++)
			answer_up_to(&rig, from, (struct raft_pos){1, 1}, newest_round(&rig), 3);
	}
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig.commit == 1);
	CHECK(grant(&rig).state == RAFT_GRANT_WAIT);
	answer_all(&rig);
	CHECK(rig.commit == 2);
	CHECK(granted(&rig));
	rig_free(&rig);
}

/* The others have committed the no-op, and the own disk does not have it. */
static void
test_not_before_the_own_disk_has_it(void)
{
	struct rig rig;

	init(&rig, 3);
	rig.settings.store_timeout_ms = 100 * RIG_E;
	rig_start(&rig);
	rig.hold_writes = true;
	while (rig_status(&rig).role != RAFT_PRE_CANDIDATE)
		rig_time(&rig, RIG_E / 4);
	rig_vote_reply(&rig, 2, 1, true, true);
	rig_store_all(&rig);
	rig_vote_reply(&rig, 2, 1, false, true);
	answer_all(&rig);
	answer_all(&rig);
	rig_clear(&rig);
	CHECK(rig_status(&rig).commit.index > rig_status(&rig).durable);
	lead_for(&rig, WAIT + 100);
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig_status(&rig).level == RAFT_LEVEL_LEAD);
	CHECK(grant(&rig).state == RAFT_GRANT_WAIT);
	rig_store_all(&rig);
	CHECK(granted(&rig));
	rig_free(&rig);
}

/* Hears a leader with these times in term 1, then is elected in term 2. */
static void
succeed(struct rig *rig, uint64_t timeout, uint64_t grace)
{
	struct raft_message message;

	rig_start(rig);
	message = rig_append_make(rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	message.append.timeout = timeout;
	message.append.grace = grace;
	rig_message(rig, &message);
	rig_append_free(&message);
}

/* How long after its election it grants something; level 3 comes into force at once. */
static uint64_t
waited(struct rig *rig)
{
	uint64_t since = rig->now;

	answer_all(rig);
	answer_all(rig);
	CHECK(rig_status(rig).level == RAFT_LEVEL_LEAD);
	for (rig_clear(rig); !granted(rig) && rig->now - since < 100 * RIG_E;)
		lead_for(rig, 1);
	return rig->now - since;
}

static void
test_largest_heard(void)
{
	struct rig rig;

	init(&rig, 3);
	succeed(&rig, 5000, 100);
	rig_elect(&rig);
	CHECK(waited(&rig) == (5000 + GRACE) * 11 / 10 + 1);
	rig_free(&rig);
	init(&rig, 3);
	succeed(&rig, 100, 5000);
	rig_elect(&rig);
	CHECK(waited(&rig) == (RIG_E + 5000) * 11 / 10 + 1);
	rig_free(&rig);
}

/* A candidate that has heard nothing since its start, and one voter of two that has. */
static void
test_largest_reported(void)
{
	struct rig rig;
	struct raft_message vote = rig_make(RAFT_MSG_VOTE_REPLY, 3, 1, 1);

	init(&rig, 3);
	rig_start(&rig);
	while (rig_status(&rig).role != RAFT_PRE_CANDIDATE)
		rig_time(&rig, RIG_E / 4);
	rig_vote_reply(&rig, 3, 1, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	vote.vote_reply = (struct raft_vote_reply){.granted = true, .timeout = 7000, .grace = 500};
	rig_message(&rig, &vote);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	CHECK(waited(&rig) == (7000 + 500) * 11 / 10 + 1);
	/* The next election asks again. */
	rig_append(&rig, 2, 5, (struct raft_pos){0, 0}, 0, 0, 0);
	rig_elect(&rig);
	CHECK(waited(&rig) == WAIT);
	rig_free(&rig);
}

static void
test_absurd_times(void)
{
	struct rig rig;

	init(&rig, 3);
	succeed(&rig, UINT64_MAX, UINT64_MAX);
	rig_elect(&rig);
	lead_for(&rig, 10 * RIG_E);
	CHECK(rig_status(&rig).role == RAFT_LEADER && !granted(&rig));
	rig_free(&rig);
}

static const struct raft_vote_reply *
vote_of(struct rig *rig, uint64_t term, bool pre)
{
	rig_clear(rig);
	rig_time(rig, 10 * RIG_E);
	rig_clear(rig);
	rig_vote_request(rig, 3, term, pre, (struct raft_pos){9, 9});
	CHECK(rig_find(rig, RAFT_MSG_VOTE_REPLY, 3) != NULL);
	return &rig_find(rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply;
}

static void
test_what_a_voter_reports(void)
{
	struct rig rig;
	const struct raft_vote_reply *reply;

	/* Nothing: a program below level 3 could not read it. */
	init(&rig, 3);
	succeed(&rig, 0, 0);
	reply = vote_of(&rig, 20, false);
	CHECK(reply->granted && reply->timeout == 0 && reply->grace == 0);
	rig_free(&rig);
	/* Heard: the sender knew the level to be in force. */
	init(&rig, 3);
	succeed(&rig, 5000, 100);
	reply = vote_of(&rig, 20, false);
	CHECK(reply->granted && reply->timeout == 5000 && reply->grace == 100);
	reply = vote_of(&rig, 30, true);
	CHECK(reply->granted && reply->timeout == 0 && reply->grace == 0);
	rig_free(&rig);
	/* What a former leader itself has granted. */
	init(&rig, 3);
	elect(&rig);
	rig_append(&rig, 2, 5, (struct raft_pos){0, 0}, 0, 0, 0);
	reply = vote_of(&rig, 20, false);
	CHECK(reply->granted && reply->timeout == RIG_E && reply->grace == GRACE);
	rig_free(&rig);
}

static void
test_appends_carry_them(void)
{
	struct rig rig;
	const struct raft_message *append;

	init(&rig, 3);
	rig_start(&rig);
	rig_elect(&rig);
	answer(&rig, 2, newest_round(&rig), 3);
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_count(&rig, RAFT_MSG_APPEND) > 3);
	for (size_t i = 0; i < rig.sent_count; i++)
		CHECK(rig.sent[i].m.type != RAFT_MSG_APPEND ||
		      (rig.sent[i].m.append.timeout == 0 && rig.sent[i].m.append.grace == 0));
	answer_all(&rig);
	answer_all(&rig);
	rig_clear(&rig);
	rig_time(&rig, RIG_HEARTBEAT);
	append = rig_find(&rig, RAFT_MSG_APPEND, 2);
	CHECK(append != NULL && append->append.timeout == RIG_E && append->append.grace == GRACE);
	rig_free(&rig);
}

/* A member that has not been heard in this term may run an older program. */
static void
test_members_of_unknown_level(void)
{
	struct rig rig;
	uint64_t round, sent;

	init(&rig, 3);
	elect(&rig);
	lead_for(&rig, WAIT);
	rig_append(&rig, 2, 5, (struct raft_pos){0, 0}, 0, 0, 0);
	rig_elect(&rig);
	CHECK(rig_status(&rig).level == RAFT_LEVEL_LEAD && rig_status(&rig).role == RAFT_LEADER);
	/* n2 alone answers: rounds that it got in the old form do not count. */
	for (int i = 0; i < 20; i++) {
		answer(&rig, 2, newest_round(&rig), 2);
		rig_time(&rig, RIG_HEARTBEAT);
	}
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.timeout == 0);
	CHECK(rig.commit == rig_status(&rig).last.index && grant(&rig).state == RAFT_GRANT_WAIT);
	answer(&rig, 2, newest_round(&rig), 3);
	CHECK(grant(&rig).state == RAFT_GRANT_WAIT);
	round = begin_round(&rig);
	sent = rig.now;
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.timeout == RIG_E);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.timeout == 0);
	answer(&rig, 2, round, 3);
	CHECK(granted(&rig) && grant(&rig).until_ms == sent + RIG_E);
	rig_free(&rig);
}

static void
test_rounds_below_the_level(void)
{
	struct rig rig;
	uint64_t raised;

	init(&rig, 3);
	rig_start(&rig);
	rig_elect(&rig);
	for (int i = 0; i < 20; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		answer(&rig, 2, newest_round(&rig), 3);
		answer(&rig, 3, newest_round(&rig), 2);
	}
	CHECK(grant(&rig).state == RAFT_GRANT_LEVEL);
	/* Raised, and all rounds so far are answered: they did not carry the times. */
	answer(&rig, 2, newest_round(&rig), 3);
	answer(&rig, 3, newest_round(&rig), 3);
	answer(&rig, 2, newest_round(&rig), 3);
	CHECK(rig_status(&rig).level == RAFT_LEVEL_LEAD && grant(&rig).state == RAFT_GRANT_WAIT);
	raised = rig.now;
	lead_for(&rig, RIG_HEARTBEAT);
	lead_for(&rig, RIG_E);
	CHECK(granted(&rig) && grant(&rig).until_ms > raised + RIG_E);
	rig_free(&rig);
}

static void
test_transfer(void)
{
	struct rig rig;
	struct raft_message now = rig_make(RAFT_MSG_TIMEOUT_NOW, 2, 1, 1);
	struct raft_message vote = rig_make(RAFT_MSG_VOTE_REPLY, 2, 1, 2);

	init(&rig, 3);
	succeed(&rig, 5000, 100);
	rig_message(&rig, &now);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	vote.vote_reply.granted = true;
	rig_message(&rig, &vote);
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig_status(&rig).term == 2);
	CHECK(waited(&rig) == (5000 + GRACE) * 11 / 10 + 1);
	rig_free(&rig);
}

static void
test_sole_voter(void)
{
	struct rig rig;
	uint64_t since;

	init(&rig, 1);
	rig_start(&rig);
	rig_time(&rig, 2 * RIG_E);
	since = rig.now;
	CHECK(rig_status(&rig).level == RAFT_LEVEL_LEAD && !granted(&rig));
	rig_time(&rig, WAIT - 1);
	CHECK(!granted(&rig));
	rig_time(&rig, 1);
	CHECK(granted(&rig) && grant(&rig).until_ms == since + WAIT + RIG_E);
	rig_time(&rig, 10 * RIG_E);
	CHECK(granted(&rig) && grant(&rig).until_ms == rig.now + RIG_E);
	rig_free(&rig);
}

static void
test_suspended(void)
{
	struct rig rig;
	uint64_t round, sent;

	init(&rig, 3);
	elect(&rig);
	lead_for(&rig, WAIT);
	round = begin_round(&rig);
	sent = rig.now;
	rig.slept = 10 * RIG_E;
	rig_time(&rig, 1);
	answer(&rig, 2, round, RAFT_LEVEL_MAX);
	CHECK(!granted(&rig) || grant(&rig).until_ms <= sent + RIG_E);
	lead_for(&rig, RIG_E);
	CHECK(granted(&rig) && grant(&rig).until_ms > rig.now + rig.slept);
	rig_free(&rig);
}

static void
test_nothing_of_a_former_term(void)
{
	struct rig rig;

	init(&rig, 3);
	elect(&rig);
	lead_for(&rig, WAIT);
	CHECK(granted(&rig));
	rig_append(&rig, 2, 5, (struct raft_pos){0, 0}, 0, 0, 0);
	CHECK(grant(&rig).state == RAFT_GRANT_NONE);
	rig_elect(&rig);
	answer_all(&rig);
	CHECK(rig_status(&rig).role == RAFT_LEADER && grant(&rig).state == RAFT_GRANT_WAIT);
	rig_free(&rig);
}

int
main(void)
{
	check_run("a grant counts from the sending of the newest round that a majority has "
		  "acknowledged (§6.4.1)",
	    test_from_the_sending);
	check_run("rounds in quick succession renew it, at most a sixteenth of E late",
	    test_the_newest_of_many);
	check_run("⚠ nothing is granted before 1.1 x (E + grace) since the election",
	    test_not_before_the_wait);
	check_run(
	    "⚠ nothing is granted before the no-op is committed", test_not_before_the_noop_is_here);
	check_run("⚠ nothing is granted before the own disk has the no-op",
	    test_not_before_the_own_disk_has_it);
	check_run("⚠ the wait is for the largest times heard of any leader", test_largest_heard);
	check_run("⚠ the wait is for the largest times that voters report", test_largest_reported);
	check_run("absurd times of others delay a grant, and do no more", test_absurd_times);
	check_run("a voter reports the largest of its own times and those heard, from level 3 on",
	    test_what_a_voter_reports);
	check_run("appends carry the leader's times from level 3 on", test_appends_carry_them);
	check_run("⚠ a member of unknown level gets no times, and a round that it got without them "
		  "grants nothing",
	    test_members_of_unknown_level);
	check_run("a round from before level 3 grants nothing", test_rounds_below_the_level);
	check_run("⚠ a transfer does not shorten the wait", test_transfer);
	check_run("a sole voter waits too, then grants E from each moment", test_sole_voter);
	check_run("time in suspend counts", test_suspended);
	check_run("no grant outlasts its term", test_nothing_of_a_former_term);
	return check_done();
}
