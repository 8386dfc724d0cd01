/* SPDX-License-Identifier: ISC */
/*
 * The rules of the Raft paper (Ongaro and Ousterhout, 2014), section by section, one table or
 * story each.  The list of rules and many of the cases are those of etcd-io/raft's
 * raft_paper_test.go.  Ours: a pre-vote before each election (§9.6 of the thesis), a no-op first of
 * all in a term, and nothing leaves that is not durable.
 */
#include "raft_cluster.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { TERMS_MAX = 12 };

/* A node of so many whose log has these terms, up to the first 0. */
static void
node_with(struct rig *rig, int members, const uint64_t *terms, uint64_t term)
{
	rig_init(rig, 1, members);
	for (size_t i = 0; i < TERMS_MAX && terms[i] != 0; i++)
		rig_disk_put(rig, terms[i], RAFT_NOOP);
	if (rig->disk.term < term)
		rig->disk.term = term;
	rig_start(rig);
}

static void
node_empty(struct rig *rig, int members, uint64_t term)
{
	static const uint64_t none[TERMS_MAX];

	node_with(rig, members, none, term);
}

static void
until_candidate(struct rig *rig, int members)
{
	for (int i = 0; i < 50 && rig_status(rig).role == RAFT_FOLLOWER; i++)
		rig_time(rig, RIG_E / 10);
	for (int i = 2; i <= members && rig_status(rig).role == RAFT_PRE_CANDIDATE; i++)
		rig_vote_reply(rig, i, rig_status(rig).term + 1, true, true);
}

static void
node_in_role(struct rig *rig, enum raft_role role)
{
	node_empty(rig, 3, 1);
	if (role == RAFT_LEADER)
		rig_elect(rig);
	else if (role == RAFT_CANDIDATE)
		until_candidate(rig, 3);
	else if (role == RAFT_PRE_CANDIDATE)
		for (int i = 0; i < 50 && rig_status(rig).role == RAFT_FOLLOWER; i++)
			rig_time(rig, RIG_E / 10);
	CHECK(rig_status(rig).role == role);
	rig_clear(rig);
}

/* 0: nobody. */
static int
leader_of(const struct rig *rig)
{
	struct raft_status status = rig_status(rig);

	return raft_id_none(&status.leader) ? 0 : status.leader.s[1] - '0';
}

static bool
log_is(const struct rig *rig, const uint64_t *terms)
{
	struct raft_status status = rig_status(rig);
	uint64_t count = 0;

	while (count < TERMS_MAX && terms[count] != 0) {
		uint64_t term = 0;

		if (!raft_term_at(rig->raft, count + 1, &term) || term != terms[count])
			return false;
		count++;
	}
	return status.last.index == count;
}

static bool
disk_is(const struct rig *rig, const uint64_t *terms)
{
	size_t count = 0;

	while (count < TERMS_MAX && terms[count] != 0) {
		if (count >= rig->disk.count || rig->disk.entries[count].term != terms[count])
			return false;
		count++;
	}
	return rig->disk.count == count;
}

/* ---------------------------------------------------------------- §5.1 */

static void
test_higher_term(void)
{
	static const enum raft_role roles[] = {
	    RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER};
	static const enum raft_message_type types[] = {
	    RAFT_MSG_APPEND, RAFT_MSG_APPEND_REPLY, RAFT_MSG_VOTE, RAFT_MSG_VOTE_REPLY};

	for (size_t i = 0; i < ROWS(roles); i++)
		for (size_t j = 0; j < ROWS(types); j++) {
			struct rig rig;
			struct raft_message message;
			struct raft_status status;
			uint64_t commit;

			node_in_role(&rig, roles[i]);
			commit = rig_status(&rig).commit.index;
			message = rig_make(types[j], 2, 1, rig_status(&rig).term + 3);
			if (types[j] ==
			    RAFT_MSG_VOTE) /* else a leader that is near is not given up */
				message.vote.transfer = true;
			if (types[j] == RAFT_MSG_APPEND_REPLY)
				message.append_reply.start_number = 2;
			rig_message(&rig, &message);
			status = rig_status(&rig);
			CHECK(status.role == RAFT_FOLLOWER);
			CHECK(status.term == message.term && rig.disk.term == message.term);
			CHECK(raft_id_none(&status.leader) == (types[j] != RAFT_MSG_APPEND));
			CHECK(status.commit.index == commit);
			rig_free(&rig);
		}
}

