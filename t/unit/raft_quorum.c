/* SPDX-License-Identifier: ISC */
/*
 * Majorities as tables: what is committed by which acknowledgements, who is elected by which votes,
 * and what a change makes of the members and of what the leader knows of them.
 *
 * The cases are those that etcd-io/raft keeps in quorum/testdata and confchange/testdata, as far as
 * they concern one majority and one change at a time.  Ours: who stands votes for itself; a lost
 * vote is only known by its absence; what would change nothing is refused with its reason.
 */
#include "raft_changes.h"

enum { VOTERS_MAX = 7 };

/* -------------------------------------------------------------- commit */

/*
 * What a leader of so many voters has committed: it has stored own[0] entries itself, of which the
 * first is its no-op; peer i has acknowledged own[i]; 0: it was never heard.
 */
static uint64_t
committed(int voters, int learners, const uint64_t *own, bool backwards)
{
	struct rig rig;
	uint64_t most = 0, commit;
	int members = voters + learners;

	rig_init(&rig, 1, members);
	rig.config = rig_config(members, learners, false);
	rig_start(&rig);
	rig_elect(&rig);
	rig.hold_writes = true;
	for (int i = 0; i < members; i++)
		most = own[i] > most ? own[i] : most;
	for (uint64_t i = 1; i < most; i++)
		rig_propose_one(&rig, i + 1, RAFT_NOOP, NULL, NULL, 0);
	for (int i = 0; i < members; i++) {
		int at = backwards ? members - 1 - i : i;

		if (at == 0)
			rig_store(&rig, (size_t)own[0] - 1);
		else if (own[at] > 0)
			rig_accept(&rig, at + 1, own[at]);
	}
	commit = rig_status(&rig).commit.index;
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_free(&rig);
	return commit;
}

struct commit_row {
	int voters;
	uint64_t own[VOTERS_MAX];
	uint64_t agreed;
};

