/* SPDX-License-Identifier: ISC */
/*
 * How far the log is committed, by raft-elect (ReadIndex, section 6.4).
 *
 * Whatever was committed before the question is at or below the index that is found.  So the reply
 * to an entry whose own index is no longer at hand can be waited for on a node that lags; and an
 * index above it was not committed.
 */
#ifndef CLIENT_READ_INDEX_H
#define CLIENT_READ_INDEX_H

#include "unix/loop.h"

struct read_index;

/* path: of raft-elect's socket.  found: the answer to read_index_ask, never 0. */
struct read_index *read_index_new(struct loop *loop, const char *path, const char *program,
    void (*found)(uint64_t index, void *arg), void *arg);
/* Asks until there is an answer.  An earlier question is forgotten: what is found was committed
 * after this call. */
void read_index_ask(struct read_index *read_index);

#endif
