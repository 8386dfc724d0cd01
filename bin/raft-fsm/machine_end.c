/* SPDX-License-Identifier: ISC */
/* The end of an incarnation, as it is brought about; and which phase may follow which. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "machine.h"

void
machine_enter(struct machine *m, enum machine_phase phase)
{
#define P(NAME) (1u << PHASE_##NAME)
	static const unsigned may_follow[] = {
	    [PHASE_DOWN] = P(HELLO),
	    [PHASE_HELLO] = P(FINDING) | P(ENDING),
	    /* Finding again: the log has no contract yet. */
	    [PHASE_FINDING] =
		P(FINDING) | P(AHEAD) | P(RESTORING) | P(CHAIN) | P(FEEDING) | P(ENDING),
	    [PHASE_AHEAD] = P(FINDING) | P(ENDING),
	    [PHASE_RESTORING] = P(CHAIN) | P(FEEDING) | P(ENDING),
	    [PHASE_CHAIN] = P(FINDING) | P(FEEDING) | P(ENDING),
	    [PHASE_FEEDING] = P(FINDING) | P(ENDING), /* finding: the log was compacted */
	    [PHASE_ENDING] = P(ENDING) | P(DOWN),
	};
#undef P
	must(may_follow[m->phase] & (1u << phase));
	m->phase = phase;
}

/* ------- its pipes ------------------------------------------------------------ */

void
machine_close_input(struct machine *m)
{
	if (m->feed == NULL || (m->fault[0] == '\0' && !feed_flush(m->feed)))
		return;
	feed_free(m->feed);
	m->feed = NULL;
}

static void
machine_end_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
machine_deaf(struct machine *m)
{
	if (m->output == NULL)
		return;
	m->output->machine = NULL;
	uv_close((uv_handle_t *)&m->output->poll, machine_end_on_closed);
	close(m->output->fd);
	m->output = NULL;
}

/* ------- why it ends ----------------------------------------------------------- */

void
machine_refuse_all(struct machine *m, const char *why)
{
	asks_refuse(&m->queries, EXIT_UNAVAILABLE, why);
	asks_refuse(&m->waits, EXIT_UNAVAILABLE, why);
	asks_refuse(&m->snap.now, EXIT_UNAVAILABLE, why);
	asks_refuse(&m->snap.next, EXIT_UNAVAILABLE, why);
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
	if (m->fsm->trial)
		machine_breach(m, m->fault);
	machine_enter(m, PHASE_ENDING);
	machine_close_input(m);
	machine_deaf(m);
	program_kill(m->fsm->program);
}

void
machine_end(struct machine *m)
{
	if (m->feed)
		feed_cut(m->feed);
	machine_enter(m, PHASE_ENDING);
	machine_close_input(m);
	program_end(m->fsm->program);
}

void
machine_again(struct machine *m, const char *why)
{
	log_info("program", "why=%s", log_q(why));
	m->restart = true;
	machine_end(m);
}

void
machine_hold(struct machine *m, enum fsm_state state, const char *why)
{
	m->held = true;
	fsm_state(m->fsm, state, why);
	machine_refuse_all(m, why);
	if (m->fsm->foreground)
		fsm_fail(m->fsm, state == FSM_GAP        ? EXIT_GAP
				 : state == FSM_CONTRACT ? EXIT_CONFIG
							 : EXIT_DATA);
	else if (m->phase != PHASE_DOWN && m->phase != PHASE_ENDING)
		machine_end(m);
}
