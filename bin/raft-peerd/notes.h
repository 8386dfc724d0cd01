/* SPDX-License-Identifier: ISC */
/*
 * From NNG's threads to the loop: what happened to which pipe, in order.
 *
 * The only thing here that runs outside the loop is notes_put.
 */
#ifndef PEERD_NOTES_H
#define PEERD_NOTES_H

#include "../../lib/unix/loop.h"

struct notes;

/* In the loop: the pipe has come, or has gone. */
typedef void note_call(uint32_t pipe, bool come, void *arg);

struct notes *notes_new(struct loop *loop);
/* From any thread. */
void notes_put(struct notes *notes, note_call *call, void *arg, uint32_t pipe, bool come);
/* Nothing that has not been told yet will be told to arg. */
void notes_forget(struct notes *notes, const void *arg);

#endif
