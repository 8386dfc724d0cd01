/* SPDX-License-Identifier: ISC */
/* Questions to daemons, side by side. */
#include "query.h"

#include <stdio.h>

#include "prog/tool.h"

static void
query_settle(struct query *query)
{
	query->settled = true;
	link_free(query->link);
	query->link = NULL;
}

static void
query_on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	struct query *query = arg;
	(void)hello;
	msg_query_text_put(link_out(link), &(struct msg_query_text){1, wire_text(query->what)});
}

static void
query_on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct query *query = arg;
	struct msg_text_reply reply;
	struct msg_refusal refusal;
	if (number == MSG_TEXT_REPLY && msg_text_reply_get(&reply, body, size)) {
		if (reply.lines.size == 0 && query->patient) {
			link_break(link, "it does not know yet");
			return;
		}
		text_parse(&query->text, (const char *)reply.lines.bytes, reply.lines.size);
		query->answered = true;
	} else if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size)) {
		snprintf(query->why, sizeof query->why, "%.*s", (int)refusal.sentence.size,
		    (const char *)refusal.sentence.bytes);
	} else {
		snprintf(query->why, sizeof query->why, "raft-%s%s sends what cannot be read",
		    query->socket, query->socket[0] == 'e' || query->socket[0] == 'f' ? "" : "d");
	}
	query_settle(query);
}

static void
query_on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	struct query *query = arg;
	(void)link;
	(void)was_up;
	snprintf(query->why, sizeof query->why, "%s", why);
	if (!query->patient)
		query_settle(query);
}

static void
query_on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	struct query *query = arg;
	(void)link;
	(void)status;
	snprintf(query->why, sizeof query->why, "%s", why);
	query_settle(query);
}

static const struct link_calls link_calls = {
    query_on_up, query_on_frame, query_on_down, query_on_hopeless, NULL};

static bool
all_settled(const struct query *queries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!queries[i].settled)
			return false;
	return true;
}

static void
query_on_timeout(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void
query_on_timer_closed(uv_handle_t *handle)
{
	*(bool *)handle->data = false;
}

/* Runs the loop until they are settled; the timer lives on this function's stack. */
static void
run_until_settled(struct loop *loop, struct query *queries, size_t count, uint64_t timeout_ms)
{
	bool over = false, open = true;
	uv_timer_t timer = {.data = &over};
	uv_timer_init(loop_uv(loop), &timer);
	uv_timer_start(&timer, query_on_timeout, timeout_ms, 0);
	while (!over && !all_settled(queries, count))
		loop_once(loop, true);
	timer.data = &open;
	uv_close((uv_handle_t *)&timer, query_on_timer_closed);
	while (open)
		loop_once(loop, false);
}

void
query_all(struct tool *tool, struct query *queries, size_t count, uint64_t timeout_ms)
{
	for (size_t i = 0; i < count; i++)
		queries[i].link = link_new(tool->loop, tool_socket(tool, queries[i].socket).text,
		    WIRE_CLIENT, tool->prog, &link_calls, &queries[i]);
	run_until_settled(tool->loop, queries, count, timeout_ms);
	for (size_t i = 0; i < count; i++) {
		if (queries[i].settled)
			continue;
		if (queries[i].why[0] == '\0')
			snprintf(queries[i].why, sizeof queries[i].why, "does not answer");
		query_settle(&queries[i]);
	}
}

void
query_one(struct tool *tool, struct query *query, uint64_t timeout_ms)
{
	query->patient = true;
	query_all(tool, query, 1, timeout_ms);
	if (!query->answered)
		tool_die(EXIT_UNAVAILABLE, "%s", query->why);
}
