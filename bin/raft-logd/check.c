/* SPDX-License-Identifier: ISC */
/* The rules of a write: Figure 3.1 of the thesis, and our own numbering. */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>

#include "logd.h"

#define REFUSE(...) return snprintf(why, CHECK_WHY_SIZE, __VA_ARGS__), false

uint64_t
check_term_at(const struct logd *logd, size_t items, uint64_t index)
{
	for (size_t i = items; i > 0; i--) {
		const struct writer_item *item = RAFT_QUEUE_FIRST(&logd->writer.queue) + i - 1;
		if (item->count > 0 && index >= item->first_index)
			return index - item->first_index < item->count
				   ? item->entries[index - item->first_index].term
				   : 0;
		if (item->truncate && index > item->truncate_after)
			return 0;
		if (item->install)
			return index == item->install->head.pos.index ? item->install->head.pos.term
								      : 0;
	}
	return index_term_at(&logd->rlog, index);
}

/* Term and vote (§3.4): the term never falls, and a vote once given stays. */
static bool
check_term(const struct writer *w, const struct writer_item *item, char *why)
{
	if (item->number <= w->number)
		REFUSE("write %" PRIu64 " comes after write %" PRIu64 ": the numbers must rise",
		    item->number, w->number);
	if (item->term < w->term || item->term > INT64_MAX)
		REFUSE("term %" PRIu64 " after term %" PRIu64 ": a term never falls", item->term,
		    w->term);
	if (item->term == w->term && !raft_id_none(&w->vote) &&
	    !raft_id_equal(&item->vote, &w->vote))
		REFUSE("the vote of term %" PRIu64 " is %s and cannot become %s", w->term,
		    w->vote.s, raft_id_none(&item->vote) ? "none" : item->vote.s);
	return true;
}

/* Where the log will end before the entries are added. */
static uint64_t
end_before(const struct writer *w, const struct writer_item *item)
{
	if (item->install)
		return item->install->head.pos.index;
	return item->truncate && item->truncate_after < w->last.index ? item->truncate_after
								      : w->last.index;
}

static bool
check_write_entries(const struct logd *logd, const struct writer_item *item, char *why)
{
	uint64_t end = end_before(&logd->writer, item);
	uint64_t term = item->install ? item->install->head.pos.term
				      : check_term_at(logd, logd->writer.queue.count, end);
	if (item->count > 0 && item->first_index != end + 1)
		REFUSE("entries from %" PRIu64 " on, where the log ends at %" PRIu64,
		    item->first_index, end);
	for (uint32_t i = 0; i < item->count; i++) {
		const struct raft_entry *entry = &item->entries[i];
		struct raft_config config;
		if (entry->term < term || entry->term > item->term || entry->term == 0)
			REFUSE("entry %" PRIu64 " is of term %" PRIu64
			       ", between an entry of term %" PRIu64
			       " and the present term %" PRIu64,
			    item->first_index + i, entry->term, term, item->term);
		if (entry->kind == RAFT_CONFIG &&
		    !raft_config_decode(
			&config, raft_entry_data(entry), raft_entry_data_size(entry)))
			REFUSE("entry %" PRIu64 " is a malformed configuration",
			    item->first_index + i);
		term = entry->term;
	}
	return true;
}

static bool
check_install(const struct logd *logd, const struct writer_item *item, char *why)
{
	if (item->install == NULL)
		REFUSE("there is no whole snapshot of index %" PRIu64 " to install",
		    item->truncate_after);
	if (item->truncate)
		REFUSE("an installation and a truncation in one write");
	if (item->install->head.pos.index <= logd->rlog.commit.index)
		REFUSE("a snapshot of index %" PRIu64 ", where %" PRIu64 " is committed",
		    item->truncate_after, logd->rlog.commit.index);
	if (item->install->head.pos.term > item->term)
		REFUSE("a snapshot of term %" PRIu64 " in term %" PRIu64,
		    item->install->head.pos.term, item->term);
	return true;
}

bool
check_write(const struct logd *logd, const struct writer_item *item, bool install, char *why)
{
	if (!check_term(&logd->writer, item, why) || (install && !check_install(logd, item, why)))
		return false;
	if (item->truncate && item->truncate_after < logd->rlog.commit.index)
		REFUSE("a truncation after %" PRIu64 ", where %" PRIu64 " is committed",
		    item->truncate_after, logd->rlog.commit.index);
	return check_write_entries(logd, item, why);
}

void
check_plan(struct writer *w, const struct writer_item *item)
{
	w->number = item->number;
	w->term = item->term;
	w->vote = item->vote;
	w->last.index = end_before(w, item) + item->count;
}
