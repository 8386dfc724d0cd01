/* SPDX-License-Identifier: ISC */
/*
 * Membership change (§4): what a change makes of a configuration, when a leader takes one, and
 * when it is in force.
 */
#include "raft_changes.h"

/* ------------------------------------------------- what a change makes */

struct verdict {
	enum raft_change_op op;
	int number;
	int like;
	enum raft_reason reason;
	const char *config;
};

static void
verdicts_check(struct rig *rig, const struct verdict *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t last = rig_status(rig).last.index;
		enum raft_reason reason =
		    change_now(rig, table[i].op, table[i].number, table[i].like);

		if (reason != table[i].reason)
			printf("# row %zu: %s\n", i, raft_reason_text(reason));
		CHECK(reason == table[i].reason);
		CHECK(config_is(rig, table[i].config));
		/* What is refused leaves nothing behind. */
		CHECK(rig_status(rig).last.index == last + (reason == RAFT_REASON_NONE));
	}
}

static void
test_verdicts(void)
{
	static const struct verdict table[] = {
	    {RAFT_CHANGE_PROMOTE, 1, 0, RAFT_REASON_NOT_ALLOWED, "1v"},
	    {RAFT_CHANGE_DEMOTE, 1, 0, RAFT_REASON_LAST_VOTER, "1v"},
	    {RAFT_CHANGE_REMOVE, 1, 0, RAFT_REASON_LAST_VOTER, "1v"},
	    {RAFT_CHANGE_REMOVE, 2, 0, RAFT_REASON_NO_MEMBER, "1v"},
	    {RAFT_CHANGE_PROMOTE, 2, 0, RAFT_REASON_NO_MEMBER, "1v"},
	    {RAFT_CHANGE_DEMOTE, 2, 0, RAFT_REASON_NO_MEMBER, "1v"},
	    {RAFT_CHANGE_ADDRESS, 2, 2, RAFT_REASON_NO_MEMBER, "1v"},
	    {RAFT_CHANGE_KEY_ADD, 2, 2, RAFT_REASON_NO_MEMBER, "1v"},
	    {RAFT_CHANGE_ADD, 1, 1, RAFT_REASON_MEMBER_EXISTS, "1v"},
	    {RAFT_CHANGE_ADD, 2, 2, RAFT_REASON_NONE, "1v 2l"},
	    {RAFT_CHANGE_ADD, 2, 2, RAFT_REASON_MEMBER_EXISTS, "1v 2l"},
	    {RAFT_CHANGE_ADD, 2, 3, RAFT_REASON_MEMBER_EXISTS, "1v 2l"},
	    {RAFT_CHANGE_ADD, 3, 0, RAFT_REASON_MALFORMED, "1v 2l"},
	    {RAFT_CHANGE_REMOVE, 1, 0, RAFT_REASON_LAST_VOTER, "1v 2l"},
	    {RAFT_CHANGE_DEMOTE, 1, 0, RAFT_REASON_LAST_VOTER, "1v 2l"},
	    {RAFT_CHANGE_PROMOTE, 2, 0, RAFT_REASON_NONE, "1v 2v"},
	    {RAFT_CHANGE_PROMOTE, 2, 0, RAFT_REASON_NOT_ALLOWED, "1v 2v"},
	    {RAFT_CHANGE_ADD, 3, 3, RAFT_REASON_NONE, "1v 2v 3l"},
	    {RAFT_CHANGE_DEMOTE, 3, 0, RAFT_REASON_NOT_ALLOWED, "1v 2v 3l"},
	    {RAFT_CHANGE_PROMOTE, 3, 0, RAFT_REASON_NONE, "1v 2v 3v"},
	    {RAFT_CHANGE_DEMOTE, 2, 0, RAFT_REASON_NONE, "1v 2l 3v"},
	    {RAFT_CHANGE_PROMOTE, 2, 0, RAFT_REASON_NONE, "1v 2v 3v"},
	    {RAFT_CHANGE_REMOVE, 3, 0, RAFT_REASON_NONE, "1v 2v -3"},
	    {RAFT_CHANGE_ADD, 3, 3, RAFT_REASON_ID_USED, "1v 2v -3"},
	    {RAFT_CHANGE_ADD, 3, 5, RAFT_REASON_ID_USED, "1v 2v -3"},
	    {RAFT_CHANGE_PROMOTE, 3, 0, RAFT_REASON_NO_MEMBER, "1v 2v -3"},
	    {RAFT_CHANGE_REMOVE, 3, 0, RAFT_REASON_NO_MEMBER, "1v 2v -3"},
	    /* Its key and address are free again, for another id. */
	    {RAFT_CHANGE_ADD, 4, 3, RAFT_REASON_NONE, "1v 2v 4l -3"},
	    {RAFT_CHANGE_REMOVE, 4, 0, RAFT_REASON_NONE, "1v 2v -3 -4"},
	    {RAFT_CHANGE_REMOVE, 2, 0, RAFT_REASON_NONE, "1v -3 -4 -2"},
	    {RAFT_CHANGE_REMOVE, 1, 0, RAFT_REASON_LAST_VOTER, "1v -3 -4 -2"},
	};
	struct rig rig;

	leader_new(&rig, 1);
	verdicts_check(&rig, table, sizeof table / sizeof table[0]);
	rig_free(&rig);
}

