/* SPDX-License-Identifier: ISC */
/* Questions to daemons, side by side. */
#include "ask.h"

#include <stdio.h>

#include "../../lib/client/tool.h"

static void
settle(struct ask *ask)
{
	ask->settled = true;
	link_free(ask->link);
	ask->link = NULL;
}

static void
on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	struct ask *ask = arg;
	(void)hello;
	msg_query_text_put(link_out(link), &(struct msg_query_text){1, wire_text(ask->what)});
}

static void
on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct ask *ask = arg;
	struct msg_text_reply reply;
	struct msg_refusal refusal;
	if (number == MSG_TEXT_REPLY && msg_text_reply_get(&reply, body, size)) {
		if (reply.lines.size == 0 && ask->patient) {
			link_break(link, "it does not know yet");
			return;
		}
		text_parse(&ask->text, (const char *)reply.lines.bytes, reply.lines.size);
		ask->answered = true;
	} else if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size)) {
		snprintf(ask->why, sizeof ask->why, "%.*s", (int)refusal.sentence.size,
		    (const char *)refusal.sentence.bytes);
	} else {
		snprintf(ask->why, sizeof ask->why, "raft-%s%s sends what cannot be read", ask->socket,
		    ask->socket[0] == 'e' || ask->socket[0] == 'f' ? "" : "d");
	}
	settle(ask);
}

static void
on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	struct ask *ask = arg;
	(void)link;
	(void)was_up;
	snprintf(ask->why, sizeof ask->why, "%s", why);
	if (!ask->patient)
		settle(ask);
}

static void
on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	struct ask *ask = arg;
	(void)link;
	(void)status;
	snprintf(ask->why, sizeof ask->why, "%s", why);
	settle(ask);
}

static const struct link_calls link_calls = {on_up, on_frame, on_down, on_hopeless, NULL};

static bool
all_settled(const struct ask *asks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!asks[i].settled)
			return false;
	return true;
}

static void
on_timeout(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	*(bool *)handle->data = false;
}

/* Runs the loop until they are settled; the timer lives on this function's stack. */
static void
run_until_settled(struct loop *loop, struct ask *asks, size_t count, uint64_t timeout_ms)
{
	bool over = false, open = true;
	uv_timer_t timer = {.data = &over};
	uv_timer_init(loop_uv(loop), &timer);
	uv_timer_start(&timer, on_timeout, timeout_ms, 0);
	while (!over && !all_settled(asks, count))
		loop_once(loop, true);
	timer.data = &open;
	uv_close((uv_handle_t *)&timer, on_timer_closed);
	while (open)
		loop_once(loop, false);
}

void
ask_all(struct tool *tool, struct ask *asks, size_t count, uint64_t timeout_ms)
{
	for (size_t i = 0; i < count; i++)
		asks[i].link = link_new(tool->loop, tool_socket(tool, asks[i].socket).text, WIRE_CLIENT,
		    tool->prog, &link_calls, &asks[i]);
	run_until_settled(tool->loop, asks, count, timeout_ms);
	for (size_t i = 0; i < count; i++) {
		if (asks[i].settled)
			continue;
		if (asks[i].why[0] == '\0')
			snprintf(asks[i].why, sizeof asks[i].why, "does not answer");
		settle(&asks[i]);
	}
}

void
ask_one(struct tool *tool, struct ask *ask, uint64_t timeout_ms)
{
	ask->patient = true;
	ask_all(tool, ask, 1, timeout_ms);
	if (!ask->answered)
		tool_die(EXIT_UNAVAILABLE, "%s", ask->why);
}
