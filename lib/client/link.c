/* SPDX-License-Identifier: ISC */
/* A connection to a daemon: hello, and again after it was lost. */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unix/sock.h"

enum {
	AGAIN_FIRST_MS = 10,
	AGAIN_MAX_MS = 500,
	BARRED_MAX = 8,     /* attempts, about a second */
	OUT_HIGH = 16 << 20 /* a client's own window is below it */
};

enum link_state { LINK_WAITING, LINK_GREETING, LINK_UP };

struct link {
	struct loop *loop;
	uv_timer_t again;
	char path[SOCK_PATH_MAX];
	enum wire_kind kind;
	char program[32];
	const struct link_calls *calls;
	void *arg;
	struct conn *conn;
	enum link_state state;
	uint64_t again_ms;
	unsigned barred; /* attempts in a row that lacked the permission */
	bool freed;
};

static void link_on_again(uv_timer_t *timer);

static void
try_later(struct link *link)
{
	uv_timer_start(&link->again, link_on_again, link->again_ms, 0);
	link->again_ms = link->again_ms == 0 ? AGAIN_FIRST_MS : 2 * link->again_ms;
	if (link->again_ms > AGAIN_MAX_MS)
		link->again_ms = AGAIN_MAX_MS;
}

static void
link_go_down(struct link *link, const char *why)
{
	bool was_up = link->state == LINK_UP;
	conn_free(link->conn);
	link->conn = NULL;
	link->state = LINK_WAITING;
	try_later(link);
	link->calls->down(link, was_up, why, link->arg);
}

static void
link_on_hello_reply(struct link *link, const uint8_t *body, size_t size)
{
	struct msg_hello_reply hello;
	char why[SOCK_WHY_SIZE];
	if (!msg_hello_reply_get(&hello, body, size)) {
		snprintf(
		    why, sizeof why, "%s: answers with a hello that cannot be read", link->path);
		link_go_down(link, why);
		return;
	}
	if (hello.version == 0) {
		snprintf(why, sizeof why,
		    "%s: speaks versions %u to %u of the protocol, this program %d to %d",
		    link->path, hello.low, hello.high, WIRE_VERSION_LOW, WIRE_VERSION_HIGH);
		uv_timer_stop(&link->again);
		link->calls->hopeless(link, EXIT_UNAVAILABLE, why, link->arg);
		return;
	}
	link->state = LINK_UP;
	link->calls->up(link, &hello, link->arg);
}

static void
link_on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct link *link = arg;
	(void)conn;
	if (link->state == LINK_UP) {
		/*
		 * A daemon that greets and refuses, or greets and dies, is not asked ever faster.
		 */
		if (number != MSG_REFUSAL)
			link->again_ms = AGAIN_FIRST_MS;
		link->calls->frame(link, number, body, size, link->arg);
	} else if (number == MSG_HELLO_REPLY) {
		link_on_hello_reply(link, body, size);
	} else {
		struct msg_refusal refusal;
		char why[SOCK_WHY_SIZE];
		if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size))
			snprintf(why, sizeof why, "%s: %.*s", link->path,
			    (int)refusal.sentence.size, (const char *)refusal.sentence.bytes);
		else
			snprintf(why, sizeof why, "%s: answers a hello with %s", link->path,
			    msg_name(number));
		link_go_down(link, why);
	}
}

static void
link_on_closed(struct conn *conn, const char *why, void *arg)
{
	struct link *link = arg;
	char text[SOCK_WHY_SIZE];
	(void)conn;
	snprintf(text, sizeof text, "%s: %s", link->path, why);
	link_go_down(link, text);
}

static void
link_on_drained(struct conn *conn, void *arg)
{
	struct link *link = arg;
	(void)conn;
	if (link->calls->drained && link->state == LINK_UP)
		link->calls->drained(link, link->arg);
}

static const struct conn_calls conn_calls = {link_on_frame, link_on_closed, link_on_drained};

/*
 * Whether the permission is missing for good.  A daemon that starts makes its socket with a mode
 * for itself alone and opens it to the group then, so the first refusals say nothing.
 */
static bool
is_barred(struct link *link, int error)
{
	link->barred = error == EACCES || error == EPERM ? link->barred + 1 : 0;
	return link->barred >= BARRED_MAX;
}

static void
link_on_again(uv_timer_t *timer)
{
	struct link *link = timer->data;
	char why[SOCK_WHY_SIZE];
	int fd = sock_connect(link->path, why);
	if (is_barred(link, fd < 0 ? errno : 0)) {
		snprintf(why, sizeof why,
		    "%s: permission denied: be the user who runs the node, or of its node.group",
		    link->path);
		link->calls->hopeless(link, EXIT_FENCED, why, link->arg);
		return;
	}
	if (fd < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			snprintf(why, sizeof why, "%s: nobody listens there: is the node running?",
			    link->path);
		link_go_down(link, why);
		return;
	}
	link->conn = conn_new(link->loop, fd, FRAME_SIZE_MAX, OUT_HIGH, &conn_calls, link);
	link->state = LINK_GREETING;
	msg_hello_put(conn_out(link->conn), &(struct msg_hello){WIRE_VERSION_LOW, WIRE_VERSION_HIGH,
						(uint8_t)link->kind, wire_text(link->program)});
}

struct link *
link_new(struct loop *loop, const char *path, enum wire_kind kind, const char *program,
    const struct link_calls *calls, void *arg)
{
	struct link *link = calloc(1, sizeof *link);
	must(link != NULL);
	link->loop = loop;
	link->kind = kind;
	link->calls = calls;
	link->arg = arg;
	snprintf(link->path, sizeof link->path, "%s", path);
	snprintf(link->program, sizeof link->program, "%s", program);
	uv_timer_init(loop_uv(loop), &link->again);
	link->again.data = link;
	try_later(link);
	return link;
}

static void
link_on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
link_free(struct link *link)
{
	if (link == NULL || link->freed)
		return;
	link->freed = true;
	link->state = LINK_WAITING;
	conn_free(link->conn);
	link->conn = NULL;
	uv_close((uv_handle_t *)&link->again, link_on_timer_closed);
}

bool
link_up(const struct link *link)
{
	return link->state == LINK_UP;
}

struct wire_buf *
link_out(struct link *link)
{
	must(link->state == LINK_UP);
	return conn_out(link->conn);
}

void
link_flush(struct link *link)
{
	must(link->state == LINK_UP);
	conn_flush(link->conn);
}

void
link_read_now(struct link *link)
{
	if (link->conn)
		conn_read_now(link->conn);
}

bool
link_choked(const struct link *link)
{
	return link->state == LINK_UP && conn_choked(link->conn);
}

void
link_break(struct link *link, const char *why)
{
	link_go_down(link, why);
}