static void
test_stale_term(void)
{
	struct rig rig;
	const struct raft_message *reply;

	node_empty(&rig, 3, 4);
	rig_append(&rig, 2, 3, (struct raft_pos){0, 0}, 3, 1, 1);
	reply = rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2);
	CHECK(reply != NULL && !reply->append_reply.ok && reply->term == 4);
	rig_vote_request(&rig, 3, 3, false, (struct raft_pos){9, 3});
	reply = rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3);
	CHECK(reply != NULL && !reply->vote_reply.granted && reply->term == 4);
	CHECK(rig_status(&rig).last.index == 0 && rig_status(&rig).commit.index == 0);
	CHECK(raft_id_none(&rig.disk.vote) && leader_of(&rig) == 0);
	rig_free(&rig);
}

/* ---------------------------------------------------------------- §5.2 */

static void
test_starts_as_follower(void)
{
	static const uint64_t logs[][TERMS_MAX] = {{0}, {1}, {1, 2, 7}};

	for (size_t i = 0; i < ROWS(logs); i++)
		for (int vote = 0; vote < 3; vote++) {
			struct rig rig;

			rig_init(&rig, 1, 3);
			rig.disk.vote = rig_id(vote);
			if (vote == 0)
				memset(&rig.disk.vote, 0, sizeof rig.disk.vote);
			for (size_t j = 0; logs[i][j] != 0; j++)
				rig_disk_put(&rig, logs[i][j], RAFT_NOOP);
			rig.disk.term = 7;
			rig_start(&rig);
			CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
			CHECK(rig_status(&rig).term == 7);
			CHECK(leader_of(&rig) == 0);
			rig_free(&rig);
		}
}

static void
test_heartbeats(void)
{
	struct rig rig;

	node_empty(&rig, 3, 0);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	rig_accept(&rig, 3, 1);
	for (int i = 0; i < 3; i++) {
		rig_clear(&rig);
		rig_time(&rig, RIG_HEARTBEAT);
		CHECK(rig_count(&rig, RAFT_MSG_APPEND) == 2);
		for (int to = 2; to <= 3; to++) {
			const struct raft_message *beat = rig_find(&rig, RAFT_MSG_APPEND, to);

			CHECK(beat != NULL && beat->append.entries_count == 0);
			CHECK(beat != NULL && beat->term == 1 && beat->append.commit == 1);
		}
		rig_accept(&rig, 2, 1);
		rig_accept(&rig, 3, 1);
	}
	rig_free(&rig);
}

/* It stands, is answered by nobody, and stands again. */
static void
test_stands(void)
{
	struct rig rig;

	node_empty(&rig, 3, 4);
	for (uint64_t term = 5; term < 8; term++) {
		rig_clear(&rig);
		for (int i = 0; i < 50 && rig_status(&rig).role != RAFT_PRE_CANDIDATE; i++)
			rig_time(&rig, RIG_E / 10);
		CHECK(rig_status(&rig).term == term - 1); /* a pre-vote costs no term */
		for (int to = 2; to <= 3; to++)
			CHECK(rig_find(&rig, RAFT_MSG_VOTE, to) != NULL &&
			      rig_find(&rig, RAFT_MSG_VOTE, to)->vote.pre);
		rig_clear(&rig);
		rig_vote_reply(&rig, 2, term, true, true);
		CHECK(rig_status(&rig).role == RAFT_CANDIDATE && rig_status(&rig).term == term);
		CHECK(raft_id_equal(&rig.disk.vote, &rig.id) && rig.disk.term == term);
		CHECK(rig_count(&rig, RAFT_MSG_VOTE) == 2);
		for (int to = 2; to <= 3; to++)
			CHECK(rig_find(&rig, RAFT_MSG_VOTE, to) != NULL &&
			      !rig_find(&rig, RAFT_MSG_VOTE, to)->vote.pre &&
			      rig_find(&rig, RAFT_MSG_VOTE, to)->term == term);
	}
	rig_free(&rig);
}

