/* SPDX-License-Identifier: ISC */
/* Where an incarnation begins: ready, a snapshot if it needs one, then entries. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

void
machine_restore(struct machine *m, const char *path, uint64_t index)
{
	machine_enter(m, PHASE_RESTORING);
	m->sent = index;
	machine_put(m, REQUEST_RESTORE, path, strlen(path))->before = m->base;
}

/* False: it is a fault. */
static bool
machine_greeted_chain(struct machine *m, const struct reply *ready)
{
	bool wanted = machine_terms_chain(m);
	if (!wanted && ready->chain[0])
		machine_fault(m, "the program says ready with a chain, and fsm.fields does not "
				 "name chain");
	else if (wanted && ready->index > 0 && ready->chain[0] == '\0')
		machine_fault(m,
		    "the program says ready %" PRIu64 " without the chain of that entry, which "
		    "fsm.fields names",
		    ready->index);
	else
		return true;
	return false;
}

void
machine_greeted(struct machine *m, const struct reply *ready)
{
	if (!machine_greeted_chain(m, ready))
		return;
	m->base = m->sent = m->last_client = m->durable = ready->index;
	strcpy(m->said, ready->chain);
	m->gap_first = 0;
	m->greeted = true;
	m->restored = m->restore_refused = m->unverified = m->terms.waiting = false;
	m->terms.why[0] = '\0';
	if (m->base >= m->terms.unfit_at)
		m->terms.unfit_at = 0;
	machine_snap_find(m);
	fsm_state(m->fsm, FSM_RUNNING, "");
}

/* Why no snapshot helps. */
static void
machine_restore_none(const struct machine *m, char why[MACHINE_WHY_SIZE / 2])
{
	const struct found *found = &m->found;
	if (found->index == 0 || (found->index <= m->base && !m->unverified))
		snprintf(why, MACHINE_WHY_SIZE / 2, "there is no snapshot that reaches so far");
	else if (found->size == 0)
		snprintf(
		    why, MACHINE_WHY_SIZE / 2, "the log was cut by logd.keep without a snapshot");
	else
		snprintf(why, MACHINE_WHY_SIZE / 2, "the snapshot is of format %.64s, not %s",
		    found->format, m->fsm->conf->fsm.format);
}

/* Nothing that is there brings it to where entries can follow. */
static void
no_way(struct machine *m)
{
	char why[MACHINE_WHY_SIZE], none[MACHINE_WHY_SIZE / 2];
	machine_restore_none(m, none);
	source_snap_release(m->fsm->source);
	if (m->unverified) {
		machine_chain_hold(m, none);
		return;
	}
	snprintf(why, sizeof why,
	    "entry %" PRIu64 " is needed and compacted away, the first one left is %" PRIu64
	    ", and %s",
	    m->base + 1, m->gap_first, none);
	machine_hold(m, FSM_GAP, why);
}

static bool
machine_restore_usable(const struct machine *m)
{
	const struct found *found = &m->found;
	return found->size > 0 && strcmp(found->format, m->fsm->conf->fsm.format) == 0;
}

void
machine_snap_found(struct machine *m, const struct source_snapshot *found)
{
	free(m->found.format);
	free(m->found.path);
	m->found = (struct found){.known = true,
	    .index = found->found ? found->index : 0,
	    .size = found->found ? found->size : 0};
	must((m->found.format = strdup(found->format)) != NULL);
	must((m->found.path = strdup(found->path)) != NULL);
	if (machine_restore_usable(m))
		m->snap.index = found->index;
	if (m->phase == PHASE_FINDING)
		source_contracts_get(m->fsm->source);
}

void
machine_begin(struct machine *m)
{
	const struct found *found = &m->found;
	if (m->base > source_commit_now(m->fsm->source)) {
		m->unverified =
		    false; /* a chain that is not committed here is not compacted away */
		machine_ahead(m);
		return;
	}
	m->unverified = m->unverified || machine_chain_missing(m);
	bool needed = m->gap_first || m->unverified;
	bool wanted =
	    needed || m->base == 0 || (m->terms.unfit_at && found->index >= m->terms.unfit_at);
	bool usable = machine_restore_usable(m) && !m->restore_refused &&
		      (found->index > m->base || m->unverified) &&
		      request_unfit(m->netstring, wire_text(found->path)) == NULL;
	if (usable && wanted)
		machine_restore(m, found->path, found->index);
	else if (needed && m->restore_refused)
		machine_fault(m, "the program needs a snapshot and refuses to restore it");
	else if (needed)
		no_way(m);
	else
		machine_feed_from(m, m->base);
}

void
machine_restored(struct machine *m, bool ok, struct wire_bytes why)
{
	uint64_t index = m->sent;
	if (m->phase != PHASE_RESTORING)
		return;
	if (ok) {
		log_info("restore", "index=%" PRIu64, index);
		m->restored = true;
		if (index >= m->terms.unfit_at)
			m->terms.unfit_at = 0;
		machine_feed_from(m, index);
		return;
	}
	char text[256];
	snprintf(text, sizeof text, "%.*s", (int)(why.size < 200 ? why.size : 200),
	    (const char *)why.bytes);
	log_warn("restore", "index=%" PRIu64 " why=%s refused=%s", index,
	    log_q("the program refuses to restore: it is fed from the log, if that is whole"),
	    log_q(text));
	m->restore_refused = true;
	machine_feed_from(m, m->base);
}

void
machine_gap(uint64_t wanted, uint64_t first_available, void *arg)
{
	struct machine *m = arg;
	(void)wanted;
	if (m->phase == PHASE_AHEAD)
		machine_ahead_heard(m);
	if (m->phase != PHASE_FEEDING)
		return;
	bool fresh = m->sent == m->base && !m->restored && m->pending.count == 0;
	if (!fresh) {
		machine_again(m, "the log was compacted beyond where it is: started again, to "
				 "restore a snapshot");
		return;
	}
	m->gap_first = first_available;
	machine_snap_find(m);
}