static void
test_collisions(void)
{
	struct rig rig;
	struct raft_change change;

	leader_new(&rig, 3);
	CHECK(change_now(&rig, RAFT_CHANGE_ADDRESS, 2, 2) == RAFT_REASON_NONE);
	CHECK(change_now(&rig, RAFT_CHANGE_ADDRESS, 3, 2) == RAFT_REASON_MEMBER_EXISTS);
	CHECK(change_now(&rig, RAFT_CHANGE_ADDRESS, 3, 3) == RAFT_REASON_NONE);
	CHECK(change_now(&rig, RAFT_CHANGE_ADDRESS, 3, 2) == RAFT_REASON_MEMBER_EXISTS);
	CHECK(strcmp(raft_config_now(rig.raft)->members[2].address, "tcp://h3:1") == 0);
	/* A new address of the own changes nothing else. */
	CHECK(change_now(&rig, RAFT_CHANGE_ADDRESS, 3, 7) == RAFT_REASON_NONE);
	CHECK(strcmp(raft_config_now(rig.raft)->members[2].address, "tcp://h7:1") == 0);
	CHECK(config_is(&rig, "1v 2v 3v"));
	change = make_change(RAFT_CHANGE_ADD, 4, 2); /* address of n2, key of nobody */
	change.member.key[0] = 9;
	rig.answers_count = 0;
	rig_change(&rig, 1, &change);
	CHECK(answered(&rig) == RAFT_REASON_MEMBER_EXISTS);
	change = make_change(RAFT_CHANGE_ADD, 4, 9); /* key of n2 */
	change.member.key[0] = 2;
	rig.answers_count = 0;
	rig_change(&rig, 1, &change);
	CHECK(answered(&rig) == RAFT_REASON_MEMBER_EXISTS);
	change = make_change(RAFT_CHANGE_ADDRESS, 2, 2); /* none at all */
	change.member.address[0] = '\0';
	rig.answers_count = 0;
	rig_change(&rig, 1, &change);
	CHECK(answered(&rig) == RAFT_REASON_MALFORMED);
	rig_free(&rig);
}

static const struct raft_member *
member(const struct rig *rig, int number)
{
	struct raft_id id = rig_id(number);

	return raft_config_find(raft_config_now(rig->raft), &id);
}

