/* SPDX-License-Identifier: ISC */
/*
 * Framed connections on uv_poll_t over our own sockets.
 *
 * Reading: as much as there is, up to a limit a turn, into the loop's buffer; frames are
 * handed over where they lie.  A conn keeps the buffer only while it holds a part of a frame,
 * or frames that wait: clients that are connected and silent have none.  Writing: one send a turn;
 * what does not fit waits for POLLOUT.
 */
#include "conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock.h"

enum {
	READ_ROOM = 256 << 10, /* at least so much room for a read */
	READ_TURN_MAX =
	    1 << 20,        /* bytes of one conn in one turn, so that none starves the others */
	KEEP_ROOM = 1 << 20 /* an empty buffer larger than this is given back */
};

struct conn {
	uv_poll_t poll;
	struct loop *loop;
	int fd;
	size_t size_max;
	size_t out_high;
	const struct conn_calls *calls;
	void *arg;
	struct wire_buf in;
	size_t in_at; /* of the bytes in `in`, those before it are done with */
	struct wire_buf out;
	size_t out_at;
	struct loop_task flush;
	struct loop_task wake; /* frames that wait, or the end */
	bool paused;
	bool broken;    /* closed is or was called: nothing more is read or written */
	bool malformed; /* it sent what is no frame */
	bool freed;
	bool choked;
	bool closing;  /* once all is written */
	bool in_frame; /* a frame is being handed over */
	int events;    /* asked of uv_poll */
	char why[256];
};

static void conn_on_poll(uv_poll_t *poll, int status, int events);

static void
conn_watch(struct conn *conn)
{
	int events = 0;
	if (!conn->broken && !conn->freed) {
		if (!conn->paused)
			events |= UV_READABLE;
		if (conn->out_at < conn->out.size)
			events |= UV_WRITABLE;
	}
	if (events == conn->events)
		return;
	conn->events = events;
	if (events)
		uv_poll_start(&conn->poll, events, conn_on_poll);
	else
		uv_poll_stop(&conn->poll);
}

/*
 * The end is told at the start of the next turn, so that nobody is surprised inside its own call.
 */
static void
break_off(struct conn *conn, const char *why)
{
	if (conn->broken || conn->freed)
		return;
	conn->broken = true;
	snprintf(conn->why, sizeof conn->why, "%s", why);
	conn_watch(conn);
	loop_at_start(conn->loop, &conn->wake);
}

/*
 * Hands over the frames that are there.  False when the conn was freed, broken or paused meanwhile.
 */
static bool
conn_deliver(struct conn *conn)
{
	while (!conn->paused) {
		struct wire_frame frame;
		if (conn->in_at == conn->in.size) /* it may have no buffer at all */
			return true;
		int got = frame_get(conn->in.bytes + conn->in_at, conn->in.size - conn->in_at,
		    conn->size_max, &frame);
		if (got == 0)
			return true;
		if (got < 0) {
			conn->malformed = true;
			break_off(conn, "a frame of an impossible size");
			return false;
		}
		conn->in_at += frame.whole.size;
		conn->in_frame = true;
		conn->calls->frame(conn, frame.number, frame.body, frame.size, conn->arg);
		conn->in_frame = false;
		if (conn->freed || conn->broken)
			return false;
	}
	return false;
}

static void
tidy_in(struct conn *conn)
{
	wire_buf_drop(&conn->in, conn->in_at);
	conn->in_at = 0;
	if (conn->in.size > 0)
		return;
	if (conn->in.room > KEEP_ROOM)
		wire_buf_free(&conn->in);
	loop_buffer_give(conn->loop, &conn->in);
}

/* How much to ask for: the rest of a frame whose size is known, or the usual. */
static size_t
read_room(const struct conn *conn)
{
	size_t have = conn->in.size;
	if (have < 4)
		return READ_ROOM;
	size_t frame = 4 + (size_t)bytes_get_u32(conn->in.bytes);
	if (frame > conn->size_max || frame <= have + READ_ROOM)
		return READ_ROOM;
	return frame - have;
}

