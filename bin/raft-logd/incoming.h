/* SPDX-License-Identifier: ISC */
/*
 * A snapshot from another node, piece by piece, through our elector.
 *
 * It outlasts the elector's connection, so that a transfer goes on where it broke; a piece of another
 * snapshot begins it anew.  Complete it is checked against its hashes and synced, and
 * waits for the write that installs it.
 */
#ifndef LOGD_INCOMING_H
#define LOGD_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../lib/raft/types.h"

struct logd;
struct peer;
struct snapshot;

bool incoming_take(struct logd *logd, struct peer *peer, const uint8_t *body, size_t size);
/* The elector's connection ends: nobody waits for an answer. */
void incoming_forget(struct logd *logd, const struct peer *peer);
/* The one that is complete and stands for this index; NULL: there is none. */
struct snapshot *incoming_ready(const struct logd *logd, uint64_t index);
/* It is the log's beginning now, or not wanted any more. */
void incoming_drop(struct logd *logd);

#endif
