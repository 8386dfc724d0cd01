/* SPDX-License-Identifier: ISC */
/*
 * How much bulk traffic may be sent, to all peers together: a token bucket.
 *
 * It may be in debt, by one message: a large one goes whole, and then nothing for so much longer.
 */
#ifndef PEERD_BULK_H
#define PEERD_BULK_H

#include "../../lib/unix/loop.h"

struct bulk;

/* rate: bytes a second; 0: no limit. */
struct bulk *bulk_new(struct loop *loop, uint64_t rate);
uint64_t bulk_rate(const struct bulk *bulk);
/* Whether a message may be sent now.  If not, the loop turns again when it may. */
bool bulk_may(struct bulk *bulk);
void bulk_sent(struct bulk *bulk, size_t size);

#endif