static void
test_keys(void)
{
	struct rig rig;

	leader_new(&rig, 3);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_ADD, 2, 0) == RAFT_REASON_MALFORMED);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_ADD, 2, 2) == RAFT_REASON_MEMBER_EXISTS);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_ADD, 2, 3) == RAFT_REASON_MEMBER_EXISTS);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_DROP, 2, 2) == RAFT_REASON_NOT_ALLOWED);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_ADD, 2, 8) == RAFT_REASON_NONE);
	CHECK(member(&rig, 2)->key[0] == 2 && member(&rig, 2)->key_next[0] == 8);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_ADD, 2, 9) == RAFT_REASON_NOT_ALLOWED);
	/* The second key is as taken as the first. */
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_ADD, 3, 8) == RAFT_REASON_MEMBER_EXISTS);
	CHECK(change_now(&rig, RAFT_CHANGE_ADD, 8, 8) == RAFT_REASON_MEMBER_EXISTS);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_DROP, 2, 7) == RAFT_REASON_NOT_ALLOWED);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_DROP, 2, 2) == RAFT_REASON_NONE);
	CHECK(member(&rig, 2)->key[0] == 8 && !raft_member_two_keys(member(&rig, 2)));
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_DROP, 2, 8) == RAFT_REASON_NOT_ALLOWED);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_ADD, 2, 2) == RAFT_REASON_NONE);
	CHECK(change_now(&rig, RAFT_CHANGE_KEY_DROP, 2, 2) == RAFT_REASON_NONE);
	CHECK(member(&rig, 2)->key[0] == 8 && !raft_member_two_keys(member(&rig, 2)));
	rig_free(&rig);
}

/* A change of a member whose name is a letter and a number of up to three digits. */
static enum raft_reason
change_many(struct rig *rig, enum raft_change_op op, int number)
{
	struct raft_change change = {.op = op};

	snprintf(change.member.id.s, sizeof change.member.id.s, "m%d", number);
	if (op == RAFT_CHANGE_ADD) {
		snprintf(change.member.address, sizeof change.member.address, "tcp://h:%d", number);
		change.member.key[0] = (uint8_t)number;
		change.member.key[1] = 1;
	}
	rig->answers_count = 0;
	rig_change(rig, 1, &change);
	rig_sent_clear(rig);
	return answered(rig);
}

static void
test_full(void)
{
	struct rig rig;

	leader_new(&rig, 1);
	for (int i = 2; i <= RAFT_MEMBERS_MAX; i++)
		CHECK(change_many(&rig, RAFT_CHANGE_ADD, i) == RAFT_REASON_NONE);
	CHECK(raft_config_now(rig.raft)->count == RAFT_MEMBERS_MAX);
	CHECK(change_many(&rig, RAFT_CHANGE_ADD, 99) == RAFT_REASON_MEMBERS_FULL);
	CHECK(change_many(&rig, RAFT_CHANGE_REMOVE, 2) == RAFT_REASON_NONE);
	CHECK(change_many(&rig, RAFT_CHANGE_ADD, 99) == RAFT_REASON_NONE);
	CHECK(rig_status(&rig).peers_count == RAFT_MEMBERS_MAX);
	rig_free(&rig);
}

static void
test_retired(void)
{
	struct rig rig;

	leader_new(&rig, 1);
	for (int i = 0; i <= RAFT_RETIRED_MAX; i++) {
		CHECK(change_many(&rig, RAFT_CHANGE_ADD, i) == RAFT_REASON_NONE);
		CHECK(change_many(&rig, RAFT_CHANGE_REMOVE, i) == RAFT_REASON_NONE);
		CHECK(change_many(&rig, RAFT_CHANGE_ADD, i) == RAFT_REASON_ID_USED);
	}
	CHECK(raft_config_now(rig.raft)->retired_count == RAFT_RETIRED_MAX);
	CHECK(change_many(&rig, RAFT_CHANGE_ADD, 1) == RAFT_REASON_ID_USED);
	CHECK(change_many(&rig, RAFT_CHANGE_ADD, RAFT_RETIRED_MAX) == RAFT_REASON_ID_USED);
	/* It is remembered over a restart. */
	rig_start(&rig);
	rig_elect(&rig);
	CHECK(raft_config_now(rig.raft)->retired_count == RAFT_RETIRED_MAX);
	CHECK(change_many(&rig, RAFT_CHANGE_ADD, 1) == RAFT_REASON_ID_USED);
	rig_free(&rig);
}

