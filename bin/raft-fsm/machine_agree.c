/* SPDX-License-Identifier: ISC */
/*
 * Whether the log's contract and this node's configuration agree; and the wait until they do.
 *
 * From the level on that has contracts nothing is delivered without one: where the log has none,
 * this node proposes its own.
 */
#include <stdio.h>
#include <string.h>

#include "client/contract_text.h"
#include "unix/sock.h"
#include "machine.h"

enum { WAIT_FIRST_MS = 50, WAIT_LAST_MS = 1000 };

static void
machine_agree_on_again(void *arg)
{
	struct machine *m = arg;
	if (m->stopping)
		return;
	if (m->phase == PHASE_FINDING)
		machine_snap_find(m);
	else
		source_contracts_get(m->fsm->source);
}

void
machine_agree_start(struct machine *m)
{
	contract_of_conf(&m->terms.own, m->fsm->conf);
	m->terms.level = 1;
	m->terms.pause = (struct backoff){.first_ms = WAIT_FIRST_MS, .last_ms = WAIT_LAST_MS};
	m->terms.again = timer_new(m->fsm->loop, machine_agree_on_again, m);
}

/* The answer says only when it is time to look. */
static void
machine_agree_on_answered(bool committed, void *arg)
{
	struct machine *m = arg;
	timer_start(m->terms.again, committed ? WAIT_FIRST_MS : backoff_wait(&m->terms.pause));
}

/* One proposal is made at a time.  One that was answered may be needed again: as when the leader's
 * log did not have the level yet. */
static void
machine_agree_offer(struct machine *m)
{
	char path[SOCK_PATH_MAX], why[SOCK_WHY_SIZE];
	if (m->terms.offer && !offer_answered(m->terms.offer))
		return;
	offer_free(m->terms.offer);
	if (!sock_path(path, m->fsm->conf->node.run, "elect", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	m->terms.offer = offer_new(m->fsm->loop, path, &m->terms.own, machine_agree_on_answered, m);
}

/* Proposes this node's, and looks again after a pause. */
static void
machine_agree_wait(struct machine *m)
{
	char text[MACHINE_WHY_SIZE];
	const char *why = m->terms.offer ? offer_why(m->terms.offer) : "";
	uint64_t pause = backoff_wait(&m->terms.pause);
	snprintf(text, sizeof text, "the log has no contract yet%s%s", why[0] ? ": " : "", why);
	if (pause == WAIT_LAST_MS && strcmp(text, m->fsm->why) != 0)
		fsm_state(m->fsm, FSM_RUNNING, text);
	machine_agree_offer(m);
	timer_start(m->terms.again, pause);
}

static void
machine_agree_settled(struct machine *m)
{
	bool said = m->fsm->state == FSM_RUNNING && m->fsm->why[0];
	m->terms.waiting = false;
	backoff_reset(&m->terms.pause);
	offer_free(m->terms.offer);
	m->terms.offer = NULL;
	if (said)
		fsm_state(m->fsm, FSM_RUNNING, "");
}

void
machine_agree_hold(struct machine *m, const char *why)
{
	machine_hold(m, FSM_CONTRACT, why);
	if (m->terms.unfit_at == 0)
		timer_start(m->terms.again, WAIT_LAST_MS);
}

bool
machine_agree(struct machine *m)
{
	char why[MACHINE_WHY_SIZE];
	if (machine_terms_none(m)) {
		machine_agree_wait(m);
		return false;
	}
	if (machine_terms_differ(m, why)) {
		if (m->phase == PHASE_FEEDING)
			strcpy(m->terms.why, why); /* when all before is answered */
		else
			machine_agree_hold(m, why);
		return false;
	}
	machine_agree_settled(m);
	return true;
}

bool
machine_agree_again(struct machine *m)
{
	char why[MACHINE_WHY_SIZE];
	if (!machine_terms_differ(m, why))
		return true;
	timer_start(m->terms.again, WAIT_LAST_MS);
	return false;
}
