/* SPDX-License-Identifier: ISC */
/*
 * mode: sink.  Committed client entries, in order, into the stdin of one
 * long-running program, or into our own stdout.
 *
 * from: start.  Each incarnation of the program gets the whole log, each entry once.
 * from: cursor.  It goes on behind the cursor, which raft-logd keeps.  Ours: the cursor
 * follows what the program has read out of its pipe, not what was written there, so
 * what a dead program left in the pipe comes again instead of being lost.
 *
 * There are no replies, so nothing is known of an entry but that it was read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/framing.h"
#include "unix/timer.h"
#include "feed.h"
#include "program.h"
#include "source.h"
#include "stdout.h"

enum {
	CURSOR_MS = 100,       /* between two settings of the cursor */
	CURSOR_STOP_MS = 2000, /* patience for the last one */
	PIPE_SIZE = 1 << 20
};
static const char cursor_name[] = "sink";

struct sink {
	struct fsm *fsm;
	struct feed *feed;  /* NULL: there is no output */
	struct batch batch; /* being delivered */
	bool from_cursor;
	bool placed;      /* `after` is known */
	uint64_t after;   /* what is delivered next, to a new incarnation, comes after it */
	uint64_t written; /* of an incarnation whose input is closed */

	struct timer *tick;     /* the cursor's */
	uint64_t told;          /* sent to raft-logd */
	uint64_t stored;        /* durable there */
	struct timer *patience; /* of the stop */
	bool stopping;
	bool finishing; /* only the cursor is waited for */
	bool gap;       /* no further incarnation */
	bool ended;     /* --try: there are no more lines */
};

/* Closes the input, and notes how far it came. */
static void
free_feed(struct sink *sink)
{
	sink->written = feed_written(sink->feed);
	sink->after = sink->from_cursor ? feed_taken(sink->feed) : 0;
	feed_free(sink->feed);
	sink->feed = NULL;
	batch_free(&sink->batch);
	source_seek(sink->fsm->source, 0);
}

/* ------- delivering -------------------------------------------------------- */

static void
sink_put_entry(struct sink *sink, uint64_t index, const struct raft_entry *entry)
{
	if (entry->kind == RAFT_CLIENT)
		framing_put(feed_buf(sink->feed), sink->fsm->conf->fsm.framing, index, entry);
	feed_mark(sink->feed, index);
}

/* Fills the feed with what is there.  False when nothing was. */
static bool
sink_fill(struct sink *sink)
{
	struct batch *batch = &sink->batch;
	bool some = false;
	while (feed_open(sink->feed)) {
		if (batch->at == batch->count) {
			batch_free(batch);
			if (!source_take(sink->fsm->source, batch))
				break;
		}
		while (batch->at < batch->count && feed_open(sink->feed)) {
			sink_put_entry(
			    sink, batch->first_index + batch->at, &batch->entries[batch->at]);
			batch->at++;
			some = true;
		}
	}
	return some;
}

/* Until the pipe is full or nothing is left; the reader hands out a bounded amount a turn. */
static void
sink_pump(void *arg)
{
	struct sink *sink = arg;
	if (sink->feed == NULL || sink->stopping || !sink->placed)
		return;
	bool all;
	while ((all = feed_flush(sink->feed)) && sink_fill(sink))
		;
	if (all && sink->ended) {
		free_feed(sink);
		return;
	}
	if (sink->from_cursor && !timer_active(sink->tick))
		timer_repeat(sink->tick, CURSOR_MS, CURSOR_MS);
}

static void
sink_on_end(void *arg)
{
	struct sink *sink = arg;
	sink->ended = true;
	sink_pump(sink);
}

/* There is somebody to write to, and it is known from where on. */
static void
sink_begin(struct sink *sink)
{
	if (sink->feed == NULL || !sink->placed || sink->stopping)
		return;
	feed_mark(sink->feed, sink->after);
	source_seek(sink->fsm->source, sink->after + 1);
}

/* ------- the cursor ------------------------------------------------------------ */

