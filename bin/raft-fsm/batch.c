/* SPDX-License-Identifier: ISC */
/*
 * mode: batch.  The command is run once for each batch of entries: they are on its stdin, then
 * the end of the input.  Exit 0 moves the cursor, which raft-logd keeps, before the next batch;
 * with anything else the same batch comes again after a back-off.  So each entry comes at least
 * once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/framing.h"
#include "unix/timer.h"
#include "feed.h"
#include "program.h"
#include "source.h"

enum {
	CURSOR_STOP_MS = 2000,  /* patience for the last one, when we stop */
	IDLE_CURSOR_GAP = 4096, /* entries that are nobody's move the cursor now and then, too */
	PIPE_SIZE = 1 << 20
};
static const char cursor_name[] = "batch";

/* GATHERING: entries are taken until a limit.  STORING: the cursor is being made durable. */
enum batch_phase { PHASE_PLACING, PHASE_GATHERING, PHASE_RUNNING, PHASE_STORING };

struct batches {
	struct fsm *fsm;
	struct feed *feed;
	enum batch_phase phase;
	struct batch batch;   /* from the reader */
	struct wire_buf data; /* of this batch, framed */
	uint64_t entries;     /* in it */
	uint64_t bytes;
	uint64_t after;     /* durable at raft-logd */
	uint64_t last;      /* the last entry of the batch, or what was skipped after it */
	struct timer *full; /* the time of a batch is over */
	struct timer *patience;
	uint64_t number; /* of the batch, from 1 */
	bool stopping, gap;
	bool ended; /* --try: there are no more lines */
};

static void batch_gather(struct batches *b);

/* ------- a batch ----------------------------------------------------------- */

static void
batch_run(struct batches *b)
{
	char again[128];
	timer_stop(b->full);
	b->phase = PHASE_RUNNING;
	b->number++;
	snprintf(again, sizeof again, ": the batch up to entry %" PRIu64 " comes again", b->last);
	program_start(b->fsm->program, again);
}

static void
batch_on_full(void *arg)
{
	struct batches *b = arg;
	if (b->phase == PHASE_GATHERING && b->entries > 0)
		batch_run(b);
}

static void
batch_store(struct batches *b)
{
	b->phase = PHASE_STORING;
	source_cursor_set(b->fsm->source, cursor_name, b->last);
}

/* False when the batch has reached a limit, or the entry does not fit any more. */
static bool
batch_take_entry(struct batches *b, uint64_t index, const struct raft_entry *entry)
{
	const struct conf_limits *limits = &b->fsm->conf->fsm.batch;
	if (entry->kind == RAFT_CLIENT) {
		uint64_t size = raft_entry_data_size(entry);
		if (b->entries > 0 && b->bytes + size > limits->bytes)
			return false;
		framing_put(&b->data, b->fsm->conf->fsm.framing, index, entry);
		b->entries++;
		b->bytes += size;
	}
	b->last = index;
	b->batch.at++;
	return b->entries < limits->entries && b->bytes < limits->bytes;
}

static void
batch_gather(struct batches *b)
{
	if (b->phase != PHASE_GATHERING || b->stopping)
		return;
	for (;;) {
		if (b->batch.at == b->batch.count) {
			batch_free(&b->batch);
			if (!source_take(b->fsm->source, &b->batch))
				break;
		}
		if (!batch_take_entry(
			b, b->batch.first_index + b->batch.at, &b->batch.entries[b->batch.at])) {
			batch_run(b);
			return;
		}
	}
	if (b->ended && b->entries == 0)
		fsm_verdict(EXIT_OK, NULL);
	if (b->ended)
		batch_run(b);
	else if (b->entries > 0 && !timer_active(b->full))
		timer_start(b->full, b->fsm->conf->fsm.batch.time_ms);
	else if (b->entries == 0 && b->last >= b->after + IDLE_CURSOR_GAP)
		batch_store(b);
}

static void
batch_on_ready(void *arg)
{
	batch_gather(arg);
}

static void
batch_on_end(void *arg)
{
	struct batches *b = arg;
	b->ended = true;
	batch_gather(b);
}

static void
batch_on_cursor(uint64_t index, void *arg)
{
	struct batches *b = arg;
	b->after = b->last = index;
	b->phase = PHASE_GATHERING;
	source_seek(b->fsm->source, index + 1);
}

static void
batch_on_stored(uint64_t index, void *arg)
{
	struct batches *b = arg;
	if (b->phase != PHASE_STORING || index != b->last)
		return;
	b->after = index;
	b->entries = b->bytes = 0;
	wire_buf_free(&b->data);
	program_forgive(b->fsm->program);
	b->phase = PHASE_GATHERING;
	if (b->stopping)
		fsm_done(b->fsm);
	else
		batch_gather(b);
}

