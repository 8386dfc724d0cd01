/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl watch: a line for each change that a daemon of this node reports, and for each daemon
 * that goes and returns.
 *
 * What a daemon keeps of its newest changes comes again with each connection: only what differs
 * from the last line about the same thing is printed.  Of each kind KIND_BURST lines may follow
 * each other, and one a second after them; what is held back is replaced by what comes later about
 * the same thing, and counted.
 */
#include "changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "client/timeout.h"
#include "client/when.h"
#include "local/link.h"
#include "unix/log.h"
#include "text.h"

enum { KIND_BURST = 20, SECOND_MS = 1000, LAG_ENTRIES = 10000, DAEMONS_COUNT = 4 };

/* What a line is about; `other` is what a newer daemon reports. */
#define CHANGE_KINDS(K)                                                                            \
	K(role) K(member) K(lag) K(snapshot) K(disk) K(peer) K(program) K(daemon) K(watch) K(other)
enum change_kind {
#define K(name) KIND_##name,
	CHANGE_KINDS(K)
#undef K
	    KINDS_COUNT
};
static const char *const kind_names[] = {
#define K(name) #name,
    CHANGE_KINDS(K)
#undef K
};

struct watched {
	const char *socket, *program;
	bool expected; /* to run on this node */
	bool gone;
	char why[512]; /* it is gone */
	struct link *link;
};

/* The newest change of one thing. */
struct thing {
	struct thing *next;
	const struct watched *source; /* NULL: raft-ctl itself */
	enum change_kind kind;
	char *name; /* kind and id, if it has one, as in the line */
	char *keys; /* these and all others but time and reason */
	char *reason;
	uint64_t time_ms;
	bool seen; /* in the answer that is being read */
	bool high; /* a lag above the limit */
	bool held; /* not printed yet */
	uint64_t muted;
};

static struct {
	struct ctl *ctl;
	struct watched watched[DAEMONS_COUNT];
	bool begun; /* a daemon has answered */
	struct timeout *timeout;
	uv_timer_t second;
	struct thing *things;
	unsigned used[KINDS_COUNT]; /* of KIND_BURST; one less each second */
} self;

/* ------- lines ------------------------------------------------------------------------ */

static void
thing_print(struct thing *thing)
{
	struct wire_buf line = {0}, out = {0};
	char time[WHEN_SIZE];
	when_print(time, thing->time_ms);
	wire_buf_printf(
	    &line, "time=%s node=%s %s", time, self.ctl->tool.conf->node.id.s, thing->keys);
	if (thing->muted > 0)
		wire_buf_printf(&line, " muted=%llu", (unsigned long long)thing->muted);
	wire_buf_printf(&line, " reason=%s", log_q(thing->reason));
	if (self.ctl->json) {
		struct text text;
		text_parse(&text, (const char *)line.bytes, line.size);
		text_json(&out, &text.lines[0], "change");
		text_free(&text);
	} else {
		wire_buf_put(&out, line.bytes, line.size);
	}
	json_put_raw(&out, "\n");
	tool_write(out.bytes, out.size);
	wire_buf_free(&line);
	wire_buf_free(&out);
	thing->held = false;
	thing->muted = 0;
}

/* Prints what is held, as far as it may. */
static void
changes_on_second(uv_timer_t *timer)
{
	bool wait = false;
	for (int kind = 0; kind < KINDS_COUNT; kind++)
		self.used[kind] -= self.used[kind] > 0;
	for (struct thing *thing = self.things; thing; thing = thing->next)
		if (thing->held && self.used[thing->kind] < KIND_BURST) {
			self.used[thing->kind]++;
			thing_print(thing);
		}
	for (int kind = 0; kind < KINDS_COUNT; kind++)
		wait = wait || self.used[kind] > 0;
	if (!wait)
		uv_timer_stop(timer);
}

static void
thing_show(struct thing *thing)
{
	if (!uv_is_active((uv_handle_t *)&self.second))
		uv_timer_start(&self.second, changes_on_second, SECOND_MS, SECOND_MS);
	if (thing->held) {
		thing->muted++;
	} else if (self.used[thing->kind] < KIND_BURST) {
		self.used[thing->kind]++;
		thing_print(thing);
	} else {
		thing->held = true;
	}
}

/* ------- things ----------------------------------------------------------------------- */

static char *
changes_copy(const char *text)
{
	char *copy = strdup(text);
	must(copy != NULL);
	return copy;
}

static enum change_kind
kind_of(const char *name)
{
	int kind = 0;
	while (kind < KIND_other && strcmp(kind_names[kind], name) != 0)
		kind++;
	return (enum change_kind)kind;
}

