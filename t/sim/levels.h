/* SPDX-License-Identifier: ISC */
/*
 * Levels, time and origin: which level each node's program supports, what its wall clock shows, and
 * what must hold of every entry that a leader makes.
 */
#ifndef SIM_LEVELS_H
#define SIM_LEVELS_H

#include "raft/raft.h"

#include <stdint.h>

struct sim;
struct node;
struct tnode;

/* All nodes are there. Draws from random numbers of its own. */
void levels_init(struct sim *sim);
/* Before the core starts: its program may be upgraded, its wall clock may be set. */
void levels_start(struct sim *sim, struct node *node);
uint64_t levels_wall_ms(const struct sim *sim, const struct node *node);
/* The uid of the clients of a node. */
uint32_t levels_uid(const struct node *node);
/* A leader has made this entry. */
void levels_entry(struct sim *sim, const struct node *node, struct tnode *tnode);
/* Whether the log before this entry, which `node` has made, has a committed LEVEL entry for it. */
bool levels_committed(
    const struct sim *sim, const struct node *node, const struct tnode *tnode, uint64_t level);
/* After an update: the core's level and time are those of its log. */
void levels_check(struct sim *sim, const struct node *node);
/* The node can read what is sent to it. */
void levels_message(struct sim *sim, const struct node *node, const struct raft_message *message);

#endif
