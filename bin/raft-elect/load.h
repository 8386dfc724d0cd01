/* SPDX-License-Identifier: ISC */
/*
 * What raft-logd tells of its log after the greeting (log_state, log_part, log_end), gathered
 * into the struct that the core starts from.
 *
 * Each function that takes a message returns what is wrong with it, one sentence, or NULL.
 */
#ifndef ELECT_LOAD_H
#define ELECT_LOAD_H

#include "raft/raft.h"
#include "wire/message.h"

struct load;

struct load *load_new(void);
/* Takes NULL. */
void load_free(struct load *load);
const char *load_state(struct load *load, const struct msg_log_state *state);
const char *load_part(struct load *load, const struct msg_log_part *part);
/*
 * All has been told: fills *start, whose pointers are the load's, but for the session
 * table, which the caller owns.  start_number is left 0.
 */
const char *load_end(struct load *load, struct raft_start *start);

#endif
