/* SPDX-License-Identifier: ISC */
/*
 * Contracts of the state machine: who proposes one, and what must hold of it: which contract a node
 * has is a function of its log, and no log has a client's entry that its contract forbids.
 */
#ifndef SIM_CONTRACTS_H
#define SIM_CONTRACTS_H

#include "raft/raft.h"

struct sim;
struct node;
struct tnode;
struct client;
struct attempt;

/* Instead of what the client does else; false: it does that. */
bool contracts_act(struct sim *sim, struct client *client);
/* A leader has made this entry. */
void contracts_entry(struct sim *sim, const struct node *node, struct tnode *tnode);
/* After an update: the core's contract is that of its log. */
void contracts_check(struct sim *sim, const struct node *node);
/* In force with this entry as the last one of the log; NULL: the log is empty. */
struct raft_contract_at contracts_at(const struct tnode *tnode);
/* What the proposer of a contract was told is true. */
void contracts_committed(
    struct sim *sim, const struct attempt *attempt, const struct raft_answer *answer);

#endif
