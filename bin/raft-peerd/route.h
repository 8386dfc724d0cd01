/* SPDX-License-Identifier: ISC */
/*
 * The way to one peer for one class: the connection that is open, the attempt to make one, and what
 * waits.
 *
 * Either side may dial.  Of two connections that are open at a time the newer one stays; where both
 * sides dialled before either knew of the other's, the one that the node with the lower id dialled.
 */
#ifndef PEERD_ROUTE_H
#define PEERD_ROUTE_H

#include "unix/backoff.h"
#include "unix/sock.h"
#include "connection.h"
#include "queue.h"
#include "resolve.h"

struct route {
	struct peerd *peerd;
	struct peer *peer;
	enum wire_class class;
	struct connection *open; /* NULL: none is */
	struct connection *dial; /* being made; NULL: none is */
	struct resolve *resolve; /* the peer's name is being looked up */
	struct resolve_result addresses;
	size_t attempt;       /* the next; each address is dialled with each of the peer's keys */
	unsigned key;         /* the one that the peer had last, first */
	struct mono_ms retry; /* nothing is dialled earlier */
	struct backoff backoff;
	bool probed;   /* while the peer's own connection is used: whether it can be reached */
	uint64_t seen; /* channel_offer.seen */
	struct mono_ms since;         /* open, or not */
	char why[SOCK_WHY_SIZE];      /* why the last attempt failed, or the connection ended */
	char told_why[SOCK_WHY_SIZE]; /* the last that was logged */
	struct mono_ms warned;        /* of it; 0: not yet */
	struct queue
	    urgent; /* votes and replies: they go before the rest, and change nothing by it */
	struct queue stream;   /* the rest, in order */
	struct mono_ms queued; /* since when frames wait for a connection */
	bool overflow;         /* something was dropped, and the queue is not below half again */
	uint64_t sent_bytes;
	atomic_uint_fast64_t received_bytes; /* written by the threads that receive */
	uint64_t dropped;                    /* frames */
	struct throttle told;
};

void route_init(struct route *route, struct peerd *peerd, struct peer *peer, enum wire_class class);
/* Dials, when there is no connection and it is time. */
void route_use(struct route *route);
/* Closes everything; what waits is lost. */
void route_close(struct route *route, const char *why);
void route_free(struct route *route);
/* A raft_* frame; queued or dropped.  Sent at the end of the turn. */
void route_send(struct route *route, const struct wire_frame *frame);
/* A peer_* frame, at once; frees it.  Lost when there is no connection, or the peer does not read.
 */
void route_send_peerd(struct route *route, struct wire_buf *frame);
/* A connection is authenticated.  False: it is not wanted. */
bool route_connected(struct route *route, struct connection *connection);
/* It has ended. */
void route_ended(struct route *route, struct connection *connection, const char *why);
/* The end of a turn: sends what can be sent. */
void route_flush(struct route *route);
/* Time has passed. */
void route_tick(struct route *route, struct mono_ms now);
const char *route_state_name(const struct route *route);
/* Bytes that wait. */
size_t route_queue_size(const struct route *route);
bool route_idle(const struct route *route);

#endif