/* One read.  -1 nothing more now or the end, else what was asked for and what came. */
static ssize_t
conn_read_some(struct conn *conn, size_t room)
{
	if (conn->in.room == 0)
		loop_buffer_take(conn->loop, &conn->in);
	uint8_t *at = wire_buf_add(&conn->in, room);
	ssize_t got = recv(conn->fd, at, room, 0);
	conn->in.size -= room - (got > 0 ? (size_t)got : 0);
	if (got > 0)
		return got;
	if (got == 0)
		break_off(conn, "the other end closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		break_off(conn, strerror(errno));
	return -1;
}

static void
on_readable(struct conn *conn)
{
	size_t total = 0;
	while (total < READ_TURN_MAX) {
		size_t room = read_room(conn);
		ssize_t got = conn_read_some(conn, room);
		if (got < 0) {
			tidy_in(conn);
			break;
		}
		total += (size_t)got;
		bool more = conn_deliver(conn);
		if (conn->freed)
			return;
		tidy_in(conn);
		if (!more || (size_t)got < room)
			break;
	}
}

/* What is wrong with the socket: libuv says EBADF for every error that poll reports. */
static int
socket_error(const struct conn *conn)
{
	int error = 0;
	socklen_t size = sizeof error;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	return error;
}

static void
conn_on_poll(uv_poll_t *poll, int status, int events)
{
	struct conn *conn = poll->data;
	if (status < 0) {
		/* What came before the error is there still: a refusal, mostly. */
		int error = socket_error(conn);
		if (!conn->paused && !conn->broken)
			on_readable(conn);
		break_off(conn, error ? strerror(error) : "the other end closed the connection");
		return;
	}
	if (events & UV_WRITABLE)
		loop_at_end(conn->loop, &conn->flush);
	if ((events & UV_READABLE) && !conn->paused && !conn->broken)
		on_readable(conn);
}

static void
conn_on_flush(void *arg)
{
	conn_flush(arg);
}

static void
conn_on_wake(void *arg)
{
	struct conn *conn = arg;
	if (conn->broken) {
		conn->calls->closed(conn, conn->why, conn->arg);
		return;
	}
	if (conn->paused)
		return;
	conn_deliver(conn);
	if (!conn->freed)
		tidy_in(conn);
}

struct conn *
conn_new(struct loop *loop, int fd, size_t size_max, size_t out_high,
    const struct conn_calls *calls, void *arg)
{
	struct conn *conn = calloc(1, sizeof *conn);
	must(conn != NULL);
	conn->loop = loop;
	conn->fd = fd;
	conn->size_max = size_max;
	conn->out_high = out_high;
	conn->calls = calls;
	conn->arg = arg;
	conn->flush = (struct loop_task){.run = conn_on_flush, .arg = conn};
	conn->wake = (struct loop_task){.run = conn_on_wake, .arg = conn};
	must(uv_poll_init(loop_uv(loop), &conn->poll, fd) == 0);
	conn->poll.data = conn;
	conn_watch(conn);
	return conn;
}

static void
conn_on_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;
	close(conn->fd);
	wire_buf_free(&conn->in);
	wire_buf_free(&conn->out);
	free(conn);
}

void
conn_free(struct conn *conn)
{
	if (conn == NULL || conn->freed)
		return;
	conn->freed = true;
	conn_watch(conn);
	loop_task_drop(&conn->flush);
	loop_task_drop(&conn->wake);
	/* The other end sees the end now, not at the end of the turn. */
	shutdown(conn->fd, SHUT_RDWR);
	uv_close((uv_handle_t *)&conn->poll, conn_on_closed);
}

struct wire_buf *
conn_out(struct conn *conn)
{
	loop_at_end(conn->loop, &conn->flush);
	return &conn->out;
}

static void
note_drained(struct conn *conn)
{
	if (!conn->choked || conn_out_size(conn) > conn->out_high / 2)
		return;
	conn->choked = false;
	if (conn->calls->drained)
		conn->calls->drained(conn, conn->arg);
}

static void
tidy_out(struct conn *conn)
{
	if (conn->out_at == conn->out.size) {
		conn->out.size = conn->out_at = 0;
		if (conn->out.room > KEEP_ROOM)
			wire_buf_free(&conn->out);
	} else if (conn->out_at > KEEP_ROOM && conn->out_at > conn->out.size / 2) {
		wire_buf_drop(&conn->out, conn->out_at);
		conn->out_at = 0;
	}
}

void
conn_flush(struct conn *conn)
{
	/* Who was told that it is choked must hear that it is drained, though all be written at
	 * once. */
	conn->choked = conn_choked(conn);
	while (!conn->broken && conn->out_at < conn->out.size) {
		ssize_t sent = send(conn->fd, conn->out.bytes + conn->out_at,
		    conn->out.size - conn->out_at, MSG_NOSIGNAL);
		if (sent > 0) {
			conn->out_at += (size_t)sent;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			break_off(conn, strerror(errno));
			return;
		}
	}
	tidy_out(conn);
	if (conn->closing && conn_out_size(conn) == 0) {
		break_off(conn, "closed");
		return;
	}
	conn_watch(conn);
	note_drained(conn);
}

size_t
conn_out_size(const struct conn *conn)
{
	return conn->out.size - conn->out_at;
}

bool
conn_choked(const struct conn *conn)
{
	return conn->choked || conn_out_size(conn) > conn->out_high;
}

void
conn_pause(struct conn *conn, bool pause)
{
	if (conn->paused == pause)
		return;
	conn->paused = pause;
	conn_watch(conn);
	/* Frames that have been read and not been handed over: at the start of the next turn. */
	if (!pause && !conn->in_frame && conn->in_at < conn->in.size)
		loop_at_start(conn->loop, &conn->wake);
}

void
conn_read_now(struct conn *conn)
{
	if (!conn->freed && !conn->broken && !conn->paused && !conn->in_frame)
		on_readable(conn);
}

bool
conn_malformed(const struct conn *conn)
{
	return conn->malformed;
}

int
conn_fd(const struct conn *conn)
{
	return conn->fd;
}

void
conn_close_when_flushed(struct conn *conn)
{
	conn->closing = true;
	conn_pause(conn, true);
	loop_at_end(conn->loop, &conn->flush);
}
