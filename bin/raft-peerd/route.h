/* SPDX-License-Identifier: ISC */
/*
 * One direction to one peer, of one class: a connection, a session on it, and a queue.
 *
 * down: no connection.  greeting: connected, hello sent, no session.  open: frames go out.
 * The session ends with the connection: what was under way may be lost, and raft-elect is told.
 */
#ifndef PEERD_ROUTE_H
#define PEERD_ROUTE_H

#include "peerd.h"
#include "push.h"
#include "queue.h"

#define ROUTE_STATES(S)                                                                            \
	S(DOWN, "down")                                                                            \
	S(GREETING, "greeting")                                                                    \
	S(OPEN, "open")
enum route_state {
#define S(NAME, text) ROUTE_##NAME,
	ROUTE_STATES(S)
#undef S
};
const char *route_state_name(enum route_state state);

/* Envelopes without a session: hellos, replies, hints. */
enum { ROUTE_NOTICES_MAX = 8, ROUTE_NOTICE_SIZE = ENVELOPE_REPLY_SIZE };
struct route_notice_bytes {
	uint8_t bytes[ROUTE_NOTICE_SIZE];
	size_t size;
};

struct route {
	struct peerd *peerd;
	struct peer *peer;
	enum wire_class class;
	struct push *push; /* NULL: not used yet */
	enum route_state state;
	struct mono_ms since;  /* in this state */
	struct mono_ms dialed; /* when the present attempt to connect began */
	uint64_t retry_ms;     /* so long after that a new push is made at the earliest */
	bool again;            /* it was connected, and lost that */
	/*
	 * The handshake under way; there may be one while the link is open, to renew the session.
	 */
	bool pending_valid;
	struct channel_pending pending;
	uint64_t handshake;
	unsigned hellos; /* sent in a row: of the keys that a peer has each gets its turn */
	uint8_t greeted_key[SEAL_KEY_SIZE]; /* the peer's */
	struct mono_ms greeted;             /* when it began */
	struct mono_ms hello_next;
	uint64_t hello_delay_ms;
	bool unanswered_told;
	/* The session. */
	struct channel_tx tx;
	uint64_t session;
	uint8_t key[SEAL_KEY_SIZE]; /* the peer's */
	struct mono_ms opened;
	bool fresh; /* nothing has been sent in it: our start number goes first */
	struct queue
	    quick; /* votes and replies: they go before the rest, and change nothing by it */
	struct queue queue;
	struct mono_ms queued; /* since when frames wait for a session */
	bool overflow;         /* the queue has dropped something and is not below half again */
	bool waiting;          /* for the connection to take a message */
	/* A message is as large as the connection takes at once. */
	size_t batch_max;
	size_t batch;        /* the one under way */
	struct mono_ms sent; /* when it was given */
	struct route_notice_bytes notices[ROUTE_NOTICES_MAX];
	size_t notices_count;
	uint64_t sent_bytes;
	uint64_t dropped; /* frames */
	struct throttle told;
};

void route_init(struct route *route, struct peerd *peerd, struct peer *peer, enum wire_class class);
/* Connects, when it is not yet. */
void route_use(struct route *route);
/* Closes everything; what waits is lost. */
void route_close(struct route *route, const char *why);
void route_free(struct route *route);
/* Queued or dropped.  Sent at the end of the turn. */
void route_send(struct route *route, const struct wire_frame *frame);
/* The same for the one frame in buf, which is freed. */
void route_send_own(struct route *route, struct wire_buf *buf);
/* An envelope without session.  Beyond the room for them the oldest is dropped. */
void route_notice(struct route *route, const uint8_t *bytes, size_t size);
/* Starts a handshake, unless one began just now. */
void route_greet(struct route *route);
/* The peer's reply.  False: not for the handshake under way. */
bool route_reply(struct route *route, uint64_t handshake, const uint8_t *message, uint64_t *start);
/* The peer does not know the session. */
void route_hint(struct route *route, uint64_t session);
/* Connects now instead of at the end of a back-off. */
void route_hasten(struct route *route);
/* The peer's keys have changed: what was made with one that it no longer has is given up. */
void route_check_key(struct route *route);
/* Nothing comes back: the connection is given up. */
void route_give_up(struct route *route, const char *why);
/* The end of a turn: sends what can be sent. */
void route_flush(struct route *route);
/* Time has passed. */
void route_tick(struct route *route, struct mono_ms now);
/* Bytes that wait. */
size_t route_queue_size(const struct route *route);
bool route_idle(const struct route *route);

#endif
