/* SPDX-License-Identifier: ISC */
/*
 * The one listening NNG socket (pull0): messages from whoever connects.
 *
 * Used from the loop only.  While it is paused nothing is taken: NNG holds one message
 * a connection and then stops reading, so back-pressure reaches the sender.
 */
#ifndef PEERD_PULL_H
#define PEERD_PULL_H

#include "nng_events.h"

struct pull;

struct pull_calls {
	/* A whole message, valid during the call; its bytes may be changed. */
	void (*message)(uint32_t pipe, uint8_t *bytes, size_t size, void *arg);
	/* A connection has come, or has gone.  A message may be faster than `come`. */
	void (*pipe)(uint32_t pipe, bool come, void *arg);
};

/* size_max: of a message; pipes_max: connections at once.  NULL with errno and one sentence in why
 * (1 KiB). */
struct pull *pull_new(struct loop *loop, struct nng_events *events, const char *url,
    size_t size_max, unsigned pipes_max, const struct pull_calls *calls, void *arg, char *why);
void pull_pause(struct pull *pull, bool pause);
/* The kernel's descriptor beneath a connection, also of a push; -1: it is gone.  NNG owns it. */
int pull_fd(uint32_t id);
/* What it has said already may still come. */
void pull_close(uint32_t pipe);
/* Where the connection comes from, as text. */
enum { PULL_ADDRESS_SIZE = 64 };
void pull_address(uint32_t pipe, char text[PULL_ADDRESS_SIZE]);

#endif
