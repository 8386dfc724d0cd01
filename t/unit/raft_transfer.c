/* SPDX-License-Identifier: ISC */
/*
 * Leadership transfer (§3.10), leaders that go, and leaders that stay out for a while because
 * their disk hangs.
 */
#include "raft_changes.h"

/* Entries that only the leader and n3 have; the last index. */
static uint64_t
behind(struct rig *rig, uint64_t serial)
{
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	uint64_t last;

	rig_propose_serials(rig, 5, &sid, serial, 3, base);
	last = rig_status(rig).last.index;
	rig_accept(rig, 3, last);
	rig->answers_count = 0;
	return last;
}

/* So many heartbeats, each answered by n3 alone. */
static void
beats(struct rig *rig, int count)
{
	for (int i = 0; i < count; i++) {
		rig_time(rig, RIG_HEARTBEAT);
		if (rig_status(rig).role == RAFT_LEADER)
			rig_accept(rig, 3, rig_status(rig).last.index);
	}
}

static bool
transferring(const struct rig *rig)
{
	struct raft_status status = rig_status(rig);

	return !raft_id_none(&status.transfer);
}

/* ------------------------------------------------------------ the leader */

static void
test_no_proposals(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	uint64_t last, term;

	leader_new(&rig, 3);
	last = behind(&rig, 1);
	term = rig_status(&rig).term;
	rig_transfer(&rig, 7, 2);
	CHECK(rig.answers_count == 0);
	CHECK(rig.wake_at <= rig.now + RIG_E);
	rig_propose_serials(&rig, 8, &sid, 4, 1, base);
	CHECK(answered(&rig) == RAFT_REASON_TRANSFERRING);
	CHECK(rig.answers[0].answer.verdict == RAFT_REFUSED);
	/* A serial that is there already is held back, too: the next leader will know it. */
	CHECK(rig_status(&rig).last.index == last);
	rig.answers_count = 0;
	beats(&rig, 9);
	CHECK(rig.answers_count == 0);
	beats(&rig, 1);
	/* The target never came: this leader goes on, in its term. */
	CHECK(rig.answers_count == 1);
	CHECK(rig.answers[0].ticket == 7);
	CHECK(answered(&rig) == RAFT_REASON_TRANSFER_FAILED);
	CHECK(rig.answers[0].answer.verdict == RAFT_REFUSED);
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig_status(&rig).term == term);
	CHECK(!transferring(&rig));
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 0);
	rig.answers_count = 0;
	rig_propose_serials(&rig, 8, &sid, 4, 1, base);
	rig_accept(&rig, 3, last + 1);
	CHECK(rig.answers_count == 1 && rig.answers[0].answer.verdict == RAFT_COMMITTED);
	rig_free(&rig);
}

static void
test_caught_up_first(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 3);
	last = behind(&rig, 1);
	rig_transfer(&rig, 7, 2);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 0);
	rig_accept(&rig, 2, last - 1);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 0);
	/* Matched but not durable there is not enough. */
	rig_append_reply(&rig, 2, rig_status(&rig).term, true, last - 1,
	    (struct raft_pos){last, rig_status(&rig).term}, 0);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 0);
	rig_accept(&rig, 2, last);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 1);
	CHECK(rig_find(&rig, RAFT_MSG_TIMEOUT_NOW, 2)->term == rig_status(&rig).term);
	beats(&rig, 3);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 1);
	CHECK(rig.answers_count == 0);
	rig_free(&rig);
}

static enum raft_reason
refused_at_once(struct rig *rig, int target)
{
	rig->answers_count = 0;
	rig_transfer(rig, 7, target);
	CHECK(!transferring(rig));
	CHECK(rig->answers_count == 1 && rig->answers[0].answer.verdict == RAFT_REFUSED);
	return answered(rig);
}

