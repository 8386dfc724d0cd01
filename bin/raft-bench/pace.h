/* SPDX-License-Identifier: ISC */
/* Turns of the loop at given nanoseconds: libuv's timers count milliseconds. */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include "unix/loop.h"

struct pace;

/* NULL with errno. */
struct pace *pace_new(struct loop *loop);
/* A turn begins at that time of uv_hrtime, or earlier; at once when it has passed. */
void pace_wake_at(struct pace *pace, uint64_t ns);

#endif
