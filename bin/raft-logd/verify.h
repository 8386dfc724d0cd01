/* SPDX-License-Identifier: ISC */
/*
 * Reading the log: no row that fails its chain is ever handed out.
 *
 * SQLite returns a flipped bit in a row as good data.  So each row that is read
 * is hashed with the chain of the row before it and compared with its own.  On a
 * mismatch the good prefix becomes the log, `recovering` is stored with it, and
 * the process ends with EX_IOERR: the node is healed by its leader.
 */
#ifndef LOGD_VERIFY_H
#define LOGD_VERIFY_H

#include <stddef.h>
#include <stdint.h>

struct logd;
struct raft_hash;
struct wire_buf;

struct verify_limits {
	uint64_t upto; /* last index wanted, which the log holds */
	size_t count_max;
	size_t size_max; /* of the records; at least one comes */
};

/*
 * Appends the records from `from` on to out; how many came.  Does not return when one is damaged.
 */
size_t verify_read(
    struct logd *logd, uint64_t from, struct verify_limits limits, struct wire_buf *out);
/*
 * The chain at index, which the log holds, as the present transaction sees it.  Does not return on
 * damage.  In a transaction that has met a full disk the chain is unknown, and of no use.
 */
void verify_chain_at(struct logd *logd, uint64_t index, struct raft_hash *chain);
/* The same, and the time in the last stamp up to there. */
void verify_row_at(struct logd *logd, uint64_t index, struct raft_hash *chain, uint64_t *time);
/* Reads the rows from `from` to the last, for their chain alone. */
void verify_rows(struct logd *logd, uint64_t from);

#endif
