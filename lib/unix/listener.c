/* SPDX-License-Identifier: ISC */
/* A listening socket on the loop; it rests a while when no descriptor is free. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "log.h"
#include "sock.h"

enum { REST_MS = 500, ACCEPTS_A_TURN = 16 };

struct listener {
	uv_poll_t poll;
	uv_timer_t rest;
	int fd;
	int open; /* handles that are not closed yet */
	void (*accepted)(int fd, void *arg);
	void *arg;
};

static void listener_on_poll(uv_poll_t *poll, int status, int events);

static void
on_rested(uv_timer_t *timer)
{
	struct listener *listener = timer->data;
	uv_poll_start(&listener->poll, UV_READABLE, listener_on_poll);
}

static void
listener_rest(struct listener *listener)
{
	log_warn("accept", "why=%s",
	    log_q("no descriptor is free: raise the limit of open files (ulimit -n)"));
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->rest, on_rested, REST_MS, 0);
}

static void
listener_on_poll(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = sock_accept(listener->fd);
		if (fd >= 0)
			listener->accepted(fd, listener->arg);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			 errno == ENOMEM) {
			listener_rest(listener);
			return;
		} else
			return;
	}
}

struct listener *
listener_new(struct loop *loop, int fd, void (*accepted)(int fd, void *arg), void *arg)
{
	struct listener *listener = calloc(1, sizeof *listener);
	must(listener != NULL);
	listener->fd = fd;
	listener->accepted = accepted;
	listener->arg = arg;
	must(uv_poll_init(loop_uv(loop), &listener->poll, fd) == 0);
	must(uv_timer_init(loop_uv(loop), &listener->rest) == 0);
	listener->poll.data = listener->rest.data = listener;
	listener->open = 2;
	uv_poll_start(&listener->poll, UV_READABLE, listener_on_poll);
	return listener;
}

static void
listener_on_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;
	if (--listener->open > 0)
		return;
	close(listener->fd);
	free(listener);
}

void
listener_free(struct listener *listener)
{
	if (listener == NULL)
		return;
	uv_close((uv_handle_t *)&listener->poll, listener_on_closed);
	uv_close((uv_handle_t *)&listener->rest, listener_on_closed);
}