static void
test_targets(void)
{
	struct rig rig;
	struct raft_message message;

	leader_new(&rig, 4);
	CHECK(change_now(&rig, RAFT_CHANGE_ADD, 5, 5) == RAFT_REASON_NONE);
	CHECK(refused_at_once(&rig, 1) == RAFT_REASON_NOT_ALLOWED);
	CHECK(refused_at_once(&rig, 9) == RAFT_REASON_NO_MEMBER);
	CHECK(refused_at_once(&rig, 5) == RAFT_REASON_NOT_VOTER);
	CHECK(change_now(&rig, RAFT_CHANGE_DEMOTE, 4, 0) == RAFT_REASON_NONE);
	CHECK(refused_at_once(&rig, 4) == RAFT_REASON_NOT_VOTER);
	CHECK(change_now(&rig, RAFT_CHANGE_REMOVE, 4, 0) == RAFT_REASON_NONE);
	CHECK(refused_at_once(&rig, 4) == RAFT_REASON_NO_MEMBER);
	message = rig_make(RAFT_MSG_APPEND_REPLY, 3, 1, rig_status(&rig).term);
	message.append_reply.ok = true;
	message.append_reply.recovering = true;
	message.append_reply.start_number = 3;
	rig_message(&rig, &message);
	CHECK(refused_at_once(&rig, 3) == RAFT_REASON_RECOVERING);
	rig_free(&rig);
	leader_new(&rig, 1); /* nobody else is there */
	CHECK(refused_at_once(&rig, 0) == RAFT_REASON_NOT_ALLOWED);
	CHECK(change_now(&rig, RAFT_CHANGE_ADD, 2, 2) == RAFT_REASON_NONE);
	CHECK(refused_at_once(&rig, 0) == RAFT_REASON_NOT_ALLOWED);
	rig_free(&rig);
}

static void
test_second_replaces(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 3);
	last = behind(&rig, 1);
	rig_transfer(&rig, 7, 2);
	rig_transfer(&rig, 8, 3);
	CHECK(rig.answers_count == 1 && rig.answers[0].ticket == 7);
	CHECK(answered(&rig) == RAFT_REASON_TRANSFER_FAILED);
	CHECK(rig_find(&rig, RAFT_MSG_TIMEOUT_NOW, 3) != NULL);
	rig_accept(&rig, 2, last);
	CHECK(rig_find(&rig, RAFT_MSG_TIMEOUT_NOW, 2) == NULL);
	/* One that is refused replaces nothing. */
	rig_transfer(&rig, 9, 9);
	CHECK(rig.answers_count == 2 && rig.answers[1].ticket == 9);
	CHECK(transferring(&rig));
	rig_free(&rig);
}

static void
test_best(void)
{
	struct rig rig;

	leader_new(&rig, 4);
	behind(&rig, 1);
	rig_transfer(&rig, 7, 0);
	CHECK(rig_find(&rig, RAFT_MSG_TIMEOUT_NOW, 3) != NULL);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 1);
	rig_free(&rig);
	/* One that has all but is silent comes after one that is near. */
	leader_new(&rig, 4);
	behind(&rig, 1);
	for (int i = 0; i < 11; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		rig_accept(&rig, 2, 1);
		rig_accept(&rig, 4, 2);
	}
	rig_transfer(&rig, 7, 0);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 0);
	rig_accept(&rig, 4, rig_status(&rig).last.index);
	CHECK(rig_find(&rig, RAFT_MSG_TIMEOUT_NOW, 4) != NULL);
	rig_free(&rig);
}

/* The candidate's request, as it comes to a leader. */
static void
stand(struct rig *rig, int from, bool transfer)
{
	struct raft_message message = rig_make(RAFT_MSG_VOTE, from, 1, rig_status(rig).term + 1);

	message.vote.transfer = transfer;
	message.vote.last = rig_status(rig).last;
	rig_message(rig, &message);
}

static void
test_done_when_deposed(void)
{
	struct rig rig;
	uint64_t term;

	leader_new(&rig, 3);
	term = rig_status(&rig).term;
	rig_transfer(&rig, 7, 2);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 1);
	stand(&rig, 2, true);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == term + 1);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	CHECK(rig.answers_count == 1 && rig.answers[0].answer.verdict == RAFT_COMMITTED);
	CHECK(rig.answers[0].answer.pos.term == term + 1);
	rig_free(&rig);
	/* Another than the target: nobody knows what will come of it. */
	leader_new(&rig, 3);
	rig_transfer(&rig, 7, 2);
	stand(&rig, 3, true);
	CHECK(rig.answers_count == 1 && rig.answers[0].answer.verdict == RAFT_UNKNOWN);
	rig_free(&rig);
	/* One that only lost its patience does not depose a leader. */
	leader_new(&rig, 3);
	rig_transfer(&rig, 7, 2);
	stand(&rig, 2, false);
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig.answers_count == 0);
	rig_free(&rig);
}

