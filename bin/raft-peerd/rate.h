/* SPDX-License-Identifier: ISC */
/*
 * How much bulk traffic may be sent, to all peers together: a token bucket.
 *
 * It may be in debt, by one message: a large one goes whole, and then nothing for so much longer.
 */
#ifndef PEERD_RATE_H
#define PEERD_RATE_H

#include "unix/loop.h"

struct rate;

/* In bytes per second; 0: no limit. */
struct rate *rate_new(struct loop *loop, uint64_t per_second);
/* Whether a message of that size may be sent, which then is.  If not, the loop turns again when it
 * may. */
bool rate_take(struct rate *rate, size_t size);

#endif
