/* SPDX-License-Identifier: ISC */
/*
 * What goes to raft-elect: frames of peers, put in by any thread, in one order.
 *
 * The lock is held for appending and for a send that does not wait; nothing is logged, waited for
 * or freed under it.  It also guards what a connection shares between threads (connection.h).
 */
#ifndef PEERD_DELIVERY_H
#define PEERD_DELIVERY_H

#include "unix/loop.h"
#include "wire/message.h"

struct delivery;

/* drained: in the loop, after delivery_flush has said that too much waits: it is half of that or
 * less again. */
struct delivery *delivery_new(struct loop *loop, void (*drained)(void *arg), void *arg);
/* raft-elect's socket, on which hello_reply has been written.  False with errno: no descriptor is
 * free. */
bool delivery_attach(struct delivery *delivery, int fd);
/* It is gone; what has not been sent is dropped. */
void delivery_detach(struct delivery *delivery);
/* Too much waits, as delivery_flush said. */
bool delivery_choked(struct delivery *delivery);
/* Frames that came while there was none. */
uint64_t delivery_unheard(const struct delivery *delivery);
/* Takes the lock: what was sent to the peer may be lost. */
void delivery_lost(struct delivery *delivery, const struct raft_id *peer);

void delivery_lock(struct delivery *delivery);
void delivery_unlock(struct delivery *delivery);
/* Under the lock: a whole raft_* frame. */
void delivery_put(
    struct delivery *delivery, const struct raft_id *from, const struct wire_frame *frame);
/* Under the lock: sends what the socket takes.  True: too much waits; nothing more should be put in
 * until it is drained. */
bool delivery_flush(struct delivery *delivery);

#endif
