/* SPDX-License-Identifier: ISC */
/*
 * Whole clusters of cores: elections, replication and repair together.
 */
#include "raft_cluster.h"

static void
test_replicates(void)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);
	int leader;

	net_new(&net, 3, 0);
	leader = net_elect(&net);
	CHECK(leader >= 0);
	for (uint64_t i = 0; i < 100; i++) {
		rig_propose_serials(
		    &net.rigs[leader], i, &sid, i * 10 + 1, 10, (struct raft_proposal){0});
		net_settle(&net);
	}
	net_run(&net, 200);
	CHECK(net.rigs[leader].answers_count == 100);
	CHECK(net.rigs[0].commit == net.rigs[0].disk.count);
	CHECK(net_equal(&net));
	CHECK(net.rigs[0].disk.count == 1001);
	net_free(&net);
}

/* Proposes one entry at the leader, and runs until it is committed; how long that took. */
static uint64_t
commit_one(struct net *net, uint64_t serial)
{
	struct raft_sid sid = rig_sid(9, false);
	uint64_t began = net->rigs[0].now;

	for (int i = 0; i < 2000; i++) {
		int leader = net_leader(net);

		if (leader >= 0) {
			struct rig *rig = &net->rigs[leader];

			rig_clear(rig);
			rig_propose_serials(rig, 1, &sid, serial, 1, (struct raft_proposal){0});
			net_run(net, 10);
			for (size_t j = 0; j < rig->answers_count; j++)
				if (rig->answers[j].answer.verdict == RAFT_COMMITTED)
					return net->rigs[0].now - began;
		} else {
			net_run(net, 10);
		}
	}
	CHECK(false);
	return 0;
}

static uint64_t
term_max(const struct net *net)
{
	uint64_t term = 0;

	for (int i = 0; i < net->count; i++)
		if (rig_status(&net->rigs[i]).term > term)
			term = rig_status(&net->rigs[i]).term;
	return term;
}

static void
test_rejoin(void)
{
	struct net net;
	int leader;
	int away;
	uint64_t term;

	net_new(&net, 3, 0);
	leader = net_elect(&net);
	away = (leader + 1) % 3;
	term = term_max(&net);
	net_isolate(&net, away, true);
	net_run(&net, 100 * RIG_E);
	CHECK(term_max(&net) == term);
	net_isolate(&net, away, false);
	net_run(&net, 3 * RIG_E);
	CHECK(term_max(&net) == term && net_leader(&net) == leader);
	net_free(&net);
}

static void
test_stranded(void)
{
	struct net net;
	int leader;
	uint64_t term;

	/* A lone node at a higher term, reached by real votes before. */
	net_new(&net, 3, 0);
	leader = net_elect(&net);
	net_crash(&net, (leader + 1) % 3);
	net.rigs[(leader + 1) % 3].disk.term = term_max(&net) + 5;
	net_restart(&net, (leader + 1) % 3);
	net_run(&net, 10 * RIG_E);
	term = term_max(&net);
	CHECK(net_leader(&net) >= 0);
	for (int i = 0; i < 3; i++)
		CHECK(rig_status(&net.rigs[i]).term == term);
	net_run(&net, 20 * RIG_E);
	CHECK(term_max(&net) == term);
	commit_one(&net, 1);
	net_free(&net);
}

static void
test_partial_links(void)
{
	struct net net;
	uint64_t term;

	/* 1, 2, 3 in full mesh; 4 reaches only 2, 5 only 3. */
	net_new(&net, 5, 0);
	net_elect(&net);
	net_isolate(&net, 3, true);
	net_isolate(&net, 4, true);
	net_cut(&net, 3, 1, false);
	net_cut(&net, 4, 2, false);
	net_run(&net, 10 * RIG_E);
	term = term_max(&net);
	commit_one(&net, 1);
	net_run(&net, 60 * RIG_E);
	CHECK(term_max(&net) <= term + 1);
	CHECK(net_leader(&net) >= 0 && net_leader(&net) <= 2);
	commit_one(&net, 2);
	net_free(&net);
}

static void
test_one_link(void)
{
	struct net net;
	int leader;
	uint64_t term;

	/* Three nodes, the link from the leader to one of the others cut both ways. */
	net_new(&net, 3, 0);
	leader = net_elect(&net);
	term = term_max(&net);
	net_cut(&net, leader, (leader + 1) % 3, true);
	for (uint64_t i = 1; i <= 60; i++) {
		net_run(&net, 10 * RIG_E);
		commit_one(&net, i);
	}
	CHECK(term_max(&net) <= term + 1);
	net_free(&net);
}