static void
batch_on_gap(uint64_t wanted, uint64_t first_available, void *arg)
{
	struct batches *b = arg;
	char why[256];
	snprintf(why, sizeof why,
	    "entry %" PRIu64 " is needed and compacted away, the first one left is %" PRIu64
	    ": it cannot be given to the command",
	    wanted, first_available);
	b->gap = true;
	fsm_state(b->fsm, FSM_GAP, why);
	if (b->fsm->foreground)
		fsm_fail(b->fsm, EXIT_GAP);
}

static void
batch_on_source_failed(void *arg)
{
	struct batches *b = arg;
	fsm_fail(b->fsm, EXIT_CONFIG);
}

static const struct source_calls batch_reader_calls = {.ready = batch_on_ready,
    .gap = batch_on_gap,
    .cursor = batch_on_cursor,
    .stored = batch_on_stored,
    .end = batch_on_end,
    .failed = batch_on_source_failed};

/* ------- a run of the command ------------------------------------------------ */

static void
batch_close_input(struct batches *b)
{
	feed_free(b->feed);
	b->feed = NULL;
}

static void
batch_on_room(void *arg)
{
	struct batches *b = arg;
	if (b->feed)
		batch_close_input(b);
}

/* It reads no more: what its exit says counts. */
static void
batch_on_gone(int error, void *arg)
{
	(void)error;
	batch_on_room(arg);
}

static const struct feed_calls feed_calls = {.room = batch_on_room, .gone = batch_on_gone};

static void
batch_on_started(int fd, void *arg)
{
	struct batches *b = arg;
	b->feed = feed_new(b->fsm->loop, fd, b->after, false, &feed_calls, b);
	if (b->fsm->state != FSM_RUNNING)
		fsm_state(b->fsm, FSM_RUNNING, "");
	wire_buf_put(feed_buf(b->feed), b->data.bytes, b->data.size);
	feed_mark(b->feed, b->last);
	if (feed_flush(b->feed))
		batch_close_input(b);
}

static void
batch_on_patience(void *arg)
{
	struct batches *b = arg;
	log_warn("cursor", "index=%" PRIu64 " why=%s", b->last,
	    log_q("raft-logd does not answer, so the last batch will come again"));
	fsm_done(b->fsm);
}

static void
batch_on_over(const char *how, bool clean, void *arg)
{
	struct batches *b = arg;
	char what[128];
	if (b->feed)
		batch_close_input(b);
	if (b->fsm->trial && !clean)
		fsm_verdict(program_status(b->fsm->program),
		    "batch %" PRIu64 ", entries %" PRIu64 " to %" PRIu64
		    ": the command %s: the same batch would come again",
		    b->number, b->after + 1, b->last, how);
	if (clean) {
		if (b->stopping)
			timer_start(b->patience, CURSOR_STOP_MS);
		batch_store(b);
	} else if (b->stopping) {
		fsm_done(b->fsm);
	} else {
		snprintf(what, sizeof what, "the command %s", how);
		program_back_off(b->fsm->program, what);
	}
}

static const struct program_calls program_calls = {
    .started = batch_on_started, .over = batch_on_over};

/* ------- the mode --------------------------------------------------------------- */

static void
batch_start(struct fsm *fsm)
{
	struct batches *b = calloc(1, sizeof *b);
	must(b != NULL);
	fsm->mode_arg = b;
	b->fsm = fsm;
	b->full = timer_new(fsm->loop, batch_on_full, b);
	b->patience = timer_new(fsm->loop, batch_on_patience, b);
	source_calls(fsm->source, &batch_reader_calls, b);
	source_cursor_get(fsm->source, cursor_name);
	const struct program_options options = {.pipe_size = PIPE_SIZE};
	fsm->program = program_new(fsm, &options, &program_calls, b);
}

static void
batch_stop(struct fsm *fsm)
{
	struct batches *b = fsm->mode_arg;
	if (b->stopping)
		return;
	b->stopping = true;
	fsm_state(fsm, FSM_STOPPING, "");
	timer_stop(b->full);
	if (b->phase == PHASE_STORING) {
		timer_start(b->patience, CURSOR_STOP_MS);
		return;
	}
	/* What it has not been given whole it must not take for the whole: it is ended instead. */
	if (b->feed)
		program_kill(fsm->program);
	if (!program_end(fsm->program))
		fsm_done(fsm);
}

static void
batch_restart(struct fsm *fsm)
{
	struct batches *b = fsm->mode_arg;
	if (b->gap && !b->stopping) {
		b->gap = false;
		fsm_state(fsm, FSM_STARTING, "");
		source_seek(fsm->source, b->last + 1);
	} else if (program_waits(fsm->program)) {
		program_forgive(fsm->program);
		program_again(fsm->program);
	}
}

static uint64_t
batch_delivered(const struct fsm *fsm)
{
	const struct batches *b = fsm->mode_arg;
	return b->phase == PHASE_GATHERING && b->entries == 0 ? b->last : b->after;
}

const struct mode batch_mode = {
    .name = "batch",
    .start = batch_start,
    .stop = batch_stop,
    .delivered = batch_delivered,
    .restart = batch_restart,
};