static void
test_reads_meanwhile(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 3);
	last = rig_status(&rig).last.index;
	rig_time(&rig, RIG_HEARTBEAT);
	all_accept(&rig);
	rig_transfer(&rig, 7, 2);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 1);
	rig_read(&rig, 3);
	CHECK(rig.reads_count == 0);
	stand(&rig, 2, true);
	CHECK(rig.reads_count == 1 && !rig.reads[0].ok);
	rig_append_reply(
	    &rig, 3, rig_status(&rig).term - 1, true, last, (struct raft_pos){last, 1}, 9);
	CHECK(rig.reads_count == 1);
	rig_free(&rig);
}

/* ------------------------------------------------------------ the target */

/* A follower of n2 in term 1 with one entry. */
static void
follower_new(struct rig *rig)
{
	rig_new(rig, 3);
	rig_append(rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 0);
}

static void
timeout_now(struct rig *rig, int from, uint64_t term)
{
	struct raft_message message =
	    rig_make(RAFT_MSG_TIMEOUT_NOW, from, rig->id.s[1] - '0', term);

	rig_message(rig, &message);
}

static void
test_stands_at_once(void)
{
	struct rig rig;

	follower_new(&rig);
	timeout_now(&rig, 2, 1);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE && rig_status(&rig).term == 2);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 2);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE, 3)->vote.transfer);
	CHECK(!rig_find(&rig, RAFT_MSG_VOTE, 3)->vote.pre);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE, 3)->term == 2);
	rig_vote_reply(&rig, 3, 2, false, true);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
	/* The other voter hears it, though its leader is near. */
	follower_new(&rig);
	stand(&rig, 3, false);
	CHECK(rig_status(&rig).term == 1 && rig_count(&rig, RAFT_MSG_VOTE_REPLY) == 0);
	stand(&rig, 3, true);
	CHECK(rig_status(&rig).term == 2);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted);
	rig_free(&rig);
}

static void
test_not_while_storing(void)
{
	struct rig rig;

	follower_new(&rig);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 1, 0);
	timeout_now(&rig, 2, 1);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == 1);
	CHECK(rig_status(&rig).dropped == 1);
	rig_store_all(&rig);
	timeout_now(&rig, 2, 1);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_free(&rig);
	/* A snapshot that is being stored. */
	follower_new(&rig);
	rig.hold_writes = true;
	rig_snapshot_ready(&rig, (struct raft_pos){9, 1}, &rig.config, raft_sessions_new());
	timeout_now(&rig, 2, 1);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == 1);
	rig_store_all(&rig);
	timeout_now(&rig, 2, 1);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_free(&rig);
}

static void
test_late_nomination(void)
{
	struct rig rig;
	struct raft_config config = rig_config(3, 0, false);

	follower_new(&rig);
	rig_append(&rig, 3, 2, (struct raft_pos){1, 1}, 2, 1, 0);
	timeout_now(&rig, 2, 1); /* of an old term, from who led then */
	timeout_now(&rig, 3, 1); /* of an old term, from who leads now */
	timeout_now(&rig, 2, 2); /* not from the leader */
	timeout_now(&rig, 2, 3); /* of a term that has none */
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == 2);
	timeout_now(&rig, 3, 2);
	CHECK(rig_status(&rig).term == 3);
	timeout_now(&rig, 3, 2); /* twice */
	CHECK(rig_status(&rig).term == 3 && rig_status(&rig).elections == 1);
	rig_vote_reply(&rig, 2, 3, false, true);
	timeout_now(&rig, 3, 2); /* at the leader that it made */
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig_status(&rig).term == 3);
	rig_free(&rig);
	/* A learner, and one that was removed. */
	for (int i = 0; i < 2; i++) {
		follower_new(&rig);
		config.members[0].role = RAFT_LEARNER;
		if (i == 1) {
			memmove(config.members, config.members + 1, 2 * sizeof *config.members);
			config.count = 2;
		}
		append_config(&rig, 2, 1, (struct raft_pos){1, 1}, &config);
		rig_append(&rig, 2, 1, (struct raft_pos){2, 1}, 1, 0, 2);
		timeout_now(&rig, 2, 1);
		CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == 1);
		rig_free(&rig);
	}
}

