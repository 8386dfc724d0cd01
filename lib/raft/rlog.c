/* SPDX-License-Identifier: ISC */
/*
 * The Raft log in memory: the terms of all its entries as the starts of their
 * runs, the entries themselves at the tail only, and the configurations.
 *
 * All that is uncommitted or not yet durable is always in the tail; of the rest
 * as much as raft_rlog_trim leaves, for peers that lag a little.  The tail is one
 * array, so that writes and messages are slices of it.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ terms */

static void
runs_append(struct raft_rlog *log, uint64_t index, uint64_t term)
{
	if (log->runs_count > 0 && log->runs[log->runs_count - 1].term == term)
		return;
	must(log->runs_count == 0 || log->runs[log->runs_count - 1].index < index);
	must(log->runs_count == 0 || log->runs[log->runs_count - 1].term < term);
	RAFT_GROW(log->runs, log->runs_size, log->runs_count + 1);
	log->runs[log->runs_count++] = (struct raft_term_start){index, term};
}

/* The run that holds index: the last one that starts at or below it.  Before: there is one. */
static size_t
runs_find(const struct raft_rlog *log, uint64_t index)
{
	size_t low = 0;
	size_t high = log->runs_count;

	must(high > 0);
	if (log->runs[high - 1].index <= index)
		return high - 1;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (log->runs[middle].index <= index)
			low = middle;
		else
			high = middle;
	}
	must(log->runs[low].index <= index);
	must(log->runs[low + 1].index > index);
	return low;
}

struct raft_pos
raft_rlog_last(const struct raft_rlog *log)
{
	return raft_rlog_pos(log, log->last);
}

bool
raft_rlog_term_at(const struct raft_rlog *log, uint64_t index, uint64_t *term)
{
	if (index < log->before.index || index > log->last)
		return false;
	*term =
	    index == log->before.index ? log->before.term : log->runs[runs_find(log, index)].term;
	return true;
}

struct raft_pos
raft_rlog_pos(const struct raft_rlog *log, uint64_t index)
{
	struct raft_pos pos = {index, 0};
	bool known = raft_rlog_term_at(log, index, &pos.term);

	must(known);
	return pos;
}

struct raft_pos
raft_rlog_agree(const struct raft_rlog *log, struct raft_pos pos)
{
	uint64_t index = pos.index < log->last ? pos.index : log->last;

	must(log->before.index <= log->last);
	while (index > log->before.index) {
		size_t run = runs_find(log, index);

		if (log->runs[run].term <= pos.term)
			return (struct raft_pos){index, log->runs[run].term};
		index = log->runs[run].index - 1;
	}
	return log->before;
}

/* ------------------------------------------------------------- tail */

static void
configs_append(struct raft_rlog *log, uint64_t index, const struct raft_entry *entry)
{
	struct raft_config_at *at;
	bool valid;

	RAFT_GROW(log->configs, log->configs_size, log->configs_count + 1);
	must(log->configs_count == 0 || log->configs[log->configs_count - 1].index < index);
	at = &log->configs[log->configs_count++];
	at->index = index;
	valid =
	    raft_config_decode(&at->config, raft_entry_data(entry), raft_entry_data_size(entry));
	must(valid);
}

/* The tail's part of an append: all that an entry of the start, too, needs. */
static void
tail_append(struct raft_rlog *log, const struct raft_entry *entry)
{
	must(entry->size >= RAFT_ENTRY_HEADER_SIZE);
	*RAFT_QUEUE_PUSH(&log->tail) = *entry;
	log->tail_bytes += entry->size;
	raft_chunk_ref(entry->chunk);
}

void
raft_rlog_append(struct raft_rlog *log, const struct raft_entry *entry)
{
	must(entry->term >= raft_rlog_last(log).term);
	must(entry->term > 0);
	log->last++;
	runs_append(log, log->last, entry->term);
	tail_append(log, entry);
	if (entry->kind == RAFT_CONFIG)
		configs_append(log, log->last, entry);
	must(log->runs[log->runs_count - 1].term == entry->term);
	must(log->tail_first + log->tail.count == log->last + 1);
}

uint64_t
raft_rlog_truncate(struct raft_rlog *log, uint64_t after)
{
	uint64_t bytes = 0;

	must(after >= log->before.index);
	must(after + 1 >= log->tail_first);
	must(after <= log->last);
	while (log->last > after) {
		struct raft_entry *entry = &RAFT_QUEUE_FIRST(&log->tail)[--log->tail.count];

		bytes += entry->size;
		raft_chunk_unref(entry->chunk);
		log->last--;
	}
	log->tail_bytes -= bytes;
	while (log->runs_count > 0 && log->runs[log->runs_count - 1].index > after)
		log->runs_count--;
	while (log->configs_count > 0 && log->configs[log->configs_count - 1].index > after)
		log->configs_count--;
	must(log->configs_count > 0);
	must(log->runs_count > 0 || log->last == log->before.index);
	must((log->tail.count == 0) == (log->tail_bytes == 0));
	return bytes;
}

