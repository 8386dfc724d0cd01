/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl barrier: a no-op of its own through the log.  What was acknowledged before it began is
 * committed, and in the log of this node, when it ends.
 */
#include "client/refusal.h"
#include "steps.h"

static void
barrier_on_done(const struct msg_answer *answer, bool doubt, void *arg)
{
	(void)doubt; /* a no-op too many harms nobody */
	if (answer->verdict != RAFT_COMMITTED)
		tool_die(refusal_status((enum raft_reason)answer->reason), "%s",
		    refusal_text((enum raft_reason)answer->reason, answer->pos.index));
	steps_wait_for(arg, answer->pos.index, "the barrier is committed");
}

static const struct proposal_calls calls = {barrier_on_done, steps_refused};

static void
barrier_on_up(struct steps *steps)
{
	steps_propose(steps, &calls, RAFT_NOOP, NULL, NULL, 0);
}

enum exit_status
ctl_barrier(struct ctl *ctl)
{
	static struct steps steps;
	steps = (struct steps){.tool = &ctl->tool,
	    .give_up_ms = ctl->give_up_ms,
	    .up = barrier_on_up,
	    .frame = steps_answer};
	steps_run(&steps);
	return EXIT_OK;
}
