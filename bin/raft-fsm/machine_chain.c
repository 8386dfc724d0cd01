/* SPDX-License-Identifier: ISC */
/*
 * The chain of the log where the program's entries begin.
 *
 * A program with a disk of its own that is given the chain with each entry says that of its last
 * entry with ready.  Where the log has another one its state is of another history, whatever its
 * index is.  From there on the chain follows from the entries.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "seal/seal.h"
#include "machine.h"

static void
machine_feed_begin(struct machine *m, uint64_t index)
{
	machine_enter(m, PHASE_FEEDING);
	m->moved = mono_now();
	feed_mark(m->feed, index);
	m->snap.since =
	    (struct amount){.entries = index > m->snap.index ? index - m->snap.index : 0};
	source_snap_release(m->fsm->source);
	source_seek(m->fsm->source, index + 1);
}

void
machine_feed_from(struct machine *m, uint64_t index)
{
	m->base = m->sent = m->last_client = index;
	if (!machine_terms_chain(m)) {
		machine_feed_begin(m, index);
		return;
	}
	machine_enter(m, PHASE_CHAIN);
	source_chain_get(m->fsm->source, index);
}

static void
machine_chain_foreign(struct machine *m, const char *why)
{
	m->sent = 0; /* what it holds does not count */
	machine_hold(m, FSM_FOREIGN, why);
}

/* The log begins after the entry. */
static void
machine_chain_compacted(struct machine *m)
{
	if (m->restored) {
		machine_again(m, "the log was compacted beyond the snapshot that was restored: "
				 "started again, to restore a newer one");
		return;
	}
	/* One that holds nothing has no chain to compare: the gap is found. */
	if (m->base == 0) {
		machine_feed_begin(m, 0);
		return;
	}
	m->unverified = true;
	machine_snap_find(m);
}

void
machine_chain_found(struct machine *m, bool found, const struct raft_hash *hash)
{
	char here[REPLY_CHAIN_SIZE], why[MACHINE_WHY_SIZE];
	if (m->phase != PHASE_CHAIN)
		return;
	if (!found) {
		machine_chain_compacted(m);
		return;
	}
	seal_hex(here, hash->b, REPLY_CHAIN_BYTES);
	bool said = !m->fsm->trial && !m->restored && m->said[0] && strcmp(m->said, "-") != 0;
	if (said && strcmp(m->said, here) != 0) {
		snprintf(why, sizeof why,
		    "the program holds entries up to %" PRIu64
		    " with the chain %s, and the log has the chain %s there: its state is of "
		    "another history, as after a restore from a backup; it is given nothing: "
		    "move its files away, then raft-ctl fsm restart",
		    m->base, m->said, here);
		machine_chain_foreign(m, why);
		return;
	}
	m->chain = *hash;
	machine_feed_begin(m, m->base);
}

bool
machine_chain_missing(const struct machine *m)
{
	const struct raft_contract *at = machine_terms_at(m, m->base);
	return m->base > 0 && strcmp(m->said, "-") == 0 && (at->fields & RAFT_CONTRACT_CHAIN);
}

void
machine_chain_hold(struct machine *m, const char *none)
{
	char why[MACHINE_WHY_SIZE];
	if (machine_chain_missing(m)) {
		snprintf(why, sizeof why,
		    "the program holds entries up to %" PRIu64
		    " without a chain, so whether its state is of this log is not known, and %s: "
		    "move its files away, then raft-ctl fsm restart",
		    m->base, none);
		machine_chain_foreign(m, why);
		return;
	}
	snprintf(why, sizeof why,
	    "the chain of entry %" PRIu64
	    ", with which the program's state is compared, is compacted away, and %s",
	    m->base, none);
	machine_hold(m, FSM_GAP, why);
}
