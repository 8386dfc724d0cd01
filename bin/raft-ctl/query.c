/* SPDX-License-Identifier: ISC */
/* Questions to daemons, side by side. */
#include "query.h"

#include <stdio.h>

#include "client/timeout.h"
#include "prog/tool.h"

static void
query_settle(struct query *query)
{
	query->settled = true;
	link_free(query->link);
	query->link = NULL;
}

static void
query_on_up(void *arg)
{
	struct query *query = arg;
	msg_query_text_put(
	    link_out(query->link), &(struct msg_query_text){1, wire_text(query->what)});
}

static const char *
query_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct query *query = arg;
	struct msg_text_reply reply;
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size)) {
		snprintf(query->why, sizeof query->why, "raft-%s%s sends what cannot be read",
		    query->socket, query->socket[0] == 'e' || query->socket[0] == 'f' ? "" : "d");
	} else if (reply.lines.size == 0 && query->patient) {
		link_break(query->link, "it does not know yet");
		return NULL;
	} else {
		text_parse(&query->text, (const char *)reply.lines.bytes, reply.lines.size);
		query->answered = true;
	}
	query_settle(query);
	return NULL;
}

static void
query_on_refused(enum exit_status status, const char *why, void *arg)
{
	struct query *query = arg;
	(void)status;
	snprintf(query->why, sizeof query->why, "%s", why);
	query_settle(query);
}

static void
query_on_down(bool was_up, const char *why, void *arg)
{
	struct query *query = arg;
	(void)was_up;
	snprintf(query->why, sizeof query->why, "%s", why);
	if (!query->patient)
		query_settle(query);
}

static const struct link_calls link_calls = {
    .up = query_on_up, .frame = query_on_frame, .refused = query_on_refused, .down = query_on_down};

static bool
all_settled(const struct query *queries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!queries[i].settled)
			return false;
	return true;
}

static void
query_on_timeout(void *arg)
{
	*(bool *)arg = true;
}

void
query_all(struct tool *tool, struct query *queries, size_t count, uint64_t timeout_ms)
{
	bool over = false;
	struct timeout *timeout =
	    timeout_new(tool->loop, timeout_ms, "does not answer", query_on_timeout, &over);
	for (size_t i = 0; i < count; i++)
		queries[i].link = link_new(tool->loop, tool_socket(tool, queries[i].socket).text,
		    WIRE_CLIENT, tool->prog, &link_calls, &queries[i]);
	while (!over && !all_settled(queries, count))
		loop_once(tool->loop, true);
	for (size_t i = 0; i < count; i++) {
		if (queries[i].settled)
			continue;
		if (queries[i].why[0] == '\0')
			snprintf(queries[i].why, sizeof queries[i].why, "%s", timeout_why(timeout));
		query_settle(&queries[i]);
	}
	timeout_free(timeout);
}

void
query_one(struct tool *tool, struct query *query, uint64_t timeout_ms)
{
	query->patient = true;
	query_all(tool, query, 1, timeout_ms);
	if (!query->answered)
		tool_die(query->done ? EXIT_UNKNOWN : EXIT_UNAVAILABLE, "%s%s%s",
		    query->done ? query->done : "", query->done ? ": " : "", query->why);
}
