/* SPDX-License-Identifier: ISC */
/*
 * push0 on the loop.  NNG's own descriptor says when a message can be taken, and an aio
 * without callback sends it from the loop's thread: two thread switches fewer than with a callback.
 * The aio is waited for at once, so it is never in use twice.
 *
 * Ours: a socket has one connection in its life.  push0 of NNG 1.5.2 can take a connection that
 * ends just when a message has been sent back into its list, after it was removed, and uses it
 * after it was freed.  So no second connection joins that list, and nothing is sent once the
 * end of the first was told, which NNG does before it frees it.
 */
#include "push.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nng/nng.h>
#include <nng/protocol/pipeline0/push.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "unix/log.h"
#include "unix/sock.h"
#include "pull.h"

/* NNG waits a random time below the back-off, which doubles from the first to the second. */
enum { RECONNECT_MIN_MS = 50, RECONNECT_MAX_MS = 1000 };

/* What waits in the kernel can't be overtaken: not much more than the network takes. */
enum { UNSENT_MAX = 128 << 10 };

struct push {
	uv_poll_t poll;
	struct nng_events *events;
	const struct push_calls *calls;
	void *arg;
	nng_socket socket;
	nng_dialer dialer;
	nng_aio *aio;
	nng_msg *message; /* being filled */
	int fd;           /* readable when a message can be sent */
	uint32_t pipe;    /* the connection; 0: none */
	char *url;
	uint64_t rate; /* bytes a second; 0: no limit */
	bool closed;
	atomic_bool had_pipe;
	uv_mutex_t mutex;  /* held while NNG sends */
	bool gone;         /* under the mutex: the connection has ended */
	struct push *next; /* of those that are closed and kept */
};

/*
 * A thread of NNG's may be inside push_on_pipe when nng_close returns: what it points to is kept
 * until so many others have been closed.
 */
enum { KEPT_MAX = 64 };
static struct {
	struct push *oldest, *newest;
	size_t count;
} kept;

static void
limit_kernel(const struct push *push)
{
	int fd = pull_fd(push->pipe), size = UNSENT_MAX;
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &size, sizeof size);
	if (push->rate > 0)
		setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &push->rate, sizeof push->rate);
}

static void
push_on_note(uint32_t pipe, bool come, void *arg)
{
	struct push *push = arg;
	if (push->closed)
		return;
	if (come) {
		push->pipe = pipe;
		limit_kernel(push);
		push->calls->opened(push->arg);
	} else if (push->pipe == 0 || pipe == push->pipe) {
		/* Also one that ended before it was open: it was the only one. */
		push->pipe = 0;
		push->calls->lost(push->arg);
	}
}

/* On a thread of NNG's. */
static void
push_on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct push *push = arg;
	if (event == NNG_PIPE_EV_ADD_PRE) {
		if (atomic_exchange(&push->had_pipe, true))
			nng_pipe_close(pipe);
		return;
	}
	if (event == NNG_PIPE_EV_REM_POST) {
		uv_mutex_lock(&push->mutex);
		push->gone = true;
		uv_mutex_unlock(&push->mutex);
	}
	nng_events_put(push->events, push_on_note, push, (uint32_t)nng_pipe_id(pipe),
	    event == NNG_PIPE_EV_ADD_POST);
}

static void
push_on_poll(uv_poll_t *poll, int status, int events)
{
	struct push *push = poll->data;
	(void)status;
	(void)events;
	uv_poll_stop(&push->poll);
	push->calls->ready(push->arg);
}

