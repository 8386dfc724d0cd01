/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl watch role, and watch state: a line for each change of what this node is.  While
 * raft-elect is away the role is none: who acts on these lines must not take an old one for true.
 * Without an operand it is changes.c.
 */
#include <stdio.h>
#include <string.h>

#include "client/json.h"
#include "client/timeout.h"
#include "local/link.h"
#include "changes.h"
#include "text.h"

static struct {
	struct ctl *ctl;
	bool role_only;
	struct link *link;
	struct timeout *timeout;
	uv_poll_t output;
	char last[512];
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
		struct text_line only = {
		    .pairs = &(struct text_pair){"role", (char *)role}, .count = 1};
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
watch_on_up(void *arg)
{
	(void)arg;
	timeout_stop(self.timeout);
	msg_watch_put(link_out(self.link), &(struct msg_watch){1, wire_text("state")});
}

static const char *
watch_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_text_reply reply;
	(void)arg;
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size))
		return "raft-elect sends what cannot be read";
	watch_show((const char *)reply.lines.bytes, reply.lines.size);
	return NULL;
}

static void
watch_on_down(bool was_up, const char *why, void *arg)
{
	static const char nobody[] = "role=none term=0 leader=";
	(void)arg;
	timeout_set_why(self.timeout, why);
	if (!was_up)
		return;
	timeout_progress(self.timeout);
	watch_show(nobody, sizeof nobody - 1);
}

static void
watch_on_timeout(void *arg)
{
	(void)arg;
	tool_die(EXIT_UNAVAILABLE, "%s", timeout_sentence(self.timeout));
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
    .up = watch_on_up, .frame = watch_on_frame, .refused = tool_refused, .down = watch_on_down};

static void
watch_state(struct ctl *ctl)
{
	self.role_only = strcmp(ctl->argv[0], "role") == 0;
	if (!self.role_only && strcmp(ctl->argv[0], "state") != 0)
		tool_die(EXIT_USAGE, "watch: %s: role or state is expected", ctl->argv[0]);
	if (ctl->lag)
		tool_die(EXIT_USAGE, "watch %s: --lag does not apply", ctl->argv[0]);
	self.timeout = timeout_new(
	    ctl->tool.loop, ctl->give_up_ms, "raft-elect does not answer", watch_on_timeout, NULL);
	self.link = link_new(ctl->tool.loop, tool_socket(&ctl->tool, "elect").text, WIRE_CLIENT,
	    ctl->tool.prog, &link_calls, NULL);
}

enum exit_status
ctl_watch(struct ctl *ctl)
{
	self.ctl = ctl;
	if (ctl->argc > 0)
		watch_state(ctl);
	else
		changes_begin(ctl);
	if (uv_poll_init(loop_uv(ctl->tool.loop), &self.output, 1) == 0)
		uv_poll_start(&self.output, LOOP_READER_GONE, watch_on_output);
	loop_run(ctl->tool.loop);
	return EXIT_OK;
}
