/* SPDX-License-Identifier: ISC */
/*
 * The session table at the commit index, with the digests of the named sessions
 * (§6.3).  It lives in memory; what changed is stored now and then, within an
 * ordinary transaction, and on start the entries after that are applied again.
 * Only what is committed is ever applied, so a truncation has nothing to undo.
 */
#ifndef LOGD_SESSIONS_H
#define LOGD_SESSIONS_H

#include "db.h"

struct logd;

struct sessions {
	struct raft_sessions *table;
	uint64_t index;         /* of the table */
	struct raft_sid *dirty; /* changed or gone since it was stored; some may stand twice */
	size_t dirty_count;
	size_t dirty_room;
	uint64_t entries; /* applied since it was stored */
	uint64_t size;    /* of their records */
	bool rebuilt;     /* what is stored is worth nothing */
};

/* Loads what is stored at state.sessions_index and applies what is committed since. */
void sessions_load(struct logd *logd);
void sessions_apply(struct logd *logd, uint64_t upto);
/* One entry applied to any table, with the digests. */
struct raft_sessions_change sessions_apply_to(
    struct raft_sessions *table, uint64_t index, const struct raft_entry *entry);
/*
 * Another table, at index: a snapshot's.  Takes it over; all that is stored is of the former one.
 */
void sessions_replace(struct sessions *sessions, struct raft_sessions *table, uint64_t index);
/* Time to store it again. */
bool sessions_due(const struct sessions *sessions);
/* Within a transaction: writes what changed and sets state.sessions_index.  sessions_stored: it is
 * durable now. */
void sessions_store(struct logd *logd, struct db_state *state);
void sessions_stored(struct sessions *sessions);

#endif