/* ------------------------------------------------- when one may be made */

static void
test_own_term_first(void)
{
	struct rig rig;
	uint64_t last;

	rig_new(&rig, 4);
	rig_elect(&rig);
	last = rig_status(&rig).last.index;
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	CHECK(answered(&rig) == RAFT_REASON_TERM_YOUNG);
	rig_accept(&rig, 2, last);
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0); /* two of four are no majority */
	CHECK(answered(&rig) == RAFT_REASON_TERM_YOUNG);
	CHECK(rig_status(&rig).last.index == last);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	rig_accept(&rig, 3, last);
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	CHECK(answered(&rig) == RAFT_REASONS_COUNT);
	CHECK(config_is(&rig, "1v 2v 3v -4"));
	rig_free(&rig);
}

/* An entry of an earlier term that is committed is not enough. */
static void
test_own_term_not_older(void)
{
	struct rig rig;

	rig_init(&rig, 1, 3);
	rig_disk_put(&rig, 1, RAFT_NOOP);
	rig_start_commit(&rig, 1);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	ask(&rig, RAFT_CHANGE_REMOVE, 3, 0);
	CHECK(answered(&rig) == RAFT_REASON_TERM_YOUNG);
	rig_free(&rig);
}

/*
 * The trace of 2015: S1 adds a server in term 1 and stalls, S2 removes one in term 2 and stalls,
 * S1 leads again.  Without the rule {S1, S4, S5} and {S2, S3} would both be majorities.
 */
static void
test_two_leaders(void)
{
	struct net net;
	int first, second;

	net_part(&net, 4);
	first = net_leader(&net);
	net_isolate(&net, first, true);
	ask(&net.rigs[first], RAFT_CHANGE_ADD, 5, 5);
	CHECK(net.rigs[first].answers_count == 0);
	CHECK(config_is(&net.rigs[first], "1v 2v 3v 4v 5l"));
	/* Another is elected; at that moment nobody else knows its no-op. */
	for (second = -1; second < 0; net_run(&net, 10))
		for (int i = 0; i < 4; i++)
			if (i != first && rig_status(&net.rigs[i]).role == RAFT_LEADER)
				second = i;
	net_isolate(&net, second, true);
	if (rig_status(&net.rigs[second]).commit.index < 2) {
		ask(&net.rigs[second], RAFT_CHANGE_REMOVE, first + 1, 0);
		CHECK(answered(&net.rigs[second]) == RAFT_REASON_TERM_YOUNG);
	}
	net_isolate(&net, second, false);
	net_isolate(&net, first, true);
	net_run(&net, 1000);
	ask(&net.rigs[net_leader(&net)], RAFT_CHANGE_REMOVE, first + 1, 0);
	net_run(&net, 1000);
	CHECK(net.rigs[net_leader(&net)].answers_count == 1);
	net_isolate(&net, first, false);
	net_run(&net, 3000);
	/* The addition is gone everywhere; the first leader knows that it is no member. */
	for (int i = 0; i < 4; i++) {
		CHECK(raft_config_now(net.rigs[i].raft)->count == 3);
		CHECK(raft_config_now(net.rigs[i].raft)->retired_count == 1);
	}
	CHECK(rig_status(&net.rigs[first]).role == RAFT_FOLLOWER);
	net_free(&net);
}

static void
test_one_at_a_time(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 4);
	ask(&rig, RAFT_CHANGE_ADD, 5, 5);
	CHECK(rig.answers_count == 0);
	last = rig_status(&rig).last.index;
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	CHECK(answered(&rig) == RAFT_REASON_CHANGE_PENDING);
	CHECK(rig_status(&rig).last.index == last);
	rig_accept(&rig, 2, last);
	rig_accept(&rig, 5, last); /* the learner counts for nothing */
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	CHECK(answered(&rig) == RAFT_REASON_CHANGE_PENDING);
	rig_accept(&rig, 3, last);
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	CHECK(answered(&rig) == RAFT_REASONS_COUNT);
	CHECK(config_is(&rig, "1v 2v 3v 5l -4"));
	rig_free(&rig);
}

