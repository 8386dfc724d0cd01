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
uint64_t rate_get(const struct rate *rate);
/* Whether a message may be sent now.  If not, the loop turns again when it may. */
bool rate_may_send(struct rate *rate);
void rate_sent(struct rate *rate, size_t size);

#endif
