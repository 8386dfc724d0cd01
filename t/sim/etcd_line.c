/* SPDX-License-Identifier: ISC */
/*
 * Lines of the trace in etcd's form.
 *
 * Each has a time stamp in its third field (of those that colons separate), where the tools
 * of that form sort by it as text: virtual seconds with as many digits on every line, then the
 * number of the line among those of the same microsecond.
 */
#include "etcd_line.h"

#include <inttypes.h>

static const char *const roles[] = {
#define R(NAME, text) [ETCD_##NAME] = text,
    ETCD_ROLES(R)
#undef R
};
_Static_assert(sizeof roles / sizeof roles[0] == ETCD_ROLES_COUNT, "a name for each role");

static const char *const events[] = {
#define E(NAME, text) [ETCD_##NAME] = text,
    ETCD_EVENTS(E)
#undef E
};
_Static_assert(sizeof events / sizeof events[0] == ETCD_EVENTS_COUNT, "a name for each event");

static const struct {
	const char *type, *text;
} messages[] = {
#define M(NAME, type, text) [ETCD_MSG_##NAME] = {type, text},
    ETCD_MESSAGES(M)
#undef M
};
_Static_assert(sizeof messages / sizeof messages[0] == ETCD_MESSAGES_COUNT, "words for each type");

static void
line_begin(struct etcd_line *line, uint64_t now_us, const char *tag)
{
	line->same = now_us == line->at_us ? line->same + 1 : 0;
	line->at_us = now_us;
	line->count++;
	fprintf(line->out,
	    "{\"level\":\"info\",\"ts\":%" PRIu64 ".%06" PRIu64 "%04u,\"tag\":\"%s\"",
	    1000000000 + now_us / 1000000, now_us % 1000000, line->same, tag);
}

static void
put_voters(FILE *out, uint16_t voters)
{
	const char *comma = "";

	putc('[', out);
	for (int i = 0; i < SIM_NODES_MAX; i++) {
		if ((voters >> i & 1) == 0)
			continue;
		fprintf(out, "%s\"%d\"", comma, i + 1);
		comma = ",";
	}
	putc(']', out);
}

static void
event_begin(struct etcd_line *line, uint64_t now_us, int node, const char *verb, const char *name,
    const struct etcd_state *state)
{
	line_begin(line, now_us, "trace");
	fprintf(line->out,
	    ",\"event\":{\"name\":\"%s%s\",\"nid\":\"%d\",\"state\":{\"term\":%" PRIu64
	    ",\"vote\":\"%d\",\"commit\":%" PRIu64 "},\"role\":\"%s\",\"log\":%" PRIu64
	    ",\"conf\":[",
	    verb, name, node + 1, state->term, state->vote + 1, state->commit, roles[state->role],
	    state->last);
	put_voters(line->out, state->voters);
	fputs(",[]]", line->out);
}

static void
event_end(struct etcd_line *line)
{
	fputs("}}\n", line->out);
}

void
etcd_line_event(struct etcd_line *line, uint64_t now_us, int node, enum etcd_event event,
    const struct etcd_state *state)
{
	event_begin(line, now_us, node, "", events[event], state);
	event_end(line);
}

void
etcd_line_change(struct etcd_line *line, uint64_t now_us, int node, const struct etcd_state *state,
    const char *op, int member)
{
	event_begin(line, now_us, node, "", events[ETCD_CHANGE_CONF], state);
	fprintf(line->out, ",\"prop\":{\"cc\":{\"changes\":[{\"nid\":\"%d\",\"action\":\"%s\"}]}}",
	    member + 1, op);
	event_end(line);
}

void
etcd_line_apply(struct etcd_line *line, uint64_t now_us, int node, const struct etcd_state *state,
    uint16_t voters)
{
	event_begin(line, now_us, node, "", events[ETCD_APPLY_CONF], state);
	fputs(",\"prop\":{\"cc\":{\"newconf\":", line->out);
	put_voters(line->out, voters);
	fputs("}}", line->out);
	event_end(line);
}

static void
put_message(FILE *out, const struct etcd_message *message)
{
	fprintf(out,
	    ",\"msg\":{\"type\":\"%s\",\"term\":%" PRIu64
	    ",\"from\":\"%d\",\"to\":\"%d\",\"entries\":%" PRIu64 ",\"logTerm\":%" PRIu64
	    ",\"index\":%" PRIu64 ",\"commit\":%" PRIu64
	    ",\"vote\":\"0\",\"reject\":%s,\"rejectHint\":%" PRIu64 "}",
	    messages[message->type].type, message->term, message->from + 1, message->to + 1,
	    message->entries, message->log_term, message->index, message->commit,
	    message->reject ? "true" : "false", message->hint);
}

void
etcd_line_received(struct etcd_line *line, uint64_t now_us, const struct etcd_state *state,
    const struct etcd_message *message)
{
	event_begin(line, now_us, message->to, "Receive", messages[message->type].text, state);
	put_message(line->out, message);
	event_end(line);
}

void
etcd_line_sent(struct etcd_line *line, uint64_t now_us, const struct etcd_state *state,
    const struct etcd_message *message, uint64_t match, uint64_t next)
{
	event_begin(line, now_us, message->from, "Send", messages[message->type].text, state);
	put_message(line->out, message);
	if (next > 0)
		fprintf(line->out, ",\"prop\":{\"match\":%" PRIu64 ",\"next\":%" PRIu64 "}", match,
		    next);
	event_end(line);
}

void
etcd_line_beyond(struct etcd_line *line, uint64_t now_us, int node, const char *why)
{
	line_begin(line, now_us, "beyond");
	fprintf(line->out, ",\"nid\":\"%d\",\"why\":\"%s\"}\n", node + 1, why);
}