void
raft_rlog_trim(struct raft_rlog *log, uint64_t keep_after, uint64_t bytes_max)
{
	struct raft_entry dropped = {0};

	while (
	    log->tail_bytes > bytes_max && log->tail.count > 0 && log->tail_first <= keep_after) {
		raft_chunk_unref(dropped.chunk);
		dropped = *RAFT_QUEUE_FIRST(&log->tail);
		log->tail_bytes -= dropped.size;
		RAFT_QUEUE_DROP(&log->tail, 1);
		log->tail_first++;
	}
	/* Only of the last one: the records have left the processor's cache long ago. */
	if (dropped.size > 0)
		log->tail_time = max_u64(log->tail_time, raft_entry_time(&dropped));
	raft_chunk_unref(dropped.chunk);
	must((log->tail.count == 0) == (log->tail_bytes == 0));
	must(log->tail_first + log->tail.count == log->last + 1);
}

void
raft_rlog_compact(struct raft_rlog *log, struct raft_pos before)
{
	size_t old = 0;

	must(before.index >= log->before.index);
	must(before.index <= log->last);
	while (old + 1 < log->runs_count && log->runs[old + 1].index <= before.index + 1)
		old++;
	log->runs_count -= old;
	memmove(log->runs, log->runs + old, log->runs_count * sizeof *log->runs);
	raft_rlog_trim(log, before.index, 0);
	log->before = before;
	must(log->runs_count < 2 || log->runs[1].index > before.index + 1);
	must(log->tail_first > before.index);
}

void
raft_rlog_reset(
    struct raft_rlog *log, struct raft_pos before, const struct raft_config *config, uint64_t time)
{
	raft_rlog_trim(log, log->last, 0);
	must(log->tail.count == 0);
	must(log->tail_bytes == 0);
	log->runs_count = 0;
	log->before = before;
	log->last = before.index;
	log->tail_first = before.index + 1;
	log->tail_time = time;
	log->configs_count = 1;
	log->configs[0].index = before.index;
	log->configs[0].config = *config;
}

const struct raft_entry *
raft_rlog_entry(const struct raft_rlog *log, uint64_t index)
{
	if (index < log->tail_first || index > log->last)
		return NULL;
	must(index - log->tail_first < log->tail.count);
	return &RAFT_QUEUE_FIRST(&log->tail)[index - log->tail_first];
}

/* Stamps once begun never stop (raft_stamps_wanted), so the last entry has one, or none has. */
uint64_t
raft_rlog_time(const struct raft_rlog *log)
{
	const struct raft_entry *last = raft_rlog_entry(log, log->last);

	return last != NULL && raft_entry_stamped(last) ? raft_entry_time(last) : log->tail_time;
}

/* --------------------------------------------------- configurations */

const struct raft_config_at *
raft_rlog_config(const struct raft_rlog *log)
{
	must(log->configs_count > 0);
	return &log->configs[log->configs_count - 1];
}

void
raft_rlog_configs_committed(struct raft_rlog *log, uint64_t commit)
{
	size_t old = 0;

	while (old + 1 < log->configs_count && log->configs[old + 1].index <= commit)
		old++;
	if (old == 0)
		return;
	log->configs_count -= old;
	memmove(log->configs, log->configs + old, log->configs_count * sizeof *log->configs);
	must(log->configs[0].index <= commit);
	must(log->configs_count == 1 || log->configs[1].index > commit);
}

/* ------------------------------------------------------ start, end */

void
raft_rlog_init(struct raft_rlog *log, const struct raft_start *start)
{
	must(start->configs_count > 0);
	must(start->entries_count == start->last.index - start->commit.index);
	memset(log, 0, sizeof *log);
	log->before = start->before;
	log->last = start->last.index;
	log->tail_first = start->commit.index + 1;
	log->tail_time = start->time;
	for (size_t i = 0; i < start->terms_count; i++)
		runs_append(log, start->terms[i].index, start->terms[i].term);
	must(log->last == log->before.index || log->runs_count > 0);
	must(raft_rlog_last(log).term == start->last.term);
	for (size_t i = 0; i < start->entries_count; i++)
		tail_append(log, &start->entries[i]);
	RAFT_GROW(log->configs, log->configs_size, start->configs_count);
	memcpy(log->configs, start->configs, start->configs_count * sizeof *log->configs);
	log->configs_count = start->configs_count;
}

void
raft_rlog_free(struct raft_rlog *log)
{
	for (size_t i = 0; i < log->tail.count; i++)
		raft_chunk_unref(RAFT_QUEUE_FIRST(&log->tail)[i].chunk);
	free(log->tail.at);
	free(log->runs);
	free(log->configs);
}
