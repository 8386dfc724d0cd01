/* SPDX-License-Identifier: ISC */
/*
 * A timer that owns its handle, so its owner need not wait for libuv to close it.
 */
#ifndef UNIX_TIMER_H
#define UNIX_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct timer;

/* fire is called in the loop.  It may start, stop or free the timer. */
struct timer *timer_new(struct loop *loop, void (*fire)(void *arg), void *arg);
/* Takes NULL.  fire is not called any longer. */
void timer_free(struct timer *timer);
/* Once, after this time; 0: in the next turn.  Replaces what was started before. */
void timer_start(struct timer *timer, uint64_t after_ms);
/* First after after_ms, then every period_ms, until timer_stop. */
void timer_repeat(struct timer *timer, uint64_t after_ms, uint64_t period_ms);
void timer_stop(struct timer *timer);
/* Whether fire is going to be called. */
bool timer_active(const struct timer *timer);

#endif