static struct thing *
thing_of(const struct watched *source, const char *kind, const char *id)
{
	char name[128];
	int size = snprintf(name, sizeof name, "kind=%s", log_q(kind));
	if (id[0] && (size_t)size < sizeof name)
		snprintf(name + size, sizeof name - (size_t)size, " id=%s", log_q(id));
	struct thing **at = &self.things;
	while (*at && (strcmp((*at)->name, name) != 0 || (*at)->source != source))
		at = &(*at)->next;
	if (*at)
		return *at;
	*at = calloc(1, sizeof **at);
	must(*at != NULL);
	**at = (struct thing){.source = source,
	    .kind = kind_of(kind),
	    .name = changes_copy(name),
	    .keys = changes_copy(""),
	    .reason = changes_copy("")};
	return *at;
}

/* What is held is printed now: nothing replaces it later. */
static void
thing_forget(struct thing *thing)
{
	struct thing **at = &self.things;
	if (thing->held)
		thing_print(thing);
	while (*at != thing)
		at = &(*at)->next;
	*at = thing->next;
	free(thing->name);
	free(thing->keys);
	free(thing->reason);
	free(thing);
}

/* keys: without kind and id. */
static void
thing_change(struct thing *thing, const char *keys, const char *reason, uint64_t time_ms)
{
	struct wire_buf all = {0};
	wire_buf_printf(&all, "%s%s%s", thing->name, keys[0] ? " " : "", keys);
	wire_buf_put(&all, "", 1);
	if (strcmp(thing->keys, (char *)all.bytes) == 0) {
		wire_buf_free(&all);
		return;
	}
	free(thing->keys);
	free(thing->reason);
	thing->keys = (char *)all.bytes;
	thing->reason = changes_copy(reason);
	thing->time_ms = time_ms;
	thing_show(thing);
}

/* ------- what a daemon reports -------------------------------------------------------- */

static const char *
line_get(const struct text_line *line, const char *key)
{
	const char *value = text_get(line, key);
	return value ? value : "";
}

static uint64_t
line_number(const struct text_line *line, const char *key)
{
	return strtoull(line_get(line, key), NULL, 10);
}

/* It is measured again and again: a change is that it passes the limit, or returns to half. */
static void
take_lag(struct thing *thing, const struct text_line *line)
{
	char keys[128];
	uint64_t entries = line_number(line, "entries");
	uint64_t limit = self.ctl->lag ? self.ctl->lag : LAG_ENTRIES;
	bool high = entries > (thing->high ? limit / 2 : limit);
	if (high == thing->high)
		return;
	thing->high = high;
	snprintf(keys, sizeof keys, "state=%s entries=%llu limit=%llu", high ? "high" : "normal",
	    (unsigned long long)entries, (unsigned long long)limit);
	thing_change(thing, keys, line_get(line, "reason"), line_number(line, "time_ms"));
}

static void
take_keys(struct thing *thing, const struct text_line *line)
{
	static const char *const others[] = {"kind", "id", "time_ms", "reason"};
	struct wire_buf keys = {0};
	for (size_t i = 0; i < line->count; i++) {
		const struct text_pair *pair = &line->pairs[i];
		size_t k = 0;
		while (k < 4 && strcmp(others[k], pair->key) != 0)
			k++;
		if (k == 4)
			wire_buf_printf(
			    &keys, "%s%s=%s", keys.size ? " " : "", pair->key, log_q(pair->value));
	}
	wire_buf_put(&keys, "", 1);
	thing_change(
	    thing, (char *)keys.bytes, line_get(line, "reason"), line_number(line, "time_ms"));
	wire_buf_free(&keys);
}

/* What it measured is not known any longer. */
static void
forget_lags(const struct watched *source)
{
	for (struct thing *thing = self.things, *next; thing; thing = next) {
		next = thing->next;
		if (thing->source == source && thing->kind == KIND_lag)
			thing_forget(thing);
	}
}

static void
take_line(const struct watched *source, const struct text_line *line)
{
	struct thing *thing = thing_of(source, line_get(line, "kind"), line_get(line, "id"));
	thing->seen = true;
	if (thing->kind == KIND_lag)
		take_lag(thing, line);
	else
		take_keys(thing, line);
	if (thing->kind == KIND_role && strcmp(line_get(line, "state"), "leader") != 0)
		forget_lags(source);
}

static void
say_missed(const struct watched *source, const struct text_line *now)
{
	struct thing *thing = thing_of(NULL, "watch", source->program);
	char keys[64];
	snprintf(keys, sizeof keys, "state=missed changes=%s", line_get(now, "missed"));
	thing_change(thing, keys, "this command was not read in time", wall_ms());
	thing_forget(thing);
}

