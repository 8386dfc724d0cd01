/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl transfer: leadership goes to another node (§3.10).
 *
 * raft-elect answers when the target has stood for election, or when the leader changed
 * meanwhile; who leads in the end is then asked of it.
 */
#include "client/refusal.h"
#include "query.h"
#include "steps.h"

enum { ASK_EVERY_MS = 50 };

static struct raft_id target; /* nobody: any other than the one before */
static struct raft_id before; /* the leader when it began; nobody: none was known */
static bool unanswered;
static bool lost; /* a request, with its connection */

static void
send_transfer(struct steps *steps)
{
	lost = lost || unanswered;
	unanswered = steps->doubt = true;
	msg_transfer_put(link_out(steps->elect), &(struct msg_transfer){++steps->requests, target});
}

static void
transfer_on_again(uv_timer_t *timer)
{
	struct steps *steps = timer->data;
	if (link_up(steps->elect))
		send_transfer(steps);
}

static void
send_later(struct steps *steps)
{
	static uv_timer_t again;
	static bool made;
	if (!made)
		uv_timer_init(loop_uv(steps->tool->loop), &again);
	made = true;
	again.data = steps;
	uv_timer_start(&again, transfer_on_again, ASK_EVERY_MS, 0);
}

static void
transfer_on_up(struct steps *steps)
{
	send_transfer(steps);
}

static bool
transfer_on_frame(struct steps *steps, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_answer answer;
	if (number != MSG_ANSWER || !msg_answer_get(&answer, body, size))
		return false;
	enum raft_reason reason = (enum raft_reason)answer.reason;
	unanswered = false;
	steps->doubt = lost;
	if (answer.verdict != RAFT_REFUSED) {
		steps_end(steps);
		return true;
	}
	if (!raft_reason_retry(reason) || reason == RAFT_REASON_TRANSFER_FAILED)
		tool_die(refusal_status(reason), "transfer%s%s: %s", target.s[0] ? " " : "",
		    target.s, refusal_text(reason, answer.pos.index));
	timeout_set_why(steps->timeout, raft_reason_text(reason));
	send_later(steps);
	return true;
}

static const char asked[] = "transfer: the leader has asked another node to take over";

/* The leader as this node knows it; nobody: none. */
static struct raft_id
leader_now(struct ctl *ctl, const char *done)
{
	struct query query = {.socket = "elect", .what = "status", .done = done};
	struct raft_id leader = {0};
	query_one(&ctl->tool, &query, ctl->give_up_ms);
	const char *text = query.text.count > 0 ? text_get(&query.text.lines[0], "leader") : NULL;
	if (text)
		raft_id_parse(&leader, text);
	text_free(&query.text);
	return leader;
}

/* False: the one before leads still, or nobody yet. */
static bool
transfer_settled(struct ctl *ctl)
{
	struct raft_id leader = leader_now(ctl, asked);
	if (raft_id_none(&leader) || (raft_id_none(&target) && raft_id_equal(&leader, &before)))
		return false;
	if (raft_id_none(&target) || raft_id_equal(&leader, &target))
		return true;
	if (raft_id_equal(&leader, &before))
		return false;
	tool_die(EXIT_RETRY, "transfer %s: %s leads now instead: try again", target.s, leader.s);
}

static void
on_pause(uv_timer_t *timer)
{
	loop_stop(timer->data);
}

static void
transfer_on_timeout(void *arg)
{
	*(bool *)arg = true;
}

static void
wait_settled(struct ctl *ctl)
{
	static uv_timer_t pause;
	bool over = false;
	struct timeout *timeout = timeout_new(ctl->tool.loop, ctl->give_up_ms,
	    "no other node is known to lead", transfer_on_timeout, &over);
	uv_timer_init(loop_uv(ctl->tool.loop), &pause);
	pause.data = ctl->tool.loop;
	while (!transfer_settled(ctl)) {
		if (over)
			tool_die(EXIT_UNKNOWN, "%s: %s", asked, timeout_sentence(timeout));
		uv_timer_start(&pause, on_pause, ASK_EVERY_MS, 0);
		loop_run(ctl->tool.loop);
	}
	timeout_free(timeout);
}

enum exit_status
ctl_transfer(struct ctl *ctl)
{
	struct steps steps = {.tool = &ctl->tool,
	    .give_up_ms = ctl->give_up_ms,
	    .up = transfer_on_up,
	    .frame = transfer_on_frame};
	if (ctl->argc == 1 && !raft_id_parse(&target, ctl->argv[0]))
		tool_die(EXIT_USAGE,
		    "transfer: %s is no id: an id is 1 to 31 characters of A-Z a-z 0-9 . _ -",
		    ctl->argv[0]);
	before = leader_now(ctl, NULL);
	if (!raft_id_none(&target) && raft_id_equal(&before, &target))
		return EXIT_OK;
	steps_run(&steps);
	wait_settled(ctl);
	return EXIT_OK;
}