static void
test_one_round(void)
{
	static const struct {
		const char *votes; /* of the others */
		enum raft_role role;
	} rows[] = {
	    {"", RAFT_LEADER},
	    {"yy", RAFT_LEADER},
	    {"y_", RAFT_LEADER},
	    {"yyyy", RAFT_LEADER},
	    {"yyy_", RAFT_LEADER},
	    {"yy__", RAFT_LEADER},
	    {"nn", RAFT_CANDIDATE}, /* ours: it begins its next pre-vote when its time is over */
	    {"nnnn", RAFT_CANDIDATE},
	    {"ynnn", RAFT_CANDIDATE},
	    {"__", RAFT_CANDIDATE},
	    {"y___", RAFT_CANDIDATE},
	    {"nn__", RAFT_CANDIDATE},
	    {"____", RAFT_CANDIDATE},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct rig rig;
		int others = (int)strlen(rows[i].votes);

		node_empty(&rig, others + 1, 0);
		until_candidate(&rig, others + 1);
		for (int j = 0; j < others; j++)
			if (rows[i].votes[j] != '_')
				rig_vote_reply(&rig, j + 2, 1, false, rows[i].votes[j] == 'y');
		CHECK(rig_status(&rig).role == rows[i].role);
		CHECK(rig_status(&rig).term == 1);
		rig_free(&rig);
	}
}

static void
test_one_vote(void)
{
	static const struct {
		int promised, asks;
		bool granted;
	} rows[] = {
	    {0, 2, true}, {0, 3, true}, {2, 2, true}, {3, 3, true}, {2, 3, false}, {3, 2, false}};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct rig rig;
		const struct raft_message *reply;

		rig_init(&rig, 1, 3);
		rig.disk.term = 1;
		if (rows[i].promised != 0)
			rig.disk.vote = rig_id(rows[i].promised);
		rig_start(&rig);
		rig_vote_request(&rig, rows[i].asks, 1, false, (struct raft_pos){0, 0});
		reply = rig_find(&rig, RAFT_MSG_VOTE_REPLY, rows[i].asks);
		CHECK(reply != NULL && reply->term == 1);
		CHECK(reply != NULL && reply->vote_reply.granted == rows[i].granted);
		rig_free(&rig);
	}
}

static void
test_candidate_gives_way(void)
{
	for (uint64_t more = 0; more < 2; more++) {
		struct rig rig;
		uint64_t term;

		node_in_role(&rig, RAFT_CANDIDATE);
		term = rig_status(&rig).term + more;
		rig_append(&rig, 2, term, (struct raft_pos){0, 0}, term, 1, 0);
		CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == term);
		CHECK(leader_of(&rig) == 2);
		rig_free(&rig);
	}
}

/* How long it waits before its pre-vote, in tenths of an election timeout. */
static uint64_t
waits(int number, uint64_t seed, bool candidate)
{
	struct rig rig;
	uint64_t began, waited;

	rig_init(&rig, number, 5);
	rig_settings(&rig, number, seed);
	rig_start(&rig);
	if (candidate)
		until_candidate(&rig, 5);
	began = rig.now;
	while (rig_status(&rig).role != RAFT_PRE_CANDIDATE && rig.now < began + 10 * RIG_E)
		rig_time(&rig, RIG_E / 100);
	waited = rig.now - began;
	rig_free(&rig);
	return waited / (RIG_E / 10);
}

static void
test_timeouts_spread(void)
{
	for (int candidate = 0; candidate < 2; candidate++) {
		unsigned seen = 0;

		for (uint64_t seed = 1; seed <= 300; seed++) {
			uint64_t tenths = waits(1, seed, candidate == 1);

			CHECK(tenths >= 10 && tenths <= 20);
			seen |= 1u << (tenths - 10);
		}
		CHECK((seen & 0x3ff) == 0x3ff);
	}
}

static void
test_timeouts_differ(void)
{
	unsigned together = 0;

	for (uint64_t seed = 1; seed <= 300; seed++) {
		uint64_t first = UINT64_MAX, ties = 0;

		for (int number = 1; number <= 5; number++) {
			uint64_t tenths = waits(number, seed * 100 + (uint64_t)number, false);

			ties = tenths < first ? 0 : ties + (tenths == first);
			first = tenths < first ? tenths : first;
		}
		together += ties > 0;
	}
	/*
	 * Of five in ten slots the first is alone in two of three rounds; as in a heartbeat's time.
	 */
	CHECK(together < 150);
}

/* ---------------------------------------------------------------- §5.3 */

