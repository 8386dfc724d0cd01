/* SPDX-License-Identifier: ISC */
/*
 * One TCP connection to another node, of one class, used in both directions: the handshake, then
 *records.
 *
 *	dialer     DIALING   the TCP connection is being made
 *	           GREETING  the hello is sent, the reply has not come
 *	acceptor   GREETING  the hello has not come
 *	           PROVING   the reply is sent; the first record will show that the hello was not a
 *copy both       OPEN
 *
 * Who receives: until it is open the loop; from then on a thread of NNG's, which decrypts and hands
 *frames to raft-elect without the loop.  What only the loop can do (frames between raft-peerds, a
 *renewal, the end) it hands over, and the loop goes on from there until it has emptied the buffer.
 *There is never more than one receiver.
 */
#ifndef PEERD_CONNECTION_H
#define PEERD_CONNECTION_H

#include <stdatomic.h>

#include "peerd.h"
#include "stream.h"

#define CONNECTION_STATES(S)                                                                       \
	S(DIALING, "dialing")                                                                      \
	S(GREETING, "greeting")                                                                    \
	S(PROVING, "proving")                                                                      \
	S(OPEN, "open")
enum connection_state {
#define S(NAME, text) CONNECTION_##NAME,
	CONNECTION_STATES(S)
#undef S
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
	struct mono_ms opened, renewed;
	struct stream *stream;
	struct raft_id from;            /* as it says */
	struct resolve_host host;       /* from which it came, when it was accepted */
	unsigned refused;               /* enum channel_reason: the other side said so, in clear */
	uint8_t key[SEAL_KEY_SIZE];     /* the peer's */
	struct channel_offer offer;     /* the dialer's */
	uint64_t start;                 /* of the peer's process */
	struct channel_pending pending; /* the dialer's handshake, or renewal */
	struct channel channel;
	bool renewing;
	struct channel fresh; /* the keys after the renewal */
	/* Sending: the loop's. */
	uint8_t *out;
	size_t out_at, out_size;
	bool out_pending;      /* given to stream_send_rest */
	enum record_kind step; /* of a renewal, to be sent before anything else; 0: none */
	uint8_t step_bytes[CHANNEL_RENEWAL_SIZE];
	size_t step_size;
	uint64_t sent_bytes;
	/* Receiving: of the thread that receives. */
	bool direct; /* it is open, and NNG's thread may hand frames to raft-elect */
	uint8_t *in;
	size_t in_size, in_room;
	struct wire_buf partial; /* a frame of RECORD_STREAM that is not whole yet */
	const char *wrong;       /* what ended it, when it was the other end's fault */
	bool over;               /* the connection has ended */
	/* The loop's. */
	bool waits;  /* its hello, for the members to be known */
	bool busy;   /* records of it are being handled */
	bool doomed; /* freed when that is done */
	/* Under the lock of delivery.h. */
	bool dead;   /* another has taken its place: nothing of it goes to raft-elect any more */
	bool handed; /* over to the loop */
	bool paused; /* nothing is received until raft-elect has read */
	/* Written by the thread that receives, read by the loop. */
	atomic_uint_fast64_t received_bytes, received_records, heard_ms;
};

/* Dials a peer.  url: a numeric address.  NULL with one sentence in why (1 KiB). */
struct connection *connection_dial(struct peer *peer, enum wire_class class,
    const uint8_t key[SEAL_KEY_SIZE], const char *url, char *why);
/* The accepted call of stream.h, with struct peerd as argument. */
void connection_accepted(struct stream *stream, void *arg);
/* Closes and frees it, without a call to its peer. */
void connection_free(struct connection *connection);
/* Nothing of it is handed to raft-elect from now on. */
void connection_kill(struct connection *connection);
/* After raft-elect has read: those that are paused go on. */
void connections_resume(struct peerd *peerd);
/* Time has passed: handshakes that take too long end, keys are renewed. */
void connections_tick(struct peerd *peerd, struct mono_ms now);
/*
 * Frees those whose hello named the peer and that have not shown its key: all of them, before the
 * peer is freed, or those with a key that it no longer has.  Its routes do not know of them.
 */
void connections_drop_unproven(const struct peer *peer, bool all);

/* Whether a record can be sent now. */
bool connection_ready(const struct connection *connection);
/* Sends a record.  Before: connection_ready, and size is at most CHANNEL_PLAIN_MAX. */
void connection_send(
    struct connection *connection, enum record_kind kind, const void *bytes, size_t size);

/* For renewal.c: sends step_bytes, as soon as what is being sent has gone. */
void connection_step(struct connection *connection, enum record_kind kind, size_t size);
/* For handshake.c. */
/* It has ended, or is given up: calls peer_ended, and frees it. */
void connection_end(struct connection *connection, const char *why);
/* Counts and logs that what came was refused. */
void connection_refused(struct connection *connection, const char *why);
/* Sends a part of the handshake. */
void connection_say(struct connection *connection, const void *bytes, size_t size);
/* Receives what is missing of `need` bytes of the handshake. */
void connection_receive(struct connection *connection, size_t need);
/* It is authenticated.  False: it is not wanted. */
bool connection_open(struct connection *connection);
/* From now on a thread of NNG's receives records. */
void connection_receive_records(struct connection *connection);

#endif
