/* SPDX-License-Identifier: ISC */
/*
 * One transaction, and the mark after it: the only way anything becomes durable.
 *
 *   txn_begin; db_...put; txn_commit
 *
 * txn_commit counts the transaction, stores the state with it, commits, and then
 * writes the mark and checks that the files have names (place.h).  Only after that may anything be
 * acknowledged.
 */
#ifndef LOGD_TXN_H
#define LOGD_TXN_H

#include "db.h"

struct logd;

void txn_begin(struct logd *logd);
/*
 * state: what is to be stored; its transactions are counted here.  On DB_OK it is the
 * program's state, and last the end of its log.  On DB_FULL nothing has changed.
 */
enum db_result txn_commit(struct logd *logd, struct db_state *state, const struct raft_place *last);
/* The same at a start or an end: both slots of the mark, synced; ends the process when the disk is
 * full. */
void txn_commit_synced(struct logd *logd, struct db_state *state, const struct raft_place *last);
/* Takes back what was put since txn_begin. */
void txn_rollback(struct logd *logd);
/* As txn_begin and txn_commit around nothing but the state; ends the process when the disk is full.
 * The mark is synced. */
void txn_state(struct logd *logd, struct db_state *state);
struct db_before;
struct index_config;
/* The log is given up whole, with `recovering`: it begins anew after `before`, with this
 * configuration. */
void txn_reset_log(
    struct logd *logd, const struct db_before *before, const struct index_config *config);
/* Cuts a log whose rows behind `last` are lost, with `recovering`, durably.  Ends the process when
 * it can't. */
void txn_shorten_log(struct logd *logd, const struct raft_place *last);

#endif
