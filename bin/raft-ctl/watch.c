/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl watch: a line for each change of what this node is.  While raft-elect is away
 * the role is none: who acts on these lines must not take an old one for true.
 */
#include <stdio.h>
#include <string.h>

#include "client/json.h"
#include "client/link.h"
#include "ctl.h"
#include "text.h"

static struct {
	struct ctl *ctl;
	bool role_only;
	struct link *link;
	uv_timer_t give_up;
	uv_poll_t output;
	struct mono_ms down_since;
	char last[512];
	char why[1024];
} self;

static void
watch_show(const char *line, size_t size)
{
	struct text text;
	struct wire_buf out = {0};
	text_parse(&text, line, size);
	const char *role = text.count > 0 ? text_get(&text.lines[0], "role") : NULL;
	if (role == NULL) {
		text_free(&text);
		return;
	}
	if (self.role_only && !self.ctl->json)
		json_put_raw(&out, role);
	else if (self.role_only) {
		struct text_line only = {&(struct text_pair){"role", (char *)role}, 1};
		text_json(&out, &only, "state");
	} else if (self.ctl->json)
		text_json(&out, &text.lines[0], "state");
	else
		wire_buf_put(&out, line, size - (size > 0 && line[size - 1] == '\n'));
	json_put_raw(&out, "\n");
	/* The role alone changes less often than the state. */
	if (out.size != strlen(self.last) || memcmp(out.bytes, self.last, out.size) != 0) {
		tool_write(out.bytes, out.size);
		snprintf(
		    self.last, sizeof self.last, "%.*s", (int)out.size, (const char *)out.bytes);
	}
	wire_buf_free(&out);
	text_free(&text);
}

static void
watch_on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	(void)hello;
	(void)arg;
	msg_watch_put(link_out(link), &(struct msg_watch){1, wire_text("state")});
}

static void
watch_on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_text_reply reply;
	struct msg_refusal refusal;
	(void)arg;
	if (number == MSG_TEXT_REPLY && msg_text_reply_get(&reply, body, size))
		watch_show((const char *)reply.lines.bytes, reply.lines.size);
	else if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size))
		tool_die((enum exit_status)refusal.exit_status, "%.*s", (int)refusal.sentence.size,
		    (const char *)refusal.sentence.bytes);
	else
		link_break(link, "raft-elect sends what cannot be read");
}

static void
watch_on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	static const char nobody[] = "role=none term=0 leader=";
	(void)link;
	(void)arg;
	snprintf(self.why, sizeof self.why, "%s", why);
	if (!was_up)
		return;
	self.down_since = mono_now();
	watch_show(nobody, sizeof nobody - 1);
}

static void
watch_on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	(void)link;
	(void)arg;
	tool_die(status, "%s", why);
}

static void
watch_on_give_up(uv_timer_t *timer)
{
	uint64_t down = mono_now().ms - self.down_since.ms, limit = self.ctl->give_up_ms;
	bool up = link_up(self.link);
	if (!up && down >= limit)
		tool_die(EXIT_UNAVAILABLE, "%s (given up after %llu ms)",
		    self.why[0] ? self.why : "raft-elect does not answer",
		    (unsigned long long)limit);
	uv_timer_start(timer, watch_on_give_up, up ? limit + 1 : limit - down, 0);
}

/* Who read our lines has gone. */
static void
watch_on_output(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	if (status < 0 || (events & LOOP_READER_GONE))
		loop_stop(self.ctl->tool.loop);
}

static const struct link_calls link_calls = {
    watch_on_up, watch_on_frame, watch_on_down, watch_on_hopeless, NULL};

enum exit_status
ctl_watch(struct ctl *ctl)
{
	const char *what = ctl->argc > 0 ? ctl->argv[0] : "state";
	if (strcmp(what, "role") != 0 && strcmp(what, "state") != 0)
		tool_die(EXIT_USAGE, "watch: %s: role or state is expected", what);
	self.ctl = ctl;
	self.role_only = strcmp(what, "role") == 0;
	self.down_since = mono_now();
	uv_timer_init(loop_uv(ctl->tool.loop), &self.give_up);
	uv_timer_start(&self.give_up, watch_on_give_up, ctl->give_up_ms, 0);
	if (uv_poll_init(loop_uv(ctl->tool.loop), &self.output, 1) == 0)
		uv_poll_start(&self.output, LOOP_READER_GONE, watch_on_output);
	self.link = link_new(ctl->tool.loop, tool_socket(&ctl->tool, "elect").text, WIRE_CLIENT,
	    ctl->tool.prog, &link_calls, NULL);
	loop_run(ctl->tool.loop);
	return EXIT_OK;
}
