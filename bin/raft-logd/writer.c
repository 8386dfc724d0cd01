/* SPDX-License-Identifier: ISC */
/* The queue of writes, and the one transaction of a turn. */
#include "writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/changes.h"
#include "seal/seal.h"
#include "check.h"
#include "txn.h"
#include "compact.h"
#include "cursors.h"
#include "snap_store.h"
#include "logd.h"
#include "verify.h"

enum {
	WAL_IDLE_MAX = 1 << 20, /* the write-ahead log is moved at this size when it is quiet */
	QUEUE_MAX =
	    512 << 20 /* bytes that a full disk makes wait; the elector's own limits are below */
};

/* The transaction being made: what the log is so far, and how many items are in it. */
struct write_batch {
	struct db_state state;
	struct raft_place last;
	size_t items;
	uint64_t number;
	bool sessions;
	struct raft_pos before; /* where the log begins */
	/* Where it begins once the transaction is durable; index 0: no change. */
	struct db_before dropped;
};

/* -------------------------------------------------------------- queue */

static void
writer_item_free(struct writer_item *item)
{
	snapshot_unref(item->install);
	free(item->entries);
	raft_chunk_unref(item->chunk);
}

static void
queue_drop(struct writer *w, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct writer_item *item = RAFT_QUEUE_FIRST(&w->queue) + i;
		w->size -= item->size;
		writer_item_free(item);
	}
	RAFT_QUEUE_DROP(&w->queue, count);
}

bool
writer_take(struct logd *logd, const struct msg_log_write *m, char *why)
{
	struct writer *w = &logd->writer;
	struct writer_item item = {
	    .number = m->number,
	    .term = m->term,
	    .vote = m->vote,
	    .truncate = m->flags & WIRE_TRUNCATE,
	    .recovered = m->flags & WIRE_RECOVERED,
	    .truncate_after = m->truncate_after,
	    .first_index = m->first_index,
	    .count = m->count,
	    .size = m->entries.size,
	};
	if (w->size + item.size > QUEUE_MAX) {
		snprintf(
		    why, CHECK_WHY_SIZE, "more than %d MiB wait to be written", QUEUE_MAX >> 20);
		return false;
	}
	if (!wire_entries_get(m->entries, m->count, &item.entries, &item.chunk)) {
		if (wire_entries_newer(m->entries, m->count, m->first_index, why))
			daemon_die(EXIT_CONFIG, "from raft-elect: %s", why);
		snprintf(why, CHECK_WHY_SIZE, "the entries are malformed");
		return false;
	}
	if (m->flags & WIRE_INSTALL)
		item.install = snap_store_ready(logd, m->truncate_after);
	if (item.install)
		snapshot_ref(item.install);
	if (!check_write(logd, &item, m->flags & WIRE_INSTALL, why)) {
		writer_item_free(&item);
		return false;
	}
	*RAFT_QUEUE_PUSH(&w->queue) = item;
	w->size += item.size;
	check_plan(w, &item);
	return true;
}

/* Committed, known and held: readers get it, and the session table moves on. */
static void
writer_advance(struct logd *logd, struct raft_pos commit)
{
	if (commit.index <= logd->rlog.commit.index || !index_holds(&logd->rlog, commit))
		return;
	logd->rlog.commit = commit;
	sessions_apply(logd, commit.index);
	logd_tick_later(logd);
}

void
writer_take_commit(struct logd *logd, struct raft_pos commit)
{
	/* Held already: it is that very entry, whatever waits behind it. */
	if (index_holds(&logd->rlog, commit))
		writer_advance(logd, commit);
	else if (logd->writer.queue.count > 0)
		*RAFT_QUEUE_PUSH(&logd->writer.queue) = (struct writer_item){.commit = commit};
	else
		log_debug("commit", "index=%" PRIu64 " term=%" PRIu64 " last=%" PRIu64 " why=%s",
		    commit.index, commit.term, logd->rlog.last.pos.index,
		    log_q("not an entry of this log: ignored"));
}

void
writer_drop(struct logd *logd)
{
	struct writer *w = &logd->writer;
	if (w->queue.count > 0)
		log_info(
		    "drop", "writes=%zu why=%s", w->queue.count, log_q("their elector is gone"));
	queue_drop(w, w->queue.count);
	w->last = logd->rlog.last.pos;
	w->term = logd->state.term;
	w->vote = logd->state.vote;
	w->number = 0;
}

