/* SPDX-License-Identifier: ISC */
/*
 * One outgoing NNG socket (push0): dials, redials with back-off, sends whole messages.
 *
 * Used from the loop only.  A message is handed to NNG only when the one
 * before it has been written, so at most one is inside NNG.
 */
#ifndef PEERD_PUSH_H
#define PEERD_PUSH_H

#include "nng_events.h"

struct push;

struct push_calls {
	/* A connection is there. */
	void (*opened)(void *arg);
	/* It is gone; what was sent last may be lost. */
	void (*lost)(void *arg);
	/* After push_wait, once: a message can be sent. */
	void (*ready)(void *arg);
};

/* url: where to dial.  NULL with one sentence in why (1 KiB) when it is none. */
struct push *push_new(struct loop *loop, struct nng_events *events, const char *url,
    const struct push_calls *calls, void *arg, char *why);
/* Takes NULL.  Nothing is called any more. */
void push_free(struct push *push);
/* Before it is connected: the kernel sends no more than so many bytes a second, evenly; 0: no
 * limit. */
void push_pace(struct push *push, uint64_t rate);
/* Whether a message can be sent at once. */
bool push_ready(const struct push *push);
void push_wait(struct push *push);
/* A new message of the size: where its bytes go.  Then push_send, which takes it.  False: lost. */
uint8_t *push_message(struct push *push, size_t size);
bool push_send(struct push *push);
/* Gives up the attempt to connect, which may hang in the kernel, and dials anew. */
void push_redial(struct push *push);
/* Closes the connection: it is lost, and dialled anew. */
void push_hang_up(struct push *push);

#endif
