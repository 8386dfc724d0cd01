/* SPDX-License-Identifier: ISC */
/* The log in memory (rlog.c).  A part of core.h. */
#ifndef RAFT_RLOG_H
#define RAFT_RLOG_H

#include "array.h"
#include "raft.h"

/*
 * The Raft log: the terms of all entries as run starts, the entries themselves
 * only at the tail, and the configurations that may still matter.
 */
struct raft_rlog {
	struct raft_pos before;
	uint64_t last;
	struct raft_term_start *runs;
	size_t runs_count;
	size_t runs_size;
	RAFT_QUEUE(struct raft_entry) tail; /* indexes tail_first .. last */
	uint64_t tail_time;                 /* of the last entry below tail_first that has one */
	uint64_t tail_first;
	uint64_t tail_bytes;
	struct raft_config_at *configs; /* the one in force at commit, then those above */
	size_t configs_count;
	size_t configs_size;
};

void raft_rlog_init(struct raft_rlog *log, const struct raft_start *start);
void raft_rlog_free(struct raft_rlog *log);
struct raft_pos raft_rlog_last(const struct raft_rlog *log);
bool raft_rlog_term_at(const struct raft_rlog *log, uint64_t index, uint64_t *term);
/* Before: before.index <= index <= last. */
struct raft_pos raft_rlog_pos(const struct raft_rlog *log, uint64_t index);
/* The highest place at or below pos.index whose term is at most pos.term; `before` at the least. */
struct raft_pos raft_rlog_agree(const struct raft_rlog *log, struct raft_pos pos);
/* Takes its own reference of the chunk. */
void raft_rlog_append(struct raft_rlog *log, const struct raft_entry *entry);
/* Removes all above `after`; the bytes that went. */
uint64_t raft_rlog_truncate(struct raft_rlog *log, uint64_t after);
/* The log begins after this place, which it holds. */
void raft_rlog_compact(struct raft_rlog *log, struct raft_pos before);
/* The log is empty, and begins after this place with this configuration and time. */
void raft_rlog_reset(
    struct raft_rlog *log, struct raft_pos before, const struct raft_config *config, uint64_t time);
/* The time in the last stamp of the log; 0: there is none. */
uint64_t raft_rlog_time(const struct raft_rlog *log);
/* Drops the oldest entries from memory, none above `keep_after`, until at most bytes_max remain. */
void raft_rlog_trim(struct raft_rlog *log, uint64_t keep_after, uint64_t bytes_max);
/* NULL when it is not in memory. */
const struct raft_entry *raft_rlog_entry(const struct raft_rlog *log, uint64_t index);
/* The configuration in force: the last one, committed or not (§4.1). */
const struct raft_config_at *raft_rlog_config(const struct raft_rlog *log);
void raft_rlog_configs_committed(struct raft_rlog *log, uint64_t commit);

#endif
