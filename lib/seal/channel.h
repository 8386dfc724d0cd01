/* SPDX-License-Identifier: ISC */
/*
 * The sealed channel between two nodes: Noise_KK_25519_ChaChaPoly_SHA256.
 *
 * A session goes one way: the initiator sends, the responder receives.  Message 1
 * (hello) has no payload; message 2 (reply) carries the responder's session number
 * and start number.  Both sides must agree on names and keys, or no handshake succeeds: they are
 * the prologue.  A sealed message names its counter, which strictly rises; an older one is refused.
 *
 * Built with SEAL_CLEAR (benchmarks only) the payload is not encrypted and carries no
 * proof; channel_clear() then tells, and raft-peerd talks to loopback addresses only.
 */
#ifndef SEAL_CHANNEL_H
#define SEAL_CHANNEL_H

#include "noise.h"

enum {
	CHANNEL_VERSION = 1,
	CHANNEL_PAYLOAD_SIZE = 16, /* struct channel_reply */
	CHANNEL_HELLO_SIZE = NOISE_OVERHEAD,
	CHANNEL_REPLY_SIZE = NOISE_OVERHEAD + CHANNEL_PAYLOAD_SIZE,
	CHANNEL_TAG_SIZE = NOISE_TAG_SIZE
};

bool channel_clear(void);

/* Who talks to whom in which cluster, and of what class. */
struct channel_names {
	struct raft_hash cluster;
	struct raft_id initiator;
	struct raft_id responder;
	uint8_t class;
};

/* What the reply carries, encrypted. */
struct channel_reply {
	uint64_t session; /* names the session in every sealed message */
	uint64_t start;   /* of the responder */
};

/* The sending end. */
struct channel_tx {
	struct noise_cipher cipher;
};
/* The receiving end: counters below cipher.n have been used up. */
struct channel_rx {
	struct noise_cipher cipher;
};

/* An initiator that waits for the reply. */
struct channel_pending {
	struct noise noise;
};

/* False when the peer's key is no good. */
bool channel_hello(struct channel_pending *pending, const struct channel_names *names,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    uint8_t out[CHANNEL_HELLO_SIZE]);
/*
 * The responder: false when the hello is not of this peer, for us, in this
 * cluster; then nothing has changed.
 */
bool channel_answer(const struct channel_names *names, const struct seal_pair *self,
    const uint8_t peer_key[SEAL_KEY_SIZE], const uint8_t hello[CHANNEL_HELLO_SIZE],
    const struct channel_reply *reply, uint8_t out[CHANNEL_REPLY_SIZE], struct channel_rx *rx);
/* The initiator: false when this is no reply to our hello; `pending` can go on waiting.  After true
 * it is wiped. */
bool channel_finish(struct channel_pending *pending, const uint8_t message[CHANNEL_REPLY_SIZE],
    struct channel_reply *reply, struct channel_tx *tx);

/* The counter of the next message. */
uint64_t channel_counter(const struct channel_tx *tx);
/* Seals in place: bytes has size + CHANNEL_TAG_SIZE.  ad: what goes before it in clear.  Takes one
 * counter. */
void channel_seal(
    struct channel_tx *tx, const void *ad, size_t ad_size, uint8_t *bytes, size_t size);

/* What came of opening a message. */
enum channel_verdict {
	CHANNEL_OPENED,
	CHANNEL_OLD,   /* the counter has been used: a copy, or overtaken */
	CHANNEL_FORGED /* not sealed under this session, or altered */
};
/* Opens in place; size is with the tag.  Only CHANNEL_OPENED moves the counter on. */
enum channel_verdict channel_open(struct channel_rx *rx, uint64_t counter, const void *ad,
    size_t ad_size, uint8_t *bytes, size_t size);

#endif