/* Rests when the program has read all that was written. */
static void
sink_on_tick(void *arg)
{
	struct sink *sink = arg;
	if (sink->feed == NULL) {
		timer_stop(sink->tick);
		return;
	}
	uint64_t taken = feed_taken(sink->feed);
	if (taken > sink->told) {
		sink->told = taken;
		source_cursor_set(sink->fsm->source, cursor_name, taken);
	}
	if (taken == feed_written(sink->feed))
		timer_stop(sink->tick);
}

static void
sink_on_cursor(uint64_t index, void *arg)
{
	struct sink *sink = arg;
	sink->after = sink->told = sink->stored = index;
	sink->placed = true;
	sink_begin(sink);
}

/* ------- the end ----------------------------------------------------------------- */

static void
sink_done(struct sink *sink)
{
	timer_stop(sink->patience);
	timer_stop(sink->tick);
	fsm_done(sink->fsm);
}

/* Nobody takes anything any more: store the cursor, then leave. */
static void
sink_finish(struct sink *sink)
{
	sink->finishing = true;
	if (!sink->from_cursor || !sink->placed || sink->after <= sink->stored) {
		sink_done(sink);
		return;
	}
	timer_start(sink->patience, CURSOR_STOP_MS);
	source_cursor_set(sink->fsm->source, cursor_name, sink->after);
}

static void
sink_on_patience(void *arg)
{
	struct sink *sink = arg;
	if (sink->feed) {
		free_feed(sink);
		sink->after = sink->written;
		sink_finish(sink);
		return;
	}
	log_warn("cursor", "index=%" PRIu64 " why=%s", sink->after,
	    log_q("raft-logd does not answer, so entries before this one will come again"));
	sink_done(sink);
}

static void
sink_on_stored(uint64_t index, void *arg)
{
	struct sink *sink = arg;
	sink->stored = index;
	if (sink->finishing && index == sink->after)
		sink_done(sink);
}

/* The input ends at the end of an entry: what has been begun is written, nothing more. */
static void
sink_close_input(struct sink *sink)
{
	if (sink->feed == NULL || !feed_flush(sink->feed))
		return;
	free_feed(sink);
	if (sink->fsm->program)
		return;
	sink->after = sink->written;
	sink_finish(sink);
}

static void
sink_stop(struct fsm *fsm)
{
	struct sink *sink = fsm->mode_arg;
	bool fed = sink->feed != NULL;
	if (sink->stopping)
		return;
	sink->stopping = true;
	fsm_state(fsm, FSM_STOPPING, "");
	if (fed)
		feed_cut(sink->feed);
	if (fed && fsm->program == NULL)
		timer_start(sink->patience, fsm->conf->fsm.stop_timeout_ms);
	sink_close_input(sink);
	if (fsm->program ? !program_end(fsm->program) : !fed)
		sink_finish(sink);
}

/* What it needs is gone; said once, and no incarnation follows. */
static void
sink_on_gap(uint64_t wanted, uint64_t first_available, void *arg)
{
	struct sink *sink = arg;
	char why[256];
	snprintf(why, sizeof why,
	    "entry %" PRIu64 " is needed and compacted away, the first one left is %" PRIu64
	    ": a program that needs the whole log cannot be fed",
	    wanted, first_available);
	sink->gap = true;
	fsm_state(sink->fsm, FSM_GAP, why);
	if (sink->fsm->foreground) {
		fsm_fail(sink->fsm, EXIT_GAP);
		return;
	}
	if (sink->feed)
		free_feed(sink);
	if (sink->fsm->program)
		program_end(sink->fsm->program);
}

static void
sink_on_source_failed(void *arg)
{
	struct sink *sink = arg;
	fsm_fail(sink->fsm, EXIT_CONFIG);
}

/* ------- the program, incarnation by incarnation ------------------------------------ */

static void
sink_on_room(void *arg)
{
	struct sink *sink = arg;
	if (sink->stopping)
		sink_close_input(sink);
	else
		sink_pump(sink);
}

/* The program reads no more but lives: its end is near, or is brought about. */
static void
sink_on_gone(int error, void *arg)
{
	struct sink *sink = arg;
	log_debug("program", "why=%s", log_q(strerror(error)));
	program_deaf(sink->fsm->program);
}

static const struct feed_calls feed_calls = {.room = sink_on_room, .gone = sink_on_gone};

