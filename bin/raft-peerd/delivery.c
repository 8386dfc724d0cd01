/* SPDX-License-Identifier: ISC */
/* One buffer under a mutex; the loop comes in only when the socket is full. */
#include "delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unix/conn.h"

enum { OUT_HIGH = 8 << 20, KEEP_ROOM = 1 << 20 };

/* The loop's watch of a socket that is full.  It has a descriptor of its own, as libuv wants it. */
struct delivery_watch {
	uv_poll_t poll;
	int fd;
};

struct delivery {
	struct loop *loop;
	uv_async_t async;
	void (*drained)(void *arg);
	void *arg;
	struct delivery_watch *watch;
	uv_mutex_t mutex;
	/* Under the mutex. */
	int fd; /* -1: raft-elect is not there */
	struct wire_buf out;
	size_t at;                    /* bytes before it have been sent */
	bool full;                    /* the socket takes no more: the loop watches it */
	bool choked;                  /* delivery_flush has said so */
	atomic_uint_fast64_t unheard; /* read without it */
};

void
delivery_lock(struct delivery *delivery)
{
	uv_mutex_lock(&delivery->mutex);
}

void
delivery_unlock(struct delivery *delivery)
{
	uv_mutex_unlock(&delivery->mutex);
}

static size_t
delivery_waiting(const struct delivery *delivery)
{
	return delivery->out.size - delivery->at;
}

static void
delivery_tidy(struct delivery *delivery)
{
	if (delivery->at == delivery->out.size) {
		delivery->out.size = delivery->at = 0;
		if (delivery->out.room > KEEP_ROOM)
			wire_buf_free(&delivery->out);
	} else if (delivery->at > KEEP_ROOM && delivery->at > delivery->out.size / 2) {
		wire_buf_drop(&delivery->out, delivery->at);
		delivery->at = 0;
	}
}

bool
delivery_flush(struct delivery *delivery)
{
	while (!delivery->full && delivery_waiting(delivery) > 0) {
		ssize_t sent = send(delivery->fd, delivery->out.bytes + delivery->at,
		    delivery_waiting(delivery), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			delivery->at += (size_t)sent;
		} else if (errno == EAGAIN) {
			delivery->full = true;
			uv_async_send(&delivery->async);
		} else if (errno != EINTR) {
			/* The loop reads the end of the connection, and detaches it. */
			delivery->at = delivery->out.size;
		}
	}
	delivery_tidy(delivery);
	if (delivery_waiting(delivery) > OUT_HIGH)
		delivery->choked = true;
	return delivery->choked;
}

void
delivery_put(struct delivery *delivery, const struct raft_id *from, const struct wire_frame *frame)
{
	if (delivery->fd < 0)
		delivery->unheard++;
	else
		msg_peer_recv_put(
		    &delivery->out, &(struct msg_peer_recv){.from = *from, .frame = frame->whole});
}

void
delivery_lost(struct delivery *delivery, const struct raft_id *peer)
{
	delivery_lock(delivery);
	if (delivery->fd >= 0) {
		msg_peer_lost_put(&delivery->out, &(struct msg_peer_lost){.peer = *peer});
		delivery_flush(delivery);
	}
	delivery_unlock(delivery);
}

static void
delivery_on_writable(uv_poll_t *poll, int status, int events)
{
	struct delivery *delivery = poll->data;
	(void)status, (void)events;
	delivery_lock(delivery);
	delivery->full = false;
	delivery_flush(delivery);
	bool full = delivery->full;
	bool drained = delivery->choked && delivery_waiting(delivery) <= OUT_HIGH / 2;
	if (drained)
		delivery->choked = false;
	delivery_unlock(delivery);
	if (!full)
		uv_poll_stop(poll);
	if (drained)
		delivery->drained(delivery->arg);
}

static void
delivery_on_async(uv_async_t *async)
{
	struct delivery *delivery = async->data;
	delivery_lock(delivery);
	bool full = delivery->full;
	delivery_unlock(delivery);
	if (full && delivery->watch)
		uv_poll_start(&delivery->watch->poll, UV_WRITABLE, delivery_on_writable);
}

struct delivery *
delivery_new(struct loop *loop, void (*drained)(void *arg), void *arg)
{
	struct delivery *delivery = calloc(1, sizeof *delivery);
	must(delivery != NULL);
	delivery->loop = loop;
	delivery->drained = drained;
	delivery->arg = arg;
	delivery->fd = -1;
	must(uv_mutex_init(&delivery->mutex) == 0);
	must(uv_async_init(loop_uv(loop), &delivery->async, delivery_on_async) == 0);
	delivery->async.data = delivery;
	return delivery;
}

bool
delivery_attach(struct delivery *delivery, int fd)
{
	must(delivery->watch == NULL);
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return false;
	delivery->watch = calloc(1, sizeof *delivery->watch);
	must(delivery->watch != NULL);
	delivery->watch->fd = own;
	must(uv_poll_init(loop_uv(delivery->loop), &delivery->watch->poll, own) == 0);
	delivery->watch->poll.data = delivery;
	delivery_lock(delivery);
	delivery->fd = fd;
	delivery_unlock(delivery);
	return true;
}

static void
delivery_on_watch_closed(uv_handle_t *handle)
{
	struct delivery_watch *watch = (struct delivery_watch *)handle;
	close(watch->fd);
	free(watch);
}

void
delivery_detach(struct delivery *delivery)
{
	if (delivery->watch == NULL)
		return;
	delivery_lock(delivery);
	delivery->fd = -1;
	wire_buf_free(&delivery->out);
	delivery->at = 0;
	delivery->full = false;
	bool choked = delivery->choked;
	delivery->choked = false;
	delivery_unlock(delivery);
	uv_close((uv_handle_t *)&delivery->watch->poll, delivery_on_watch_closed);
	delivery->watch = NULL;
	if (choked)
		delivery->drained(delivery->arg);
}

bool
delivery_choked(struct delivery *delivery)
{
	delivery_lock(delivery);
	bool choked = delivery->choked;
	delivery_unlock(delivery);
	return choked;
}

uint64_t
delivery_unheard(const struct delivery *delivery)
{
	return atomic_load(&delivery->unheard);
}
