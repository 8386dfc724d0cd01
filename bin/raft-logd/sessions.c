/* SPDX-License-Identifier: ISC */
/* The session table: loading, applying, storing. */
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

#include "seal/seal.h"
#include "logd.h"
#include "verify.h"

enum { STORE_ENTRIES = 16384, STORE_SIZE = 16 << 20, SLICE_COUNT = 4096, SLICE_SIZE = 1 << 20 };

static void
note_dirty(struct sessions *s, const struct raft_sid *sid)
{
	/* Entries of one session come in runs. */
	if (s->dirty_count > 0 && raft_sid_equal(&s->dirty[s->dirty_count - 1], sid))
		return;
	RAFT_GROW(s->dirty, s->dirty_room, s->dirty_count + 1);
	s->dirty[s->dirty_count++] = *sid;
}

struct raft_sessions_change
sessions_apply_to(struct raft_sessions *table, uint64_t index, const struct raft_entry *entry)
{
	struct raft_sessions_change change = raft_sessions_apply(table, index, entry);
	if (change.touched && entry->kind == RAFT_CLIENT && raft_sid_named(&entry->session))
		change.touched->digest = seal_digest(
		    &change.touched->digest, raft_entry_data(entry), raft_entry_data_size(entry));
	return change;
}

static void
apply_one(struct sessions *s, const struct raft_entry *entry)
{
	struct raft_sessions_change change = sessions_apply_to(s->table, s->index + 1, entry);
	s->index++;
	s->entries++;
	s->size += entry->size;
	if (!raft_sid_none(&change.gone))
		note_dirty(s, &change.gone);
	if (change.touched)
		note_dirty(s, &change.touched->sid);
}

/* A slice of what is no longer in memory. */
static void
apply_stored(struct logd *logd, uint64_t upto)
{
	struct wire_buf out = {0};
	struct verify_limits limits = {upto, SLICE_COUNT, SLICE_SIZE};
	size_t count = verify_read(logd, logd->sessions.index + 1, limits, &out);
	for (size_t at = 0; count > 0; count--) {
		struct raft_entry entry;
		must(raft_entry_decode(&entry, NULL, out.bytes + at, out.size - at));
		apply_one(&logd->sessions, &entry);
		at += entry.size;
	}
	wire_buf_free(&out);
}

void
sessions_apply(struct logd *logd, uint64_t upto)
{
	struct sessions *s = &logd->sessions;
	while (s->index < upto) {
		size_t count;
		const struct raft_entry *entries = index_tail(&logd->rlog, s->index + 1, &count);
		if (entries == NULL)
			apply_stored(logd, upto);
		for (size_t i = 0; entries && i < count && s->index < upto; i++)
			apply_one(s, &entries[i]);
	}
}

static bool
sessions_restore(const struct raft_session *session, void *arg)
{
	struct logd *logd = arg;
	return session->last_index <= logd->state.sessions_index &&
	       raft_sessions_restore(logd->sessions.table, session);
}

static void
start_anew(struct sessions *s)
{
	raft_sessions_free(s->table);
	s->table = raft_sessions_new();
	must(s->table != NULL);
	s->index = 0;
}

static bool
note_all(const struct raft_session *session, void *arg)
{
	note_dirty(arg, &session->sid);
	return true;
}

void
sessions_replace(struct sessions *s, struct raft_sessions *table, uint64_t index)
{
	raft_sessions_free(s->table);
	s->table = table;
	s->index = index;
	s->rebuilt = true;
	s->dirty_count = 0;
	raft_sessions_each(table, note_all, s);
}

/* From the snapshot that the log begins with, or from nothing. */
static void
sessions_rebuild(struct logd *logd)
{
	const struct snapshot *newest = logd->snapshots.newest;
	struct raft_sessions *table =
	    newest ? snapshot_sessions(&newest->head) : raft_sessions_new();
	must(table != NULL);
	sessions_replace(&logd->sessions, table, newest ? newest->head.pos.index : 0);
}

void
sessions_load(struct logd *logd)
{
	struct sessions *s = &logd->sessions;
	start_anew(s);
	s->index = logd->state.sessions_index;
	bool good = s->index <= logd->rlog.commit.index &&
		    s->index >= logd->rlog.before.pos.index &&
		    db_sessions_each(logd->db, sessions_restore, logd) == DB_OK;
	if (!good) {
		log_warn("sessions", "why=%s",
		    log_q("the stored session table is damaged or of a longer log: it is made "
			  "again from the entries"));
		sessions_rebuild(logd);
	}
	sessions_apply(logd, logd->rlog.commit.index);
}

bool
sessions_due(const struct sessions *sessions)
{
	return sessions->rebuilt || sessions->entries >= STORE_ENTRIES ||
	       sessions->size >= STORE_SIZE;
}

static int
compare_sids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct raft_sid));
}

void
sessions_store(struct logd *logd, struct db_state *state)
{
	struct sessions *s = &logd->sessions;
	/* A rebuilt table was built from nothing, so all that is in it is dirty. */
	if (s->rebuilt)
		db_sessions_clear(logd->db);
	if (s->dirty_count > 0)
		qsort(s->dirty, s->dirty_count, sizeof *s->dirty, compare_sids);
	for (size_t i = 0; i < s->dirty_count; i++) {
		if (i > 0 && raft_sid_equal(&s->dirty[i], &s->dirty[i - 1]))
			continue;
		const struct raft_session *session = raft_sessions_find(s->table, &s->dirty[i]);
		if (session)
			db_session_put(logd->db, session);
		else
			db_session_delete(logd->db, &s->dirty[i]);
	}
	state->sessions_index = s->index;
}

void
sessions_stored(struct sessions *s)
{
	s->dirty_count = 0;
	s->entries = 0;
	s->size = 0;
	s->rebuilt = false;
}
