/* SPDX-License-Identifier: ISC */
/*
 * A YAML file as a tree of texts, lists and maps, each with its place in the file.
 *
 * The only part that knows libyaml.  Refused here, with a sentence: broken YAML, an empty
 * file, more than one document, anchors, aliases and tags, a key that stands twice, NUL
 * bytes, and what is larger or deeper than any configuration.  Nothing is known here about which
 * keys there are.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum { TREE_FILE_SIZE_MAX = 1 << 20, TREE_DEPTH_MAX = 8, TREE_NODES_MAX = 8192 };

/* Both count from 1, as editors do. */
struct tree_place {
	size_t line;
	size_t column;
};

enum tree_kind { TREE_TEXT, TREE_LIST, TREE_MAP };

struct tree_node {
	enum tree_kind kind;
	struct tree_place at;
	char *key; /* NULL when the parent is no map */
	struct tree_place key_at;
	char *text;                            /* of a TREE_TEXT */
	bool quoted;                           /* "" is a value, nothing at all is not */
	struct tree_node *first, *last, *next; /* children, and the next sibling */
	struct tree_node *older;               /* all nodes of the tree, for tree_free */
};

struct tree {
	char *path; /* as given: for the sentences */
	struct tree_node *root;
	struct tree_node *newest;
	size_t count;
};

/* Reads the file.  NULL with one sentence in why (CONF_WHY_SIZE). */
struct tree *tree_read(const char *path, char *why);
/* Takes NULL. */
void tree_free(struct tree *tree);

/* NULL when the map has no such key. */
const struct tree_node *tree_find(const struct tree_node *map, const char *key);
/* True for "key:" with nothing behind it. */
bool tree_nothing(const struct tree_node *node);

/* "path:line:column: sentence" into why, on one line whatever the values hold.  Always false. */
bool tree_wrong(const struct tree *tree, struct tree_place at, char *why, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
