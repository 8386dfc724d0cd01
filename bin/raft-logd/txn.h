/* SPDX-License-Identifier: ISC */
/*
 * One transaction, and the mark after it: the only way anything becomes durable.
 *
 *   db_begin; db_...put; txn_commit
 *
 * txn_commit counts the transaction, stores the state with it, commits, and then
 * writes the mark and checks that the files have names (place.h).  Only after that may anything be
 * acknowledged.
 */
#ifndef LOGD_TXN_H
#define LOGD_TXN_H

#include "db.h"

struct logd;

/*
 * state: what is to be stored; its transactions are counted here.  When it is durable it is the
 * program's state, and last the end of its log.  False: the disk is full, and nothing has changed.
 */
bool txn_commit(struct logd *logd, struct db_state *state, const struct raft_place *last);
/*
 * The same at a start or an end: both slots of the mark, synced.  When the disk is full it ends the
 * process with a sentence that says so, and why ("": nothing more).
 */
void txn_commit_synced(
    struct logd *logd, struct db_state *state, const struct raft_place *last, const char *why);
/* Begins and commits a transaction of the state alone, at a start; the mark is synced. */
void txn_state(struct logd *logd, struct db_state *state);
/* The node takes part again: what follows is to be stored so. */
void txn_recovered(struct db_state *state);
struct db_before;
struct index_config;
/* The log is given up whole, with `recovering`: it begins anew after `before`, with this
 * configuration. */
void txn_reset_log(
    struct logd *logd, const struct db_before *before, const struct index_config *config);
/* Cuts a log whose rows after `last` are lost, with `recovering`, durably. */
void txn_shorten_log(struct logd *logd, const struct raft_place *last);

#endif
