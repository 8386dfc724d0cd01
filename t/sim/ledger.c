/* SPDX-License-Identifier: ISC */
/*
 * Exactly once, in the log itself: every entry that a leader makes is held
 * against its session's entries above it, and every committed one moves the
 * session table that all nodes must have.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static uint64_t
word_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word;
}

static uint32_t
entry_attempt(struct sim *sim, const struct raft_entry *entry)
{
	uint64_t number;

	if (entry->kind != RAFT_CLIENT)
		return 0;
	number = attempt_label(raft_entry_data(entry));
	if (number == 0 || number >= sim->clients.attempts_count)
		sim_fail(sim, "an entry of an attempt that nobody made: %" PRIu64, number);
	return (uint32_t)number;
}

static void
ledger_record(struct sim *sim, const struct tnode *tnode)
{
	const struct raft_entry *entry = &tnode->entry;
	struct raft_entry decoded;

	if (!raft_entry_decode(&decoded, entry->chunk, entry->bytes, entry->size) ||
	    decoded.size != entry->size || decoded.term != entry->term ||
	    decoded.kind != entry->kind || decoded.serial != entry->serial ||
	    !raft_sid_equal(&decoded.session, &entry->session))
		sim_fail(sim, "entry %" PRIu64 " and its record differ", tnode->index);
}

/* REFUSED spoke of this attempt; it must never be in a log. */
static void
ledger_attempt(struct sim *sim, struct tnode *tnode, uint64_t epoch)
{
	struct attempt *attempt = &sim->clients.attempts[tnode->attempt];
	uint64_t at = tnode->entry.serial - attempt->serial;

	if (attempt->session != tnode->session || at >= attempt->count)
		sim_fail(sim, "entry %" PRIu64 " is not what attempt %" PRIu32 " held",
		    tnode->index, tnode->attempt);
	if ((attempt->refused & 1u << at) != 0)
		sim_fail(sim,
		    "entry %" PRIu64 " (session %" PRIu32 ", serial %" PRIu64
		    ") is of an attempt that was refused",
		    tnode->index, tnode->session, tnode->entry.serial);
	if (attempt->fence != 0 && attempt->fence != tnode->entry.term)
		sim_fail(sim, "entry %" PRIu64 " of term %" PRIu64 " was fenced to term %" PRIu64,
		    tnode->index, tnode->entry.term, attempt->fence);
	if (attempt->epoch != epoch)
		sim_fail(sim,
		    "entry %" PRIu64 " is of epoch %" PRIu64
		    ", but its session is at epoch %" PRIu64,
		    tnode->index, attempt->epoch, epoch);
	attempt->placed[at] = tnode;
}

static void
ledger_client(struct sim *sim, struct tnode *tnode, uint64_t serial, uint64_t epoch)
{
	if (tnode->session == 0)
		sim_fail(sim, "entry %" PRIu64 " is of no known session", tnode->index);
	if (tnode->entry.serial <= serial)
		sim_fail(sim,
		    "exactly once: serial %" PRIu64 " of session %" PRIu32
		    " is already in the log above entry %" PRIu64,
		    tnode->entry.serial, tnode->session, tnode->index);
	if (tnode->entry.serial != serial + 1)
		sim_fail(sim,
		    "entry %" PRIu64 " has serial %" PRIu64 " of session %" PRIu32
		    " after serial %" PRIu64,
		    tnode->index, tnode->entry.serial, tnode->session, serial);
	if (raft_sid_named(&tnode->entry.session) && epoch == 0)
		sim_fail(
		    sim, "entry %" PRIu64 " is of a named session that is not open", tnode->index);
	tnode->serial_after = tnode->entry.serial;
	tnode->epoch_after = epoch;
	ledger_attempt(sim, tnode, epoch);
}

static void
ledger_open(
    struct sim *sim, const struct node *node, struct tnode *tnode, uint64_t serial, uint64_t epoch)
{
	struct raft_session_open open;

	if (!raft_session_open_decode(
		&open, raft_entry_data(&tnode->entry), raft_entry_data_size(&tnode->entry)))
		sim_fail(sim, "entry %" PRIu64 " opens a session but is malformed", tnode->index);
	if (open.replaces != epoch)
		sim_fail(sim,
		    "entry %" PRIu64 " replaces epoch %" PRIu64 ", but epoch %" PRIu64
		    " is in force",
		    tnode->index, open.replaces, epoch);
	tnode->serial_after = serial;
	tnode->epoch_after = tnode->index;
	if (tnode->entry.kind != RAFT_CURSOR_OPEN)
		return;
	cursors_level(sim, node, tnode);
	tnode->position_after =
	    tnode->session_prev == NULL ? 0 : tnode->session_prev->position_after;
}

