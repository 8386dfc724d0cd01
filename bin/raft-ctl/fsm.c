/* SPDX-License-Identifier: ISC */
/* raft-ctl fsm restart, and snapshot: orders to this node's raft-fsm. */
#include <string.h>

#include "client/timeout.h"
#include "local/link.h"
#include "ctl.h"

struct order {
	struct tool *tool;
	struct link *link;
	struct timeout *timeout;
	const char *what;
	const char *otherwise; /* what else may be done */
	bool sent;
};

static void
fsm_on_up(void *arg)
{
	struct order *order = arg;
	order->sent = true;
	msg_fsm_command_put(
	    link_out(order->link), &(struct msg_fsm_command){1, wire_text(order->what)});
}

static const char *
fsm_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct order *order = arg;
	struct msg_text_reply reply;
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size))
		tool_die(EXIT_UNAVAILABLE, "%s: raft-fsm sends what cannot be read", order->what);
	/* It has nothing more to tell. */
	loop_stop(order->tool->loop);
	return NULL;
}

static void
fsm_on_refused(enum exit_status status, const char *why, void *arg)
{
	const struct order *order = arg;
	tool_die(status, "%s: %s%s", order->what, why, order->otherwise);
}

static void
fsm_on_down(bool was_up, const char *why, void *arg)
{
	struct order *order = arg;
	const struct conf *conf = order->tool->conf;
	if (!was_up && !conf->fsm.present)
		tool_die(EXIT_CONFIG,
		    "%s: this node runs no state machine: %s has no section fsm%s", order->what,
		    conf->path, order->otherwise);
	if (was_up)
		tool_die(EXIT_UNKNOWN, "%s: raft-fsm went away before it answered: %s", order->what,
		    why);
	timeout_set_why(order->timeout, why);
}

static const struct link_calls link_calls = {
    .up = fsm_on_up, .frame = fsm_on_frame, .refused = fsm_on_refused, .down = fsm_on_down};

static void
fsm_on_timeout(void *arg)
{
	const struct order *order = arg;
	if (order->sent)
		tool_die(EXIT_UNKNOWN, "%s: no answer in time: it may still be done", order->what);
	tool_die(EXIT_UNAVAILABLE, "%s: %s", order->what, timeout_why(order->timeout));
}

enum exit_status
ctl_fsm_order(struct ctl *ctl, const char *what)
{
	static struct order order;
	order = (struct order){.tool = &ctl->tool,
	    .what = what,
	    .otherwise = ctl->output ? "; with --newest the last one is fetched" : ""};
	order.timeout = timeout_new(
	    ctl->tool.loop, ctl->give_up_ms, "raft-fsm does not answer", fsm_on_timeout, &order);
	order.link = link_new(ctl->tool.loop, tool_socket(&ctl->tool, "fsm").text, WIRE_CLIENT,
	    ctl->tool.prog, &link_calls, &order);
	loop_run(ctl->tool.loop);
	link_free(order.link);
	timeout_free(order.timeout);
	return EXIT_OK;
}

enum exit_status
ctl_fsm(struct ctl *ctl)
{
	if (ctl->argc != 1 || strcmp(ctl->argv[0], "restart") != 0)
		tool_die(EXIT_USAGE, "fsm: restart is expected");
	return ctl_fsm_order(ctl, "restart");
}
