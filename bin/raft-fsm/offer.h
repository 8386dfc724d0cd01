/* SPDX-License-Identifier: ISC */
/*
 * A contract, proposed to raft-elect as the first one of the log, until there is an answer.
 *
 * Each node in mode machine may propose its own.  One of them is committed, and the others are
 * refused: so the answer says only that it is time to look.
 */
#ifndef FSM_OFFER_H
#define FSM_OFFER_H

#include "raft/contract.h"
#include "raft/reason.h"
#include "unix/loop.h"

struct offer;

/* path: of raft-elect's socket.  answered: it is committed, or refused for a reason that no retry
 * cures. */
struct offer *offer_new(struct loop *loop, const char *path, const struct raft_contract *contract,
    void (*answered)(bool committed, void *arg), void *arg);
/* Takes NULL. */
void offer_free(struct offer *offer);
bool offer_answered(const struct offer *offer);
/* Why there is no answer yet; "" when nothing is known. */
const char *offer_why(const struct offer *offer);

#endif
