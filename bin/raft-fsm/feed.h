/* SPDX-License-Identifier: ISC */
/*
 * Bytes into a pipe that may be full: a bounded buffer that knows where each entry ends.
 *
 * The owner fills the buffer while feed_open() says so and marks the end of
 * each entry.  What the pipe does not take waits; room is called when all has been
 * written.  A feed knows which entries are whole in the pipe, and which of
 * them the reader has taken out of it already (FIONREAD): what the pipe still
 * holds when a program dies was never read by it.
 */
#ifndef FSM_FEED_H
#define FSM_FEED_H

#include "unix/loop.h"
#include "wire/buf.h"

struct feed;

struct feed_calls {
	/* The buffer is empty: fill it again. */
	void (*room)(void *arg);
	/* Nobody reads any more (error EPIPE), or writing failed. Once, from the loop; nothing more
	 * is written. */
	void (*gone)(int error, void *arg);
};

/*
 * Takes the descriptor over: non-blocking, or one that never blocks for long
 * (a file).  index: the entry before the first one.  track: feed_taken is going to be asked.
 */
struct feed *feed_new(struct loop *loop, int fd, uint64_t index, bool track,
    const struct feed_calls *calls, void *arg);
/* Closes it; the other end sees the end of file.  Takes NULL. */
void feed_free(struct feed *feed);

/* Whether entries may be put now: the buffer is neither full nor being written. */
bool feed_open(const struct feed *feed);
/* Append an entry here, then feed_mark its index. */
struct wire_buf *feed_buf(struct feed *feed);
/* All entries up to index are in the buffer or were nothing to deliver. */
void feed_mark(struct feed *feed, uint64_t index);
/* Writes what can be written.  True when all is. */
bool feed_flush(struct feed *feed);

/* Drops the entries of which nothing has been written yet. */
void feed_cut(struct feed *feed);
/* Entries up to this index are whole in the pipe. */
uint64_t feed_written(const struct feed *feed);
/* Entries up to this index have been read out of the pipe. */
uint64_t feed_taken(struct feed *feed);

#endif
