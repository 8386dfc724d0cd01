/* SPDX-License-Identifier: ISC */
/*
 * The end of a wait: when nothing has moved for a given time, the owner gives up.
 *
 * What came while this process was stopped counts: before the time is over, the loop polls once
 * more.
 */
#ifndef CLIENT_TIMEOUT_H
#define CLIENT_TIMEOUT_H

#include "unix/loop.h"

struct timeout;

/*
 * Begins to count.  why: the reason to give until another one is known.  over: nothing has moved
 * for limit_ms; it is not called again before timeout_progress or timeout_begin.
 */
struct timeout *timeout_new(
    struct loop *loop, uint64_t limit_ms, const char *why, void (*over)(void *arg), void *arg);
/* Takes NULL. */
void timeout_free(struct timeout *timeout);
/* Counts from now on, to this limit. */
void timeout_begin(struct timeout *timeout, uint64_t limit_ms);
/* Something has moved: counts from now on, to the same limit. */
void timeout_progress(struct timeout *timeout);
/* There is nothing to wait for. */
void timeout_stop(struct timeout *timeout);
/* The reason, should the time be over; NULL: the one of timeout_new. */
void timeout_set_why(struct timeout *timeout, const char *why);
const char *timeout_why(const struct timeout *timeout);
/* The same and "(given up after N ms)"; valid until the next call. */
const char *timeout_sentence(struct timeout *timeout);

#endif
