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
		program_deaf(m->fsm->program);
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
	m->greeted = false;
	m->sent = m->base = 0;
	machine_enter(m, PHASE_HELLO);
	m->moved = mono_now();
	machine_listen(m, program_output(m->fsm->program));
	machine_watch(m);
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
	bool outside = !m->fault[0] && program_killed(m->fsm->program);
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
		program_again(m->fsm->program);
	} else {
		program_back_off(m->fsm->program, what);
	}
}

static void
machine_life_on_over(const char *how, bool clean, void *arg)
{
	struct machine *m = arg;
	char what[MACHINE_WHY_SIZE];
	(void)clean;
	machine_enter(m, PHASE_ENDING);
	/* What it said before its end counts. */
	if (m->output && !m->fault[0])
		machine_hear(m);
	if (m->fsm->trial && !m->restart)
		machine_try_over(m, how);
	if (m->fault[0])
		snprintf(what, sizeof what, "%s", m->fault);
	else if (m->closed && program_ended(m->fsm->program))
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
	machine_enter(m, PHASE_DOWN);
	machine_snap_lost(m, what);
	if (m->snap.step == SNAP_IDLE)
		source_seek(m->fsm->source, 0);
	timer_stop(m->deadline);
	machine_life_next(m, what, poison);
}

static void
machine_life_on_late(void *arg)
{
	struct machine *m = arg;
	if (m->fsm->trial)
		machine_try_late(m);
}

const struct program_calls machine_program_calls = {
    .started = machine_life_on_started, .over = machine_life_on_over, .late = machine_life_on_late};
