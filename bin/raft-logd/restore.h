/* SPDX-License-Identifier: ISC */
/* The first start of a node that begins with a snapshot of another cluster: raft-init --restore. */
#ifndef LOGD_RESTORE_H
#define LOGD_RESTORE_H

#include "db.h"

struct logd;

/* What raft-init has left in data/snapshots, beside the file. */
#define RESTORE_HEAD "restore.head"

/*
 * Makes the database with the snapshot as the log's beginning, and config as the configuration
 * there. False: there is nothing to restore.  state: of a new database; changed.
 */
bool restore_first(struct logd *logd, const struct db_origin *origin,
    const struct raft_config *config, struct db_state *state);
/* The first start has ended: what raft-init left is not needed any more. */
void restore_done(struct logd *logd);

#endif