static void
test_asked_elsewhere(void)
{
	struct rig rig;
	struct raft_message message;

	rig_new(&rig, 3);
	CHECK(refused_at_once(&rig, 2) == RAFT_REASON_NO_LEADER);
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig_status(&rig).role == RAFT_PRE_CANDIDATE);
	CHECK(refused_at_once(&rig, 2) == RAFT_REASON_NO_LEADER);
	rig_free(&rig);
	/* A follower asks its leader, and passes the answer on; or says that there is none. */
	follower_new(&rig);
	rig_transfer(&rig, 7, 3);
	CHECK(rig_find(&rig, RAFT_MSG_TRANSFER, 2) != NULL);
	message = rig_make(RAFT_MSG_ANSWER, 2, 1, 1);
	message.answer.start_number = rig_find(&rig, RAFT_MSG_TRANSFER, 2)->transfer.start_number;
	message.answer.request = rig_find(&rig, RAFT_MSG_TRANSFER, 2)->transfer.request;
	message.answer.verdict = RAFT_REFUSED;
	message.answer.reason = RAFT_REASON_NOT_VOTER;
	message.answer.count = 1;
	rig_message(&rig, &message);
	CHECK(rig.answers_count == 1 && answered(&rig) == RAFT_REASON_NOT_VOTER);
	rig.answers_count = 0;
	rig_transfer(&rig, 8, 3);
	for (int i = 0; i < 30; i++) { /* the leader is there, and never answers */
		rig_time(&rig, RIG_HEARTBEAT);
		rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 0);
	}
	CHECK(rig.answers_count == 1 && answered(&rig) == RAFT_REASON_NO_ANSWER);
	rig_free(&rig);
	/* Asked of a node that leads no more, or with a name that is none. */
	follower_new(&rig);
	message = rig_make(RAFT_MSG_TRANSFER, 3, 1, 1);
	message.transfer.start_number = 3;
	message.transfer.request = 1;
	rig_message(&rig, &message);
	CHECK(rig_find(&rig, RAFT_MSG_ANSWER, 3)->answer.reason == RAFT_REASON_NOT_LEADER);
	message.transfer.target.s[0] = '/';
	rig_message(&rig, &message);
	CHECK(rig_count(&rig, RAFT_MSG_ANSWER) == 1);
	rig_free(&rig);
}

/* ------------------------------------------------------------ in a net */

static void
net_transfer(int members, bool through_follower)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	int leader, target, asked;
	uint64_t term;

	net_part(&net, members);
	leader = net_leader(&net);
	target = (leader + 1) % members;
	asked = through_follower ? (leader + members - 1) % members : leader;
	term = rig_status(&net.rigs[leader]).term;
	rig_propose_serials(&net.rigs[leader], 5, &sid, 1, 9, base);
	rig_transfer(&net.rigs[asked], 7, target + 1);
	net_run(&net, 200); /* a fraction of an election timeout */
	CHECK(net_leader(&net) == target);
	CHECK(rig_status(&net.rigs[target]).term == term + 1);
	/* All that was taken is committed, and the new leader takes more. */
	CHECK(rig_status(&net.rigs[target]).commit.index >= 11);
	rig_propose_serials(&net.rigs[leader], 6, &sid, 10, 1, base);
	net_run(&net, 200);
	CHECK(net.rigs[leader].answers[net.rigs[leader].answers_count - 1].answer.verdict ==
	      RAFT_COMMITTED);
	net_run(&net, 3000);
	CHECK(rig_status(&net.rigs[target]).term == term + 1);
	net_free(&net);
}

static void
test_net(void)
{
	net_transfer(3, false);
	net_transfer(3, true);
	net_transfer(2, false);
	net_transfer(5, true);
}

/* ------------------------------------------------------------ leaders that go */

static void
test_nudge(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 3);
	last = behind(&rig, 1);
	rig_disk_full(&rig, true);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	CHECK(rig_find(&rig, RAFT_MSG_TIMEOUT_NOW, 3) != NULL);
	CHECK(rig_find(&rig, RAFT_MSG_TIMEOUT_NOW, 2) == NULL);
	rig_free(&rig);
	/* Nobody has the whole log: nobody is told. */
	leader_new(&rig, 3);
	last = behind(&rig, 1);
	rig_propose_serials(
	    &rig, 5, &(struct raft_sid){{1, [15] = 1}}, 4, 1, (struct raft_proposal){0});
	CHECK(rig_status(&rig).last.index == last + 1);
	rig_disk_full(&rig, true);
	CHECK(rig_count(&rig, RAFT_MSG_TIMEOUT_NOW) == 0);
	rig_free(&rig);
}

