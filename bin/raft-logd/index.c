/* SPDX-License-Identifier: ISC */
/* The log as numbers: runs of terms, configurations, the end. */
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

bool
index_starts_term(const struct log_index *rlog, uint64_t term)
{
	return rlog->terms_count == 0 || rlog->terms[rlog->terms_count - 1].term != term;
}

void
index_add_term(struct log_index *rlog, struct raft_pos start)
{
	if (rlog->terms_count == rlog->terms_room) {
		rlog->terms_room = rlog->terms_room ? 2 * rlog->terms_room : 64;
		rlog->terms = realloc(rlog->terms, rlog->terms_room * sizeof *rlog->terms);
		must(rlog->terms != NULL);
	}
	rlog->terms[rlog->terms_count++] = start;
}

void
index_add_config(struct log_index *rlog, uint64_t index, const void *bytes, size_t size)
{
	if (rlog->configs_count == rlog->configs_room) {
		rlog->configs_room = rlog->configs_room ? 2 * rlog->configs_room : 16;
		rlog->configs = realloc(rlog->configs, rlog->configs_room * sizeof *rlog->configs);
		must(rlog->configs != NULL);
	}
	struct index_config *config = &rlog->configs[rlog->configs_count++];
	config->index = index;
	config->size = size;
	config->bytes = malloc(size ? size : 1);
	must(config->bytes != NULL);
	if (size > 0)
		memcpy(config->bytes, bytes, size);
}

void
index_append(
    struct log_index *rlog, uint64_t first_index, const struct raft_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct raft_entry *entry = &entries[i];
		if (index_starts_term(rlog, entry->term))
			index_add_term(rlog, (struct raft_pos){first_index + i, entry->term});
		if (entry->kind == RAFT_CONFIG)
			index_add_config(rlog, first_index + i, raft_entry_data(entry),
			    raft_entry_data_size(entry));
	}
}

void
index_cut(struct log_index *rlog, uint64_t index)
{
	while (rlog->terms_count > 0 && rlog->terms[rlog->terms_count - 1].index > index)
		rlog->terms_count--;
	while (rlog->configs_count > 0 && rlog->configs[rlog->configs_count - 1].index > index)
		free(rlog->configs[--rlog->configs_count].bytes);
}

void
index_compact(struct log_index *rlog, const struct raft_place *before)
{
	size_t old = 0, config = index_config_at(rlog, before->pos.index);
	while (old < rlog->terms_count && rlog->terms[old].index <= before->pos.index)
		old++;
	/* The run that goes on begins where the log does. */
	if (old > 0 && before->pos.index < rlog->last.pos.index &&
	    (old == rlog->terms_count || rlog->terms[old].index > before->pos.index + 1))
		rlog->terms[--old].index = before->pos.index + 1;
	rlog->terms_count -= old;
	memmove(rlog->terms, rlog->terms + old, rlog->terms_count * sizeof *rlog->terms);
	for (size_t i = 0; i < config; i++)
		free(rlog->configs[i].bytes);
	rlog->configs_count -= config;
	memmove(rlog->configs, rlog->configs + config, rlog->configs_count * sizeof *rlog->configs);
	rlog->before = *before;
}

void
index_begin(struct log_index *rlog, const struct raft_place *before, size_t config)
{
	struct index_config kept = rlog->configs[config];
	for (size_t i = 0; i < rlog->configs_count; i++)
		if (i != config)
			free(rlog->configs[i].bytes);
	rlog->configs[0] = kept;
	rlog->configs[0].index = before->pos.index;
	rlog->configs_count = 1;
	rlog->terms_count = 0;
	rlog->before = *before;
}

void
index_clear(struct log_index *rlog)
{
	while (rlog->configs_count > 0)
		free(rlog->configs[--rlog->configs_count].bytes);
	rlog->terms_count = 0;
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
