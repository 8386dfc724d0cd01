/* SPDX-License-Identifier: ISC */
/*
 * A snapshot from another node, piece by piece, through our elector.
 *
 * It outlasts the elector's connection, so that a transfer goes on where it broke; a piece of
 * another snapshot begins it anew.  Complete it is checked against its hashes and synced, and waits
 * for the write that installs it.
 */
#ifndef LOGD_SNAP_STORE_H
#define LOGD_SNAP_STORE_H

#include "wire/message.h"

struct logd;
struct logd_client;
struct snapshot;

bool snap_store_piece(struct logd *logd, struct logd_client *client, const struct msg_snap_put *m);
/* The elector's connection ends: nobody waits for an answer. */
void snap_store_forget(struct logd *logd, const struct logd_client *client);
/* The one that is complete and stands for this index; NULL: there is none. */
struct snapshot *snap_store_ready(const struct logd *logd, uint64_t index);
/* It is the log's beginning now, or not wanted any more. */
void snap_store_drop(struct logd *logd);

#endif