static void
test_gates(void)
{
	struct rig rig;
	struct raft_change change = make_change(RAFT_CHANGE_ADD, 4, 4);
	uint8_t data[RAFT_CHANGE_SIZE_MAX];
	size_t size = raft_change_encode(&change, data);
	struct raft_entry entry;
	struct raft_proposal proposal = {
	    .ticket = 1, .fence = 9, .entries = &entry, .entries_count = 1};

	leader_new(&rig, 3);
	entry = rig_entry(0, RAFT_CONFIG, NULL, 0, data, size);
	rig_propose(&rig, &proposal);
	CHECK(answered(&rig) == RAFT_REASON_FENCED);
	raft_chunk_unref(entry.chunk);
	/* Cut short, with an unknown number, with something behind it. */
	rig.answers_count = 0;
	rig_propose_one(&rig, 1, RAFT_CONFIG, NULL, data, size - 1);
	CHECK(answered(&rig) == RAFT_REASON_MALFORMED);
	data[0] = 8;
	rig.answers_count = 0;
	rig_propose_one(&rig, 1, RAFT_CONFIG, NULL, data, size);
	CHECK(answered(&rig) == RAFT_REASON_MALFORMED);
	rig.answers_count = 0;
	rig_propose_one(&rig, 1, RAFT_CONFIG, NULL, NULL, 0);
	CHECK(answered(&rig) == RAFT_REASON_MALFORMED);
	rig_transfer(&rig, 7, 2);
	ask(&rig, RAFT_CHANGE_ADD, 4, 4);
	CHECK(answered(&rig) == RAFT_REASON_TRANSFERRING);
	CHECK(rig_status(&rig).last.index == 1);
	rig_free(&rig);
	leader_new(&rig, 1);
	rig_disk_full(&rig, true);
	ask(&rig, RAFT_CHANGE_ADD, 4, 4);
	CHECK(answered(&rig) == RAFT_REASON_DISK_FULL);
	rig_free(&rig);
}

static void
test_forwarded(void)
{
	struct net net;
	int leader, follower;

	net_part(&net, 3);
	leader = net_leader(&net);
	follower = (leader + 1) % 3;
	ask(&net.rigs[follower], RAFT_CHANGE_ADD, 4, 4);
	net_run(&net, 500);
	CHECK(net.rigs[follower].answers_count == 1);
	CHECK(answered(&net.rigs[follower]) == RAFT_REASON_NONE);
	CHECK(net.rigs[follower].answers[0].answer.pos.index ==
	      rig_status(&net.rigs[leader]).last.index);
	ask(&net.rigs[follower], RAFT_CHANGE_ADD, 4, 4);
	net_run(&net, 500);
	CHECK(answered(&net.rigs[follower]) == RAFT_REASON_MEMBER_EXISTS);
	net_free(&net);
}

/* --------------------------------------------- in force when appended */

static void
test_rolled_back(void)
{
	struct rig rig;
	struct raft_config config = rig_config(4, 0, false);

	rig_new(&rig, 3);
	append_config(&rig, 2, 1, (struct raft_pos){0, 0}, &config);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	/* It is in force after a restart, too, though nobody knows that it is committed. */
	rig_start(&rig);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	rig.config_changed = false;
	rig_append(&rig, 3, 2, (struct raft_pos){0, 0}, 2, 1, 0);
	CHECK(config_is(&rig, "1v 2v 3v"));
	CHECK(rig.config_changed);
	rig_start(&rig);
	CHECK(config_is(&rig, "1v 2v 3v"));
	rig_free(&rig);
}

