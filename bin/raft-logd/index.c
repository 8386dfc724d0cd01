/* SPDX-License-Identifier: ISC */
/* The log in memory: runs of terms, configurations, the newest entries. */
#include "index.h"

#include <stdlib.h>
#include <string.h>

uint64_t
index_term_at(const struct log_index *rlog, uint64_t index)
{
	if (index == rlog->before.pos.index)
		return rlog->before.pos.term;
	if (index < rlog->before.pos.index || index > rlog->last.pos.index)
		return 0;
	/* Nearly always it is in one of the last runs. */
	for (size_t i = rlog->terms_count; i > 0; i--)
		if (rlog->terms[i - 1].index <= index)
			return rlog->terms[i - 1].term;
	return 0;
}

bool
index_holds(const struct log_index *rlog, struct raft_pos pos)
{
	return pos.index >= rlog->before.pos.index && pos.index <= rlog->last.pos.index &&
	       index_term_at(rlog, pos.index) == pos.term;
}

uint64_t
index_first_available(const struct log_index *rlog)
{
	return rlog->before.pos.index + 1;
}

void
index_add_term(struct log_index *rlog, struct raft_pos start)
{
	RAFT_GROW(rlog->terms, rlog->terms_room, rlog->terms_count + 1);
	rlog->terms[rlog->terms_count++] = start;
}

void
index_add_config(struct log_index *rlog, uint64_t index, const void *bytes, size_t size)
{
	RAFT_GROW(rlog->configs, rlog->configs_room, rlog->configs_count + 1);
	struct index_config *config = &rlog->configs[rlog->configs_count++];
	config->index = index;
	config->size = size;
	config->bytes = malloc(size ? size : 1);
	must(config->bytes != NULL);
	if (size > 0)
		memcpy(config->bytes, bytes, size);
}

void
index_add_rule(struct log_index *rlog, uint64_t index, const struct raft_entry *entry)
{
	if (entry->kind == RAFT_LEVEL) {
		RAFT_GROW(rlog->levels, rlog->levels_room, rlog->levels_count + 1);
		rlog->levels[rlog->levels_count++] =
		    (struct index_level){index, raft_entry_level(entry)};
	} else if (entry->kind == RAFT_CONTRACT) {
		RAFT_GROW(rlog->contracts, rlog->contracts_room, rlog->contracts_count + 1);
		rlog->contracts[rlog->contracts_count] = (struct raft_contract_at){0};
		raft_contract_apply(&rlog->contracts[rlog->contracts_count++], index, entry);
	}
}

uint64_t
index_level_at(const struct log_index *rlog, uint64_t index)
{
	uint64_t level = rlog->level;
	for (size_t i = 0; i < rlog->levels_count && rlog->levels[i].index <= index; i++)
		level = rlog->levels[i].level;
	return level;
}

const struct raft_contract_at *
index_contract_at(const struct log_index *rlog, uint64_t index)
{
	size_t at = rlog->contracts_count;
	while (at > 0 && rlog->contracts[at - 1].index > index)
		at--;
	return at > 0 ? &rlog->contracts[at - 1] : &rlog->contract;
}

static size_t
tail_size_of(const struct raft_entry *entry)
{
	return sizeof *entry + entry->size;
}

static void
tail_drop(struct log_tail *tail, const struct raft_entry *entry)
{
	tail->size -= tail_size_of(entry);
	raft_chunk_unref(entry->chunk);
}

void
index_append(
    struct log_index *rlog, uint64_t first_index, const struct raft_entry *entries, size_t count)
{
	struct log_tail *tail = &rlog->tail;
	if (count == 0)
		return;
	if (tail->entries.count == 0)
		tail->first_index = first_index;
	must(tail->first_index + tail->entries.count == first_index);
	for (size_t i = 0; i < count; i++) {
		const struct raft_entry *entry = &entries[i];
		if (rlog->terms_count == 0 ||
		    rlog->terms[rlog->terms_count - 1].term != entry->term)
			index_add_term(rlog, (struct raft_pos){first_index + i, entry->term});
		if (entry->kind == RAFT_CONFIG)
			index_add_config(rlog, first_index + i, raft_entry_data(entry),
			    raft_entry_data_size(entry));
		index_add_rule(rlog, first_index + i, entry);
		*RAFT_QUEUE_PUSH(&tail->entries) = *entry;
		raft_chunk_ref(entry->chunk);
		tail->size += tail_size_of(entry);
	}
	for (; tail->size > tail->size_max; tail->first_index++) {
		tail_drop(tail, RAFT_QUEUE_FIRST(&tail->entries));
		RAFT_QUEUE_DROP(&tail->entries, 1);
	}
}

