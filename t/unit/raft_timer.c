/* SPDX-License-Identifier: ISC */
/*
 * When a node stands: the election timer after a start and after a loss.
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

/* How many of 20 followers stand within one and a quarter timeouts after the peer was lost. */
static int
stand_early(int lost, bool heard_again)
{
	struct raft_event event = {.type = RAFT_EVENT_UNREACHABLE, .unreachable = rig_id(lost)};
	int early = 0;

	for (int i = 0; i < 20; i++) {
		struct rig rig;

		follower(&rig, 1);
		rig.settings.seed = (uint64_t)i;
		rig_start(&rig);
		rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 0);
		rig_event(&rig, &event);
		if (heard_again)
			rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 0);
		rig_time(&rig, RIG_E - 1);
		CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
		rig_time(&rig, RIG_E / 4 + 1);
		early += rig_status(&rig).role == RAFT_PRE_CANDIDATE;
		rig_free(&rig);
	}
	return early;
}

static void
test_leader_unreachable(void)
{
	CHECK(stand_early(2, false) == 20);
	CHECK(stand_early(2, true) < 15);
	CHECK(stand_early(3, false) < 15);
}

/* Its own vote: it asks for others after a heartbeat. */
static void
test_start_with_own_vote(void)
{
	struct rig rig;

	rig_new(&rig, 3);
	rig_elect(&rig);
	rig_start(&rig);
	rig_time(&rig, RIG_HEARTBEAT - 1);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	rig_time(&rig, 1);
	CHECK(rig_status(&rig).role == RAFT_PRE_CANDIDATE);
	rig_free(&rig);
	follower(&rig, 1);
	rig_vote_request(&rig, 2, 5, false, (struct raft_pos){1, 1});
	rig_start(&rig);
	rig_time(&rig, RIG_E - 1);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	rig_free(&rig);
}

int
main(void)
{
	check_run("a follower whose leader is unreachable stands within one and a quarter timeouts",
	    test_leader_unreachable);
	check_run("A19: a node that starts with its own vote asks for votes after a heartbeat",
	    test_start_with_own_vote);
	return check_done();
}
