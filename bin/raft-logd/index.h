/* SPDX-License-Identifier: ISC */
/*
 * What raft-logd knows of its durable log without asking the database: where it
 * ends, its chain there, the runs of terms, the configurations, what is committed, and the newest
 * entries, so that whoever follows the log needs no disk.
 * Everything here is durable, but for the commit index, which may be ahead of what is stored.
 */
#ifndef LOGD_INDEX_H
#define LOGD_INDEX_H

#include "raft/array.h"
#include "raft/contract.h"

struct index_config {
	uint64_t index;
	size_t size;
	uint8_t *bytes;
};

struct index_level {
	uint64_t index;
	uint64_t level;
};

struct log_tail {
	RAFT_QUEUE(struct raft_entry) entries; /* gapless; each holds a reference of its chunk */
	uint64_t first_index;
	size_t size; /* bytes of the records, and of their places in `entries` */
	size_t size_max;
};

struct log_index {
	struct raft_place before; /* the log begins after it; the first chain is a cluster id */
	struct raft_place last;
	uint64_t level;                   /* in force at `before` */
	uint64_t time;                    /* in the last stamp up to `before`; 0: none */
	struct raft_contract_at contract; /* in force at `before` */
	struct raft_pos commit;
	struct raft_pos *terms; /* where each run of one term begins */
	size_t terms_count;
	size_t terms_room;
	struct index_config *configs; /* rising; the first one is in force at `before` */
	size_t configs_count;
	size_t configs_room;
	struct index_level *levels; /* rising: the LEVEL entries of the log */
	size_t levels_count;
	size_t levels_room;
	struct raft_contract_at *contracts; /* rising: the CONTRACT entries of the log */
	size_t contracts_count;
	size_t contracts_room;
	struct log_tail tail;
};

/* The term of the entry at index; 0 when the log does not hold it (and at index 0). */
uint64_t index_term_at(const struct log_index *rlog, uint64_t index);
/* Whether the log holds that very entry. */
bool index_holds(const struct log_index *rlog, struct raft_pos pos);
uint64_t index_first_available(const struct log_index *rlog);

void index_add_term(struct log_index *rlog, struct raft_pos start);
/* Takes the entry in, if it is of kind LEVEL or CONTRACT. */
void index_add_rule(struct log_index *rlog, uint64_t index, const struct raft_entry *entry);
/* The level in force at index. */
uint64_t index_level_at(const struct log_index *rlog, uint64_t index);
/* The contract in force at index. */
const struct raft_contract_at *index_contract_at(const struct log_index *rlog, uint64_t index);
void index_add_config(struct log_index *rlog, uint64_t index, const void *bytes, size_t size);
/*
 * first_index is the one after the last in the tail, unless the tail is empty.  The oldest entries
 * of the tail go when there are too many.  The caller sets last.
 */
void index_append(
    struct log_index *rlog, uint64_t first_index, const struct raft_entry *entries, size_t count);
/* Removes all above index; the caller sets last. */
void index_cut(struct log_index *rlog, uint64_t index);
/* The log begins after this place, which it holds, and at which its time is this. */
void index_compact(struct log_index *rlog, const struct raft_place *before, uint64_t time);
/*
 * The log is empty and begins after this place, at which its level, time and contract are these; of
 * the configurations only number `config` is left.
 */
void index_begin(struct log_index *rlog, const struct raft_place *before, uint64_t level,
    uint64_t time, const struct raft_contract_at *contract, size_t config);
void index_clear(struct log_index *rlog);
/* The entries from index on, side by side; NULL when the tail does not have it. */
const struct raft_entry *index_tail(const struct log_index *rlog, uint64_t index, size_t *count);
/* Place in configs of the one in force at index. */
size_t index_config_at(const struct log_index *rlog, uint64_t index);

#endif
