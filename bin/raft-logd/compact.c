/* SPDX-License-Identifier: ISC */
/* How far the log's beginning may go, and going there. */
#include "compact.h"

#include <inttypes.h>

#include "seal/seal.h"
#include "snap_take.h"
#include "logd.h"
#include "verify.h"

enum {
	SLICE_COUNT = 1000,
	CUT_MIN = 1024 /* `keep` cuts at least so many at once */
};

/* Snapshots that are being sent, and the cursors of this node and of the cluster, need what is
 * after it; `keep` alone is stronger. */
static uint64_t
compact_held(const struct logd *logd)
{
	uint64_t cursors =
	    min_u64(db_cursor_least(logd->db), raft_sessions_position_least(logd->sessions.table));
	return min_u64(snapshots_pinned(logd), cursors);
}

/* Up to here nobody needs the entries, or `keep` leaves no choice. */
static uint64_t
compact_allowed(const struct logd *logd, bool forced)
{
	const struct snapshot *newest = logd->snapshots.newest;
	uint64_t upto = newest && snapshot_intact(newest) ? newest->head.pos.index : 0;
	if (forced)
		return upto;
	return min_u64(upto, compact_held(logd));
}

/* The largest log whose entry at index stays. */
static uint64_t
compact_size(const struct logd *logd, uint64_t index)
{
	const struct conf *conf = logd->daemon.conf;
	bool young = conf->logd.keep_for_ms > 0 && index > logd->age.index;
	return young || index > compact_held(logd) ? conf->logd.keep : conf->logd.keep_tail;
}

/* Where there are machines, only a snapshot stands for entries; else their age is enough. */
static bool
compact_without_snapshot(const struct logd *logd)
{
	const struct snapshot *newest = logd->snapshots.newest;
	const struct log_index *rlog = &logd->rlog;
	const struct conf *conf = logd->daemon.conf;
	bool machine = (conf->fsm.present && conf->fsm.mode == CONF_MACHINE) ||
		       index_contract_at(rlog, rlog->commit.index)->index > 0;
	return conf->logd.keep_for_ms > 0 && !machine && (newest == NULL || !newest->file[0]);
}

/* No snapshot is needed: old entries are cut, as far as pins and cursors allow. */
static void
compact_cut_old(struct logd *logd, uint64_t aged)
{
	const struct snapshot *newest = logd->snapshots.newest;
	uint64_t upto = min_u64(aged, compact_held(logd));
	if (upto > (newest ? newest->head.pos.index : 0))
		snap_take_cut(logd, upto);
}

/* Nothing stands for the oldest entries, and the log is too large: they are cut all the same. */
static void
compact_cut(struct logd *logd)
{
	struct log_index *rlog = &logd->rlog;
	uint64_t tenth = (rlog->last.pos.index - rlog->before.pos.index) / 10;
	uint64_t index = rlog->before.pos.index + (tenth > CUT_MIN ? tenth : CUT_MIN);
	if (index >= rlog->commit.index)
		return;
	if (!logd->snapshots.warned)
		log_warn("keep", "keep=%" PRIu64 " first=%" PRIu64 " why=%s",
		    logd->daemon.conf->logd.keep, index + 1,
		    log_q("the log is larger than logd.keep and there is no snapshot: its oldest "
			  "entries are cut"));
	logd->snapshots.warned = true;
	snap_take_cut(logd, index);
}

void
compact_plan(struct logd *logd)
{
	const struct conf *conf = logd->daemon.conf;
	uint64_t used = db_used_size(logd->db);
	bool forced = used > conf->logd.keep;
	uint64_t upto = compact_allowed(logd, forced);
	uint64_t before = logd->rlog.before.pos.index;
	uint64_t aged = conf->logd.keep_for_ms > 0 ? age_upto(logd) : UINT64_MAX;
	uint64_t to = forced ? upto : min_u64(upto, aged);
	logd->compact_to = 0;
	if (to > before && used > conf->logd.keep_tail)
		logd->compact_to = to;
	else if (forced && to <= before)
		compact_cut(logd);
	else if (aged > before && used > conf->logd.keep_tail && compact_without_snapshot(logd))
		compact_cut_old(logd, aged);
	if (logd->compact_to > 0)
		logd_turn_again(logd);
}

bool
compact_wanted(const struct logd *logd)
{
	return logd->compact_to > logd->rlog.before.pos.index && logd->space.state != SPACE_FULL;
}

void
compact_put(struct logd *logd, struct db_before *before)
{
	const struct log_index *rlog = &logd->rlog;
	uint64_t index = min_u64(logd->compact_to, rlog->before.pos.index + SLICE_COUNT);
	const struct index_config *config = &rlog->configs[index_config_at(rlog, index)];
	struct db_before row = {.place.pos = {index, index_term_at(rlog, index)},
	    .level = index_level_at(rlog, index),
	    .contract = *index_contract_at(rlog, index)};
	struct raft_pos next = {index + 1, index_term_at(rlog, index + 1)};
	row.config = seal_hash(&(struct seal_part){config->bytes, config->size}, 1);
	verify_row_at(logd, index, &row.place.chain, &row.time);
	db_log_drop(logd->db, index, config->index);
	if (next.term == row.place.pos.term && index < rlog->last.pos.index)
		db_term_put(logd->db, &next);
	db_before_put(logd->db, &row);
	*before = row;
}

struct compact_cut {
	uint64_t from, to; /* the place before the first entry, before the cut and after it */
};

static bool
compact_warn_cursor(const struct raft_session *session, void *arg)
{
	const struct compact_cut *cut = arg;
	if (session->cursor && session->position >= cut->from && session->position < cut->to)
		log_warn("cursor", "cursor=%s position=%" PRIu64 " first=%" PRIu64 " why=%s",
		    log_q(session->name), session->position, cut->to + 1,
		    log_q("the log is larger than logd.keep: entries that the consumer of this "
			  "cursor has not taken are removed from this node"));
	return true;
}

/* Once for each cursor: of those before it the former entries went earlier. */
static void
compact_warn(const struct logd *logd, const struct compact_cut *cut)
{
	if (raft_sessions_position_least(logd->sessions.table) < cut->to)
		raft_sessions_each(logd->sessions.table, compact_warn_cursor, (void *)cut);
}

void
compact_done(struct logd *logd, const struct db_before *before)
{
	compact_warn(
	    logd, &(struct compact_cut){logd->rlog.before.pos.index, before->place.pos.index});
	logd->snapshots.compacted += before->place.pos.index - logd->rlog.before.pos.index;
	index_compact(&logd->rlog, &before->place, before->time);
	elector_before(logd);
	if (db_used_size(logd->db) <= compact_size(logd, before->place.pos.index + 1))
		logd->compact_to = 0;
	if (compact_wanted(logd))
		logd_turn_again(logd);
	else
		log_info("compact", "first=%" PRIu64 " entries=%" PRIu64,
		    index_first_available(&logd->rlog), logd->snapshots.compacted);
}
