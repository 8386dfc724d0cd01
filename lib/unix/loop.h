/* SPDX-License-Identifier: ISC */
/*
 * The event loop of a process: libuv's, with one addition: the end of a turn.
 *
 * A turn reads all that is there; then the turn function runs once and does the
 * work; then everything that was put into a conn is written, once a conn.
 */
#ifndef UNIX_LOOP_H
#define UNIX_LOOP_H

#include <uv.h>

#include "raft/types.h"

struct loop;
struct conn;

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
/*
 * For uv_poll_start on an output: its reader has gone, or writing fails.  UV_DISCONNECT would also
 * mean a socket whose other end has shut down its sending half and still reads.  (Nothing here has
 * priority data; hang-ups and errors are reported with whatever is asked for.)
 */
enum { LOOP_READER_GONE = UV_PRIORITIZED };
struct mono_ms mono_now(void); /* of this instant; CLOCK_MONOTONIC */

#endif
