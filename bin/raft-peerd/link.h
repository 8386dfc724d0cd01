/* SPDX-License-Identifier: ISC */
/*
 * One direction to one peer, of one class: a connection, a session on it, and a queue.
 *
 * down: no connection.  greeting: connected, hello sent, no session.  open: frames go out.
 * The session ends with the connection: what was under way may be lost, and raft-elect is told.
 */
#ifndef PEERD_LINK_H
#define PEERD_LINK_H

#include "peerd.h"
#include "push.h"
#include "queue.h"

#define LINK_STATES(S)                                                                             \
	S(DOWN, "down")                                                                            \
	S(GREETING, "greeting")                                                                    \
	S(OPEN, "open")
enum link_state {
#define S(NAME, text) LINK_##NAME,
	LINK_STATES(S)
#undef S
};
const char *link_state_name(enum link_state state);

/* Envelopes without a session: hellos, replies, hints. */
enum { LINK_NOTICES_MAX = 8, LINK_NOTICE_SIZE = ENVELOPE_REPLY_SIZE };
struct link_notice {
	uint8_t bytes[LINK_NOTICE_SIZE];
	size_t size;
};

struct link {
	struct peerd *peerd;
	struct peer *peer;
	enum wire_class class;
	struct push *push; /* NULL: not used yet */
	enum link_state state;
	struct mono_ms since;  /* in this state */
	struct mono_ms dialed; /* when the present attempt to connect began */
	uint64_t retry_ms;     /* so long after that a new push is made at the earliest */
	bool again;            /* it was connected, and lost that */
	/* The handshake under way; there may be one while the link is open, to renew the session. */
	bool pending_valid;
	struct channel_pending pending;
	uint64_t handshake;
	unsigned hellos; /* sent in a row: of the keys that a peer has each gets its turn */
	uint8_t greeted_key[SEAL_KEY_SIZE]; /* the peer's */
	struct mono_ms greeted; /* when it began */
	struct mono_ms hello_next;
	uint64_t hello_delay_ms;
	bool unanswered_told;
	/* The session. */
	struct channel_tx tx;
	uint64_t session;
	uint8_t key[SEAL_KEY_SIZE]; /* the peer's */
	struct mono_ms opened;
	bool fresh; /* nothing has been sent in it: our start number goes first */
	struct queue quick; /* votes and replies: they go before the rest, and change nothing by it */
	struct queue queue;
	struct mono_ms queued; /* since when frames wait for a session */
	bool overflow; /* the queue has dropped something and is not below half again */
	bool waiting;  /* for the connection to take a message */
	/* A message is as large as the connection takes at once. */
	size_t batch_max;
	size_t batch;        /* the one under way */
	struct mono_ms sent; /* when it was given */
	struct link_notice notices[LINK_NOTICES_MAX];
	size_t notices_count;
	uint64_t sent_bytes;
	uint64_t dropped; /* frames */
	struct throttle told;
};

void link_init(struct link *link, struct peerd *peerd, struct peer *peer, enum wire_class class);
/* Connects, when it is not yet. */
void link_use(struct link *link);
/* Closes everything; what waits is lost. */
void link_close(struct link *link, const char *why);
void link_free(struct link *link);
/* A whole frame; queued or dropped.  Sent at the end of the turn. */
void link_send(struct link *link, const uint8_t *frame, size_t size);
/* An envelope without session.  Beyond the room for them the oldest is dropped. */
void link_notice(struct link *link, const uint8_t *bytes, size_t size);
/* Starts a handshake, unless one began just now. */
void link_greet(struct link *link);
/* The peer's reply.  False: not for the handshake under way. */
bool link_reply(struct link *link, uint64_t handshake, const uint8_t *message, uint64_t *start);
/* The peer does not know the session. */
void link_hint(struct link *link, uint64_t session);
/* Connects now instead of at the end of a back-off. */
void link_hasten(struct link *link);
/* The peer's keys have changed: what was made with one that it no longer has is given up. */
void link_check_key(struct link *link);
/* Nothing comes back: the connection is given up. */
void link_give_up(struct link *link, const char *why);
/* The end of a turn: sends what can be sent. */
void link_flush(struct link *link);
/* Time has passed. */
void link_tick(struct link *link, struct mono_ms now);
/* Bytes that wait. */
size_t link_queue_size(const struct link *link);
bool link_idle(const struct link *link);

#endif