void
index_cut(struct log_index *rlog, uint64_t index)
{
	struct log_tail *tail = &rlog->tail;
	while (rlog->terms_count > 0 && rlog->terms[rlog->terms_count - 1].index > index)
		rlog->terms_count--;
	while (rlog->configs_count > 0 && rlog->configs[rlog->configs_count - 1].index > index)
		free(rlog->configs[--rlog->configs_count].bytes);
	while (rlog->levels_count > 0 && rlog->levels[rlog->levels_count - 1].index > index)
		rlog->levels_count--;
	while (
	    rlog->contracts_count > 0 && rlog->contracts[rlog->contracts_count - 1].index > index)
		rlog->contracts_count--;
	while (tail->entries.count > 0 && tail->first_index + tail->entries.count - 1 > index) {
		tail->entries.count--;
		tail_drop(tail, RAFT_QUEUE_FIRST(&tail->entries) + tail->entries.count);
	}
}

const struct raft_entry *
index_tail(const struct log_index *rlog, uint64_t index, size_t *count)
{
	const struct log_tail *tail = &rlog->tail;
	if (index < tail->first_index || index >= tail->first_index + tail->entries.count)
		return NULL;
	size_t skip = (size_t)(index - tail->first_index);
	*count = tail->entries.count - skip;
	return RAFT_QUEUE_FIRST(&tail->entries) + skip;
}

/* An array that never had an item is NULL, which memmove does not take. */
static void
drop_first(void *items, size_t size, size_t *count, size_t dropped)
{
	*count -= dropped;
	if (*count > 0)
		memmove(items, (char *)items + dropped * size, *count * size);
}

/* What is in force there, and what comes after it. */
static void
compact_rules(struct log_index *rlog, uint64_t before)
{
	size_t level = 0, contract = 0;
	rlog->level = index_level_at(rlog, before);
	rlog->contract = *index_contract_at(rlog, before);
	while (level < rlog->levels_count && rlog->levels[level].index <= before)
		level++;
	drop_first(rlog->levels, sizeof *rlog->levels, &rlog->levels_count, level);
	while (contract < rlog->contracts_count && rlog->contracts[contract].index <= before)
		contract++;
	drop_first(rlog->contracts, sizeof *rlog->contracts, &rlog->contracts_count, contract);
}

void
index_compact(struct log_index *rlog, const struct raft_place *before, uint64_t time)
{
	size_t old = 0, config = index_config_at(rlog, before->pos.index);
	while (old < rlog->terms_count && rlog->terms[old].index <= before->pos.index)
		old++;
	/* The run that goes on begins where the log does. */
	if (old > 0 && before->pos.index < rlog->last.pos.index &&
	    (old == rlog->terms_count || rlog->terms[old].index > before->pos.index + 1))
		rlog->terms[--old].index = before->pos.index + 1;
	drop_first(rlog->terms, sizeof *rlog->terms, &rlog->terms_count, old);
	for (size_t i = 0; i < config; i++)
		free(rlog->configs[i].bytes);
	drop_first(rlog->configs, sizeof *rlog->configs, &rlog->configs_count, config);
	compact_rules(rlog, before->pos.index);
	rlog->time = time;
	rlog->before = *before;
}

void
index_clear(struct log_index *rlog)
{
	index_cut(rlog, 0);
	rlog->terms_count = 0;
	while (rlog->configs_count > 0)
		free(rlog->configs[--rlog->configs_count].bytes);
}

void
index_begin(struct log_index *rlog, const struct raft_place *before, uint64_t level, uint64_t time,
    const struct raft_contract_at *contract, size_t config)
{
	struct index_config kept = rlog->configs[config];
	rlog->configs[config].bytes = NULL;
	index_clear(rlog);
	kept.index = before->pos.index;
	rlog->configs[rlog->configs_count++] = kept;
	rlog->before = *before;
	rlog->level = level;
	rlog->time = time;
	rlog->contract = *contract;
}

size_t
index_config_at(const struct log_index *rlog, uint64_t index)
{
	size_t at = rlog->configs_count;
	must(at > 0);
	while (at > 1 && rlog->configs[at - 1].index > index)
		at--;
	return at - 1;
}
