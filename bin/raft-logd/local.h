/* SPDX-License-Identifier: ISC */
/*
 * A snapshot of this node's program: a file that raft-fsm says is the state after an index.
 *
 * It is hashed and synced off the main thread, the session table at its index is computed
 * in slices from the one before it, it gets its name, and then its row.  Whatever fails: the old
 * one and the log stay as they are.
 */
#ifndef LOGD_LOCAL_H
#define LOGD_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logd;
struct peer;

/* Requests; false: malformed. */
bool local_take_path(struct logd *logd, struct peer *peer, const uint8_t *body, size_t size);
bool local_take_add(struct logd *logd, struct peer *peer, const uint8_t *body, size_t size);
/* Who asked is gone: it goes on without him. */
void local_forget(struct logd *logd, const struct peer *peer);
/* A slice of the work that the main thread does. */
void local_turn(struct logd *logd);
/*
 * Without a file: the log up to index is to be cut, and what must outlast it is kept as an empty
 * snapshot.  Nothing when one is being taken.
 */
void local_cut(struct logd *logd, uint64_t index);

#endif
