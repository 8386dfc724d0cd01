/* SPDX-License-Identifier: ISC */
/*
 * Every entry that any log ever held, as one tree; and logs as rows of it.
 *
 * An entry's place in the tree is its whole history: the parent of a node is
 * the entry before it.  The Log Matching Property (§3.5) says that index and
 * term determine that history; so the tree admits one node for each, and two
 * logs agree up to an index exactly when they hold the same node there.
 */
#ifndef SIM_TREE_H
#define SIM_TREE_H

#include "raft/types.h"

/* Sets of nodes, bit by number, in one configuration; entry NULL: the first one. */
struct membership {
	struct tnode *entry;
	uint16_t voters, members;
	uint16_t retired; /* were members once */
};

struct tnode {
	struct tnode *parent;       /* the entry before it; NULL for index 1 */
	struct tnode *sibling;      /* another entry that some log held at this index */
	struct tnode *session_prev; /* the nearest one above of the same session */
	uint64_t index;
	uint64_t hash;           /* of the record: nobody may change it */
	struct raft_entry entry; /* with a reference on its chunk */
	uint64_t serial_after;   /* its session's state after it */
	uint64_t epoch_after;
	uint64_t position_after;      /* of a cursor */
	struct tnode *level_entry;    /* the last LEVEL entry up to it, or NULL */
	uint64_t level_after;         /* the log's, with it as the last entry */
	struct tnode *contract_entry; /* the last CONTRACT entry up to it, or NULL */
	uint64_t time_after;
	uint32_t session;           /* number in the registry; 0: none */
	uint32_t attempt;           /* the client's attempt that it comes from; 0: none */
	struct membership in_force; /* with it as the last entry */
};

enum { TREE_BLOCK = 512 };
struct tree_block {
	struct tree_block *next;
	size_t used;
	struct tnode nodes[TREE_BLOCK];
};
struct tree {
	struct tnode **at; /* by index - 1: the first of its siblings */
	size_t size;
	uint64_t last; /* the highest index ever used */
	struct tree_block *blocks;
};

void tree_init(struct tree *tree);
void tree_free(struct tree *tree);
/* NULL when there is none; at most one can be. */
struct tnode *tree_find(const struct tree *tree, uint64_t index, uint64_t term);
/* A new node; the caller fills what concerns sessions. */
struct tnode *tree_add(
    struct tree *tree, struct tnode *parent, uint64_t index, const struct raft_entry *entry);
uint64_t tree_hash(const struct raft_entry *entry);

/* A log: rows from index 1 on. */
struct slog {
	struct tnode **rows;
	uint64_t last;
	size_t size;
};

void slog_init(struct slog *slog);
void slog_free(struct slog *slog);
void slog_push(struct slog *slog, struct tnode *tnode);
/* NULL for index 0. Before: index <= last. */
struct tnode *slog_at(const struct slog *slog, uint64_t index);
/* The last place; (0, 0) when empty. */
struct raft_pos slog_last(const struct slog *slog);
/* The log that ends in tail (NULL: empty). Returns the last index that stayed as it was. */
uint64_t slog_set(struct slog *slog, struct tnode *tail);
/* The last index up to which the log holds what is above (or is) this entry. */
uint64_t slog_below(const struct slog *slog, const struct tnode *tnode);
/* The last index up to which they are the same. */
uint64_t slog_common(const struct slog *a, const struct slog *b);

#endif