/* Of what the daemon had before and has no longer: the rest are events, and no states. */
static void
forget_unseen(const struct watched *source)
{
	for (struct thing *thing = self.things, *next; thing; thing = next) {
		next = thing->next;
		if (thing->source != source || thing->seen)
			continue;
		if (thing->kind == KIND_member)
			thing_change(
			    thing, "state=removed", "no longer in the configuration", wall_ms());
		thing_forget(thing);
	}
}

static const char *
changes_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	const struct watched *source = arg;
	struct msg_text_reply reply;
	struct text text;
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size))
		return "it sends what cannot be read";
	text_parse(&text, (const char *)reply.lines.bytes, reply.lines.size);
	bool all = text.count > 0 && strcmp(line_get(&text.lines[0], "kind"), "now") == 0;
	for (struct thing *thing = self.things; thing; thing = thing->next)
		thing->seen = false;
	if (all && line_number(&text.lines[0], "missed") > 0)
		say_missed(source, &text.lines[0]);
	for (size_t i = all; i < text.count; i++)
		take_line(source, &text.lines[i]);
	if (all)
		forget_unseen(source);
	text_free(&text);
	return NULL;
}

/* ------- daemons that go and return --------------------------------------------------- */

static void
say_gone(const struct watched *watched)
{
	thing_change(
	    thing_of(NULL, "daemon", watched->program), "state=gone", watched->why, wall_ms());
	if (strcmp(watched->socket, "elect") == 0)
		thing_change(thing_of(watched, "role", ""), "state=none term=0 leader=\"\"",
		    "raft-elect is gone", wall_ms());
	forget_lags(watched);
}

static void
changes_on_up(void *arg)
{
	struct watched *watched = arg;
	bool first = !self.begun;
	timeout_stop(self.timeout);
	self.begun = watched->expected = true;
	msg_watch_put(link_out(watched->link), &(struct msg_watch){1, wire_text("changes")});
	if (!first && watched->gone)
		thing_change(thing_of(NULL, "daemon", watched->program), "state=back",
		    "it answers again", wall_ms());
	watched->gone = false;
	for (size_t i = 0; i < DAEMONS_COUNT && first; i++)
		if (self.watched[i].gone)
			say_gone(&self.watched[i]);
}

static bool
any_up(void)
{
	for (size_t i = 0; i < DAEMONS_COUNT; i++)
		if (link_up(self.watched[i].link))
			return true;
	return false;
}

static void
changes_on_down(bool was_up, const char *why, void *arg)
{
	struct watched *watched = arg;
	snprintf(watched->why, sizeof watched->why, "%s", why);
	timeout_set_why(self.timeout, self.watched[0].why);
	if (was_up && self.ctl->give_up_given && !any_up())
		timeout_progress(self.timeout);
	if (watched->gone || !watched->expected)
		return;
	watched->gone = true;
	if (self.begun)
		say_gone(watched);
}

/* One of an earlier version; the connection stays, until it is replaced. */
static void
changes_on_refused(enum exit_status status, const char *why, void *arg)
{
	const struct watched *watched = arg;
	if (status != EXIT_USAGE)
		tool_die(status, "%s", why);
	thing_change(thing_of(NULL, "daemon", watched->program), "state=old",
	    "it is of an earlier version, which reports no changes", wall_ms());
}

static void
changes_on_timeout(void *arg)
{
	(void)arg;
	tool_die(EXIT_UNAVAILABLE, "%s", timeout_sentence(self.timeout));
}

void
changes_begin(struct ctl *ctl)
{
	static const struct link_calls calls = {.up = changes_on_up,
	    .frame = changes_on_frame,
	    .refused = changes_on_refused,
	    .down = changes_on_down};
	struct tool *tool = &ctl->tool;
	self.ctl = ctl;
	self.watched[0] = (struct watched){.socket = "elect", .program = "raft-elect"};
	self.watched[1] = (struct watched){.socket = "log", .program = "raft-logd"};
	self.watched[2] = (struct watched){.socket = "peer", .program = "raft-peerd"};
	self.watched[3] = (struct watched){.socket = "fsm", .program = "raft-fsm"};
	uv_timer_init(loop_uv(tool->loop), &self.second);
	self.timeout = timeout_new(tool->loop, ctl->give_up_ms, "no daemon of this node answers",
	    changes_on_timeout, NULL);
	for (size_t i = 0; i < DAEMONS_COUNT; i++) {
		struct watched *watched = &self.watched[i];
		/* A raft-fsm that was started by hand needs no section. */
		watched->expected = strcmp(watched->socket, "fsm") != 0 || tool->conf->fsm.present;
		watched->link = link_new(tool->loop, tool_socket(tool, watched->socket).text,
		    WIRE_CLIENT, tool->prog, &calls, watched);
	}
}
