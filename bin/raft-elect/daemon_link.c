/* SPDX-License-Identifier: ISC */
/* Connecting, greeting, losing and connecting again. */
#include "daemon_link.h"

#include <stdio.h>

#include "unix/log.h"

enum {
	PAUSE_MIN_MS = 10,
	PAUSE_MAX_MS = 500,
	PATIENCE_MS = 1000, /* a silent other end is mentioned after so long */
	OUT_HIGH = 16 << 20
};

static void connect_now(struct daemon_link *link);

static void
say_once(struct daemon_link *link, const char *why)
{
	if (link->said)
		return;
	link->said = true;
	log_info("wait", "for=%s why=%s", link->whom, log_q(why));
}

static void
daemon_link_on_timer(uv_timer_t *timer)
{
	struct daemon_link *link = timer->data;
	if (link->conn == NULL)
		connect_now(link);
	else
		say_once(link, "it is there and has not answered yet");
}

static void
retry_later(struct daemon_link *link)
{
	uv_timer_start(&link->timer, daemon_link_on_timer, link->pause_ms, 0);
	link->pause_ms *= 2;
	if (link->pause_ms > PAUSE_MAX_MS)
		link->pause_ms = PAUSE_MAX_MS;
}

static void
daemon_link_drop(struct daemon_link *link, const char *why)
{
	bool was_up = link->greeted;
	conn_free(link->conn);
	link->conn = NULL;
	link->greeted = false;
	if (was_up) {
		log_warn("link", "to=%s state=down why=%s", link->whom, log_q(why));
		link->said = true;
		link->calls->down(why, link->arg);
	} else
		say_once(link, why);
	retry_later(link);
}

static const char *
daemon_link_on_hello_reply(struct daemon_link *link, const uint8_t *body, size_t size)
{
	struct msg_hello_reply reply;
	if (!msg_hello_reply_get(&reply, body, size))
		return "its greeting is malformed";
	if (reply.version < WIRE_VERSION_LOW || reply.version > WIRE_VERSION_HIGH)
		return "it speaks no version of the protocol that raft-elect speaks: upgrade one "
		       "of the two";
	link->greeted = true;
	link->calls->up(&reply, link->arg);
	return NULL;
}

static void
daemon_link_on_refusal(struct daemon_link *link, const uint8_t *body, size_t size)
{
	struct msg_refusal refusal;
	char why[256] = "it sent a malformed refusal";
	if (msg_refusal_get(&refusal, body, size))
		snprintf(why, sizeof why, "it refuses: %.*s", (int)refusal.sentence.size,
		    (const char *)refusal.sentence.bytes);
	daemon_link_drop(link, why);
}

static void
daemon_link_on_frame(
    struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct daemon_link *link = arg;
	(void)conn;
	if (number == MSG_REFUSAL) {
		daemon_link_on_refusal(link, body, size);
		return;
	}
	const char *wrong;
	if (link->greeted)
		wrong = link->calls->frame(number, body, size, link->arg);
	else if (number == MSG_HELLO_REPLY)
		wrong = daemon_link_on_hello_reply(link, body, size);
	else
		wrong = "it does not greet first";
	if (wrong)
		daemon_link_drop(link, wrong);
}

static void
daemon_link_on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)conn;
	daemon_link_drop(arg, why);
}

static void
connect_now(struct daemon_link *link)
{
	static const struct conn_calls calls = {daemon_link_on_frame, daemon_link_on_closed, NULL};
	char why[SOCK_WHY_SIZE];
	int fd = sock_connect(link->path, why);
	if (fd < 0) {
		say_once(link, why);
		retry_later(link);
		return;
	}
	link->conn = conn_new(link->loop, fd, FRAME_SIZE_MAX, OUT_HIGH, &calls, link);
	msg_hello_put(conn_out(link->conn), &(struct msg_hello){WIRE_VERSION_LOW, WIRE_VERSION_HIGH,
						WIRE_ELECTOR, wire_text("raft-elect")});
	uv_timer_start(&link->timer, daemon_link_on_timer, PATIENCE_MS, 0);
}

bool
daemon_link_open(struct daemon_link *link, struct loop *loop, const char *dir, const char *name,
    const char *whom, const struct daemon_link_calls *calls, void *arg, char *why)
{
	link->loop = loop;
	link->calls = calls;
	link->arg = arg;
	link->whom = whom;
	link->pause_ms = PAUSE_MIN_MS;
	if (!sock_path(link->path, dir, name, why))
		return false;
	must(uv_timer_init(loop_uv(loop), &link->timer) == 0);
	link->timer.data = link;
	connect_now(link);
	return true;
}

void
daemon_link_settled(struct daemon_link *link)
{
	uv_timer_stop(&link->timer);
	link->pause_ms = PAUSE_MIN_MS;
	link->said = false;
	log_info("link", "to=%s state=up", link->whom);
}

bool
daemon_link_is_up(const struct daemon_link *link)
{
	return link->greeted;
}