static void
test_commit_table(void)
{
	static const struct commit_row rows[] = {
	    {1, {1}, 1},
	    {1, {12}, 12},
	    /* Two: the smaller one, once both are known. */
	    {2, {1, 0}, 0},
	    {2, {12, 0}, 0},
	    {2, {1, 12}, 1},
	    {2, {12, 5}, 5},
	    {2, {5, 12}, 5},
	    /* Three: the middle one; a late acknowledgement may raise it or not. */
	    {3, {12, 0, 0}, 0},
	    {3, {12, 5, 0}, 5},
	    {3, {12, 5, 6}, 6},
	    {3, {12, 5, 4}, 5},
	    {3, {1, 5, 4}, 4},
	    {3, {5, 5, 0}, 5},
	    {3, {5, 5, 12}, 5},
	    {3, {10, 11, 13}, 11},
	    {4, {9, 9, 0, 0}, 0},
	    {4, {9, 9, 3, 0}, 3},
	    {4, {9, 8, 7, 6}, 7},
	    {5, {11, 14, 13, 13, 0}, 13},
	    {5, {11, 12, 13, 13, 0}, 12},
	    {5, {11, 12, 13, 13, 13}, 13},
	    {7, {1, 2, 3, 4, 5, 6, 7}, 4},
	    {7, {9, 9, 9, 0, 0, 0, 0}, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct commit_row *row = &rows[i];
		uint64_t on = committed(row->voters, 0, row->own, false);
		uint64_t back = committed(row->voters, 0, row->own, true);

		if (on != row->agreed || back != row->agreed)
			printf("# row %zu\n", i);
		CHECK(on == row->agreed && back == row->agreed);
	}
}

/* The most that more than half have. */
static uint64_t
counted(int voters, const uint64_t *own)
{
	uint64_t best = 0;

	for (int i = 0; i < voters; i++) {
		int have = 0;

		for (int j = 0; j < voters; j++)
			have += own[j] >= own[i];
		if (2 * have > voters && own[i] > best)
			best = own[i];
	}
	return best;
}

static void
test_commit_all(void)
{
	for (int voters = 2; voters <= 5; voters++) {
		int patterns = 1;

		for (int i = 0; i < voters; i++)
			patterns *= 3;
		for (int pattern = 0; pattern < patterns; pattern++) {
			uint64_t own[VOTERS_MAX];

			for (int i = 0, rest = pattern; i < voters; i++, rest /= 3)
				own[i] = (uint64_t)(i == 0 ? 1 + rest % 3 : rest % 3);
			CHECK(committed(voters, 0, own, pattern % 2 != 0) == counted(voters, own));
		}
	}
}

static void
test_commit_learners(void)
{
	static const uint64_t alone[] = {4, 0, 0, 4, 4};
	static const uint64_t behind[] = {4, 3, 0, 0, 0};
	static const uint64_t without[] = {1, 4, 0, 4, 4};

	CHECK(committed(3, 2, alone, false) == 0);
	CHECK(committed(3, 2, behind, false) == 3);
	CHECK(committed(3, 2, without, true) == 1);
}

/* --------------------------------------------------------------- votes */

/* The role of a node that stands, once these have come: 'y', 'n', '_' for each voter, its own
 * first. */
static enum raft_role
stood(const char *votes, bool prevote, bool backwards)
{
	struct rig rig;
	int voters = (int)strlen(votes);
	enum raft_role role = prevote ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;

	rig_new(&rig, voters);
	for (int i = 0; i < 50 && rig_status(&rig).role == RAFT_FOLLOWER; i++)
		rig_time(&rig, RIG_E / 4);
	for (int i = 2; i <= voters && !prevote && rig_status(&rig).role == RAFT_PRE_CANDIDATE; i++)
		rig_vote_reply(&rig, i, rig_status(&rig).term + 1, true, true);
	for (int i = 1; i < voters && rig_status(&rig).role == role; i++) {
		int at = backwards ? voters - i : i;

		if (votes[at] != '_')
			rig_vote_reply(&rig, at + 1,
			    rig_status(&rig).term + (prevote && votes[at] == 'y'), prevote,
			    votes[at] == 'y');
	}
	role = rig_status(&rig).role;
	rig_free(&rig);
	return role;
}

struct vote_row {
	const char *votes;
	bool won;
};

static void
test_vote_table(void)
{
	static const struct vote_row rows[] = {
	    {"y", true},
	    {"y_", false},
	    {"yn", false},
	    {"yy", true},
	    {"y__", false},
	    {"yn_", false},
	    {"ynn", false},
	    {"yy_", true},
	    {"yyn", true},
	    {"yny", true},
	    {"y___", false},
	    {"yy__", false},
	    {"yyn_", false},
	    {"yyny", true},
	    {"yynn", false},
	    {"yynn_", false},
	    {"yynny", true},
	    {"yy_nn", false},
	    {"yynn_y_", false},
	    {"yyny___", false},
	    {"y_yynnn", false},
	    {"yyny_ny", true},
	    {"yynynnn", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int way = 0; way < 2; way++) {
			enum raft_role role = stood(rows[i].votes, false, way == 1);

			if (role != (rows[i].won ? RAFT_LEADER : RAFT_CANDIDATE))
				printf("# %s: %s\n", rows[i].votes, raft_role_name(role));
			CHECK(role == (rows[i].won ? RAFT_LEADER : RAFT_CANDIDATE));
		}
}

static void
test_vote_all(void)
{
	for (int voters = 2; voters <= 5; voters++) {
		int patterns = 1;

		for (int i = 1; i < voters; i++)
			patterns *= 3;
		for (int pattern = 0; pattern < patterns; pattern++) {
			char votes[VOTERS_MAX + 1] = "y";
			int yes = 1;

			for (int i = 1, rest = pattern; i < voters; i++, rest /= 3) {
				votes[i] = "yn_"[rest % 3];
				yes += votes[i] == 'y';
			}
			CHECK((stood(votes, false, false) == RAFT_LEADER) == (2 * yes > voters));
			CHECK((stood(votes, true, true) == RAFT_CANDIDATE) == (2 * yes > voters));
		}
	}
}

/* ------------------------------------------------------------- changes */

/* "probe 0 3": what the leader knows of a member; "" of none. */
static const char *
progress_text(const struct rig *rig, int number)
{
	static char text[64];
	struct raft_status status = rig_status(rig);
	struct raft_id id = rig_id(number);

	text[0] = '\0';
	for (size_t i = 0; i < status.peers_count; i++)
		if (raft_id_equal(&status.peers[i].id, &id))
			snprintf(text, sizeof text, "%s %llu %llu", status.peers[i].state,
			    (unsigned long long)status.peers[i].match,
			    (unsigned long long)status.peers[i].next);
	return text;
}

struct change_row {
	enum raft_change_op op;
	int number, like;
	enum raft_reason reason;
	const char *config;
};

static void
changes_check(struct rig *rig, const struct change_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum raft_reason reason = change_now(rig, rows[i].op, rows[i].number, rows[i].like);

		if (reason != rows[i].reason)
			printf("# row %zu: %s\n", i, raft_reason_text(reason));
		CHECK(reason == rows[i].reason);
		CHECK(config_is(rig, rows[i].config));
	}
}

static void
test_change_twice(void)
{
	static const struct change_row rows[] = {
	    {RAFT_CHANGE_PROMOTE, 1, 0, RAFT_REASON_NOT_ALLOWED, "1v"},
	    {RAFT_CHANGE_ADD, 2, 2, RAFT_REASON_NONE, "1v 2l"},
	    {RAFT_CHANGE_ADD, 2, 2, RAFT_REASON_MEMBER_EXISTS, "1v 2l"},
	    {RAFT_CHANGE_DEMOTE, 2, 0, RAFT_REASON_NOT_ALLOWED, "1v 2l"},
	    {RAFT_CHANGE_PROMOTE, 2, 0, RAFT_REASON_NONE, "1v 2v"},
	    {RAFT_CHANGE_PROMOTE, 2, 0, RAFT_REASON_NOT_ALLOWED, "1v 2v"},
	    {RAFT_CHANGE_ADD, 3, 3, RAFT_REASON_NONE, "1v 2v 3l"},
	    {RAFT_CHANGE_REMOVE, 3, 0, RAFT_REASON_NONE, "1v 2v -3"},
	    {RAFT_CHANGE_REMOVE, 3, 0, RAFT_REASON_NO_MEMBER, "1v 2v -3"},
	    {RAFT_CHANGE_REMOVE, 4, 0, RAFT_REASON_NO_MEMBER, "1v 2v -3"},
	};
	struct rig rig;

	leader_new(&rig, 1);
	changes_check(&rig, rows, sizeof rows / sizeof rows[0]);
	rig_free(&rig);
}

static void
test_change_last_voter(void)
{
	static const struct change_row rows[] = {
	    {RAFT_CHANGE_DEMOTE, 1, 0, RAFT_REASON_LAST_VOTER, "1v"},
	    {RAFT_CHANGE_ADD, 2, 2, RAFT_REASON_NONE, "1v 2l"},
	    {RAFT_CHANGE_ADD, 3, 3, RAFT_REASON_NONE, "1v 2l 3l"},
	    {RAFT_CHANGE_ADD, 4, 4, RAFT_REASON_NONE, "1v 2l 3l 4l"},
	    /* However many learners there are. */
	    {RAFT_CHANGE_REMOVE, 1, 0, RAFT_REASON_LAST_VOTER, "1v 2l 3l 4l"},
	    {RAFT_CHANGE_DEMOTE, 1, 0, RAFT_REASON_LAST_VOTER, "1v 2l 3l 4l"},
	    {RAFT_CHANGE_REMOVE, 2, 0, RAFT_REASON_NONE, "1v 3l 4l -2"},
	    {RAFT_CHANGE_REMOVE, 3, 0, RAFT_REASON_NONE, "1v 4l -2 -3"},
	    {RAFT_CHANGE_REMOVE, 4, 0, RAFT_REASON_NONE, "1v -2 -3 -4"},
	    {RAFT_CHANGE_REMOVE, 1, 0, RAFT_REASON_LAST_VOTER, "1v -2 -3 -4"},
	};
	struct rig rig;

	leader_new(&rig, 1);
	changes_check(&rig, rows, sizeof rows / sizeof rows[0]);
	rig_free(&rig);
}

static void
test_change_progress(void)
{
	struct rig rig;
	uint64_t last;

	leader_new(&rig, 2);
	/* A new one is known nothing of: it is tried from the end on. */
	ask(&rig, RAFT_CHANGE_ADD, 3, 3);
	CHECK(strncmp(progress_text(&rig, 3), "probe 0 ", 8) == 0);
	all_accept(&rig);
	last = rig_status(&rig).last.index;
	CHECK(strncmp(progress_text(&rig, 3), "pipeline ", 9) == 0);
	/* A change of the role alone forgets nothing, nor does an address. */
	for (int i = 0; i < 4; i++) {
		static const enum raft_change_op ops[] = {RAFT_CHANGE_PROMOTE, RAFT_CHANGE_DEMOTE,
		    RAFT_CHANGE_ADDRESS, RAFT_CHANGE_PROMOTE};
		char before[64];

		snprintf(before, sizeof before, "pipeline %llu", (unsigned long long)last);
		ask(&rig, ops[i], 3, 7);
		CHECK(strncmp(progress_text(&rig, 3), before, strlen(before)) == 0);
		all_accept(&rig);
		CHECK(answered(&rig) == RAFT_REASON_NONE);
		last = rig_status(&rig).last.index;
	}
	CHECK(config_is(&rig, "1v 2v 3v"));
	CHECK(change_now(&rig, RAFT_CHANGE_REMOVE, 3, 0) == RAFT_REASON_NONE);
	rig_time(&rig, 10 * RIG_E); /* it was told, or is given up */
	CHECK(strcmp(progress_text(&rig, 3), "") == 0);
	rig_free(&rig);
}

static void
test_change_nobody(void)
{
	static const enum raft_change_op ops[] = {RAFT_CHANGE_ADD, RAFT_CHANGE_PROMOTE,
	    RAFT_CHANGE_DEMOTE, RAFT_CHANGE_REMOVE, RAFT_CHANGE_ADDRESS};
	struct rig rig;

	leader_new(&rig, 3);
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		struct raft_change change = make_change(ops[i], 4, 4);

		memset(&change.member.id, 0, sizeof change.member.id);
		rig.answers_count = 0;
		rig_change(&rig, 1, &change);
		CHECK(answered(&rig) != RAFT_REASON_NONE && answered(&rig) != RAFT_REASONS_COUNT);
		CHECK(rig_status(&rig).last.index == 1 && config_is(&rig, "1v 2v 3v"));
	}
	rig_free(&rig);
}

int
main(void)
{
	check_run("B13: what a majority has stored is committed, in whatever order it is told",
	    test_commit_table);
	check_run("B13: so it is for each pattern of two to five voters", test_commit_all);
	check_run("A11: learners commit nothing, and hold nothing up", test_commit_learners);
	check_run(
	    "B13: a majority of yes elects, whatever else is said or missing", test_vote_table);
	check_run("B13: so it is for each pattern of two to five voters, also in the pre-vote",
	    test_vote_all);
	check_run("D15: a change that would change nothing is refused and leaves all as it is",
	    test_change_twice);
	check_run("D15: the last voter stays a voter, however many learners there are",
	    test_change_last_voter);
	check_run("D15: what a leader knows of a member outlasts a change of its role or address",
	    test_change_progress);
	check_run("D15: nobody is added, changed or removed", test_change_nobody);
	return check_done();
}
