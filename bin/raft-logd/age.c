/* SPDX-License-Identifier: ISC */
/* The age limit: a time that moves in steps, and the search for it in the log. */
#include "age.h"

#include "logd.h"
#include "verify.h"

/* The limit moves in this number of steps over logd.keep_for, so that searches and removals are
 * rare. */
enum { AGE_STEPS = 64 };

/* 0: the entry has no stamp, or its time is not known. */
static uint64_t
age_time_at(struct logd *logd, uint64_t index)
{
	size_t count;
	const struct raft_entry *entry = index_tail(&logd->rlog, index, &count);
	struct raft_hash chain;
	uint64_t time;
	if (entry)
		return raft_entry_time(entry);
	verify_row_at(logd, index, &chain, &time);
	return time;
}

/* Entries before this time are old; 0: none is. */
static uint64_t
age_edge(struct logd *logd)
{
	uint64_t keep = logd->daemon.conf->logd.keep_for_ms;
	uint64_t now = min_u64(wall_ms(), age_time_at(logd, logd->rlog.commit.index));
	if (now <= keep)
		return 0;
	return (now - keep) - (now - keep) % (keep / AGE_STEPS + 1);
}

/* Times never decrease along the log, and the newest committed entry is not old. */
static uint64_t
age_search(struct logd *logd, uint64_t edge_ms)
{
	uint64_t low = logd->rlog.before.pos.index, high = logd->rlog.commit.index;
	while (high > low + 1) {
		uint64_t middle = low + (high - low) / 2;
		if (age_time_at(logd, middle) < edge_ms)
			low = middle;
		else
			high = middle;
	}
	/* Without a stamp it is no older than the entry after it, which is not old. */
	return low > logd->rlog.before.pos.index && age_time_at(logd, low) == 0 ? 0 : low;
}

uint64_t
age_upto(struct logd *logd)
{
	struct age *age = &logd->age;
	uint64_t edge_ms = age_edge(logd);
	if (edge_ms == 0)
		return 0;
	if (edge_ms != age->edge_ms)
		*age = (struct age){edge_ms, age_search(logd, edge_ms)};
	return age->index;
}
