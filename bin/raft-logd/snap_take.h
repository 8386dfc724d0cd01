/* SPDX-License-Identifier: ISC */
/*
 * A snapshot of this node's program: a file that raft-fsm says is the state after an index.
 *
 * It is hashed and synced off the main thread, the session table at its index is computed
 * in slices from the one before it, it gets its name, and then its row.  Whatever fails: the old
 * one and the log stay as they are.
 */
#ifndef LOGD_SNAP_TAKE_H
#define LOGD_SNAP_TAKE_H

#include "wire/message.h"

struct logd;
struct logd_client;

/* Requests; false: malformed. */
bool snap_take_path(struct logd *logd, struct logd_client *client, const struct msg_snap_path *m);
bool snap_take_add(struct logd *logd, struct logd_client *client, const struct msg_snap_add *m);
/* Who asked is gone: it goes on without him. */
void snap_take_forget(struct logd *logd, const struct logd_client *client);
/* A slice of the work that the main thread does. */
void snap_take_turn(struct logd *logd);
/*
 * Without a file: the log up to index is to be cut, and what must outlast it is kept as an empty
 * snapshot.  Nothing when one is being taken.
 */
void snap_take_cut(struct logd *logd, uint64_t index);

#endif
