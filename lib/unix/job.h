/* SPDX-License-Identifier: ISC */
/* Work that takes long, off the loop. */
#ifndef UNIX_JOB_H
#define UNIX_JOB_H

#include "loop.h"

/*
 * Calls work in a thread of its own, then done in the loop.  When there are no more threads (a
 * limit, or no memory): with `here` work runs at once and holds up the loop, which is slow and
 * better than not at all; without, false with errno.  (libuv's own pool ends the process then.)
 */
bool job_start(
    struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg, bool here);

#endif