/* The former one comes back also when there are several above the commit. */
static void
test_rolled_back_by_one(void)
{
	struct rig rig;
	struct raft_config four = rig_config(4, 0, false);
	struct raft_config five = rig_config(5, 0, false);

	rig_new(&rig, 3);
	append_config(&rig, 2, 1, (struct raft_pos){0, 0}, &four);
	append_config(&rig, 2, 1, (struct raft_pos){1, 1}, &five);
	CHECK(config_is(&rig, "1v 2v 3v 4v 5v"));
	rig_start(&rig);
	rig_append(&rig, 3, 2, (struct raft_pos){1, 1}, 2, 1, 0);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	rig_append(&rig, 3, 2, (struct raft_pos){2, 2}, 2, 1, 3);
	CHECK(rig_status(&rig).commit.index == 3);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	rig_start_commit(&rig, 2);
	CHECK(config_is(&rig, "1v 2v 3v 4v"));
	rig_free(&rig);
}

/* The candidate's majority is that of its last configuration, committed or not. */
static void
test_counts_when_appended(void)
{
	struct rig rig;
	struct raft_config config = rig_config(4, 0, false);
	uint64_t term;

	rig_new(&rig, 3);
	append_config(&rig, 2, 1, (struct raft_pos){0, 0}, &config);
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE, 4) != NULL);
	term = rig_status(&rig).term + 1;
	rig_vote_reply(&rig, 2, term, true, true);
	CHECK(rig_status(&rig).role == RAFT_PRE_CANDIDATE);
	/* §4.1: the new one's vote counts, though its own log may not say that it is a member. */
	rig_vote_reply(&rig, 4, term, true, true);
	CHECK(rig_status(&rig).role == RAFT_CANDIDATE);
	rig_free(&rig);
}

static void
test_outsider_votes(void)
{
	struct rig rig;

	rig_init(&rig, 4, 3);
	rig_start(&rig);
	rig_vote_request(&rig, 1, 1, false, (struct raft_pos){0, 0});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 1)->vote_reply.granted);
	rig_append(&rig, 1, 1, (struct raft_pos){0, 0}, 1, 1, 0);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 1)->append_reply.match == 1);
	/* But it does not stand. */
	rig_sent_clear(&rig);
	for (int i = 0; i < 20; i++)
		rig_time(&rig, RIG_E);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 0);
	rig_free(&rig);
}

static void
test_learner_votes(void)
{
	struct rig rig;

	rig_init(&rig, 3, 3);
	rig.config = rig_config(3, 1, false);
	rig_start(&rig);
	for (int i = 0; i < 20; i++)
		rig_time(&rig, RIG_E);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 0);
	rig_vote_request(&rig, 1, 1, true, (struct raft_pos){0, 0});
	CHECK(rig_find_last(&rig, RAFT_MSG_VOTE_REPLY, 1)->vote_reply.granted);
	rig_vote_request(&rig, 1, 1, false, (struct raft_pos){0, 0});
	CHECK(rig_find_last(&rig, RAFT_MSG_VOTE_REPLY, 1)->vote_reply.granted);
	rig_vote_request(&rig, 2, 1, false, (struct raft_pos){0, 0});
	CHECK(!rig_find_last(&rig, RAFT_MSG_VOTE_REPLY, 2)->vote_reply.granted);
	rig_free(&rig);
}

/* D9: a joiner with an empty log passes through configurations that it is not in. */
static void
test_joiner_is_silent(void)
{
	struct rig rig;
	struct raft_config config = rig_config(3, 0, false);

	rig_init(&rig, 4, 3);
	rig_start(&rig);
	append_config(&rig, 1, 1, (struct raft_pos){0, 0}, &config);
	for (int i = 0; i < 20; i++)
		rig_time(&rig, RIG_E);
	config = rig_config(4, 1, false);
	append_config(&rig, 1, 1, (struct raft_pos){1, 1}, &config);
	for (int i = 0; i < 20; i++)
		rig_time(&rig, RIG_E);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 0);
	CHECK(rig_status(&rig).term == 1);
	/* Once it votes by its own log it may. */
	config = rig_config(4, 0, false);
	append_config(&rig, 1, 1, (struct raft_pos){2, 1}, &config);
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 3);
	rig_free(&rig);
}