static void
sink_on_started(int fd, void *arg)
{
	struct sink *sink = arg;
	sink->feed =
	    feed_new(sink->fsm->loop, fd, sink->after, sink->from_cursor, &feed_calls, sink);
	fsm_state(sink->fsm, FSM_RUNNING, "");
	sink_begin(sink);
}

static void
sink_on_over(const char *how, bool clean, void *arg)
{
	struct sink *sink = arg;
	if (sink->fsm->trial)
		fsm_verdict(program_status(sink->fsm->program), NULL);
	if (sink->feed) {
		free_feed(sink);
	} else if (sink->from_cursor && clean) {
		/* It read its input to the end. */
		sink->after = sink->written;
	}
	if (sink->stopping) {
		sink_finish(sink);
		return;
	}
	if (sink->gap)
		return;
	char what[128];
	snprintf(what, sizeof what, "the program %s", how);
	program_back_off(sink->fsm->program, what);
}

static const struct program_calls program_calls = {
    .started = sink_on_started, .over = sink_on_over};

/* ------- no program ------------------------------------------------------------------- */

static void
on_stdout_gone(int error, void *arg)
{
	struct sink *sink = arg;
	/* As in any pipeline: a reader that has enough is no error. */
	if (error != EPIPE)
		log_error("stdout", "why=%s", log_q(strerror(error)));
	free_feed(sink);
	if (sink->stopping)
		sink_finish(sink);
	else
		fsm_fail(sink->fsm, error == EPIPE ? EXIT_OK : EXIT_IO);
}

static const struct feed_calls stdout_calls = {.room = sink_on_room, .gone = on_stdout_gone};

static void
start_stdout(struct sink *sink)
{
	int fd = stdout_open();
	if (fd < 0)
		daemon_die(EXIT_IO, "standard output: %s", strerror(errno));
	sink->feed =
	    feed_new(sink->fsm->loop, fd, sink->after, sink->from_cursor, &stdout_calls, sink);
	fsm_state(sink->fsm, FSM_RUNNING, "");
	sink_begin(sink);
}

/* ------- the mode ------------------------------------------------------------------------- */

static void
start_program(struct sink *sink)
{
	/* A cursor's marks reach as far as the pipe is large. */
	const struct program_options options = {.pipe_size = sink->from_cursor ? 0 : PIPE_SIZE};
	sink->fsm->program = program_new(sink->fsm, &options, &program_calls, sink);
	program_start(sink->fsm->program, "; started again");
}

static const struct source_calls sink_reader_calls = {.ready = sink_pump,
    .gap = sink_on_gap,
    .cursor = sink_on_cursor,
    .stored = sink_on_stored,
    .end = sink_on_end,
    .failed = sink_on_source_failed};

static void
sink_start(struct fsm *fsm)
{
	struct sink *sink = calloc(1, sizeof *sink);
	must(sink != NULL);
	fsm->mode_arg = sink;
	sink->fsm = fsm;
	sink->from_cursor = fsm->conf->fsm.from == CONF_FROM_CURSOR;
	sink->placed = !sink->from_cursor;
	sink->tick = timer_new(fsm->loop, sink_on_tick, sink);
	sink->patience = timer_new(fsm->loop, sink_on_patience, sink);
	source_calls(fsm->source, &sink_reader_calls, sink);
	if (sink->from_cursor)
		source_cursor_get(fsm->source, cursor_name);
	if (fsm->command)
		start_program(sink);
	else
		start_stdout(sink);
}

static void
sink_restart(struct fsm *fsm)
{
	struct sink *sink = fsm->mode_arg;
	if (sink->stopping || fsm->program == NULL)
		return;
	sink->gap = false;
	program_forgive(fsm->program);
	if (program_waits(fsm->program) || fsm->state == FSM_GAP) {
		program_again(fsm->program);
		return;
	}
	if (sink->feed)
		free_feed(sink);
	program_end(fsm->program);
}

static uint64_t
sink_delivered(const struct fsm *fsm)
{
	const struct sink *sink = fsm->mode_arg;
	return sink->feed ? feed_written(sink->feed) : sink->after;
}

const struct mode sink_mode = {
    .name = "sink",
    .start = sink_start,
    .stop = sink_stop,
    .delivered = sink_delivered,
    .restart = sink_restart,
};
