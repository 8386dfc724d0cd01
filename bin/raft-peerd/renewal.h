/* SPDX-License-Identifier: ISC */
/* The keys of a connection are replaced by fresh ones, as channel.h has it; the dialer begins. */
#ifndef PEERD_RENEWAL_H
#define PEERD_RENEWAL_H

#include "connection.h"

/* Time has passed: begins when the keys are old.  Before: the connection is open. */
void renewal_tick(struct connection *connection, struct mono_ms now);
/* A record that is none of frames.  False: it does not belong here. */
bool renewal_take(struct connection *connection, uint8_t kind, const uint8_t *message, size_t size);

#endif
