/* SPDX-License-Identifier: ISC */
/* raft-ctl status: what the four daemons of this node say, at once. */
#include <stdlib.h>
#include <string.h>

#include "../../lib/client/json.h"
#include "ask.h"
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
own_line(const struct ask *ask)
{
	return ask->answered && ask->text.count > 0 ? &ask->text.lines[0] : NULL;
}

static const char *
own_value(const struct ask *ask, const char *key)
{
	const struct text_line *line = own_line(ask);
	const char *value = line ? text_get(line, key) : NULL;
	return value ? value : "";
}

/* Further lines, by what they speak of: those of one kind, from all answers, in order. */
static size_t
gather(const struct ask *asks, const char *kind, const struct text_line **lines, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < PARTS_COUNT; i++) {
		for (size_t k = 1; asks[i].answered && k < asks[i].text.count; k++) {
			const char *part = text_get(&asks[i].text.lines[k], "part");
			if (part && strcmp(part, kind) == 0 && count < max)
				lines[count++] = &asks[i].text.lines[k];
		}
	}
	return count;
}

enum { LINES_MAX = 256, KINDS_MAX = 16 };

/* The kinds of further lines there are: "member", and what daemons to come may tell. */
static size_t
find_kinds(const struct ask *asks, const char **kinds)
{
	size_t count = 0;
	for (size_t i = 0; i < PARTS_COUNT; i++) {
		for (size_t k = 1; asks[i].answered && k < asks[i].text.count; k++) {
			const char *part = text_get(&asks[i].text.lines[k], "part");
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
json_further(struct wire_buf *out, const struct ask *asks)
{
	const char *kinds[KINDS_MAX];
	size_t kinds_count = find_kinds(asks, kinds);
	for (size_t i = 0; i < kinds_count; i++) {
		const struct text_line *lines[LINES_MAX];
		size_t count = gather(asks, kinds[i], lines, LINES_MAX);
		json_put_raw(out, ",\"");
		json_put_raw(out, kinds[i]);
		json_put_raw(out, "s\":[");
		for (size_t k = 0; k < count; k++) {
			json_put_raw(out, k ? "," : "");
			text_json(out, lines[k], no_part);
		}
		json_put_raw(out, "]");
	}
}

static void
show_json(struct wire_buf *out, const struct ctl *ctl, const struct ask *asks)
{
	json_put_raw(out, "{\"node\":");
	text_json_string(out, ctl->tool.conf->node.id.s);
	json_put_raw(out, ",\"cluster\":");
	text_json_string(out, ctl->tool.conf->cluster.name);
	for (size_t i = 0; i < PARTS_COUNT; i++) {
		json_put_raw(out, ",\"");
		json_put_raw(out, asks[i].socket);
		json_put_raw(out, "\":");
		if (own_line(&asks[i])) {
			text_json(out, own_line(&asks[i]), no_part);
		} else {
			json_put_raw(out, "{\"down\":");
			text_json_string(out, asks[i].why);
			json_put_raw(out, "}");
		}
	}
	json_further(out, asks);
	json_put_raw(out, "}\n");
}

static void
show_summary(struct wire_buf *out, const struct ctl *ctl, const struct ask *elect)
{
	const char *leader = own_value(elect, "leader");
	json_put_raw(out, ctl->tool.conf->node.id.s);
	json_put_raw(out, " of ");
	json_put_raw(out, ctl->tool.conf->cluster.name);
	if (elect->answered) {
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
show_part(struct wire_buf *out, const struct ctl *ctl, const struct ask *ask, bool is_fsm)
{
	if (own_line(ask)) {
		text_show(out, ask->socket, own_line(ask), no_part);
		return;
	}
	json_put_raw(out, ask->socket);
	memset(wire_buf_add(out, 8 - strlen(ask->socket)), ' ', 8 - strlen(ask->socket));
	if (is_fsm && !ctl->tool.conf->fsm.present) {
		json_put_raw(out, "none: the configuration has no fsm section\n");
		return;
	}
	json_put_raw(out, "down: ");
	json_put_raw(out, ask->why);
	json_put_raw(out, "\n");
}

static void
show_text(struct wire_buf *out, const struct ctl *ctl, const struct ask *asks)
{
	const char *kinds[KINDS_MAX];
	show_summary(out, ctl, &asks[PART_ELECT]);
	for (size_t i = 0; i < PARTS_COUNT; i++)
		show_part(out, ctl, &asks[i], i == PART_FSM);
	size_t kinds_count = find_kinds(asks, kinds);
	for (size_t i = 0; i < kinds_count; i++) {
		const struct text_line *lines[LINES_MAX];
		json_put_raw(out, "\n");
		json_put_raw(out, kinds[i]);
		json_put_raw(out, "s\n");
		text_show_table(out, lines, gather(asks, kinds[i], lines, LINES_MAX), not_in_table);
	}
}

enum exit_status
ctl_status(struct ctl *ctl)
{
	struct wire_buf out = {0};
	static struct ask asks[PARTS_COUNT] = {
#define P(NAME, text) {.socket = text, .what = "status"},
	    PARTS(P)
#undef P
	};
	ask_all(&ctl->tool, asks, PARTS_COUNT, ctl->give_up_given ? ctl->give_up_ms : STATUS_MS);
	if (ctl->json)
		show_json(&out, ctl, asks);
	else
		show_text(&out, ctl, asks);
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	bool led = own_value(&asks[PART_ELECT], "leader")[0] != '\0';
	for (size_t i = 0; i < PARTS_COUNT; i++)
		text_free(&asks[i].text);
	return led ? EXIT_OK : EXIT_UNAVAILABLE;
}