/* Its disk hangs until it leads no more; then the disk is well again. */
static void
stall(struct rig *rig)
{
	rig->hold_writes = true;
	rig_propose_one(rig, 5, RAFT_NOOP, NULL, NULL, 0);
	for (int i = 0; i < 40 && rig_status(rig).role == RAFT_LEADER; i++) {
		rig_time(rig, RIG_HEARTBEAT);
		if (rig_status(rig).role == RAFT_LEADER)
			all_accept(rig);
	}
	CHECK(rig_status(rig).role == RAFT_FOLLOWER);
	CHECK(strncmp(rig->why, "disk silent for ", 16) == 0);
	rig_store_all(rig);
	rig->hold_writes = false;
}

/* How long it takes until it stands; then it is elected. */
static uint64_t
out_for(struct rig *rig)
{
	uint64_t from = rig->now;

	for (int i = 0; i < 1000 && rig_status(rig).role == RAFT_FOLLOWER; i++)
		rig_time(rig, 50);
	rig_elect(rig);
	all_accept(rig);
	rig_clear(rig);
	return rig->now - from;
}

static void
test_stall_penalty(void)
{
	static const uint64_t penalties[] = {2, 4, 8, 16, 16};
	struct rig rig;
	uint64_t out;

	leader_new(&rig, 3);
	for (size_t i = 0; i < sizeof penalties / sizeof penalties[0]; i++) {
		stall(&rig);
		out = out_for(&rig);
		CHECK(out >= penalties[i] * RIG_E);
		CHECK(out <= (penalties[i] + 2) * RIG_E + 50);
	}
	/* After a long time without it all is forgotten. */
	for (int i = 0; i < 66 * RIG_E / RIG_HEARTBEAT; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		all_accept(&rig);
		rig_clear(&rig);
	}
	stall(&rig);
	out = out_for(&rig);
	CHECK(out >= 2 * RIG_E && out <= 4 * RIG_E + 50);
	/* A leader that goes for another reason has no penalty to pay twice. */
	for (int i = 0; i < 20 && rig_status(&rig).role == RAFT_LEADER; i++)
		rig_time(&rig, RIG_HEARTBEAT);
	rig_free(&rig);
}

static void
test_stall_target(void)
{
	struct rig rig;
	uint64_t term;

	leader_new(&rig, 3);
	stall(&rig);
	term = rig_status(&rig).term + 1;
	rig_append(&rig, 2, term, rig_status(&rig).last, term, 1, 0);
	timeout_now(&rig, 2, term);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == term);
	rig_free(&rig);
}

static void
test_stall_sole(void)
{
	struct rig rig;
	struct raft_config config = rig_config(1, 0, false);
	uint64_t term;

	/* The only voter leads, however long its disk takes. */
	leader_new(&rig, 1);
	rig.hold_writes = true;
	rig_propose_one(&rig, 5, RAFT_NOOP, NULL, NULL, 0);
	rig_time(&rig, 20 * RIG_E);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
	/* One that has a penalty, and becomes the only voter, does not wait. */
	leader_new(&rig, 2);
	stall(&rig);
	term = rig_status(&rig).term + 1;
	append_config(&rig, 2, term, rig_status(&rig).last, &config);
	CHECK(config_is(&rig, "1v"));
	rig_time(&rig, RIG_E);
	rig_time(&rig, RIG_E - 1);
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
}

int
main(void)
{
	check_run("G1: no proposals during a transfer; it ends after an election timeout",
	    test_no_proposals);
	check_run("G2: a slow target is caught up first", test_caught_up_first);
	check_run(
	    "G2: self, strangers, learners, removed and recovering ones are refused", test_targets);
	check_run("G2: a second transfer replaces the first", test_second_replaces);
	check_run("G2: the best is the nearest, then the one that has most", test_best);
	check_run("G2: it is done when the target deposes the leader, and only then",
	    test_done_when_deposed);
	check_run(
	    "G6: no read is answered without a round after the hand-over", test_reads_meanwhile);
	check_run("B11: the target stands without a pre-vote, and is heard near a leader",
	    test_stands_at_once);
	check_run("G3: it does not stand while its log is being stored", test_not_while_storing);
	check_run("G4: late, doubled and foreign nominations are ignored", test_late_nomination);
	check_run("G5: a transfer asked of another is forwarded, refused, never lost",
	    test_asked_elsewhere);
	check_run("§3.10: leadership goes over in a fraction of an election timeout", test_net);
	check_run("§3.10: a leader that goes names one that has its whole log", test_nudge);
	check_run("a leader whose disk hangs again and again stays out longer each time",
	    test_stall_penalty);
	check_run("it does not take leadership over meanwhile either", test_stall_target);
	check_run("the sole voter never stays out", test_stall_sole);
	return check_done();
}
