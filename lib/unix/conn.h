/* SPDX-License-Identifier: ISC */
/*
 * A framed connection over a stream socket, on the loop.
 *
 * Input: each whole frame is handed over; a malformed one ends this connection
 * alone.  Output: the caller appends frames to conn_out(); they are written at
 * the end of the turn, and what the socket does not take then waits.
 * Back-pressure: while more than out_high bytes wait, conn_choked() is true and whoever
 * produces for this conn should pause what it reads (conn_pause); the drained call says when.
 */
#ifndef UNIX_CONN_H
#define UNIX_CONN_H

#include "wire/message.h"
#include "loop.h"

struct conn;

struct conn_calls {
	/* A frame; the body is valid during the call.  May call conn_free. */
	void (*frame)(
	    struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg);
	/* The other end is gone, or sent rubbish; why is one sentence.  The callee calls conn_free,
	 * now or later. */
	void (*closed)(struct conn *conn, const char *why, void *arg);
	/* What waited to be written has gone below out_high / 2 after having been above out_high.
	 * May be NULL. */
	void (*drained)(struct conn *conn, void *arg);
};

/* Takes the descriptor over.  size_max: of a frame.  The struct calls must outlive the conn. */
struct conn *conn_new(struct loop *loop, int fd, size_t size_max, size_t out_high,
    const struct conn_calls *calls, void *arg);
/* Closes at once; what waits to be written is lost unless conn_flush wrote it.  Takes NULL. */
void conn_free(struct conn *conn);
/* Append frames here; written at the end of the turn. */
struct wire_buf *conn_out(struct conn *conn);
/* Writes what can be written now.  Errors come through closed at the next turn. */
void conn_flush(struct conn *conn);
size_t conn_out_size(const struct conn *conn);
bool conn_choked(const struct conn *conn);
/* Stops reading, or goes on.  A frame already being handed over is the last one. */
void conn_pause(struct conn *conn, bool pause);
/* Whether it ended because the other end sent what is no frame. */
bool conn_malformed(const struct conn *conn);
/*
 * Reads and hands over what has come.  For a timer that judges silence: it may run before the loop
 * has polled, and late, when this process was stopped.
 */
void conn_read_now(struct conn *conn);
int conn_fd(const struct conn *conn);
/* Close after all that waits has been written (for a refusal); closed is then called. */
void conn_close_when_flushed(struct conn *conn);

/* A listening socket: accepted descriptors are handed over; pauses a while when none are free. */
struct listener;
struct listener *listener_new(
    struct loop *loop, int fd, void (*accepted)(int fd, void *arg), void *arg);
void listener_free(struct listener *listener);

#endif
