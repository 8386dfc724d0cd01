/* SPDX-License-Identifier: ISC */
/* Connecting, greeting, losing and connecting again. */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "unix/backoff.h"
#include "unix/log.h"
#include "unix/sock.h"

enum {
	AGAIN_FIRST_MS = 10,
	AGAIN_MAX_MS = 500,
	BARRED_MAX = 8,      /* attempts, about a second */
	GREETING_MS = 1000,  /* a daemon that has not answered by then is mentioned in the log */
	OUT_HIGH = 16 << 20, /* a client's own window is below it */
	WHY_SIZE = 1024
};

enum link_state { LINK_WAITING, LINK_GREETING, LINK_UP };

struct link {
	struct loop *loop;
	uv_timer_t timer; /* to the next attempt, or to the end of GREETING_MS */
	char path[SOCK_PATH_MAX];
	enum wire_kind kind;
	char program[32];
	const char *daemon; /* NULL: nothing is logged */
	const struct link_calls *calls;
	void *arg;
	struct conn *conn;
	enum link_state state;
	struct msg_hello_reply hello;
	struct backoff again;
	unsigned barred; /* attempts in a row that lacked the permission */
	bool settled;    /* as link_settled has it */
	bool answered;   /* this connection has brought more than a greeting */
	bool logged;     /* why the link is not up */
	bool quiet;      /* the owner has ended the last connection */
	bool freed;
};

static void link_on_timer(uv_timer_t *timer);

static void
link_log_once(struct link *link, bool was_up, const char *why)
{
	if (link->daemon == NULL || link->logged)
		return;
	link->logged = true;
	if (was_up)
		log_warn("link", "to=%s state=down why=%s", link->daemon, log_q(why));
	else
		log_info("wait", "for=%s why=%s", link->daemon, log_q(why));
}

static void
link_disconnect(struct link *link)
{
	uv_timer_stop(&link->timer);
	conn_free(link->conn);
	link->conn = NULL;
	link->state = LINK_WAITING;
}

void
link_break(struct link *link, const char *why)
{
	bool was_up = link->state == LINK_UP;
	link_disconnect(link);
	/* One that greets and then dies or refuses is not asked ever faster. */
	if (why == NULL || (link->answered && link->settled))
		backoff_reset(&link->again);
	link->answered = link->settled = false;
	link->quiet = why == NULL;
	uv_timer_start(&link->timer, link_on_timer, why ? backoff_wait(&link->again) : 0, 0);
	if (why)
		link_log_once(link, was_up, why);
	if (link->calls->down)
		link->calls->down(was_up, why, link->arg);
}

static void
link_fail(struct link *link, enum exit_status status, const char *why)
{
	const struct link_calls *calls = link->calls;
	if (calls->failed == NULL && calls->refused == NULL) {
		link_break(link, why);
		return;
	}
	link_disconnect(link);
	(calls->failed ? calls->failed : calls->refused)(status, why, link->arg);
}

static void
link_on_hello_reply(struct link *link, const uint8_t *body, size_t size)
{
	char why[SOCK_WHY_SIZE];
	if (!msg_hello_reply_get(&link->hello, body, size)) {
		snprintf(
		    why, sizeof why, "%s: answers with a hello that cannot be read", link->path);
		link_break(link, why);
		return;
	}
	if (link->hello.version < WIRE_VERSION_LOW || link->hello.version > WIRE_VERSION_HIGH) {
		snprintf(why, sizeof why,
		    "%s: speaks versions %u to %u of the protocol, this program %d to %d",
		    link->path, link->hello.low, link->hello.high, WIRE_VERSION_LOW,
		    WIRE_VERSION_HIGH);
		link_fail(link, EXIT_UNAVAILABLE, why);
		return;
	}
	uv_timer_stop(&link->timer);
	link->state = LINK_UP;
	link->settled = link->daemon == NULL;
	if (link->calls->up)
		link->calls->up(link->arg);
}

static void
link_on_wrong(struct link *link, const char *wrong)
{
	if (wrong && link->conn)
		link_break(link, wrong);
}

