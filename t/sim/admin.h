/* SPDX-License-Identifier: ISC */
/*
 * The administrator: leadership transfers and changes of the membership.
 */
#ifndef SIM_ADMIN_H
#define SIM_ADMIN_H

#include "client.h"

/* Begins its work, when the profile has one. */
void admin_init(struct sim *sim);
void admin_act(struct sim *sim, struct client *client);
/* What it was told is true. */
void admin_committed(
    struct sim *sim, const struct attempt *attempt, const struct raft_answer *answer);
/* Asks `client->node` for it; target DISK_NOBODY: the best one. */
void admin_transfer(struct sim *sim, struct client *client, int target);
void admin_change(struct sim *sim, struct client *client, enum raft_change_op op, size_t target);

#endif
