/* SPDX-License-Identifier: ISC */
/*
 * Compaction: entries that the newest snapshot stands for go, in slices within the ordinary
 * transactions, so that no append ever waits for it.
 *
 * Kept are logd.keep_tail bytes for slow followers, what a cursor has not passed, and what
 * somebody who reads a snapshot will need after it; all this up to logd.keep.
 */
#ifndef LOGD_COMPACT_H
#define LOGD_COMPACT_H

#include "db.h"

struct logd;

/* Once a second, and when there is a new snapshot: how far to go; an empty snapshot when `keep`
 * demands it. */
void compact_plan(struct logd *logd);
bool compact_wanted(const struct logd *logd);
/* Within a transaction: removes a slice.  *before: the log's beginning once it is durable. */
void compact_put(struct logd *logd, struct db_before *before);
/* It is durable. */
void compact_done(struct logd *logd, const struct db_before *before);

#endif
