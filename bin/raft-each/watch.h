/* SPDX-License-Identifier: ISC */
/*
 * Whether the cursor has been opened again, as far as this node's log is known to be committed.
 *
 * Each opening is an entry, so there is nothing to ask until something is committed; then
 * raft-logd is asked which opening is in force.  The log in between need not be read.
 */
#ifndef EACH_WATCH_H
#define EACH_WATCH_H

#include "unix/loop.h"
#include "wire/message.h"

struct watch;

/*
 * path: of raft-logd's socket.  taken: another consumer has opened the cursor, with the entry at
 * this index; called once.
 */
struct watch *watch_new(struct loop *loop, const char *path, const char *program,
    const struct raft_sid *cursor, uint64_t epoch, void (*taken)(uint64_t index, void *arg),
    void *arg);

#endif