/* What other nodes are told must be an index that every log comes to. */
static void
test_committed_index(void)
{
	struct rig rig;
	uint64_t before, last;

	leader_new(&rig, 3);
	before = raft_config_index(rig.raft);
	ask(&rig, RAFT_CHANGE_ADDRESS, 2, 7);
	last = rig_status(&rig).last.index;
	CHECK(last > before && answered(&rig) == RAFT_REASONS_COUNT);
	CHECK(raft_config_index(rig.raft) == before);
	rig_accept(&rig, 2, last);
	CHECK(raft_config_index(rig.raft) == last);
	rig_free(&rig);
}

/* ---------------------------------------------- who is left must be well */

static void
reply_recovering(struct rig *rig, int from)
{
	struct raft_message message = rig_make(RAFT_MSG_APPEND_REPLY, from, 1, 1);

	message.append_reply.ok = true;
	message.append_reply.recovering = true;
	message.append_reply.mark_valid = true;
	message.append_reply.start_number = 77;
	rig_message(rig, &message);
}

static void
test_majority_stays(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 4);
	last = rig_status(&rig).last.index;
	reply_recovering(&rig, 4);
	/* Of n1, n3 and n4 two are well; then of n1 and n4, or n3 and n4, one: no majority. */
	CHECK(change_now(&rig, RAFT_CHANGE_DEMOTE, 2, 0) == RAFT_REASON_NONE);
	reply_recovering(&rig, 4);
	ask(&rig, RAFT_CHANGE_REMOVE, 3, 0);
	CHECK(answered(&rig) == RAFT_REASON_FEW_VOTERS);
	ask(&rig, RAFT_CHANGE_DEMOTE, 1, 0);
	CHECK(answered(&rig) == RAFT_REASON_FEW_VOTERS);
	CHECK(rig_status(&rig).last.index == last + 1);
	/* Learners may go, and so may the one that recovers. */
	CHECK(change_now(&rig, RAFT_CHANGE_REMOVE, 2, 0) == RAFT_REASON_NONE);
	reply_recovering(&rig, 4);
	ask(&rig, RAFT_CHANGE_REMOVE, 4, 0);
	CHECK(answered(&rig) == RAFT_REASONS_COUNT);
	CHECK(config_is(&rig, "1v 3v -2 -4"));
	rig_free(&rig);
}

static void
test_majority_is_heard(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 3);
	last = rig_status(&rig).last.index;
	for (int i = 0; i < 12; i++) { /* n3 is silent for longer than an election timeout */
		rig_time(&rig, RIG_E / 10);
		rig_accept(&rig, 2, last);
	}
	ask(&rig, RAFT_CHANGE_REMOVE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASON_FEW_VOTERS);
	ask(&rig, RAFT_CHANGE_REMOVE, 3, 0);
	CHECK(answered(&rig) == RAFT_REASONS_COUNT);
	CHECK(config_is(&rig, "1v 2v -3"));
	rig_free(&rig);
}

/* ------------------------------------------------------------ catching up */

static void
test_catch_up(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 1);
	CHECK(change_now(&rig, RAFT_CHANGE_ADD, 2, 2) == RAFT_REASON_NONE);
	rig_start(&rig); /* what was heard is forgotten */
	rig_elect(&rig);
	last = rig_status(&rig).last.index;
	ask(&rig, RAFT_CHANGE_PROMOTE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASON_NOT_CAUGHT_UP);
	rig_accept(&rig, 2, last - 1); /* all but the no-op of this term */
	ask(&rig, RAFT_CHANGE_PROMOTE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASON_NOT_CAUGHT_UP);
	rig_accept(&rig, 2, last);
	/* Silent for an election timeout. */
	rig_time(&rig, RIG_E);
	ask(&rig, RAFT_CHANGE_PROMOTE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASON_NOT_CAUGHT_UP);
	CHECK(rig_status(&rig).last.index == last);
	rig_accept(&rig, 2, last);
	ask(&rig, RAFT_CHANGE_PROMOTE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASONS_COUNT);
	CHECK(config_is(&rig, "1v 2v"));
	rig_free(&rig);
}

