/* SPDX-License-Identifier: ISC */
/*
 * A snapshot: one file of text and netstrings, the same bytes on every node at the same index.
 *
 *   raft-kv 1 INDEX
 *   3:key,5:value,        each pair, in the order of the keys
 *   end COUNT
 *
 * With the chain of the entry, where it is known, the first line is "raft-kv 2 INDEX CHAIN".
 */
#ifndef KV_SNAPSHOT_H
#define KV_SNAPSHOT_H

#include "store.h"

enum { SNAPSHOT_WHY_SIZE = 256 };

/* Replaces a file of that name.  False with a sentence in why; then that one is as it was. */
bool snapshot_write(struct store *store, const char *path, char *why);
/* Replaces what the store holds, as one change.  False with a sentence in why: the store is as it
 * was. */
bool snapshot_read(struct store *store, const char *path, char *why);

#endif