static void
test_deaf_leader(void)
{
	struct net net;
	int leader;

	net_new(&net, 3, 0);
	leader = net_elect(&net);
	for (int i = 0; i < 3; i++)
		net.cut[i][leader] = true;
	net_run(&net, 5 * RIG_E);
	CHECK(rig_status(&net.rigs[leader]).role != RAFT_LEADER);
	CHECK(net_leader(&net) >= 0 && net_leader(&net) != leader);
	commit_one(&net, 1);
	net_free(&net);
}

static void
test_short_log(void)
{
	/* Two of three alive, one with the longer log: it wins, whoever times out first. */
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct net net;
		uint64_t took = 0;

		memset(&net, 0, sizeof net);
		net.count = 3;
		for (int i = 0; i < 3; i++) {
			rig_init(&net.rigs[i], i + 1, 3);
			net.rigs[i].settings.seed = seed;
			for (int j = 0; j < (i == 0 ? 5 : 3); j++)
				rig_disk_put(&net.rigs[i], 1, RAFT_NOOP);
			rig_start(&net.rigs[i]);
		}
		net.down[2] = true;
		for (; took < 20 * RIG_E && net_leader(&net) < 0; took += 50)
			net_run(&net, 50);
		CHECK(net_leader(&net) == 0 && took <= 4 * RIG_E);
		net_free(&net);
	}
}

static void
test_flapping(void)
{
	static const uint64_t periods[3] = {RIG_E / 2, RIG_E, 2 * RIG_E};

	for (int i = 0; i < 3; i++) {
		struct net net;
		uint64_t term;
		int leader;

		net_new(&net, 5, 0);
		leader = net_elect(&net);
		term = term_max(&net);
		for (int j = 0; j < 40; j++) {
			net_isolate(&net, leader, j % 2 == 0);
			net_run(&net, periods[i]);
		}
		net_isolate(&net, leader, false);
		CHECK(term_max(&net) <= term + 20);
		CHECK(commit_one(&net, 1) <= 3 * RIG_E);
		net_free(&net);
	}
}

static void
test_failover(void)
{
	uint64_t took[60];
	uint64_t over = 0;

	/*
	 * From the loss of the leader to the next commit: 1.5 timeouts in the median, 3 at worst.
	 */
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct net net;
		int leader;

		net_new(&net, 3, 0);
		for (int i = 0; i < 3; i++) {
			net.rigs[i].settings.seed = seed;
			rig_start(&net.rigs[i]);
		}
		leader = net_elect(&net);
		net_run(&net, 10 * (seed % 10));
		net_crash(&net, leader);
		took[seed] = commit_one(&net, 1);
		CHECK(took[seed] <= 3 * RIG_E);
		over += took[seed] > RIG_E * 3 / 2;
		net_free(&net);
	}
	CHECK(over <= 30);
}

static void
test_all_restart(void)
{
	struct net net;
	struct raft_sid sid = rig_sid(1, false);

	net_new(&net, 3, 0);
	for (uint64_t round = 0; round < 10; round++) {
		int leader = net_elect(&net);

		rig_clear(&net.rigs[leader]);
		rig_propose_serials(
		    &net.rigs[leader], 1, &sid, round * 7 + 1, 7, (struct raft_proposal){0});
		net_settle(&net);
		CHECK(net.rigs[leader].answers_count == 1);
		for (int i = 0; i < 3; i++)
			net_crash(&net, i);
		for (int i = 0; i < 3; i++)
			net_restart(&net, i);
	}
	net_elect(&net);
	net_run(&net, 500);
	CHECK(net_equal(&net));
	{
		uint64_t serial = 0;

		for (size_t i = 0; i < net.rigs[0].disk.count; i++)
			if (net.rigs[0].disk.entries[i].kind == RAFT_CLIENT)
				CHECK(net.rigs[0].disk.entries[i].serial == ++serial);
		CHECK(serial == 70);
	}
	net_free(&net);
}

int
main(void)
{
	check_run("three nodes elect a leader and hold the same log in the end", test_replicates);
	check_run("A16: the longer log wins, whoever is first to time out", test_short_log);
	check_run("B1: a node that was cut off deposes nobody when it returns", test_rejoin);
	check_run("B4, B14: a node stranded at a higher term is joined once", test_stranded);
	check_run("B6: five nodes with partial links keep one leader", test_partial_links);
	check_run("B7: one cut link of three costs one election at most", test_one_link);
	check_run("B8: a leader that can't hear steps down", test_deaf_leader);
	check_run("B15: a flapping link changes leaders in bounds, and heals", test_flapping);
	check_run(
	    "a lost leader is replaced within 1.5 election timeouts in the median, 3 at worst",
	    test_failover);
	check_run("F3: what was acknowledged survives restarts of all, once", test_all_restart);
	return check_done();
}
