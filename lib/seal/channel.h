/* SPDX-License-Identifier: ISC */
/*
 * The sealed channel between two nodes: one TCP connection, one Noise_KK_25519_ChaChaPoly_SHA256
 *session. raft-protocol(7) has the same in tables.  Integers are big-endian.
 *
 *	dialer    preamble, hello: what it is, whom it calls, message 1
 *	acceptor  preamble, reply: the version, message 2
 *	both      records: kind u8, size u24, that many bytes encrypted, tag
 *
 * The preamble and the size before the hello are those of an NNG push socket.  An older raft-peerd
 *then finds the hello's version where it looks for it, and says so.
 *
 * The dialer knows the acceptor when the reply is right.  The acceptor knows the dialer only when
 *its first record is right: a hello can be a copy of an old one.  Counters are not sent: each side
 *counts the records.
 *
 * Renewal: the dialer sends a fresh message 1 in a record, the acceptor answers with message 2, the
 *last record under its old key, and the dialer ends its own old key with an empty record.
 *
 * Built with SEAL_CLEAR (benchmarks only) records are not encrypted and carry no proof;
 *channel_clear() then tells, and raft-peerd talks to loopback addresses only.
 */
#ifndef SEAL_CHANNEL_H
#define SEAL_CHANNEL_H

#include "noise.h"

enum {
	CHANNEL_HELLO_VERSION =
	    2, /* of the hello's form; that of the records is agreed on with it */
	CHANNEL_VERSION_LOW = 2,
	CHANNEL_VERSION_HIGH = 2,
	CHANNEL_TAG_SIZE = 8, /* of the cluster id: tells a wrong cluster from a wrong key */
	CHANNEL_PREAMBLE_SIZE = 8,
	/* The hello: size u64, version u8, low u8, high u8, class u8, from, to, tag, message 1. */
	CHANNEL_CLEAR_SIZE = 8 + 4 + 2 * RAFT_ID_SIZE + CHANNEL_TAG_SIZE,
	CHANNEL_OFFER_SIZE = 24,
	CHANNEL_HELLO_SIZE = CHANNEL_CLEAR_SIZE + NOISE_OVERHEAD + CHANNEL_OFFER_SIZE,
	/* The reply: version u8 (0: refused), reason u8, message 2. */
	CHANNEL_ANSWER_SIZE = 9,
	CHANNEL_REPLY_SIZE = 2 + NOISE_OVERHEAD + CHANNEL_ANSWER_SIZE,
	/* A record. */
	CHANNEL_HEAD_SIZE = 4,
	CHANNEL_PLAIN_MAX = 64 << 10,
	CHANNEL_RECORD_EXTRA = CHANNEL_HEAD_SIZE + NOISE_TAG_SIZE,
	CHANNEL_RECORD_MAX = CHANNEL_PLAIN_MAX + CHANNEL_RECORD_EXTRA,
	/* Each message of a renewal. */
	CHANNEL_RENEWAL_SIZE = NOISE_OVERHEAD
};

/* Why a hello is refused: told in clear, so it is good for a log line and for nothing else. */
#define CHANNEL_REASONS(R)                                                                         \
	R(NONE, "it gives no reason")                                                              \
	R(VERSION, "no version of the protocol between nodes is spoken by both")                   \
	R(RECEIVER, "it is another node: a wrong address in the members list here")                \
	R(CLUSTER, "it is of another cluster")                                                     \
	R(MEMBER, "no member there has this node's id: it was removed, or was not added yet")      \
	R(KEY, "its members list has another key for this node, or this node's list another key "  \
	       "for it")                                                                           \
	R(SELF, "it has this node's own id")
enum channel_reason {
#define R(NAME, text) CHANNEL_REASON_##NAME,
	CHANNEL_REASONS(R)
#undef R
	    CHANNEL_REASONS_COUNT
};
/* Of any number. */
const char *channel_reason_text(unsigned reason);

bool channel_clear(void);

/* What each side sends first. */
extern const uint8_t channel_preamble_dialer[CHANNEL_PREAMBLE_SIZE];
extern const uint8_t channel_preamble_acceptor[CHANNEL_PREAMBLE_SIZE];

