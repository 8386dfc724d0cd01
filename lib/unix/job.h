/* SPDX-License-Identifier: ISC */
/* Work that takes long, off the loop. */
#ifndef UNIX_JOB_H
#define UNIX_JOB_H

#include "loop.h"

/*
 * Calls work in a thread of its own, then done in the loop.  When there are no more threads (a
 * limit, or no memory), work runs here and holds up the loop: slow is better than not at all.
 * libuv's own pool ends the process then.
 */
void job_start(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

#endif
