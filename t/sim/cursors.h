/* SPDX-License-Identifier: ISC */
/*
 * Cursors and their consumers, in the profile "cursors" and in scenarios.
 *
 * A consumer reads what is committed at its node and acknowledges it in order; it retries, moves to
 * other nodes, dies, and takes cursors over from others.  Some runs are an administrator's, who
 * sets a position anywhere.  What must hold: only the owner's ACKs are in a log, a position is
 * before its ACK, and an owner begins where all that was acknowledged before has brought the
 * cursor.
 */
#ifndef SIM_CURSORS_H
#define SIM_CURSORS_H

#include "raft/raft.h"

struct sim;
struct node;
struct tnode;
struct client;
struct attempt;

/* Whether a consumer whose run has ended waits before the next: else they only take from each
 * other. */
bool cursors_rest(struct sim *sim, const struct client *client);
/* A run begins, of a cursor that it draws. */
void cursors_run(struct sim *sim, struct client *client);
/* The cursor is open: the consumer's next step. */
void cursors_consume(struct sim *sim, struct client *client);
/* One attempt. */
void cursors_ack(struct sim *sim, struct client *client, uint64_t serial, uint64_t position);
/* A leader has made this entry, of kind ACK: may it, in this epoch of its cursor? */
void cursors_entry(
    struct sim *sim, const struct node *node, struct tnode *tnode, uint64_t epoch, uint64_t serial);
/* No entry of its level before that is committed. */
void cursors_level(struct sim *sim, const struct node *node, const struct tnode *tnode);
/* What the proposer of an ACK was told is true. */
void cursors_committed(struct sim *sim, const struct attempt *attempt, const struct tnode *tnode);

#endif
