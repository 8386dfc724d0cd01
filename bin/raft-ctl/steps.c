/* SPDX-License-Identifier: ISC */
/* Steps at raft-elect and raft-logd. */
#include "steps.h"

#include <stdio.h>

void
steps_trouble(struct steps *steps, const char *why)
{
	snprintf(steps->why, sizeof steps->why, "%s", why);
}

void
steps_propose(struct steps *steps, const struct proposal_calls *calls, enum raft_kind kind,
    const struct raft_sid *session, const void *data, uint32_t size)
{
	if (steps->proposal) {
		proposal_up(steps->proposal);
		return;
	}
	steps->proposal =
	    proposal_new(steps->tool->loop, steps->elect, &steps->requests, calls, steps);
	proposal_propose(steps->proposal, kind, session, 0, data, size);
}

bool
steps_answer(struct steps *steps, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_answer answer;
	return number == MSG_ANSWER && msg_answer_get(&answer, body, size) &&
	       proposal_answer(steps->proposal, &answer);
}

void
steps_refused(enum raft_reason reason, void *arg)
{
	steps_trouble(arg, raft_reason_text(reason));
}

void
steps_end(struct steps *steps)
{
	loop_stop(steps->tool->loop);
}

/* ------------------------------------------------------- at raft-elect */

static void
steps_on_elect_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	struct steps *steps = arg;
	(void)link;
	(void)hello;
	steps->up(steps);
}

static void
steps_on_elect_frame(
    struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct steps *steps = arg;
	struct msg_refusal refusal;
	if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size))
		tool_die((enum exit_status)refusal.exit_status, "%.*s", (int)refusal.sentence.size,
		    (const char *)refusal.sentence.bytes);
	if (!steps->frame(steps, number, body, size))
		link_break(link, "raft-elect sends what cannot be read");
}

static void
steps_on_elect_down(struct link *link, bool was_up, const char *why, void *arg)
{
	struct steps *steps = arg;
	(void)link;
	(void)was_up;
	steps_trouble(steps, why);
	if (steps->proposal)
		proposal_down(steps->proposal);
}

static void
steps_on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	(void)link;
	(void)arg;
	tool_die(status, "%s", why);
}

/* -------------------------------------------------------- at raft-logd */

static void
on_log_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	struct steps *steps = arg;
	(void)hello;
	steps_trouble(steps, "the log of this node has not got it yet");
	msg_log_read_put(link_out(link),
	    &(struct msg_log_read){
		.request = 1, .from = steps->index, .size_max = 1, .count_max = 1, .wait = true});
}

static void
on_log_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct steps *steps = arg;
	struct msg_log_entries entries;
	if (number == MSG_LOG_ENTRIES && msg_log_entries_get(&entries, body, size) &&
	    entries.commit >= steps->index)
		steps_end(steps);
	else
		link_break(link, "raft-logd sends what cannot be read");
}

static void
on_log_down(struct link *link, bool was_up, const char *why, void *arg)
{
	(void)link;
	(void)was_up;
	steps_trouble(arg, why);
}

static const struct link_calls elect_calls = {
    steps_on_elect_up, steps_on_elect_frame, steps_on_elect_down, steps_on_hopeless, NULL};
static const struct link_calls log_calls = {
    on_log_up, on_log_frame, on_log_down, steps_on_hopeless, NULL};

void
steps_wait_for(struct steps *steps, uint64_t index)
{
	link_free(steps->elect);
	steps->elect = NULL;
	proposal_free(steps->proposal);
	steps->proposal = NULL;
	steps->index = index;
	steps->log = link_new(steps->tool->loop, tool_socket(steps->tool, "log").text, WIRE_READER,
	    steps->tool->prog, &log_calls, steps);
}

static void
steps_on_give_up(uv_timer_t *timer)
{
	struct steps *steps = timer->data;
	bool doubt = steps->proposal && proposal_in_doubt(steps->proposal);
	tool_die(doubt ? EXIT_UNKNOWN : EXIT_UNAVAILABLE, "%s (given up after %llu ms)",
	    steps->why[0] ? steps->why : "no answer from raft-elect",
	    (unsigned long long)steps->give_up_ms);
}

void
steps_run(struct steps *steps)
{
	static uv_timer_t give_up;
	if (give_up.data == NULL)
		uv_timer_init(loop_uv(steps->tool->loop), &give_up);
	give_up.data = steps;
	uv_timer_start(&give_up, steps_on_give_up, steps->give_up_ms, 0);
	steps->elect = link_new(steps->tool->loop, tool_socket(steps->tool, "elect").text,
	    WIRE_CLIENT, steps->tool->prog, &elect_calls, steps);
	loop_run(steps->tool->loop);
	uv_timer_stop(&give_up);
	link_free(steps->elect);
	link_free(steps->log);
	proposal_free(steps->proposal);
}
