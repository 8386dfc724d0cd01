/* SPDX-License-Identifier: ISC */
/*
 * The tree of entries, in blocks that live as long as the run, and logs.
 */
#include "tree.h"

#include "rng.h"

#include <stdlib.h>
#include <string.h>

void
tree_init(struct tree *tree)
{
	*tree = (struct tree){.size = 1024};
	tree->at = calloc(tree->size, sizeof *tree->at);
	must(tree->at != NULL);
}

void
tree_free(struct tree *tree)
{
	struct tree_block *block = tree->blocks;

	while (block != NULL) {
		struct tree_block *next = block->next;

		for (size_t i = 0; i < block->used; i++)
			raft_chunk_unref(block->nodes[i].entry.chunk);
		free(block);
		block = next;
	}
	free(tree->at);
}

uint64_t
tree_hash(const struct raft_entry *entry)
{
	uint64_t hash = entry->size;
	uint64_t word;
	uint32_t at = 0;

	for (; at + sizeof word <= entry->size; at += (uint32_t)sizeof word) {
		memcpy(&word, entry->bytes + at, sizeof word);
		hash = (hash ^ word) * 0x9fb21c651e98df25u;
		hash ^= hash >> 29;
	}
	word = 0;
	memcpy(&word, entry->bytes + at, entry->size - at);
	return rng_mix(hash, word);
}

struct tnode *
tree_find(const struct tree *tree, uint64_t index, uint64_t term)
{
	struct tnode *tnode = index <= tree->last ? tree->at[index - 1] : NULL;

	while (tnode != NULL && tnode->entry.term != term)
		tnode = tnode->sibling;
	return tnode;
}

static void
tree_grow(struct tree *tree)
{
	tree->at = realloc(tree->at, 2 * tree->size * sizeof *tree->at);
	must(tree->at != NULL);
	memset(tree->at + tree->size, 0, tree->size * sizeof *tree->at);
	tree->size *= 2;
}

static struct tnode *
tree_new(struct tree *tree)
{
	if (tree->blocks == NULL || tree->blocks->used == TREE_BLOCK) {
		struct tree_block *block = malloc(sizeof *block);

		must(block != NULL);
		block->next = tree->blocks;
		block->used = 0;
		tree->blocks = block;
	}
	return &tree->blocks->nodes[tree->blocks->used++];
}

struct tnode *
tree_add(struct tree *tree, struct tnode *parent, uint64_t index, const struct raft_entry *entry)
{
	struct tnode *tnode = tree_new(tree);

	if (index > tree->size)
		tree_grow(tree);
	if (index > tree->last)
		tree->last = index;
	*tnode = (struct tnode){
	    .parent = parent,
	    .sibling = tree->at[index - 1],
	    .index = index,
	    .hash = tree_hash(entry),
	    .entry = *entry,
	};
	raft_chunk_ref(entry->chunk);
	tree->at[index - 1] = tnode;
	return tnode;
}

void
slog_init(struct slog *slog)
{
	*slog = (struct slog){.size = 256};
	slog->rows = malloc(slog->size * sizeof(struct tnode *));
	must(slog->rows != NULL);
}

void
slog_free(struct slog *slog)
{
	free(slog->rows);
}

static void
slog_room(struct slog *slog, uint64_t last)
{
	if (last <= slog->size)
		return;
	while (last > slog->size)
		slog->size *= 2;
	slog->rows = realloc(slog->rows, slog->size * sizeof(struct tnode *));
	must(slog->rows != NULL);
}

void
slog_push(struct slog *slog, struct tnode *tnode)
{
	slog_room(slog, slog->last + 1);
	slog->rows[slog->last++] = tnode;
}

struct tnode *
slog_at(const struct slog *slog, uint64_t index)
{
	return index == 0 ? NULL : slog->rows[index - 1];
}

struct raft_pos
slog_last(const struct slog *slog)
{
	if (slog->last == 0)
		return (struct raft_pos){0, 0};
	return (struct raft_pos){slog->last, slog->rows[slog->last - 1]->entry.term};
}

uint64_t
slog_set(struct slog *slog, struct tnode *tail)
{
	uint64_t last = tail == NULL ? 0 : tail->index;
	struct tnode *tnode = tail;

	slog_room(slog, last);
	while (
	    tnode != NULL && (tnode->index > slog->last || slog->rows[tnode->index - 1] != tnode)) {
		slog->rows[tnode->index - 1] = tnode;
		tnode = tnode->parent;
	}
	slog->last = last;
	return tnode == NULL ? 0 : tnode->index;
}

uint64_t
slog_common(const struct slog *a, const struct slog *b)
{
	uint64_t index = a->last < b->last ? a->last : b->last;

	while (index > 0 && a->rows[index - 1] != b->rows[index - 1])
		index--;
	return index;
}

uint64_t
slog_below(const struct slog *slog, const struct tnode *tnode)
{
	while (
	    tnode != NULL && (tnode->index > slog->last || slog->rows[tnode->index - 1] != tnode))
		tnode = tnode->parent;
	return tnode == NULL ? 0 : tnode->index;
}