static void
link_on_refusal(struct link *link, const uint8_t *body, size_t size)
{
	struct msg_refusal refusal;
	char why[WHY_SIZE];
	if (!msg_refusal_get(&refusal, body, size)) {
		link_on_wrong(link, "a refusal that cannot be read");
		return;
	}
	bool greeting = link->state == LINK_GREETING;
	snprintf(why, sizeof why, "%s%s%.*s", greeting ? link->path : "", greeting ? ": " : "",
	    (int)refusal.sentence.size, (const char *)refusal.sentence.bytes);
	if (greeting || link->calls->refused == NULL)
		link_break(link, why);
	else
		link->calls->refused((enum exit_status)refusal.exit_status, why, link->arg);
}

static void
link_on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct link *link = arg;
	char why[SOCK_WHY_SIZE];
	(void)conn;
	if (number == MSG_REFUSAL) {
		link_on_refusal(link, body, size);
	} else if (link->state == LINK_UP) {
		link->answered = true;
		if (link->calls->frame)
			link_on_wrong(link, link->calls->frame(number, body, size, link->arg));
	} else if (number == MSG_HELLO_REPLY) {
		link_on_hello_reply(link, body, size);
	} else {
		snprintf(
		    why, sizeof why, "%s: answers a hello with %s", link->path, msg_name(number));
		link_break(link, why);
	}
}

static void
link_on_closed(struct conn *conn, const char *why, void *arg)
{
	struct link *link = arg;
	char text[SOCK_WHY_SIZE];
	(void)conn;
	snprintf(text, sizeof text, "%s: %s", link->path, why);
	link_break(link, text);
}

static const struct conn_calls conn_calls = {link_on_frame, link_on_closed, NULL};

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
link_connect(struct link *link)
{
	char why[SOCK_WHY_SIZE];
	int fd = sock_connect(link->path, why);
	if (is_barred(link, fd < 0 ? errno : 0)) {
		snprintf(why, sizeof why,
		    "%s: permission denied: be the user who runs the node, or of its node.group",
		    link->path);
		link_fail(link, EXIT_FENCED, why);
		return;
	}
	if (fd < 0) {
		/* A daemon of the node does not ask whether the node runs. */
		if (link->daemon == NULL && (errno == ENOENT || errno == ECONNREFUSED))
			snprintf(why, sizeof why, "%s: nobody listens there: is the node running?",
			    link->path);
		link_break(link, why);
		return;
	}
	link->conn = conn_new(link->loop, fd, FRAME_SIZE_MAX, OUT_HIGH, &conn_calls, link);
	link->state = LINK_GREETING;
	msg_hello_put(conn_out(link->conn), &(struct msg_hello){WIRE_VERSION_LOW, WIRE_VERSION_HIGH,
						(uint8_t)link->kind, wire_text(link->program)});
	uv_timer_start(&link->timer, link_on_timer, GREETING_MS, 0);
}

static void
link_on_timer(uv_timer_t *timer)
{
	struct link *link = timer->data;
	if (link->conn == NULL)
		link_connect(link);
	else
		link_log_once(link, false, "it is there and has not answered yet");
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
	must(uv_timer_init(loop_uv(loop), &link->timer) == 0);
	link->timer.data = link;
	link->again = (struct backoff){.first_ms = AGAIN_FIRST_MS, .last_ms = AGAIN_MAX_MS};
	uv_timer_start(&link->timer, link_on_timer, 0, 0);
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
	link_disconnect(link);
	uv_close((uv_handle_t *)&link->timer, link_on_timer_closed);
}

void
link_log(struct link *link, const char *daemon)
{
	link->daemon = daemon;
}

void
link_settled(struct link *link)
{
	link->settled = true;
	link->logged = false;
	if (!link->quiet)
		log_info("link", "to=%s state=up", link->daemon);
}

bool
link_up(const struct link *link)
{
	return link->state == LINK_UP;
}

const struct msg_hello_reply *
link_hello(const struct link *link)
{
	must(link->state == LINK_UP);
	return &link->hello;
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

size_t
link_out_size(const struct link *link)
{
	return link->state == LINK_UP ? conn_out_size(link->conn) : 0;
}

bool
link_choked(const struct link *link)
{
	return link->state == LINK_UP && conn_choked(link->conn);
}
