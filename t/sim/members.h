/* SPDX-License-Identifier: ISC */
/*
 * Who is a member, by which log; and (14): the configuration in force is the last one in
 * the log or its snapshot, and at most one is uncommitted (§4.1).
 */
#ifndef SIM_MEMBERS_H
#define SIM_MEMBERS_H

#include "raft/raft.h"
#include "tree.h"

struct sim;
struct node;

/* The one in force in a log that ends with this entry (NULL: an empty log). */
const struct membership *members_at(const struct sim *sim, const struct tnode *tail);
/* … in what is committed. */
const struct membership *members_now(const struct sim *sim);
/* … in this node's log, durable or not. */
const struct membership *members_of(const struct sim *sim, const struct node *node);
/* Whether the node is a member, or a voter, by what is committed. */
bool members_is(const struct sim *sim, size_t node);
bool members_votes(const struct sim *sim, size_t node);
size_t members_count(uint16_t set);
/* The whole configuration in force at an entry. */
void members_config(const struct sim *sim, const struct tnode *tail, struct raft_config *config);
/* A new entry of the tree, made by a leader: what is in force with it, and may it be? */
void members_entry(struct sim *sim, const struct node *node, struct tnode *tnode);
/* After an update: the core's configuration is that of its log. */
void members_check(struct sim *sim, struct node *node, bool always);
/* With these nodes gone, every configuration that may be in force keeps a majority and `spare`
 * more. */
bool members_bear(const struct sim *sim, uint16_t gone, size_t spare);

#endif
