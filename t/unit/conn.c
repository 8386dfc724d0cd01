/* SPDX-License-Identifier: ISC */
/* Connections: back-pressure, and frames that are none. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unix/conn.h"
#include "check.h"

enum { OUT_HIGH = 1000 };

static int drained_count, closed_count, frame_count, pause_at;
static char closed_why[128];
static bool malformed;

static void
on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	(void)number, (void)body, (void)size, (void)arg;
	if (++frame_count == pause_at)
		conn_pause(conn, true);
}

static void
on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)arg;
	snprintf(closed_why, sizeof closed_why, "%s", why);
	closed_count++;
	malformed = conn_malformed(conn);
	conn_free(conn);
}

static void
on_drained(struct conn *conn, void *arg)
{
	(void)conn, (void)arg;
	drained_count++;
}

static const struct conn_calls calls = {on_frame, on_closed, on_drained};

static struct conn *
make(struct loop *loop, int *other)
{
	int fds[2];
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	*other = fds[1];
	return conn_new(loop, fds[0], FRAME_SIZE_MAX, OUT_HIGH, &calls, NULL);
}

static void
test_drained(struct loop *loop)
{
	int other;
	struct conn *conn = make(loop, &other);
	wire_buf_add(conn_out(conn), 2 * OUT_HIGH);
	check_is(conn_choked(conn), "above its limit a conn is choked");
	conn_flush(conn);
	check_is(!conn_choked(conn) && drained_count == 1,
	    "one that was choked says when it has drained, though all was written at once");
	wire_buf_add(conn_out(conn), OUT_HIGH);
	conn_flush(conn);
	check_is(drained_count == 1, "one that was not says nothing");
	wire_buf_add(conn_out(conn), 8 << 20);
	conn_flush(conn);
	check_is(
	    conn_choked(conn) && drained_count == 1, "while the socket is full it stays choked");
	char bytes[65536];
	while (conn_choked(conn)) {
		while (read(other, bytes, sizeof bytes) > 0)
			;
		loop_once(loop, false);
	}
	check_is(drained_count == 2, "and says once when it has drained");
	conn_free(conn);
	close(other);
}

static void
test_ends(struct loop *loop)
{
	int other;
	make(loop, &other);
	close(other);
	while (closed_count < 1)
		loop_once(loop, true);
	check_is(!malformed, "an end is no malformed frame");
	make(loop, &other);
	must(write(other, "\0\0\0\0\0\0", 6) == 6);
	while (closed_count < 2)
		loop_once(loop, true);
	check_is(malformed, "a frame of size 0 is");
	close(other);
}

/* A daemon that turns somebody away has not read what he sent. */
static void
test_last_words(struct loop *loop)
{
	static const struct msg_refusal refusal = {.request = 0};
	struct wire_buf words = {0};
	int other, closed_before = closed_count;
	struct conn *conn = make(loop, &other);
	wire_buf_add(conn_out(conn), 100);
	conn_flush(conn);
	msg_refusal_put(&words, &refusal);
	must(write(other, words.bytes, words.size) == (ssize_t)words.size);
	close(other);
	while (closed_count == closed_before)
		loop_once(loop, true);
	check_is(frame_count == 1, "a frame in front of a broken connection is handed over");
	check_is(strcmp(closed_why, "Connection reset by peer") == 0,
	    "and the end is called by its name");
	wire_buf_free(&words);
}

/* With sanitizers mallinfo2 knows nothing, and this passes. */
static void
test_silent(struct loop *loop)
{
	enum { CLIENTS = 200, EACH_MAX = 16384 };
	static struct conn *conns[CLIENTS];
	static int others[CLIENTS];
	int frames = frame_count;
	struct wire_buf words = {0};
	msg_refusal_put(&words, &(struct msg_refusal){.request = 1});
	struct mallinfo2 before = mallinfo2();
	for (int i = 0; i < CLIENTS; i++) {
		conns[i] = make(loop, &others[i]);
		must(write(others[i], words.bytes, words.size) == (ssize_t)words.size);
	}
	while (frame_count < frames + CLIENTS)
		loop_once(loop, true);
	struct mallinfo2 after = mallinfo2();
	size_t held = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	check_is(held < (size_t)CLIENTS * EACH_MAX, "connections that are silent hold no buffer");
	for (int i = 0; i < CLIENTS; i++) {
		conn_free(conns[i]);
		close(others[i]);
	}
	wire_buf_free(&words);
}

/* What waited is handed over by a read before its turn comes, and with it the buffer goes. */
static void
test_resumed(struct loop *loop)
{
	int other, frames = frame_count;
	struct conn *conn = make(loop, &other);
	struct wire_buf words = {0};
	msg_refusal_put(&words, &(struct msg_refusal){.request = 1});
	size_t size = words.size;
	msg_refusal_put(&words, &(struct msg_refusal){.request = 2});
	must(write(other, words.bytes, words.size) == (ssize_t)words.size);
	pause_at = frames + 1;
	while (frame_count == frames)
		loop_once(loop, true);
	check_is(frame_count == frames + 1, "a conn that is paused in a frame keeps the next one");
	conn_pause(conn, false);
	must(write(other, words.bytes, size) == (ssize_t)size);
	conn_read_now(conn);
	loop_once(loop, false);
	check_is(
	    frame_count == frames + 3, "and hands over that and what has come when it is resumed");
	conn_free(conn);
	close(other);
	wire_buf_free(&words);
}

int
main(void)
{
	struct loop *loop = loop_new();
	test_drained(loop);
	test_ends(loop);
	test_last_words(loop);
	test_silent(loop);
	test_resumed(loop);
	loop_once(loop, false);
	loop_free(loop);
	return check_done();
}