static void
test_replicates(void)
{
	struct rig rig;
	struct raft_sid none = {{0}};

	node_empty(&rig, 3, 0);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	rig_accept(&rig, 3, 1);
	rig_clear(&rig);
	rig.hold_writes = true;
	rig_propose_one(&rig, 1, RAFT_NOOP, &none, NULL, 0);
	CHECK(rig_status(&rig).last.index == 2 && rig_status(&rig).commit.index == 1);
	CHECK(rig.writes_count == 1 && rig.writes[0].w.first_index == 2 &&
	      rig.writes[0].w.entries_count == 1 && rig.writes[0].entries[0].term == 1);
	CHECK(rig_count(&rig, RAFT_MSG_APPEND) == 2);
	for (int to = 2; to <= 3; to++) {
		const struct raft_message *append = rig_find(&rig, RAFT_MSG_APPEND, to);

		CHECK(append != NULL && append->append.prev.index == 1 &&
		      append->append.prev.term == 1 && append->append.entries_count == 1 &&
		      append->append.entries[0].term == 1 && append->append.commit == 1);
	}
	rig_free(&rig);
}

static void
test_commits_and_tells(void)
{
	struct rig rig;
	struct raft_sid none = {{0}};

	node_empty(&rig, 3, 0);
	rig_elect(&rig);
	rig_accept(&rig, 2, 1);
	rig_accept(&rig, 3, 1);
	rig_propose_one(&rig, 7, RAFT_NOOP, &none, NULL, 0);
	CHECK(rig.answers_count == 0);
	rig_clear(&rig);
	rig_accept(&rig, 2, 2);
	CHECK(rig.commit == 2 && rig.answers_count == 1 && rig.answers[0].ticket == 7 &&
	      rig.answers[0].answer.verdict == RAFT_COMMITTED);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2) != NULL &&
	      rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.commit == 2);
	/* Who has not said that he has it hears of it with his acknowledgement. */
	rig_clear(&rig);
	rig_accept(&rig, 3, 2);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3) != NULL &&
	      rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.commit == 2);
	rig_free(&rig);
}

static void
test_acknowledged(void)
{
	static const struct {
		int members, accepting; /* beside the leader */
		bool committed;
	} rows[] = {{1, 0, true}, {3, 0, false}, {3, 1, true}, {3, 2, true}, {5, 0, false},
	    {5, 1, false}, {5, 2, true}, {5, 3, true}, {5, 4, true}};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct rig rig;
		struct raft_sid none = {{0}};

		node_empty(&rig, rows[i].members, 0);
		rig_elect(&rig);
		for (int from = 2; from <= rows[i].members; from++)
			rig_accept(&rig, from, 1);
		CHECK(rig_status(&rig).commit.index == 1);
		rig_propose_one(&rig, 1, RAFT_NOOP, &none, NULL, 0);
		for (int from = 2; from < 2 + rows[i].accepting; from++)
			rig_accept(&rig, from, 2);
		CHECK((rig_status(&rig).commit.index == 2) == rows[i].committed);
		rig_free(&rig);
	}
}

static void
test_commits_what_precedes(void)
{
	static const uint64_t logs[][TERMS_MAX] = {{0}, {2}, {1, 2}, {1}, {1, 1, 1, 2, 2}};

	for (size_t i = 0; i < ROWS(logs); i++) {
		struct rig rig;
		struct raft_sid none = {{0}};
		uint64_t last;

		node_with(&rig, 3, logs[i], 2);
		rig_elect(&rig);
		CHECK(rig_status(&rig).term == 3 && rig_status(&rig).commit.index == 0);
		rig_propose_one(&rig, 1, RAFT_NOOP, &none, NULL, 0);
		last = rig_status(&rig).last.index;
		rig_accept(&rig, 2, last);
		CHECK(rig_status(&rig).commit.index == last && rig.commit == last);
		CHECK(rig_status(&rig).commit.term == 3);
		rig_free(&rig);
	}
}

static void
test_follower_commits(void)
{
	static const struct {
		size_t entries;
		uint64_t told, commit;
	} rows[] = {{1, 1, 1}, {2, 2, 2}, {2, 1, 1}, {3, 3, 3}, {3, 9, 3}, {3, 0, 0}};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct rig rig;

		node_empty(&rig, 3, 1);
		rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, rows[i].entries, rows[i].told);
		CHECK(rig_status(&rig).commit.index == rows[i].commit);
		CHECK(rig.commit == rows[i].commit);
		rig_free(&rig);
	}
}

