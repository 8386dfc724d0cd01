/* SPDX-License-Identifier: ISC */
/* Bisecting by time, and counting back. */
#include "beginning.h"

bool
beginning_counts(const struct raft_entry *entry, uint64_t since_ms)
{
	return entry->kind == RAFT_CLIENT && raft_entry_time(entry) >= since_ms;
}

/* The last entry that is committed anywhere and asked for; 0: not known. */
static uint64_t
beginning_last_seen(const struct beginning *beginning)
{
	return min_u64(beginning->seen, beginning->to);
}

bool
beginning_catches_up(const struct beginning *beginning)
{
	return beginning->state == BEGINNING_ENDS && beginning->last > 0 &&
	       beginning->last < UINT64_MAX && beginning_last_seen(beginning) > 0 &&
	       !beginning->hurry;
}

void
beginning_catch_up_no_longer(struct beginning *beginning)
{
	beginning->hurry = true;
}

/* The entry whose time decides the next step of a bisection. */
static uint64_t
beginning_middle(const struct beginning *beginning)
{
	return beginning->begin + (beginning->end - beginning->begin) / 2;
}

struct msg_log_read
beginning_ask(const struct beginning *beginning)
{
	struct msg_log_read read = {.from = beginning->from, .count_max = 1, .wait = true};
	must(beginning->state != BEGINNING_FOUND);
	if (beginning->state == BEGINNING_BACK) {
		read.from = beginning->next;
		read.count_max = (uint32_t)min_u64(beginning->end - beginning->next, UINT32_MAX);
	} else if (beginning->state != BEGINNING_ENDS) {
		read.from = beginning_middle(beginning);
	} else if (beginning_catches_up(beginning)) {
		read.from = beginning_last_seen(beginning);
	} else {
		read.wait = false;
	}
	return read;
}

static void
beginning_found(struct beginning *beginning, bool all_needed)
{
	beginning->state = BEGINNING_FOUND;
	beginning->maybe_short = all_needed && beginning->low <= beginning->compacted_to;
}

/* The windows that are read to their end. */
static void
beginning_back(struct beginning *beginning)
{
	while (beginning->next == beginning->end && beginning->state == BEGINNING_BACK) {
		if (beginning->counted >= beginning->left) {
			beginning->low = beginning->begin;
			beginning->skip = beginning->counted - beginning->left;
			beginning_found(beginning, false);
		} else if (beginning->begin == beginning->low) {
			beginning_found(beginning, true);
		} else {
			beginning->left -= beginning->counted;
			beginning->counted = 0;
			beginning->end = beginning->begin;
			beginning->begin -= min_u64(beginning->end - beginning->low,
			    max_u64(beginning->window, beginning->left));
			beginning->next = beginning->begin;
			beginning->window *= 2;
		}
	}
}

/* Enters the states that come next, as far as they are at their end at once. */
static void
beginning_advance(struct beginning *beginning)
{
	bool counts = beginning->last < UINT64_MAX;
	if (beginning->state == BEGINNING_ENDS) {
		beginning->state = BEGINNING_SINCE;
		beginning->begin = beginning->low;
		beginning->end = beginning->since_ms > 0 ? beginning->high : beginning->low;
	}
	if (beginning->state == BEGINNING_SINCE && beginning->begin == beginning->end) {
		beginning->state = BEGINNING_UNTIL;
		beginning->low = beginning->begin;
		beginning->begin =
		    counts && beginning->until_ms < UINT64_MAX ? beginning->low : beginning->high;
		beginning->end = beginning->high;
	}
	if (beginning->state == BEGINNING_UNTIL && beginning->begin == beginning->end) {
		beginning->state = BEGINNING_BACK;
		beginning->high = beginning->next = beginning->end;
		beginning->left = beginning->last;
		beginning->window = BEGINNING_WINDOW;
		if (!counts)
			beginning_found(beginning, true);
	}
	beginning_back(beginning);
}

/* The first answer tells between which entries it is. */
static void
beginning_ends(struct beginning *beginning, const struct msg_log_entries *entries)
{
	uint64_t commit = entries->commit;
	if (beginning->last == 0)
		commit = max_u64(commit, beginning->seen);
	beginning->low = max_u64(beginning->from, entries->first_available);
	beginning->high = max_u64(beginning->low, min_u64(commit, beginning->to) + 1);
	if (beginning->low > beginning->from)
		beginning->compacted_to = beginning->low;
}

/* True when entries of the bisection or window were compacted away just now: it begins again. */
static bool
beginning_compacted(struct beginning *beginning, uint64_t first_available)
{
	if (first_available <= beginning->low)
		return false;
	beginning->compacted_to = first_available;
	beginning->low = min_u64(first_available, beginning->high);
	if (beginning->begin >= beginning->low)
		return false;
	beginning->begin = beginning->next = beginning->low;
	beginning->end = max_u64(beginning->end, beginning->low);
	beginning->counted = 0;
	return true;
}

static bool
beginning_narrow(struct beginning *beginning, const struct msg_log_entries *entries)
{
	struct raft_entry entry;
	uint64_t middle = beginning_middle(beginning);
	if (entries->first_index != middle ||
	    !raft_entry_decode(&entry, NULL, entries->entries.bytes, entries->entries.size))
		return false;
	bool before = beginning->state == BEGINNING_SINCE
			  ? raft_entry_time(&entry) < beginning->since_ms
			  : raft_entry_time(&entry) <= beginning->until_ms;
	if (before)
		beginning->begin = middle + 1;
	else
		beginning->end = middle;
	return true;
}

static bool
beginning_count(struct beginning *beginning, const struct msg_log_entries *entries)
{
	const uint8_t *at = entries->entries.bytes;
	size_t left = entries->entries.size;
	if (entries->first_index != beginning->next)
		return false;
	for (uint32_t i = 0; i < entries->count && beginning->next < beginning->end; i++) {
		struct raft_entry entry;
		if (!raft_entry_decode(&entry, NULL, at, left))
			return false;
		at += entry.size;
		left -= entry.size;
		if (beginning_counts(&entry, beginning->since_ms))
			beginning->counted++;
		beginning->next++;
	}
	return true;
}

bool
beginning_take(struct beginning *beginning, const struct msg_log_entries *entries)
{
	bool bisecting = beginning->state == BEGINNING_SINCE || beginning->state == BEGINNING_UNTIL;
	if (beginning->state == BEGINNING_ENDS)
		beginning_ends(beginning, entries);
	else if (!beginning_compacted(beginning, entries->first_available) &&
		 (entries->count == 0 || !(bisecting ? beginning_narrow(beginning, entries)
						     : beginning_count(beginning, entries))))
		return false;
	beginning_advance(beginning);
	return true;
}