/* §4.2.1: what the log held an election timeout ago must be there. */
static void
test_catch_up_under_load(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_proposal base = {0};
	uint64_t had, last;

	leader_new(&rig, 1);
	CHECK(change_now(&rig, RAFT_CHANGE_ADD, 2, 2) == RAFT_REASON_NONE);
	had = rig_status(&rig).last.index;
	rig_propose_serials(&rig, 5, &sid, 1, 5, base);
	last = rig_status(&rig).last.index;
	for (int i = 0; i < 30; i++) { /* it answers, and gets nowhere */
		rig_time(&rig, RIG_HEARTBEAT);
		rig_accept(&rig, 2, had);
	}
	ask(&rig, RAFT_CHANGE_PROMOTE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASON_NOT_CAUGHT_UP);
	rig_accept(&rig, 2, last - 1);
	ask(&rig, RAFT_CHANGE_PROMOTE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASON_NOT_CAUGHT_UP);
	rig_accept(&rig, 2, last);
	/* What came since need not be there yet. */
	rig_propose_serials(&rig, 6, &sid, 6, 5, base);
	ask(&rig, RAFT_CHANGE_PROMOTE, 2, 0);
	CHECK(answered(&rig) == RAFT_REASONS_COUNT);
	CHECK(config_is(&rig, "1v 2v"));
	rig_free(&rig);
}

static void
test_hopeless_joiner(void)
{
	struct net net;

	net_part(&net, 3);
	CHECK(net_change(&net, RAFT_CHANGE_ADD, 4) == RAFT_REASON_NONE); /* it is down */
	CHECK(net_change(&net, RAFT_CHANGE_PROMOTE, 4) == RAFT_REASON_NOT_CAUGHT_UP);
	/* One of three voters goes: two of three still commit. */
	net_crash(&net, (net_leader(&net) + 1) % 3);
	net_run(&net, 3000);
	CHECK(net_change(&net, RAFT_CHANGE_REMOVE, 4) == RAFT_REASON_NONE);
	net_free(&net);
}

int
main(void)
{
	check_run(
	    "D15: what each change makes of a configuration, and what is refused", test_verdicts);
	check_run("D16: two members never have one address or one key", test_collisions);
	check_run("a key is replaced by way of two that are valid", test_keys);
	check_run("a configuration has room for so many members", test_full);
	check_run("D8, D9: an id is never used again, also not after a restart", test_retired);
	check_run(
	    "D1: no change before an entry of the own term is committed", test_own_term_first);
	check_run("D1: a committed entry of an older term is not enough", test_own_term_not_older);
	check_run("D1: two leaders that change one configuration in two ways", test_two_leaders);
	check_run("D2: one change at a time (§4.1)", test_one_at_a_time);
	check_run("a change passes the fence, the disk and its own shape first", test_gates);
	check_run("a change asked of a follower is made by the leader", test_forwarded);
	check_run("D3: in force when appended, rolled back when cut, over restarts, too",
	    test_rolled_back);
	check_run("D3: of several uncommitted ones only the cut one is rolled back",
	    test_rolled_back_by_one);
	check_run("D11, D13: a majority is that of the last configuration in the log",
	    test_counts_when_appended);
	check_run("D11: who is no member by its own log votes and appends", test_outsider_votes);
	check_run("A11: a learner votes when asked, and does not stand", test_learner_votes);
	check_run("D9: who replays old configurations does not stand", test_joiner_is_silent);
	check_run(
	    "others are told of the last committed configuration's index", test_committed_index);
	check_run("a voter goes only when a majority of the others is whole", test_majority_stays);
	check_run(
	    "a voter goes only when a majority of the others is heard", test_majority_is_heard);
	check_run("D10: a learner is promoted once it has caught up (§4.2.1)", test_catch_up);
	check_run("D10: what the log held an election timeout ago must be there",
	    test_catch_up_under_load);
	check_run("D10: a joiner that never comes costs no availability", test_hopeless_joiner);
	return check_done();
}
