/* SPDX-License-Identifier: ISC */
/* Steps at raft-elect and raft-logd. */
#include "steps.h"

#include <inttypes.h>

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
	proposal_replaces(steps->proposal, steps->replaces);
	if (steps->serial > 0)
		proposal_moves(steps->proposal, steps->epoch, steps->serial);
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
	struct steps *steps = arg;
	timeout_set_why(steps->timeout, raft_reason_text(reason));
}

void
steps_end(struct steps *steps)
{
	loop_stop(steps->tool->loop);
}

/* ------------------------------------------------------- at raft-elect */

static void
steps_on_elect_up(void *arg)
{
	struct steps *steps = arg;
	steps->up(steps);
}

static const char *
steps_on_elect_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct steps *steps = arg;
	return steps->frame(steps, number, body, size) ? NULL
						       : "raft-elect sends what cannot be read";
}

static void
steps_on_down(bool was_up, const char *why, void *arg)
{
	struct steps *steps = arg;
	(void)was_up;
	timeout_set_why(steps->timeout, why);
	if (steps->proposal)
		proposal_down(steps->proposal);
}

/* -------------------------------------------------------- at raft-logd */

static void
on_log_up(void *arg)
{
	struct steps *steps = arg;
	timeout_set_why(steps->timeout, "it has not arrived");
	msg_log_read_put(link_out(steps->log),
	    &(struct msg_log_read){
		.request = 1, .from = steps->index, .size_max = 1, .count_max = 1, .wait = true});
}

static const char *
on_log_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct steps *steps = arg;
	struct msg_log_entries entries;
	if (number != MSG_LOG_ENTRIES || !msg_log_entries_get(&entries, body, size) ||
	    entries.commit < steps->index)
		return "raft-logd sends what cannot be read";
	steps_end(steps);
	return NULL;
}

static const struct link_calls elect_calls = {.up = steps_on_elect_up,
    .frame = steps_on_elect_frame,
    .refused = tool_refused,
    .down = steps_on_down};
static const struct link_calls log_calls = {
    .up = on_log_up, .frame = on_log_frame, .refused = tool_refused, .down = steps_on_down};

void
steps_wait_for(struct steps *steps, uint64_t index, const char *first)
{
	timeout_set_why(steps->timeout, "raft-logd does not answer");
	steps->changed = steps->proposal != NULL;
	steps->first = first;
	link_free(steps->elect);
	steps->elect = NULL;
	proposal_free(steps->proposal);
	steps->proposal = NULL;
	steps->index = index;
	steps->log = link_new(steps->tool->loop, tool_socket(steps->tool, "log").text, WIRE_READER,
	    steps->tool->prog, &log_calls, steps);
}

static void
steps_on_timeout(void *arg)
{
	struct steps *steps = arg;
	steps->over = true;
	steps_end(steps);
}

_Noreturn static void
steps_give_up(struct steps *steps)
{
	struct wire_buf text = {0};
	bool doubt = steps->doubt || (steps->proposal && proposal_in_doubt(steps->proposal));
	if (steps->done)
		wire_buf_printf(&text, "%s: ", steps->done);
	if (steps->first)
		wire_buf_printf(&text,
		    "%s, and the log of this node does not have entry %" PRIu64 ": ", steps->first,
		    steps->index);
	wire_buf_printf(
	    &text, "%s%s", timeout_sentence(steps->timeout), doubt ? ": it may still be done" : "");
	if (steps->explain && !steps->first)
		steps->explain(steps, &text);
	if (steps->left && (steps->done || steps->changed))
		wire_buf_printf(&text, "; left to do: %s", steps->left);
	tool_die(steps->done || steps->changed || doubt ? EXIT_UNKNOWN : EXIT_UNAVAILABLE, "%.*s",
	    (int)text.size, (const char *)text.bytes);
}

void
steps_run(struct steps *steps)
{
	steps->timeout = timeout_new(steps->tool->loop, steps->give_up_ms,
	    "no answer from raft-elect", steps_on_timeout, steps);
	steps->elect = link_new(steps->tool->loop, tool_socket(steps->tool, "elect").text,
	    WIRE_CLIENT, steps->tool->prog, &elect_calls, steps);
	loop_run(steps->tool->loop);
	if (steps->over)
		steps_give_up(steps);
	timeout_free(steps->timeout);
	link_free(steps->elect);
	link_free(steps->log);
	proposal_free(steps->proposal);
}
