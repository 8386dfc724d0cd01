/* SPDX-License-Identifier: ISC */
/* raft-ctl fsm restart, and snapshot: orders to this node's raft-fsm. */
#include <stdio.h>
#include <string.h>

#include "client/link.h"
#include "ctl.h"

struct order {
	struct tool *tool;
	struct link *link;
	const char *what;
	bool sent;
	bool over;
	char why[1024];
};

static void
fsm_on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	struct order *order = arg;
	(void)hello;
	order->sent = true;
	msg_fsm_command_put(link_out(link), &(struct msg_fsm_command){1, wire_text(order->what)});
}

static void
fsm_on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct order *order = arg;
	struct msg_text_reply reply;
	struct msg_refusal refusal;
	(void)link;
	if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size))
		tool_die((enum exit_status)refusal.exit_status, "%s: %.*s", order->what,
		    (int)refusal.sentence.size, (const char *)refusal.sentence.bytes);
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size))
		tool_die(EXIT_UNAVAILABLE, "%s: raft-fsm sends what cannot be read", order->what);
	/* It has nothing more to tell. */
	order->over = true;
}

static void
fsm_on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	struct order *order = arg;
	(void)link;
	(void)was_up;
	if (order->sent)
		tool_die(EXIT_UNKNOWN, "%s: raft-fsm went away before it answered: %s", order->what,
		    why);
	snprintf(order->why, sizeof order->why, "%s", why);
}

static void
fsm_on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	struct order *order = arg;
	(void)link;
	tool_die(status, "%s: %s", order->what, why);
}

static const struct link_calls link_calls = {
    fsm_on_up, fsm_on_frame, fsm_on_down, fsm_on_hopeless, NULL};

static void
fsm_on_timeout(uv_timer_t *timer)
{
	const struct order *order = timer->data;
	if (order->sent)
		tool_die(EXIT_UNKNOWN, "%s: no answer in time: it may still be done", order->what);
	tool_die(EXIT_UNAVAILABLE, "%s: %s", order->what,
	    order->why[0] ? order->why : "raft-fsm does not answer");
}

enum exit_status
ctl_fsm_order(struct ctl *ctl, const char *what)
{
	static struct order order;
	static uv_timer_t timer;
	order = (struct order){.tool = &ctl->tool, .what = what};
	timer.data = &order;
	uv_timer_init(loop_uv(ctl->tool.loop), &timer);
	uv_timer_start(&timer, fsm_on_timeout, ctl->give_up_ms, 0);
	order.link = link_new(ctl->tool.loop, tool_socket(&ctl->tool, "fsm").text, WIRE_CLIENT,
	    ctl->tool.prog, &link_calls, &order);
	while (!order.over)
		loop_once(ctl->tool.loop, true);
	return EXIT_OK;
}

enum exit_status
ctl_fsm(struct ctl *ctl)
{
	if (ctl->argc != 1 || strcmp(ctl->argv[0], "restart") != 0)
		tool_die(EXIT_USAGE, "fsm: restart is expected");
	return ctl_fsm_order(ctl, "restart");
}
