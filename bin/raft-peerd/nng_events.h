/* SPDX-License-Identifier: ISC */
/*
 * From NNG's threads to the loop: what happened to which pipe, in order.
 *
 * The only thing here that runs outside the loop is notes_put.
 */
#ifndef PEERD_NNG_EVENTS_H
#define PEERD_NNG_EVENTS_H

#include "unix/loop.h"

struct nng_events;

/* In the loop: the pipe has come, or has gone. */
typedef void note_call(uint32_t pipe, bool come, void *arg);

struct nng_events *nng_events_new(struct loop *loop);
/* From any thread. */
void nng_events_put(
    struct nng_events *events, note_call *call, void *arg, uint32_t pipe, bool come);
/* Nothing that has not been told yet will be told to arg. */
void nng_events_forget(struct nng_events *events, const void *arg);

#endif
