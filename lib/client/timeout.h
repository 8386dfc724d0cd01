/* SPDX-License-Identifier: ISC */
/*
 * The end of a wait: when there is no progress for a given time, the owner gives up.
 *
 * What came while this process was stopped counts: before the owner is called, the loop polls once
 * more, and the owner is not called if what that brought has stopped the loop.
 */
#ifndef CLIENT_TIMEOUT_H
#define CLIENT_TIMEOUT_H

#include "unix/loop.h"

struct timeout;

/*
 * Begins to count.  why: the reason until another one is set; the text must outlive the timeout.
 * over: there was no progress for limit_ms; it is not called again before timeout_progress or
 * timeout_begin.
 */
struct timeout *timeout_new(
    struct loop *loop, uint64_t limit_ms, const char *why, void (*over)(void *arg), void *arg);
/* Takes NULL. */
void timeout_free(struct timeout *timeout);
/* Counts from now on, to this limit. */
void timeout_begin(struct timeout *timeout, uint64_t limit_ms);
/* Counts from now on, to the same limit. */
void timeout_progress(struct timeout *timeout);
/* There is nothing to wait for. */
void timeout_stop(struct timeout *timeout);
/* NULL: the reason of timeout_new. */
void timeout_set_why(struct timeout *timeout, const char *why);
const char *timeout_why(const struct timeout *timeout);
/* The reason and "(given up after N ms)"; valid until the next call. */
const char *timeout_sentence(struct timeout *timeout);

#endif