static void
test_follower_checks(void)
{
	static const uint64_t log[TERMS_MAX] = {1, 2};
	static const struct {
		struct raft_pos prev;
		bool ok;
		struct raft_pos hint; /* where the logs may agree */
	} rows[] = {
	    {{0, 0}, true, {0, 0}},
	    {{1, 1}, true, {1, 1}},
	    {{2, 2}, true, {2, 2}},
	    {{2, 1}, false, {1, 1}}, /* another entry is there */
	    {{3, 3}, false, {2, 2}}, /* none is there */
	    {{9, 2}, false, {2, 2}},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct rig rig;
		const struct raft_message *reply;

		node_with(&rig, 3, log, 3);
		rig_append(&rig, 2, 3, rows[i].prev, 3, 0, 0);
		reply = rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2);
		CHECK(reply != NULL && reply->append_reply.ok == rows[i].ok);
		CHECK(reply != NULL && reply->append_reply.match == rows[i].prev.index);
		CHECK(reply != NULL && reply->append_reply.hint.index == rows[i].hint.index &&
		      reply->append_reply.hint.term == rows[i].hint.term);
		CHECK(log_is(&rig, log));
		rig_free(&rig);
	}
}

static void
test_follower_appends(void)
{
	static const uint64_t log[TERMS_MAX] = {1, 2};
	static const struct {
		struct raft_pos prev;
		uint64_t entries[4], wanted[TERMS_MAX];
		bool written;
	} rows[] = {
	    {{2, 2}, {3}, {1, 2, 3}, true},
	    {{1, 1}, {3, 4}, {1, 3, 4}, true},
	    {{0, 0}, {1}, {1, 2}, false},
	    {{0, 0}, {1, 2}, {1, 2}, false},
	    {{1, 1}, {2, 2, 2}, {1, 2, 2, 2}, true},
	    {{0, 0}, {3}, {3}, true},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct rig rig;
		struct raft_entry entries[4];
		struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 4);
		size_t count = 0;

		node_with(&rig, 3, log, 4);
		for (; count < 4 && rows[i].entries[count] != 0; count++)
			entries[count] =
			    rig_entry(rows[i].entries[count], RAFT_NOOP, NULL, 0, NULL, 0);
		message.append.prev = rows[i].prev;
		message.append.round = 1;
		message.append.last = rows[i].prev.index + count;
		message.append.entries = entries;
		message.append.entries_count = count;
		rig.hold_writes = true;
		rig_message(&rig, &message);
		CHECK(log_is(&rig, rows[i].wanted));
		CHECK((rig.writes_count > 0) == rows[i].written);
		rig_store_all(&rig);
		CHECK(disk_is(&rig, rows[i].wanted));
		for (size_t j = 0; j < count; j++)
			raft_chunk_unref(entries[j].chunk);
		rig_free(&rig);
	}
}

