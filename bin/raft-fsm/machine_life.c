/* SPDX-License-Identifier: ISC */
/*
 * Incarnations of the program: start, fault, end, back-off, poison.
 *
 * Whatever an incarnation does wrong ends it and nothing else.  The next one is fed singly around
 * the first entry that was not answered: when that ends it twice more, the entry is poison, and so
 * it is on every node, since all are given the same.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

static void
machine_life_on_room(void *arg)
{
	struct machine *m = arg;
	if (m->phase == PHASE_ENDING)
		machine_close_input(m);
	else
		machine_pump(m);
}

/* It reads no more but lives. */
static void
machine_life_on_gone(int error, void *arg)
{
	struct machine *m = arg;
	log_debug("program", "why=%s", log_q(strerror(error)));
	machine_hear(m);
	if (!m->fault[0] && m->phase != PHASE_ENDING) {
		m->closed = "standard input";
		child_deaf(m->child);
	}
}

static const struct feed_calls feed_calls = {
    .room = machine_life_on_room, .gone = machine_life_on_gone};

static void
machine_life_on_started(int fd, void *arg)
{
	struct machine *m = arg;
	m->feed = feed_new(m->fsm->loop, fd, 0, false, &feed_calls, m);
	m->fault[0] = '\0';
	m->closed = NULL;
	m->sent = m->base = 0;
	m->phase = PHASE_HELLO;
	m->started = m->moved = mono_now();
	machine_listen(m, child_output(m->child));
	machine_watch(m);
}

static void
machine_life_on_again(uv_timer_t *timer)
{
	struct machine *m = timer->data;
	m->restarts++;
	child_start(m->child);
}

void
machine_start_now(struct machine *m)
{
	uv_timer_start(&m->again, machine_life_on_again, 0, 0);
}

static void
machine_life_back_off(struct machine *m, const char *what)
{
	char why[MACHINE_WHY_SIZE + 64];
	snprintf(why, sizeof why, "%s; started again in %" PRIu64 " ms", what, m->backoff_ms);
	fsm_state(m->fsm, FSM_BACKOFF, why);
	uv_timer_start(&m->again, machine_life_on_again, m->backoff_ms, 0);
	m->backoff_ms =
	    m->backoff_ms * 2 < MACHINE_BACKOFF_MAX_MS ? m->backoff_ms * 2 : MACHINE_BACKOFF_MAX_MS;
}

static void
machine_life_on_failed(enum exit_status status, const char *why, void *arg)
{
	struct machine *m = arg;
	if (m->fsm->foreground && m->restarts == 0) {
		log_error("program", "why=%s", log_q(why));
		fsm_fail(m->fsm, status);
		return;
	}
	machine_life_back_off(m, why);
}

void
machine_close_input(struct machine *m)
{
	if (m->feed == NULL || (m->fault[0] == '\0' && !feed_flush(m->feed)))
		return;
	feed_free(m->feed);
	m->feed = NULL;
}

void
machine_fault(struct machine *m, const char *format, ...)
{
	va_list args;
	if (m->fault[0] || m->phase == PHASE_DOWN)
		return;
	va_start(args, format);
	vsnprintf(m->fault, sizeof m->fault, format, args);
	va_end(args);
	m->phase = PHASE_ENDING;
	machine_close_input(m);
	machine_deaf(m);
	child_kill(m->child);
}

/* Its input ends behind what has been begun; then it has stop_timeout. */
static void
machine_life_end(struct machine *m)
{
	if (m->feed)
		feed_cut(m->feed);
	m->phase = PHASE_ENDING;
	machine_close_input(m);
	child_end(m->child);
}

void
machine_again(struct machine *m, const char *why)
{
	log_info("program", "why=%s", log_q(why));
	m->restart = true;
	machine_life_end(m);
}

void
machine_hold(struct machine *m, enum fsm_state state, const char *why)
{
	m->held = true;
	fsm_state(m->fsm, state, why);
	machine_refuse_all(m, why);
	if (m->fsm->foreground)
		fsm_fail(m->fsm, state == FSM_GAP ? EXIT_GAP : EXIT_DATA);
	else if (m->phase != PHASE_DOWN && m->phase != PHASE_ENDING)
		machine_life_end(m);
}

/* Queries are not asked again: whoever asks may do that. */
static void
drop_pending(struct machine *m)
{
	struct pending_one *one;
	while ((one = pending_first(&m->pending))) {
		if (one->kind == REQUEST_QUERY)
			ask_refuse(one->ask, EXIT_RETRY, "the program ended before it answered");
		pending_drop_first(&m->pending);
	}
}

/* Whose fault was it?  True: poison. */
static bool
machine_life_judge(struct machine *m)
{
	const struct pending_one *first = pending_first(&m->pending);
	bool outside = !m->fault[0] && child_killed(m->child);
	if (outside || first == NULL || first->kind != REQUEST_ENTRY)
		return false;
	bool singly = first->index >= m->single_from && first->index <= m->single_to;
	if (first->index != m->suspect)
		m->deaths = 0;
	m->suspect = first->index;
	if (singly)
		return ++m->deaths >= 2;
	m->single_from = first->index;
	m->single_to = m->sent;
	return false;
}

static void
machine_life_next(struct machine *m, const char *what, bool poison)
{
	char why[MACHINE_WHY_SIZE + 128];
	if (m->stopping) {
		fsm_done(m->fsm);
	} else if (m->held) {
		return;
	} else if (poison) {
		snprintf(why, sizeof why,
		    "entry %" PRIu64
		    ": %s, each time it is given this entry; nothing is skipped: mend the program, "
		    "then raft-ctl fsm restart",
		    m->suspect, what);
		machine_hold(m, FSM_POISON, why);
	} else if (m->restart) {
		m->restart = false;
		machine_start_now(m);
	} else {
		machine_life_back_off(m, what);
	}
}

static void
machine_life_on_over(const char *how, bool clean, void *arg)
{
	struct machine *m = arg;
	char what[MACHINE_WHY_SIZE];
	(void)clean;
	m->phase = PHASE_ENDING;
	/* What it said before its end counts. */
	if (m->output && !m->fault[0])
		machine_hear(m);
	if (m->fault[0])
		snprintf(what, sizeof what, "%s", m->fault);
	else if (m->closed && child_ended(m->child))
		snprintf(
		    what, sizeof what, "the program closed its %s and went on: %s", m->closed, how);
	else
		snprintf(what, sizeof what, "the program %s%s", how,
		    reply_begun(&m->in) ? " in the middle of an answer" : "");
	machine_deaf(m);
	feed_free(m->feed);
	m->feed = NULL;
	reply_free(&m->in);
	batch_free(&m->batch);
	bool poison = !m->restart && !m->stopping && !m->held && machine_life_judge(m);
	m->sent = machine_answered(m);
	drop_pending(m);
	m->phase = PHASE_DOWN;
	machine_snap_lost(m, what);
	if (m->snap.step == SNAP_IDLE)
		source_seek(m->fsm->source, 0);
	uv_timer_stop(&m->deadline);
	if (mono_now().ms - m->started.ms >= MACHINE_BACKOFF_MAX_MS)
		m->backoff_ms = MACHINE_BACKOFF_MIN_MS;
	machine_life_next(m, what, poison);
}

const struct child_calls machine_child_calls = {.started = machine_life_on_started,
    .failed = machine_life_on_failed,
    .over = machine_life_on_over};
