/* SPDX-License-Identifier: ISC */
/*
 * One TCP connection to another node, of one class, used in both directions: the handshake, then
 * records.
 *
 *	dialer     DIALING   the TCP connection is being made
 *	           GREETING  the hello is sent, the reply has not come
 *	acceptor   GREETING  the hello has not come
 *	           WAITING   it has come; raft-elect has not named the members yet
 *	           PROVING   the reply is sent; the first record will show that the hello was no
 *copy both       OPEN ENDED     closed, and freed at the end of the turn
 *
 * Who receives: until it is open the loop; from then on a thread of NNG's, which decrypts and hands
 * frames to raft-elect without the loop.  What only the loop can do (frames between raft-peerds, a
 * renewal, the end) it hands over, and the loop continues from there until it has emptied the
 *buffer. There is never more than one receiver.
 */
#ifndef PEERD_CONNECTION_H
#define PEERD_CONNECTION_H

#include <stdatomic.h>

#include "peerd.h"
#include "stream.h"

enum connection_state {
	CONNECTION_DIALING,
	CONNECTION_GREETING,
	CONNECTION_WAITING,
	CONNECTION_PROVING,
	CONNECTION_OPEN,
	CONNECTION_ENDED
};

/* The kind of a record. */
enum record_kind {
	RECORD_FRAMES =
	    1, /* whole raft_* frames: votes and replies, which need no order with the rest */
	RECORD_STREAM,  /* the next bytes of the other raft_* frames, one after another */
	RECORD_PEERD,   /* whole peer_* frames */
	RECORD_RENEW,   /* the dialer's message 1 of a renewal */
	RECORD_RENEWED, /* the acceptor's message 2; its next record has the new key */
	RECORD_SWITCH   /* the dialer's next record has the new key */
};

struct connection {
	struct peerd *peerd;
	struct connection *next; /* of all */
	struct peer *peer;       /* NULL: it has not said who it is */
	enum wire_class class;
	bool dialer;
	bool probe; /* it only shows whether the address can be reached */
	enum connection_state state;
	struct mono_ms since; /* it was made */
	struct mono_ms renewed;
	struct stream *stream;      /* NULL: ended */
	struct raft_id from;        /* as it says */
	struct in6_addr host;       /* from which it came, when it was accepted */
	unsigned refused;           /* enum channel_reason: the other side said so, in clear */
	uint8_t key[SEAL_KEY_SIZE]; /* the peer's */
	struct channel_offer offer; /* the dialer's */
	uint64_t start;             /* of the peer's process */
	struct noise noise;         /* the dialer's handshake, or renewal */
	struct channel channel;
	bool renewing;
	struct channel fresh; /* the keys after the renewal */
	/* Sending: the loop's. */
	uint8_t *out;
	size_t out_at, out_size; /* what lies between them is being sent */
	/* Receiving: of the thread that receives. */
	uint8_t *in;
	size_t in_size;
	struct wire_buf partial; /* a frame of RECORD_STREAM that is not whole yet */
	const char *wrong;       /* what ended it, when it was the other end's fault */
	bool over;               /* the connection has ended */
	/* Under the lock of delivery.h. */
	bool paused; /* nothing is received until raft-elect has read */
	/* Written by the thread that receives, read by the loop. */
	atomic_uint_fast64_t received_records;
};

/* Dials a peer.  url: a numeric address.  NULL with one sentence in why (1 KiB). */
struct connection *connection_dial(struct peer *peer, enum wire_class class,
    const uint8_t key[SEAL_KEY_SIZE], const char *url, char *why);
/* The calls of stream.h, with struct peerd as argument. */
void connection_accepted(struct stream *stream, void *arg);
void connections_woken(void *arg);
/* Closes it, without a call to its route.  When it returns the last of it is with raft-elect. */
void connection_close(struct connection *connection);
/* The end of a turn: frees those that have ended. */
void connections_sweep(struct peerd *peerd);
/* After raft-elect has read: those that are paused go on. */
void connections_resume(struct peerd *peerd);
/* Time has passed: handshakes that take too long end, keys are renewed. */
void connections_tick(struct peerd *peerd, struct mono_ms now);
/* Ends all connections of the peer, or those with a key that it no longer has. */
void connections_end(const struct peer *peer, bool all, const char *why);

/* Whether nothing is being sent, so that a record of frames should be. */
bool connection_ready(const struct connection *connection);
/*
 * Sends a record, after what is being sent.  Before: size is at most CHANNEL_PLAIN_MAX.  False:
 * not sent, since the peer does not read; never when the connection is ready.
 */
bool connection_send(
    struct connection *connection, enum record_kind kind, const void *bytes, size_t size);

/* For handshake.c. */
/* It has ended, or is given up: calls route_ended. */
void connection_end(struct connection *connection, const char *why);
/* Counts and logs that what came was refused. */
void connection_refused(struct connection *connection, const char *why);
/* Sends a part of the handshake. */
void connection_say(struct connection *connection, const void *bytes, size_t size);
/* Receives what is missing of `need` bytes of the handshake. */
void connection_receive(struct connection *connection, size_t need);
/* It is authenticated.  False: it is not wanted, and closed. */
bool connection_open(struct connection *connection);
/* From now on a thread of NNG's receives records. */
void connection_receive_records(struct connection *connection);

#endif