/* Figure 7: what a follower may look like when a leader comes to power. */
static void
test_figure_7(void)
{
	static const uint64_t leader[TERMS_MAX] = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
	static const uint64_t followers[][TERMS_MAX] = {
	    {1, 1, 1, 4, 4, 5, 5, 6, 6},
	    {1, 1, 1, 4},
	    {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
	    {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
	    {1, 1, 1, 4, 4, 4, 4},
	    {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
	};

	for (size_t i = 0; i < ROWS(followers); i++) {
		struct net net;

		memset(&net, 0, sizeof net);
		net.count = 3;
		for (int j = 0; j < 3; j++) {
			rig_init(&net.rigs[j], j + 1, 3);
			for (size_t k = 0; k < TERMS_MAX && j < 2; k++)
				if ((j == 0 ? leader : followers[i])[k] != 0)
					rig_disk_put(&net.rigs[j],
					    (j == 0 ? leader : followers[i])[k], RAFT_NOOP);
			net.rigs[j].disk.term = 7;
			rig_start(&net.rigs[j]);
		}
		net_isolate(&net, 1, true);
		CHECK(net_elect(&net) == 0);
		net_isolate(&net, 1, false);
		net_run(&net, 5 * RIG_HEARTBEAT);
		CHECK(net_leader(&net) == 0 && net_equal(&net));
		CHECK(rig_status(&net.rigs[1]).last.index ==
		      11); /* the leader's ten, and its no-op */
		net_free(&net);
	}
}

/* ---------------------------------------------------------------- §5.4 */

static void
test_vote_request(void)
{
	static const uint64_t logs[][TERMS_MAX] = {{1}, {1, 2}, {1, 1, 5}};

	for (size_t i = 0; i < ROWS(logs); i++) {
		struct rig rig;

		node_with(&rig, 5, logs[i], 0);
		until_candidate(&rig, 5);
		for (int to = 2; to <= 5; to++) {
			const struct raft_message *vote = rig_find_last(&rig, RAFT_MSG_VOTE, to);
			struct raft_pos last = rig_status(&rig).last;

			CHECK(vote != NULL && !vote->vote.pre && vote->term == last.term + 1);
			CHECK(vote != NULL && vote->vote.last.index == last.index &&
			      vote->vote.last.term == last.term);
		}
		rig_free(&rig);
	}
}

static void
test_voter(void)
{
	static const struct {
		uint64_t log[TERMS_MAX];
		struct raft_pos last; /* the candidate's */
		bool granted;
	} rows[] = {
	    {{1}, {1, 1}, true},
	    {{1}, {2, 1}, true},
	    {{1, 1}, {1, 1}, false},
	    {{1}, {1, 2}, true},
	    {{1}, {2, 2}, true},
	    {{1, 1}, {1, 2}, true},
	    {{2}, {1, 1}, false},
	    {{2}, {2, 1}, false},
	    {{2, 2}, {1, 1}, false},
	    {{2, 2}, {9, 1}, false},
	    {{0}, {0, 0}, true},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		for (int pre = 0; pre < 2; pre++) {
			struct rig rig;
			const struct raft_message *reply;

			node_with(&rig, 2, rows[i].log, 0);
			rig_vote_request(&rig, 2, 3, pre == 1, rows[i].last);
			reply = rig_find(&rig, RAFT_MSG_VOTE_REPLY, 2);
			CHECK(reply != NULL && reply->vote_reply.granted == rows[i].granted);
			rig_free(&rig);
		}
}

static void
test_own_term_only(void)
{
	static const uint64_t log[TERMS_MAX] = {1, 2};
	static const struct {
		uint64_t match, commit;
	} rows[] = {{1, 0}, {2, 0}, {3, 3}, {4, 4}};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct rig rig;
		struct raft_sid none = {{0}};

		node_with(&rig, 2, log, 2);
		rig_elect(&rig);
		CHECK(rig_status(&rig).term == 3);
		rig_propose_one(&rig, 1, RAFT_NOOP, &none, NULL, 0);
		rig_accept(&rig, 2, rows[i].match);
		CHECK(rig_status(&rig).commit.index == rows[i].commit);
		rig_free(&rig);
	}
}

int
main(void)
{
	check_run(
	    "§5.1: a higher term in any message makes a follower of any node", test_higher_term);
	check_run(
	    "§5.1: a request of an old term is refused and told the present one", test_stale_term);
	check_run(
	    "§5.2: a node starts as follower, whatever is on its disk", test_starts_as_follower);
	check_run("§5.2: a leader sends empty appends to all in each interval", test_heartbeats);
	check_run("§5.2: who hears no leader stands for the next term, votes for itself, asks all; "
		  "again and again",
	    test_stands);
	check_run("§5.2: one round of votes is won, lost, or open", test_one_round);
	check_run("§5.2: one vote a term, first come first served", test_one_vote);
	check_run("§5.2: a candidate gives way to a leader of its term or a later one",
	    test_candidate_gives_way);
	check_run("§5.2: election timeouts spread over their whole range", test_timeouts_spread);
	check_run("§5.2: mostly one of five is first", test_timeouts_differ);
	check_run("§5.3: a leader writes and sends a proposal at once, after the entry before it",
	    test_replicates);
	check_run(
	    "§5.3: what a majority has is committed, answered and told", test_commits_and_tells);
	check_run("§5.3: the leader and half of the others are a majority", test_acknowledged);
	check_run("§5.3: with an entry all before it is committed", test_commits_what_precedes);
	check_run("§5.3: a follower commits what it is told of, as far as it has it",
	    test_follower_commits);
	check_run("§5.3: a follower takes entries only after the entry before them",
	    test_follower_checks);
	check_run(
	    "§5.3: a conflict is cut with all after it, what is missing is appended and written",
	    test_follower_appends);
	check_run("§5.3: figure 7: each of the six followers becomes equal", test_figure_7);
	check_run("§5.4.1: a candidate tells all others its last entry", test_vote_request);
	check_run("§5.4.1: a voter whose log is more up to date refuses", test_voter);
	check_run("§5.4.2: only entries of the own term commit by counting", test_own_term_only);
	return check_done();
}
