/* SPDX-License-Identifier: ISC */
/*
 * What a person does when nodes are lost for good; raft(7), RECOVERY.
 *
 * --accept-loss: a recovering node takes part again as it is.
 *
 * --recover-alone: a stopped node becomes a cluster of one.  Its log is taken as committed, a
 * configuration with itself as the only voter follows, and the cluster gets a new id: should the
 * others come back, they and this node have nothing to do with each other.
 *
 * raft-init --restore: the first start of a node whose log begins with a snapshot of another
 * cluster.
 */
#ifndef LOGD_RESCUE_H
#define LOGD_RESCUE_H

#include "db.h"

struct logd;

/* These end the process. */
_Noreturn void rescue_accept_loss(struct logd *logd);
_Noreturn void rescue_alone(struct logd *logd);

/* What raft-init has left in data/snapshots, beside the file. */
#define RESTORE_HEAD "restore.head"
/*
 * Makes the database with the snapshot as the log's beginning, and config as the configuration
 * there.  False: there is nothing to restore.  state: of a new database; changed.
 */
bool rescue_restore(struct logd *logd, const struct db_origin *origin,
    const struct raft_config *config, struct db_state *state);
/* The first start has ended: what raft-init left is no longer needed. */
void rescue_restore_done(struct logd *logd);

#endif
