/* SPDX-License-Identifier: ISC */
/*
 * The event loop of a process: libuv's, with one addition: the end of a turn.
 *
 * A turn reads all that is there; then the turn function runs once and does the
 * work; then the tasks run that were put off to the end: what is in a conn is written, once per
 * conn.
 */
#ifndef UNIX_LOOP_H
#define UNIX_LOOP_H

#include <uv.h>

#include "raft/types.h"
#include "wire/buf.h"

struct loop;

/* Work that is put off.  It is part of what it is for; all zero but for these two: not put off. */
struct loop_task {
	void (*run)(void *arg);
	void *arg;
	struct loop_task *next, **at; /* the list that it is on; at NULL: none */
};

/* One a process.  Ends the process when libuv can't start. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);
uv_loop_t *loop_uv(struct loop *loop);
/* The work of a turn; NULL: none. */
void loop_on_turn(struct loop *loop, void (*turn)(void *arg), void *arg);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
/* One round: wait for events (or not), handle them, end the turn. */
void loop_once(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);
/* Whether loop_stop was called and loop_run has not returned yet. */
bool loop_stopping(const struct loop *loop);
/* Another turn at once, without waiting for events. */
void loop_again(struct loop *loop);
/*
 * Runs the task at the end of this turn, or at the start of the next, which comes at once.  A task
 * that is put off already stays where it is.
 */
void loop_at_end(struct loop *loop, struct loop_task *task);
void loop_at_start(struct loop *loop, struct loop_task *task);
/* Never, unless it is put off again. */
void loop_task_drop(struct loop_task *task);
/*
 * The buffer into which the conns of this loop read, one after the other.  buf of take: without
 * memory; it gets that of the loop, if the loop has it now.  buf of give: empty; it has no memory
 * afterwards.
 */
void loop_buffer_take(struct loop *loop, struct wire_buf *buf);
void loop_buffer_give(struct loop *loop, struct wire_buf *buf);
/* How many times it has polled, the one that has just begun included. */
uint64_t loop_polls(const struct loop *loop);
/*
 * For uv_poll_start on an output: its reader has gone, or writing fails.  UV_DISCONNECT would also
 * mean a socket whose other end has shut down its sending half and still reads.  (Nothing here has
 * priority data; hang-ups and errors are reported with whatever is asked for.)
 */
enum { LOOP_READER_GONE = UV_PRIORITIZED };
/*
 * uv_poll_init for an output, which stays blocking if it was: others may share it.  False: it
 * cannot be polled, as a file, which never has to be waited for.
 */
bool loop_poll_output(struct loop *loop, uv_poll_t *poll, int fd);
struct mono_ms mono_now(void); /* of this instant; CLOCK_MONOTONIC */
/* Milliseconds since the epoch, UTC; 0 before it.  May leap: never for a duration. */
uint64_t wall_ms(void);
/* CLOCK_BOOTTIME: as mono_now, but the time in suspend counts. */
uint64_t boot_ms(void);

#endif
