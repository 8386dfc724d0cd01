/* SPDX-License-Identifier: ISC */
/* Rows and their chain; what is done when it is broken. */
#include "verify.h"

#include <inttypes.h>
#include <unistd.h>

#include "seal/seal.h"
#include "txn.h"
#include "logd.h"

enum { SLICE_COUNT = 4096, SLICE_SIZE = 1 << 20 };

/*
 * Whether the row's own chain is that of its record after `before`.  Does not return when it is,
 * and the entry is of a newer level: that is no damage, and no program of this level may change it.
 */
static bool
verify_fits(const struct logd *logd, const struct wire_buf *out, const struct db_row *row,
    const struct raft_hash *before)
{
	const struct wire_bytes record = {out->bytes + row->record, row->size};
	const struct raft_entry entry = {.bytes = record.bytes, .size = (uint32_t)record.size};
	struct raft_hash chain = seal_chain(before, row->index, &entry);
	char why[WIRE_NEWER_SIZE];
	if (!raft_hash_equal(&chain, &row->chain))
		return false;
	if (wire_entries_newer(record, 1, row->index, why))
		daemon_die(EXIT_CONFIG, "%s/log.db: %s", logd->daemon.conf->node.data, why);
	return true;
}

/* Opens a run at from; chain is set to that of the row before it, as the row has it. */
static bool
open_run(struct logd *logd, uint64_t from, struct raft_hash *chain)
{
	if (from == logd->rlog.before.pos.index + 1) {
		*chain = logd->rlog.before.chain;
		db_run_open(logd->db, from);
		return true;
	}
	struct wire_buf skipped = {0};
	struct db_row row;
	db_run_open(logd->db, from - 1);
	bool good = db_run_next(logd->db, &skipped, &row) == DB_OK && row.index == from - 1;
	if (good)
		*chain = row.chain;
	wire_buf_free(&skipped);
	return good;
}

/* The next row of an open run, if it is the one expected and whole; moves the chain on. */
static bool
next_row(struct logd *logd, uint64_t expected, struct raft_hash *chain, struct wire_buf *out,
    struct db_row *row)
{
	if (db_run_next(logd->db, out, row) != DB_OK || row->index != expected ||
	    !verify_fits(logd, out, row, chain))
		return false;
	*chain = row->chain;
	return true;
}

static bool
row_good(struct logd *logd, uint64_t index, struct raft_hash *chain, uint64_t *time)
{
	struct wire_buf out = {0};
	struct db_row row;
	bool good = open_run(logd, index, chain) && next_row(logd, index, chain, &out, &row);
	*time = logd->rlog.time;
	if (good)
		*time = max_u64(
		    *time, raft_entry_time(&(struct raft_entry){.bytes = out.bytes + row.record}));
	db_run_close(logd->db);
	wire_buf_free(&out);
	return good;
}

/* The log is cut behind the last good row before `bad`. */
_Noreturn static void
verify_damage(struct logd *logd, uint64_t bad)
{
	struct raft_place last;
	uint64_t good = bad - 1, time;
	db_run_close(logd->db);
	db_rollback(logd->db);
	if (good > logd->rlog.last.pos.index)
		good = logd->rlog.last.pos.index;
	while (good > logd->rlog.before.pos.index && !row_good(logd, good, &last.chain, &time))
		good--;
	if (good == logd->rlog.before.pos.index)
		last.chain = logd->rlog.before.chain;
	last.pos = (struct raft_pos){good, index_term_at(&logd->rlog, good)};
	log_error("damage", "bad=%" PRIu64 " last=%" PRIu64 " was=%" PRIu64 " why=%s", bad, good,
	    logd->rlog.last.pos.index,
	    log_q("an entry on disk fails its chain: what is before it is kept, this node recovers "
		  "from the leader"));
	txn_shorten_log(logd, &last);
	log_error("exit", "status=%d why=%s", (int)EXIT_IO,
	    log_q("a damaged entry was found in the log"));
	_exit(EXIT_IO);
}

size_t
verify_read(struct logd *logd, uint64_t from, struct verify_limits limits, struct wire_buf *out)
{
	struct raft_hash chain;
	size_t count = 0, start = out->size;
	must(from > logd->rlog.before.pos.index && from <= limits.upto);
	if (!open_run(logd, from, &chain))
		verify_damage(logd, from);
	while (count < limits.count_max && from + count <= limits.upto) {
		struct db_row row;
		size_t end = out->size;
		if (!next_row(logd, from + count, &chain, out, &row))
			verify_damage(logd, from + count);
		if (count > 0 && out->size - start > limits.size_max) {
			out->size = end;
			break;
		}
		count++;
	}
	db_run_close(logd->db);
	return count;
}

void
verify_row_at(struct logd *logd, uint64_t index, struct raft_hash *chain, uint64_t *time)
{
	*time = logd->rlog.time;
	if (index == logd->rlog.before.pos.index)
		*chain = logd->rlog.before.chain;
	else if (!row_good(logd, index, chain, time) && !db_full(logd->db))
		verify_damage(logd, index);
}

void
verify_chain_at(struct logd *logd, uint64_t index, struct raft_hash *chain)
{
	uint64_t time;
	verify_row_at(logd, index, chain, &time);
}

void
verify_rows(struct logd *logd, uint64_t from)
{
	struct wire_buf out = {0};
	while (from <= logd->rlog.last.pos.index) {
		struct verify_limits limits = {logd->rlog.last.pos.index, SLICE_COUNT, SLICE_SIZE};
		out.size = 0;
		from += verify_read(logd, from, limits, &out);
	}
	wire_buf_free(&out);
}
