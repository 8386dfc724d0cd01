/* SPDX-License-Identifier: ISC */
/*
 * The keys as a table, and the types of their values: how each is read from the tree,
 * printed and freed.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdio.h>

#include "conf.h"
#include "keys.def"
#include "tree.h"

#define CONF_TYPES(T)                                                                              \
	T(ID, id)                                                                                  \
	T(NAME, name)                                                                              \
	T(PATH, path)                                                                              \
	T(GROUP, group)                                                                            \
	T(ADDRESS, address)                                                                        \
	T(DURATION, duration)                                                                      \
	T(SIZE, size)                                                                              \
	T(MEMBERS, members)                                                                        \
	T(COMMAND, command)                                                                        \
	T(MODE, mode)                                                                              \
	T(FRAMING, framing)                                                                        \
	T(FIELDS, fields)                                                                          \
	T(FROM, from)                                                                              \
	T(LIMITS, limits)
enum conf_type {
#define T(NAME, name) CONF_##NAME,
	CONF_TYPES(T)
#undef T
	    CONF_TYPES_COUNT
};

enum conf_key_number {
#define K(section, name, TYPE, member, fallback, low, high) CONF_KEY_##section##_##name,
	CONF_KEYS(K)
#undef K
	    CONF_KEYS_COUNT
};

struct conf_key {
	const char *section;
	const char *name;
	enum conf_type type;
	size_t offset; /* in struct conf */
	const char *fallback, *low, *high;
};
extern const struct conf_key conf_keys[CONF_KEYS_COUNT];

/* Whether a file without this key is wrong. */
bool conf_key_required(const struct conf_key *key);

/* Whether it has an effect in this configuration; false for what is for another mode. */
bool conf_key_effective(const struct conf *conf, const struct conf_key *key);

/* What a value is read with. */
struct conf_reading {
	struct conf *conf; /* its folder is set; the value goes here */
	const struct tree *tree;
	char *why;
};
/* False with one sentence in why. */
bool value_read(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node);
/* The default, if there is one. */
void value_default(struct conf_reading *r, const struct conf_key *key);
/* "  name: value" and a newline; nothing for a value left out. */
void value_print(FILE *out, const struct conf *conf, const struct conf_key *key);
void value_free(struct conf *conf, const struct conf_key *key);

#endif