/* The part of a hello that is in clear. */
struct channel_hello {
	uint8_t low, high; /* versions */
	uint8_t class;
	struct raft_id from, to;
	uint8_t tag[CHANNEL_TAG_SIZE]; /* the first bytes of the cluster id */
};
/* The dialer's secret part. */
struct channel_offer {
	uint64_t start; /* number of the process */
	uint64_t id;    /* random, of this connection */
	uint64_t seen;  /* the id of the last connection of the class that was open, 0: none was */
};
/* The acceptor's. */
struct channel_answer {
	uint8_t version;
	uint64_t start;
};

#define CHANNEL_ERRORS(E)                                                                          \
	E(OK, "all is well")                                                                       \
	E(FORM, "it does not begin as a raft-peerd does")                                          \
	E(VERSION, "a protocol version that is not spoken here: one of the two is to be upgraded") \
	E(CLASS, "a connection of unknown class")                                                  \
	E(ID, "a malformed node id")
enum channel_error {
#define E(NAME, text) CHANNEL_##NAME,
	CHANNEL_ERRORS(E)
#undef E
};
const char *channel_error_text(enum channel_error error);

void channel_hello_put(uint8_t out[CHANNEL_HELLO_SIZE], const struct channel_hello *hello);
/* Takes any bytes.  After CHANNEL_VERSION the rest may be wrong. */
enum channel_error channel_hello_get(
    struct channel_hello *hello, const uint8_t bytes[CHANNEL_HELLO_SIZE]);

/* The keys of a connection. */
struct channel {
	struct noise_cipher tx, rx;
	uint8_t binding[RAFT_HASH_SIZE]; /* of the handshake */
};

/*
 * The dialer: makes message 1 in `hello`, whose clear part is there.  False when the peer's key is
 * no good.
 */
bool channel_dial(struct noise *pending, const struct raft_hash *cluster,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    const struct channel_offer *offer, uint8_t hello[CHANNEL_HELLO_SIZE]);
/* The acceptor.  False when the hello is not of this peer, for us, in this cluster. */
bool channel_accept(struct channel *channel, const struct raft_hash *cluster,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    const uint8_t hello[CHANNEL_HELLO_SIZE], struct channel_offer *offer,
    const struct channel_answer *answer, uint8_t reply[CHANNEL_REPLY_SIZE]);
void channel_refusal_put(uint8_t reply[CHANNEL_REPLY_SIZE], enum channel_reason reason);
/* Whether the reply is a refusal, and why. */
bool channel_refused(const uint8_t reply[CHANNEL_REPLY_SIZE], unsigned *reason);
/* The dialer again: false when this is no reply to the hello.  Wipes `pending`. */
bool channel_finish(struct noise *pending, const uint8_t reply[CHANNEL_REPLY_SIZE],
    struct channel *channel, struct channel_answer *answer);

/* Writes a record; out has size + CHANNEL_RECORD_EXTRA bytes, which it returns.  Before: size fits.
 */
size_t channel_seal(
    struct noise_cipher *tx, uint8_t kind, const void *bytes, size_t size, uint8_t *out);
/* From its head: the size of the whole record; 0: impossible. */
size_t channel_record_size(const uint8_t head[CHANNEL_HEAD_SIZE]);
/* Opens a whole record in place: the plain bytes are at CHANNEL_HEAD_SIZE.  False: not the next of
 * this channel. */
bool channel_open(struct noise_cipher *rx, uint8_t *record, size_t size);

/*
 * Renewal, in the order of its three steps.  `fresh` has the new keys; the callee's channel is
 * unchanged. False: a message that is not of this renewal.
 */
bool channel_renew(struct noise *pending, const struct channel *channel,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    uint8_t out[CHANNEL_RENEWAL_SIZE]);
bool channel_renew_answer(struct channel *fresh, const struct channel *channel,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    const uint8_t message[CHANNEL_RENEWAL_SIZE], uint8_t out[CHANNEL_RENEWAL_SIZE]);
bool channel_renew_finish(
    struct noise *pending, const uint8_t message[CHANNEL_RENEWAL_SIZE], struct channel *fresh);

#endif
