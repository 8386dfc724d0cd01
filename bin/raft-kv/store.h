/* SPDX-License-Identifier: ISC */
/*
 * Where the pairs are: in memory (memory.c) or in a file (durable.c).  Keys are in the order of
 * their bytes.
 *
 * ⚠ The index of the last entry belongs to the state: what is kept, is kept together with it, so
 * that no entry counts twice.  Errors of a disk end the program (74): the next start reads the
 * truth.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <string.h>

#include "wire/message.h"

struct store;

/* One pair; false ends the scan. */
typedef bool store_each(struct wire_bytes key, struct wire_bytes value, void *arg);

struct store_calls {
	/* The value is valid until the next call. */
	bool (*get)(struct store *store, struct wire_bytes key, struct wire_bytes *value);
	void (*put)(struct store *store, struct wire_bytes key, struct wire_bytes value);
	/* False: there was none. */
	bool (*del)(struct store *store, struct wire_bytes key);
	/* All pairs whose key begins with the prefix, in order.  Before: each changes nothing. */
	void (*scan)(struct store *store, struct wire_bytes prefix, store_each *each, void *arg);
	/* Forgets all pairs. */
	void (*clear)(struct store *store);
	/* What is changed from here to the commit is kept as one, with store->applied and
	 * store->chain. */
	void (*begin)(struct store *store);
	void (*commit)(struct store *store);
	void (*free)(struct store *store);
};

/* Of the log, as raft-fsm gives it: 32 hexadecimal digits. */
enum { STORE_CHAIN_SIZE = 32 + 1 };

/* The head of each kind. */
struct store {
	const struct store_calls *calls;
	uint64_t applied;             /* index of the last entry in it; 0: none */
	char chain[STORE_CHAIN_SIZE]; /* that came with this entry; "": none did */
	bool chained;                 /* chains come with the entries */
	bool durable;                 /* it outlives this process */
};

/* Whether the text is a chain. */
static inline bool
store_chain_valid(const char *text)
{
	return strlen(text) == STORE_CHAIN_SIZE - 1 &&
	       strspn(text, "0123456789abcdef") == STORE_CHAIN_SIZE - 1;
}

/* chained, here and below: chains come with the entries. */
struct store *memory_new(bool chained);
/* Makes the file where there is none.  Exits 78 when it is something else, 74 when it cannot be
 * read. */
struct store *durable_new(const char *path, bool chained);

#endif