/* -------------------------------------------------------- transaction */

/* Counts the entry in: its chain, and the rows that go with it. */
static void
writer_put_entry(struct logd *logd, struct write_batch *b, const struct raft_entry *entry)
{
	struct raft_pos pos = {b->last.pos.index + 1, entry->term};
	b->last.chain = seal_chain(&b->last.chain, pos.index, entry);
	if (b->last.pos.term != entry->term || pos.index == b->before.index + 1)
		db_term_put(logd->db, &pos);
	if (entry->kind == RAFT_CONFIG)
		db_config_put(
		    logd->db, pos.index, raft_entry_data(entry), raft_entry_data_size(entry));
	b->last.pos = pos;
}

static void
writer_put_entries(struct logd *logd, struct write_batch *b, const struct writer_item *item)
{
	struct raft_hash chains[DB_RUN];
	for (size_t i = 0, run; i < item->count; i += run) {
		uint64_t index = b->last.pos.index + 1;
		run = min_u64(item->count - i, DB_RUN);
		for (size_t at = 0; at < run; at++) {
			writer_put_entry(logd, b, &item->entries[i + at]);
			chains[at] = b->last.chain;
		}
		db_log_put(logd->db, index, &item->entries[i], chains, run);
	}
}

/* The snapshot is the log from now on, all of it in this one transaction (§5.1). */
static void
writer_install(struct logd *logd, struct write_batch *b, const struct snapshot *snapshot)
{
	const struct snapshot_head *head = &snapshot->head;
	db_log_clear(logd->db);
	db_config_put(logd->db, head->pos.index, head->config.bytes, head->config.size);
	snapshot_put_beginning(logd, snapshot);
	b->state.truncations++;
	b->state.commit = head->pos;
	b->state.sessions_index = head->pos.index;
	b->before = head->pos;
	b->last = (struct raft_place){head->pos, head->chain};
	b->dropped = (struct db_before){0};
	b->sessions = false; /* it would be the former table */
}

static void
writer_put(struct logd *logd, struct write_batch *b, const struct writer_item *item)
{
	uint64_t end = item->truncate_after;
	if (item->install)
		writer_install(logd, b, item->install);
	if (item->truncate && end < b->last.pos.index) {
		db_log_cut(logd->db, end);
		verify_chain_at(logd, end, &b->last.chain);
		b->last.pos = (struct raft_pos){end, check_term_at(logd, b->items, end)};
		b->state.truncations++;
	}
	writer_put_entries(logd, b, item);
	b->state.term = item->term;
	b->state.vote = item->vote;
	if (item->recovered)
		txn_recovered(&b->state);
	b->number = item->number;
}

/* On a full disk only what is small goes on, and in order: up to the first entries. */
static bool
writer_has_room(const struct logd *logd, const struct writer_item *item)
{
	return logd->space.state != SPACE_FULL || logd->space.trial ||
	       (item->count == 0 && item->install == NULL);
}

/* The log is the snapshot's now. */
static void
absorb_install(struct logd *logd, struct snapshot *snapshot)
{
	const struct snapshot_head *head = &snapshot->head;
	index_add_config(&logd->rlog, head->pos.index, head->config.bytes, head->config.size);
	index_begin(&logd->rlog, &(struct raft_place){head->pos, head->chain}, head->level,
	    head->time, &head->contract, logd->rlog.configs_count - 1);
	logd->rlog.commit = head->pos;
	struct raft_sessions *table = snapshot_sessions(head);
	must(table != NULL);
	sessions_replace(&logd->sessions, table, head->pos.index);
	logd->compact_to = 0;
	log_info("install", "index=%" PRIu64 " term=%" PRIu64 " bytes=%" PRIu64, head->pos.index,
	    head->pos.term, head->file_size);
	changes_put(logd->server, "snapshot", "", "this node's log begins with it",
	    "state=received index=%" PRIu64 " bytes=%" PRIu64, head->pos.index, head->file_size);
	snapshots_take(logd, snapshot_ref(snapshot));
	snap_store_drop(logd);
}

