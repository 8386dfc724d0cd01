/* SPDX-License-Identifier: ISC */
/*
 * Pairs in memory: a skip list (Pugh, 1990), which is ordered and needs no balancing.
 *
 * Levels are drawn from a secret seed: nobody can choose keys that make it slow.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "store.h"

enum { LEVELS = 24 }; /* enough for 4^24 keys */

struct skip_node {
	uint8_t *value;
	size_t value_size;
	uint8_t *key;
	size_t key_size;
	struct skip_node *next[]; /* as many as the node has levels */
};

struct memory {
	struct store store;
	struct skip_node *first[LEVELS];
	uint64_t random;
};

static struct memory *
memory_of(struct store *store)
{
	return (struct memory *)store;
}

static int
memory_compare(const struct skip_node *node, struct wire_bytes key)
{
	size_t shorter = node->key_size < key.size ? node->key_size : key.size;
	int order = memcmp(node->key, key.bytes, shorter);
	if (order != 0)
		return order;
	return node->key_size < key.size ? -1 : node->key_size > key.size;
}

/* The first node that is not below the key; links[i]: what leads to it, or past it, at level i. */
static struct skip_node *
memory_find(struct memory *memory, struct wire_bytes key, struct skip_node ***links)
{
	struct skip_node **next = memory->first;
	for (int level = LEVELS - 1; level >= 0; level--) {
		while (next[level] && memory_compare(next[level], key) < 0)
			next = next[level]->next;
		if (links)
			links[level] = &next[level];
	}
	return next[0];
}

static struct skip_node *
find_equal(struct memory *memory, struct wire_bytes key, struct skip_node ***links)
{
	struct skip_node *node = memory_find(memory, key, links);
	return node && memory_compare(node, key) == 0 ? node : NULL;
}

/* Each level holds a quarter of the nodes of the one below. */
static int
draw_levels(struct memory *memory)
{
	int levels = 1;
	memory->random ^= memory->random << 13;
	memory->random ^= memory->random >> 7;
	memory->random ^= memory->random << 17;
	for (uint64_t bits = memory->random >> 8; levels < LEVELS && (bits & 3) == 0; bits >>= 2)
		levels++;
	return levels;
}

static void *
copy_of(struct wire_bytes bytes)
{
	uint8_t *copy = malloc(bytes.size + 1);
	must(copy != NULL);
	if (bytes.size > 0)
		memcpy(copy, bytes.bytes, bytes.size);
	return copy;
}

static bool
memory_get(struct store *store, struct wire_bytes key, struct wire_bytes *value)
{
	const struct skip_node *node = find_equal(memory_of(store), key, NULL);
	if (node)
		*value = (struct wire_bytes){node->value, node->value_size};
	return node != NULL;
}

static struct skip_node *
memory_insert(struct memory *memory, struct wire_bytes key, struct skip_node ***links)
{
	int levels = draw_levels(memory);
	struct skip_node *node =
	    calloc(1, sizeof *node + (size_t)levels * sizeof(struct skip_node *));
	must(node != NULL);
	node->key = copy_of(key);
	node->key_size = key.size;
	for (int level = 0; level < levels; level++) {
		node->next[level] = *links[level];
		*links[level] = node;
	}
	return node;
}

static void
memory_put(struct store *store, struct wire_bytes key, struct wire_bytes value)
{
	struct memory *memory = memory_of(store);
	struct skip_node **links[LEVELS];
	struct skip_node *node = find_equal(memory, key, links);
	uint8_t *copy = copy_of(value);
	if (node == NULL)
		node = memory_insert(memory, key, links);
	free(node->value);
	node->value = copy;
	node->value_size = value.size;
}

static void
memory_node_free(struct skip_node *node)
{
	free(node->key);
	free(node->value);
	free(node);
}

static bool
memory_del(struct store *store, struct wire_bytes key)
{
	struct skip_node **links[LEVELS];
	struct skip_node *node = find_equal(memory_of(store), key, links);
	if (node == NULL)
		return false;
	for (int level = 0; level < LEVELS && *links[level] == node; level++)
		*links[level] = node->next[level];
	memory_node_free(node);
	return true;
}

static void
memory_scan(struct store *store, struct wire_bytes prefix, store_each *each, void *arg)
{
	for (struct skip_node *node = memory_find(memory_of(store), prefix, NULL); node;
	     node = node->next[0]) {
		if (node->key_size < prefix.size ||
		    memcmp(node->key, prefix.bytes, prefix.size) != 0)
			return;
		if (!each((struct wire_bytes){node->key, node->key_size},
			(struct wire_bytes){node->value, node->value_size}, arg))
			return;
	}
}

static void
memory_clear(struct store *store)
{
	struct memory *memory = memory_of(store);
	for (struct skip_node *node = memory->first[0], *next; node; node = next) {
		next = node->next[0];
		memory_node_free(node);
	}
	memset(memory->first, 0, sizeof memory->first);
}

/* Memory keeps nothing. */
static void
memory_nothing(struct store *store)
{
	(void)store;
}

static void
memory_free(struct store *store)
{
	memory_clear(store);
	free(store);
}

static const struct store_calls memory_calls = {
    .get = memory_get,
    .put = memory_put,
    .del = memory_del,
    .scan = memory_scan,
    .clear = memory_clear,
    .begin = memory_nothing,
    .commit = memory_nothing,
    .free = memory_free,
};

struct store *
memory_new(bool chained)
{
	struct memory *memory = calloc(1, sizeof *memory);
	must(memory != NULL);
	memory->store.calls = &memory_calls;
	memory->store.chained = chained;
	must(getrandom(&memory->random, sizeof memory->random, 0) == sizeof memory->random);
	memory->random |= 1; /* xorshift stays at 0 */
	return &memory->store;
}
