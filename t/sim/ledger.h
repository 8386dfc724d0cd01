/* SPDX-License-Identifier: ISC */
/*
 * What the log may hold of clients' entries, and what is committed of them.
 */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

struct sim;
struct node;
struct tnode;

#include <stdint.h>

/* A leader has made an entry: may it? Fills what the tree says of its session. */
void ledger_entry(struct sim *sim, struct node *node, struct tnode *tnode);
/* An entry is committed, for the first time anywhere. */
void ledger_commit(struct sim *sim, struct tnode *tnode, uint64_t term);

#endif
