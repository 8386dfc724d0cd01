/* SPDX-License-Identifier: ISC */
/*
 * How far the log is committed, by raft-elect (ReadIndex, section 6.4).
 *
 * An entry that is known committed lies at or below the index that is found, even where its own index is not at hand
 * any more: so its reply can be waited for on a node that lags.
 */
#ifndef APPEND_PLACE_H
#define APPEND_PLACE_H

#include "../../lib/unix/loop.h"

struct place;

/* path: of raft-elect's socket.  found: the answer to place_ask, never 0. */
struct place *place_new(struct loop *loop, const char *path, const char *program,
    void (*found)(uint64_t index, void *arg), void *arg);
/* Asks until there is an answer.  Before: the last one was answered. */
void place_ask(struct place *place);

#endif
