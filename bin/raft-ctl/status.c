/* SPDX-License-Identifier: ISC */
/* raft-ctl status: what the four daemons of this node say, at once. */
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "query.h"
#include "ctl.h"

enum { STATUS_MS = 2000 };

#define PARTS(P)                                                                                   \
	P(ELECT, "elect")                                                                          \
	P(LOG, "log")                                                                              \
	P(PEER, "peer")                                                                            \
	P(FSM, "fsm")
enum {
#define P(NAME, text) PART_##NAME,
	PARTS(P)
#undef P
	    PARTS_COUNT
};

static const char *const no_part[] = {"part", NULL};
/* Too wide for a table, or said by another column; `members` and -j show them. */
static const char *const not_in_table[] = {"part", "key", "connected", NULL};

/* The line that a daemon says of itself: the first. */
static const struct text_line *
own_line(const struct query *query)
{
	return query->answered && query->text.count > 0 ? &query->text.lines[0] : NULL;
}

static const char *
own_value(const struct query *query, const char *key)
{
	const struct text_line *line = own_line(query);
	const char *value = line ? text_get(line, key) : NULL;
	return value ? value : "";
}

/* A raft-fsm that was started by hand needs no section. */
static bool
is_absent(const struct ctl *ctl, const struct query *queries, size_t i)
{
	return i == PART_FSM && !ctl->tool.conf->fsm.present && own_line(&queries[i]) == NULL;
}

/* Further lines, by what they speak of: those of one kind, from all answers, in order. */
static size_t
status_gather(
    const struct query *queries, const char *kind, const struct text_line **lines, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < PARTS_COUNT; i++) {
		for (size_t k = 1; queries[i].answered && k < queries[i].text.count; k++) {
			const char *part = text_get(&queries[i].text.lines[k], "part");
			if (part && strcmp(part, kind) == 0 && count < max)
				lines[count++] = &queries[i].text.lines[k];
		}
	}
	return count;
}

enum { LINES_MAX = 256, KINDS_MAX = 16 };

/* Adds the kinds of further lines that the answers have to `count` that are there already. */
static size_t
find_kinds(const struct query *queries, const char **kinds, size_t count)
{
	for (size_t i = 0; i < PARTS_COUNT; i++) {
		for (size_t k = 1; queries[i].answered && k < queries[i].text.count; k++) {
			const char *part = text_get(&queries[i].text.lines[k], "part");
			size_t at = 0;
			while (part && at < count && strcmp(kinds[at], part) != 0)
				at++;
			if (part && at == count && count < KINDS_MAX)
				kinds[count++] = part;
		}
	}
	return count;
}

static void
json_further(struct wire_buf *out, const struct query *queries)
{
	/* These arrays are always there. */
	const char *kinds[KINDS_MAX] = {"member", "peer", "transfer"};
	size_t kinds_count = find_kinds(queries, kinds, 3);
	for (size_t i = 0; i < kinds_count; i++) {
		const struct text_line *lines[LINES_MAX];
		size_t count = status_gather(queries, kinds[i], lines, LINES_MAX);
		json_put_raw(out, ",\"");
		json_put_raw(out, kinds[i]);
		json_put_raw(out, "s\":[");
		for (size_t k = 0; k < count; k++) {
			json_put_raw(out, k ? "," : "");
			text_json(out, lines[k], kinds[i]);
		}
		json_put_raw(out, "]");
	}
}

static void
status_show_json(struct wire_buf *out, const struct ctl *ctl, const struct query *queries)
{
	json_put_raw(out, "{\"node\":");
	text_json_string(out, ctl->tool.conf->node.id.s);
	json_put_raw(out, ",\"cluster\":");
	text_json_string(out, ctl->tool.conf->cluster.name);
	for (size_t i = 0; i < PARTS_COUNT; i++) {
		json_put_raw(out, ",\"");
		json_put_raw(out, queries[i].socket);
		json_put_raw(out, "\":");
		if (own_line(&queries[i])) {
			text_json(out, own_line(&queries[i]), own_value(&queries[i], "part"));
		} else if (is_absent(ctl, queries, i)) {
			json_put_raw(out, "null");
		} else {
			json_put_raw(out, "{\"down\":");
			text_json_string(out, queries[i].why);
			json_put_raw(out, "}");
		}
	}
	json_further(out, queries);
	json_put_raw(out, "}\n");
}

/* Of a node that was removed: at which entry, as text; else NULL. */
static const char *
status_removed(const struct query *elect)
{
	const char *index = own_value(elect, "removed");
	return index[0] && strcmp(index, "0") != 0 ? index : NULL;
}

static void
show_summary(struct wire_buf *out, const struct ctl *ctl, const struct query *elect)
{
	const char *leader = own_value(elect, "leader"), *removed = status_removed(elect);
	json_put_raw(out, ctl->tool.conf->node.id.s);
	json_put_raw(out, " of ");
	json_put_raw(out, ctl->tool.conf->cluster.name);
	if (removed) {
		json_put_raw(out, ": this node was removed from the cluster at entry ");
		json_put_raw(out, removed);
	} else if (elect->answered) {
		json_put_raw(out, ": ");
		json_put_raw(out, own_value(elect, "role"));
		json_put_raw(out, " in term ");
		json_put_raw(out, own_value(elect, "term"));
		json_put_raw(out, leader[0] ? ", the leader is " : ", no leader is known");
		json_put_raw(out, leader);
	}
	json_put_raw(out, "\n\n");
}

static void
show_part(struct wire_buf *out, const struct query *query, bool absent)
{
	if (own_line(query)) {
		text_show(out, query->socket, own_line(query), no_part);
		return;
	}
	json_put_raw(out, query->socket);
	memset(wire_buf_add(out, 8 - strlen(query->socket)), ' ', 8 - strlen(query->socket));
	json_put_raw(out, absent ? "none: the configuration has no fsm section" : "down: ");
	json_put_raw(out, absent ? "" : query->why);
	json_put_raw(out, "\n");
}

static void
show_text(struct wire_buf *out, const struct ctl *ctl, const struct query *queries)
{
	const char *kinds[KINDS_MAX];
	show_summary(out, ctl, &queries[PART_ELECT]);
	for (size_t i = 0; i < PARTS_COUNT; i++)
		show_part(out, &queries[i], is_absent(ctl, queries, i));
	size_t kinds_count = find_kinds(queries, kinds, 0);
	for (size_t i = 0; i < kinds_count; i++) {
		const struct text_line *lines[LINES_MAX];
		json_put_raw(out, "\n");
		json_put_raw(out, kinds[i]);
		json_put_raw(out, "s\n");
		text_show_table(
		    out, lines, status_gather(queries, kinds[i], lines, LINES_MAX), not_in_table);
	}
}

enum exit_status
ctl_status(struct ctl *ctl)
{
	struct wire_buf out = {0};
	static struct query queries[PARTS_COUNT] = {
#define P(NAME, text) {.socket = text, .what = "status"},
	    PARTS(P)
#undef P
	};
	query_all(
	    &ctl->tool, queries, PARTS_COUNT, ctl->give_up_given ? ctl->give_up_ms : STATUS_MS);
	if (ctl->json)
		status_show_json(&out, ctl, queries);
	else
		show_text(&out, ctl, queries);
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	bool removed = status_removed(&queries[PART_ELECT]) != NULL;
	bool led = own_value(&queries[PART_ELECT], "leader")[0] != '\0';
	for (size_t i = 0; i < PARTS_COUNT; i++)
		text_free(&queries[i].text);
	return removed ? EXIT_CONFIG : led ? EXIT_OK : EXIT_UNAVAILABLE;
}
