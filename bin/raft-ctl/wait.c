/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl wait: until this node can be worked with.
 *
 * It asks for a linearizable read (§6.4), which succeeds only when a leader is known, a majority
 * follows it, and it has committed an entry of its own term; then until this node's log has what
 * was committed then.
 */
#include "client/refusal.h"
#include "raft/reason.h"
#include "steps.h"

static uv_timer_t pause_timer;
static uint64_t pause_ms;

static void
wait_query(struct steps *steps)
{
	msg_read_index_put(link_out(steps->elect), &(struct msg_read_index){++steps->requests});
}

static void
wait_on_pause_over(uv_timer_t *timer)
{
	struct steps *steps = timer->data;
	if (steps->elect && link_up(steps->elect))
		wait_query(steps);
}

static void
wait_on_up(struct steps *steps)
{
	uv_timer_stop(&pause_timer);
	wait_query(steps);
}

static bool
wait_on_frame(struct steps *steps, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_read_index_reply reply;
	if (number != MSG_READ_INDEX_REPLY || !msg_read_index_reply_get(&reply, body, size))
		return false;
	if (reply.ok) {
		steps_wait_for(steps, reply.index, "a majority follows the leader");
		return true;
	}
	enum raft_reason reason = (enum raft_reason)reply.reason;
	if (!raft_reason_retry(reason))
		tool_die(refusal_status(reason), "%s", refusal_text(reason, reply.index));
	timeout_set_why(steps->timeout, raft_reason_text(reason));
	pause_ms = refusal_pause_ms(pause_ms, reason);
	uv_timer_start(&pause_timer, wait_on_pause_over, pause_ms, 0);
	return true;
}

enum exit_status
ctl_wait(struct ctl *ctl)
{
	static struct steps steps;
	steps = (struct steps){.tool = &ctl->tool,
	    .give_up_ms = ctl->give_up_ms,
	    .up = wait_on_up,
	    .frame = wait_on_frame};
	pause_timer.data = &steps;
	uv_timer_init(loop_uv(ctl->tool.loop), &pause_timer);
	steps_run(&steps);
	return EXIT_OK;
}
