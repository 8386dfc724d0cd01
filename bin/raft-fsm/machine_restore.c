/* SPDX-License-Identifier: ISC */
/* Where an incarnation begins: ready, a snapshot if it needs one, then entries. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

void
machine_feed_from(struct machine *m, uint64_t index)
{
	m->base = m->sent = index;
	m->last_client = index;
	machine_enter(m, PHASE_FEEDING);
	m->moved = mono_now();
	feed_mark(m->feed, index);
	m->snap.since =
	    (struct amount){.entries = index > m->snap.index ? index - m->snap.index : 0};
	source_snap_release(m->fsm->source);
	source_seek(m->fsm->source, index + 1);
}

void
machine_restore(struct machine *m, const char *path, uint64_t index)
{
	machine_enter(m, PHASE_RESTORING);
	m->sent = index;
	machine_put(m, REQUEST_RESTORE, path, strlen(path))->before = m->base;
}

void
machine_greeted(struct machine *m, uint64_t index)
{
	m->base = m->sent = m->last_client = m->durable = index;
	m->gap_first = 0;
	m->greeted = true;
	m->restored = m->restore_refused = false;
	machine_snap_find(m);
	fsm_state(m->fsm, FSM_RUNNING, "");
}

/* Nothing that is there brings it over the gap. */
static void
no_way(struct machine *m, const struct source_snapshot *found)
{
	char why[MACHINE_WHY_SIZE], more[256];
	const char *kind = m->fsm->conf->fsm.format;
	if (!found->found || found->index <= m->base)
		snprintf(more, sizeof more, "there is no snapshot that reaches so far");
	else if (found->size == 0)
		snprintf(more, sizeof more, "the log was cut by logd.keep without a snapshot");
	else
		snprintf(more, sizeof more, "the snapshot is of format %.64s, not %s",
		    found->format, kind);
	snprintf(why, sizeof why,
	    "entry %" PRIu64 " is needed and compacted away, the first one left is %" PRIu64
	    ", and %s",
	    m->base + 1, m->gap_first, more);
	source_snap_release(m->fsm->source);
	machine_hold(m, FSM_GAP, why);
}

void
machine_snap_found(struct machine *m, const struct source_snapshot *found)
{
	bool usable =
	    found->found && found->size > 0 && strcmp(found->format, m->fsm->conf->fsm.format) == 0;
	if (usable)
		m->snap.index = found->index;
	if (m->phase != PHASE_FINDING)
		return;
	if (m->base > source_commit(m->fsm->source)) {
		machine_ahead(m);
		return;
	}
	usable = usable && found->index > m->base && !m->restore_refused &&
		 request_unfit(m->netstring, wire_text(found->path)) == NULL;
	if (usable && (m->base == 0 || m->gap_first)) {
		machine_restore(m, found->path, found->index);
	} else if (m->gap_first && m->restore_refused) {
		machine_fault(m, "the program needs a snapshot and refuses to restore it");
	} else if (m->gap_first) {
		no_way(m, found);
	} else {
		machine_feed_from(m, m->base);
	}
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
