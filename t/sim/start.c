/* SPDX-License-Identifier: ISC */
/*
 * What the model of raft-logd tells an elector that has just connected.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static void *
room(void *array, size_t *size, size_t count, size_t item)
{
	if (count <= *size)
		return array;
	*size = 2 * count;
	array = realloc(array, *size * item);
	must(array != NULL);
	return array;
}

/* The last index of the run of one term that begins at first: terms never fall. */
static uint64_t
run_end(const struct slog *rows, uint64_t first)
{
	uint64_t term = slog_at(rows, first)->entry.term;
	uint64_t low = first;
	uint64_t high = rows->last;

	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;

		if (slog_at(rows, middle)->entry.term == term)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static size_t
start_terms(struct disk *disk)
{
	size_t count = 0;

	for (uint64_t index = disk->cut + 1; index <= disk->rows.last;
	     index = run_end(&disk->rows, index) + 1) {
		disk->terms = room(disk->terms, &disk->terms_size, count + 1, sizeof *disk->terms);
		disk->terms[count++] =
		    (struct raft_term_start){index, slog_at(&disk->rows, index)->entry.term};
	}
	return count;
}

static void
config_put(struct disk *disk, size_t at, const struct tnode *entry, const struct raft_config *first)
{
	struct raft_config_at *config = &disk->configs[at];

	if (entry == NULL) {
		*config = (struct raft_config_at){0, *first};
		return;
	}
	config->index = entry->index;
	must(raft_config_decode(
	    &config->config, raft_entry_data(&entry->entry), raft_entry_data_size(&entry->entry)));
}

/* The last one at or below commit, then those above it; a snapshot's stands at its place. */
static size_t
start_configs(const struct sim *sim, struct disk *disk, const struct raft_config *first)
{
	const struct tnode *tail = slog_at(&disk->rows, disk->rows.last);
	const struct tnode *entry = members_at(sim, tail)->entry;
	size_t count = 1;

	for (const struct tnode *at = entry; at != NULL && at->index > disk->commit; count++)
		at = members_at(sim, at->parent)->entry;
	disk->configs = room(disk->configs, &disk->configs_size, count, sizeof *disk->configs);
	for (size_t i = count; i-- > 0;) {
		config_put(disk, i, entry, first);
		entry = entry == NULL ? NULL : members_at(sim, entry->parent)->entry;
	}
	if (disk->configs[0].index < disk->cut)
		disk->configs[0].index = disk->cut;
	return count;
}

static size_t
start_entries(struct disk *disk)
{
	size_t count = (size_t)(disk->rows.last - disk->commit);

	disk->entries = room(disk->entries, &disk->entries_size, count + 1, sizeof *disk->entries);
	for (size_t i = 0; i < count; i++)
		disk->entries[i] = slog_at(&disk->rows, disk->commit + 1 + i)->entry;
	return count;
}

static struct raft_pos
start_commit(const struct disk *disk)
{
	if (disk->commit == 0)
		return (struct raft_pos){0, 0};
	return (struct raft_pos){disk->commit, slog_at(&disk->rows, disk->commit)->entry.term};
}

struct raft_start
disk_start(struct sim *sim, struct node *node, const struct raft_config *first)
{
	struct disk *disk = &node->disk;
	struct raft_start start = {
	    .term = disk->term,
	    .vote = disk->vote == DISK_NOBODY ? (struct raft_id){{0}} : sim->nodes[disk->vote].id,
	    .start_number = rng_next(&sim->rng) | 1,
	    .last = slog_last(&disk->rows),
	    .commit = start_commit(disk),
	    .sessions = raft_sessions_dup(disk->sessions),
	    .recovering = disk->recovering,
	    .mark_valid = disk->mark_valid,
	    .mark_term = disk->mark_term,
	    .full = disk->full,
	};

	start.level = disk->commit == 0 ? 1 : slog_at(&disk->rows, disk->commit)->level_after;
	start.time = disk->commit == 0 ? 0 : slog_at(&disk->rows, disk->commit)->time_after;
	start.contract = contracts_at(slog_at(&disk->rows, disk->commit));
	start.terms_count = start_terms(disk);
	start.configs_count = start_configs(sim, disk, first);
	if (disk->cut > 0) {
		start.before.index = disk->cut;
		start.before.term = slog_at(&disk->rows, disk->cut)->entry.term;
		sim->counters[COUNT_STARTS_FROM_SNAPSHOT]++;
	}
	start.entries_count = start_entries(disk);
	start.terms = disk->terms;
	start.configs = disk->configs;
	start.entries = disk->entries;
	return start;
}