void
ledger_entry(struct sim *sim, struct node *node, struct tnode *tnode)
{
	const struct tnode *above;

	ledger_record(sim, tnode);
	tnode->session = session_number(&tnode->entry.session);
	tnode->attempt = entry_attempt(sim, &tnode->entry);
	if (tnode->session == 0 && tnode->entry.kind != RAFT_CLIENT)
		return;
	above = node->session_last[tnode->session];
	tnode->session_prev = node->session_last[tnode->session];
	switch (tnode->entry.kind) {
	case RAFT_CLIENT:
		ledger_client(sim, tnode, above == NULL ? 0 : above->serial_after,
		    above == NULL ? 0 : above->epoch_after);
		break;
	case RAFT_ACK:
		cursors_entry(sim, node, tnode, above == NULL ? 0 : above->epoch_after,
		    above == NULL ? 0 : above->serial_after);
		break;
	case RAFT_SESSION_OPEN:
	case RAFT_CURSOR_OPEN:
		ledger_open(sim, node, tnode, above == NULL ? 0 : above->serial_after,
		    above == NULL ? 0 : above->epoch_after);
		break;
	case RAFT_SESSION_DROP:
		if (above == NULL || above->epoch_after == 0)
			sim_fail(sim, "entry %" PRIu64 " drops a session that is not open",
			    tnode->index);
		break;
	case RAFT_NOOP:
	case RAFT_CONFIG:
	case RAFT_LEVEL:
	case RAFT_CONTRACT:
	case RAFT_KINDS_COUNT:
		sim_fail(sim, "entry %" PRIu64 " has a session but is a %s", tnode->index,
		    raft_kind_name(tnode->entry.kind));
	}
}

static uint64_t
session_digest(const struct raft_session *session)
{
	uint64_t digest = rng_mix(word_at(session->sid.b), word_at(session->sid.b + 8));

	digest = rng_mix(digest, session->serial);
	digest = rng_mix(digest, session->last_index);
	digest = rng_mix(digest, session->epoch);
	digest = rng_mix(digest, word_at(session->run) ^ word_at(session->run + 8));
	digest = rng_mix(digest, session->position << 1 | session->cursor);
	return rng_mix(digest, (uint64_t)session->name[0] << 8 | (uint64_t)session->name[1]);
}

static void
oracle_apply(struct sim *sim, const struct tnode *tnode)
{
	struct check *check = &sim->check;
	struct raft_sessions_change change =
	    raft_sessions_apply(check->oracle, tnode->index, &tnode->entry);
	uint64_t *digest = &check->session_digests[tnode->session];

	if (tnode->session == 0)
		return;
	check->digest -= *digest;
	*digest = change.touched == NULL ? 0 : session_digest(change.touched);
	check->digest += *digest;
	if (change.touched != NULL ? change.touched->serial != tnode->serial_after ||
					 change.touched->epoch != tnode->epoch_after ||
					 change.touched->position != tnode->position_after
				   : tnode->entry.kind != RAFT_SESSION_DROP)
		sim_fail(sim,
		    "the session table takes entry %" PRIu64 " otherwise than the log says",
		    tnode->index);
}

static void
count_commit(struct sim *sim, const struct tnode *tnode)
{
	sim->counters[COUNT_COMMITS]++;
	if (tnode->entry.kind == RAFT_CONFIG)
		sim->counters[COUNT_CONFIGS]++;
	if (tnode->entry.kind == RAFT_SESSION_DROP)
		sim->counters[COUNT_DROPS]++;
	if (!raft_kind_opens(tnode->entry.kind))
		return;
	bool cursor = tnode->entry.kind == RAFT_CURSOR_OPEN;
	sim->counters[cursor ? COUNT_CURSORS_OPENED : COUNT_OPENS]++;
	if (tnode->session_prev != NULL && tnode->session_prev->epoch_after != 0)
		sim->counters[cursor ? COUNT_CURSORS_TAKEN_OVER : COUNT_TAKEOVERS]++;
}

void
ledger_commit(struct sim *sim, struct tnode *tnode, uint64_t term)
{
	struct check *check = &sim->check;

	if (check->committed == check->commits_size) {
		check->commits_size = check->commits_size == 0 ? 1024 : 2 * check->commits_size;
		check->commits =
		    realloc(check->commits, check->commits_size * sizeof *check->commits);
		must(check->commits != NULL);
	}
	oracle_apply(sim, tnode);
	check->commits[check->committed++] =
	    (struct check_commit){.tnode = tnode, .term = term, .digest = check->digest};
	count_commit(sim, tnode);
}

static bool
digest_add(const struct raft_session *session, void *arg)
{
	*(uint64_t *)arg += session_digest(session);
	return true;
}

/* (17) session tables are equal at equal commit index. */
void
check_sessions(struct sim *sim, struct node *node)
{
	uint64_t commit = node->status.commit.index;
	uint64_t digest = 0;

	sim->counters[COUNT_TABLES_COMPARED]++;
	raft_sessions_each(raft_sessions_committed(node->core), digest_add, &digest);
	if (digest != (commit == 0 ? 0 : sim->check.commits[commit - 1].digest))
		sim_fail(sim,
		    "the session table of n%d at %" PRIu64 " differs from what is committed",
		    node->number + 1, commit);
}
