/* SPDX-License-Identifier: ISC */
/*
 * Whole clusters of cores: elections, replication and repair together.
 */
#include "raft_rig.h"

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
		rig_propose_serials(&net.rigs[leader], i, &sid, i * 10 + 1, 10, (struct raft_proposal){ 0 });
		net_settle(&net);
	}
	net_run(&net, 200);
	CHECK(net.rigs[leader].answers_count == 100);
	CHECK(net.rigs[0].commit == net.rigs[0].disk.count);
	CHECK(net_equal(&net));
	CHECK(net.rigs[0].disk.count == 1001);
	net_free(&net);
}

int
main(void)
{
	check_run("three nodes elect a leader and hold the same log in the end", test_replicates);
	return check_done();
}