/* What was written is now the log; each commit index is looked at in its place. */
static void
writer_absorb(struct logd *logd, const struct write_batch *b)
{
	for (size_t i = 0; i < b->items; i++) {
		const struct writer_item *item = RAFT_QUEUE_FIRST(&logd->writer.queue) + i;
		if (item->install)
			absorb_install(logd, item->install);
		if (item->truncate)
			index_cut(&logd->rlog, item->truncate_after);
		index_append(&logd->rlog, item->first_index, item->entries, item->count);
	}
	/* Last: an index of an entry that a later write of this batch removed again is not held. */
	for (size_t i = 0; i < b->items; i++) {
		const struct writer_item *item = RAFT_QUEUE_FIRST(&logd->writer.queue) + i;
		if (item->number == 0)
			writer_advance(logd, item->commit);
	}
}

/* The transaction of a turn.  False: the disk is full, and all of it waits as before. */
static bool
write_batch(struct logd *logd)
{
	struct writer *w = &logd->writer;
	struct write_batch b = {
	    .state = logd->state, .last = logd->rlog.last, .before = logd->rlog.before.pos};
	b.state.commit = logd->rlog.commit;
	/* What is stored must not need entries that go. */
	b.sessions = w->flush || sessions_due(&logd->sessions) ||
		     (compact_wanted(logd) && logd->state.sessions_index < logd->compact_to);
	db_begin(logd->db);
	/* First the old: an installation makes it void. */
	if (compact_wanted(logd))
		compact_put(logd, &b.dropped);
	for (; b.items < w->queue.count && !db_full(logd->db); b.items++) {
		const struct writer_item *item = RAFT_QUEUE_FIRST(&w->queue) + b.items;
		if (!writer_has_room(logd, item))
			break;
		if (item->number > 0)
			writer_put(logd, &b, item);
	}
	cursors_store(logd);
	if (b.sessions)
		sessions_store(logd, &b.state);
	if (!txn_commit(logd, &b.state, &b.last))
		return false;
	w->commit_due = false;
	if (b.sessions)
		sessions_stored(&logd->sessions);
	if (b.dropped.place.pos.index > 0)
		compact_done(logd, &b.dropped);
	writer_absorb(logd, &b);
	queue_drop(w, b.items);
	cursors_stored(logd);
	if (b.number > 0)
		elector_stored(logd, b.number);
	logd_tick_later(logd);
	return true;
}

static bool
writer_wanted(const struct logd *logd)
{
	const struct writer *w = &logd->writer;
	/* What SQLite has refused waits for the next try. */
	if (logd->space.refused && !logd->space.trial)
		return false;
	return w->commit_due || cursors_waiting(logd) || compact_wanted(logd) ||
	       (w->queue.count > 0 && writer_has_room(logd, RAFT_QUEUE_FIRST(&w->queue)));
}

void
writer_turn(struct logd *logd)
{
	if (!writer_wanted(logd))
		return;
	space_check(logd);
	if (!writer_wanted(logd))
		return;
	bool room = write_batch(logd);
	/* It takes a while, for which no acknowledgement waits: elector_stored has sent it. */
	if (room && db_wal_size(logd->db) >= DB_WAL_MAX)
		room = db_checkpoint(logd->db, false);
	space_found(logd, room);
}

bool
writer_unsettled(const struct logd *logd)
{
	return logd->rlog.commit.index > logd->state.commit.index ||
	       db_wal_size(logd->db) >= WAL_IDLE_MAX ||
	       logd->writer.stored != logd->state.transactions;
}

void
writer_tick(struct logd *logd)
{
	struct writer *w = &logd->writer;
	bool quiet = w->stored == logd->state.transactions;
	w->stored = logd->state.transactions;
	if (logd->space.refused) {
		/* The next turn tries again, if only with a small transaction. */
		logd->space.trial = true;
		w->commit_due = w->commit_due || w->queue.count == 0;
	} else if (quiet && logd->rlog.commit.index > logd->state.commit.index)
		w->commit_due = true;
	else if (quiet && db_wal_size(logd->db) >= WAL_IDLE_MAX)
		space_found(logd, db_checkpoint(logd->db, false));
}

void
writer_finish(struct logd *logd)
{
	logd->writer.flush = true;
	logd->writer.commit_due = true;
	logd->space.trial = true;
	writer_turn(logd);
	space_found(logd, db_checkpoint(logd->db, true));
	mark_sync(&logd->mark);
}
