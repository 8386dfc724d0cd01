/* SPDX-License-Identifier: ISC */
/* The end of a turn: one update of the core, performed. */
#ifndef ELECT_PERFORM_H
#define ELECT_PERFORM_H

#include "raft/raft.h"

struct node;

/*
 * Asks the core what is to be done and does it.  Returns when the core wants to be called
 * again.  Before: there is a core.
 */
struct mono_ms perform_update(struct node *node);

#endif