static int
push_dial(struct push *push)
{
	int rv = nng_dialer_create(&push->dialer, push->socket, push->url);
	if (rv != 0)
		return rv;
	nng_dialer_set_bool(push->dialer, NNG_OPT_TCP_NODELAY, true);
	nng_dialer_set_ms(push->dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
	nng_dialer_set_ms(push->dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
	/* A peer never sends on this connection: not a byte is taken. */
	nng_dialer_set_size(push->dialer, NNG_OPT_RECVMAXSZ, 1);
	return nng_dialer_start(push->dialer, NNG_FLAG_NONBLOCK);
}

static int
push_open_socket(struct push *push)
{
	int rv = nng_push0_open(&push->socket);
	if (rv != 0)
		return rv;
	if ((rv = nng_pipe_notify(push->socket, NNG_PIPE_EV_ADD_PRE, push_on_pipe, push)) != 0 ||
	    (rv = nng_pipe_notify(push->socket, NNG_PIPE_EV_ADD_POST, push_on_pipe, push)) != 0 ||
	    (rv = nng_pipe_notify(push->socket, NNG_PIPE_EV_REM_POST, push_on_pipe, push)) != 0 ||
	    (rv = nng_socket_get_int(push->socket, NNG_OPT_SENDFD, &push->fd)) != 0 ||
	    (rv = nng_aio_alloc(&push->aio, NULL, NULL)) != 0 || (rv = push_dial(push)) != 0) {
		nng_close(push->socket);
		nng_aio_free(push->aio);
		return rv;
	}
	nng_aio_set_timeout(push->aio, NNG_DURATION_ZERO);
	return 0;
}

struct push *
push_new(struct loop *loop, struct nng_events *events, const char *url,
    const struct push_calls *calls, void *arg, char *why)
{
	struct push *push = calloc(1, sizeof *push);
	must(push != NULL);
	push->events = events;
	push->calls = calls;
	push->arg = arg;
	must((push->url = strdup(url)) != NULL);
	must(uv_mutex_init(&push->mutex) == 0);
	int rv = push_open_socket(push);
	if (rv != 0) {
		snprintf(why, SOCK_WHY_SIZE, "%s: cannot dial: %s", url, nng_strerror(rv));
		nng_events_forget(events, push);
		free(push->url);
		free(push);
		return NULL;
	}
	must(uv_poll_init(loop_uv(loop), &push->poll, push->fd) == 0);
	push->poll.data = push;
	return push;
}

void
push_pace(struct push *push, uint64_t rate)
{
	push->rate = rate;
}

static void
push_on_closed(uv_handle_t *handle)
{
	struct push *push = handle->data;
	if (kept.newest)
		kept.newest->next = push;
	else
		kept.oldest = push;
	kept.newest = push;
	if (++kept.count <= KEPT_MAX)
		return;
	struct push *oldest = kept.oldest;
	kept.oldest = oldest->next;
	kept.count--;
	uv_mutex_destroy(&oldest->mutex);
	free(oldest->url);
	free(oldest);
}

void
push_free(struct push *push)
{
	if (push == NULL)
		return;
	/* The loop lets go of the descriptor before NNG closes it. */
	push->closed = true;
	uv_close((uv_handle_t *)&push->poll, push_on_closed);
	nng_close(push->socket);
	nng_aio_free(push->aio);
	nng_msg_free(push->message);
	nng_events_forget(push->events, push);
}

bool
push_ready(const struct push *push)
{
	struct pollfd ready = {.fd = push->fd, .events = POLLIN};
	return push->pipe != 0 && poll(&ready, 1, 0) == 1;
}

void
push_wait(struct push *push)
{
	uv_poll_start(&push->poll, UV_READABLE, push_on_poll);
}

uint8_t *
push_message(struct push *push, size_t size)
{
	must(push->message == NULL);
	must(nng_msg_alloc(&push->message, size) == 0);
	return nng_msg_body(push->message);
}

bool
push_send(struct push *push)
{
	bool sent = false;
	uv_mutex_lock(&push->mutex);
	if (!push->gone) {
		nng_aio_set_msg(push->aio, push->message);
		nng_send_aio(push->socket, push->aio);
		nng_aio_wait(push->aio);
		sent = nng_aio_result(push->aio) == 0;
		if (!sent)
			nng_aio_set_msg(push->aio, NULL);
	}
	uv_mutex_unlock(&push->mutex);
	if (!sent)
		nng_msg_free(push->message);
	push->message = NULL;
	return sent;
}

void
push_redial(struct push *push)
{
	nng_dialer_close(push->dialer);
	int rv = push_dial(push);
	if (rv != 0)
		log_warn("dial", "address=%s why=%s", log_q(push->url), log_q(nng_strerror(rv)));
}

void
push_hang_up(struct push *push)
{
	if (push->pipe == 0)
		return;
	nng_pipe pipe = {.id = push->pipe};
	nng_pipe_close(pipe);
}
