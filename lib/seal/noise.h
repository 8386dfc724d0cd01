/* SPDX-License-Identifier: ISC */
/*
 * Noise_KK_25519_ChaChaPoly_SHA256 (the Noise protocol framework, revision 34) from libsodium's
 * primitives: both sides know the other's static key before the first message.
 *
 *	-> e, es, ss
 *	<- e, ee, se
 *
 * Section numbers are those of the specification.
 */
#ifndef SEAL_NOISE_H
#define SEAL_NOISE_H

#include "seal.h"

enum {
	NOISE_TAG_SIZE = 16,
	/* A handshake message is an ephemeral key, the encrypted payload and its tag. */
	NOISE_OVERHEAD = SEAL_KEY_SIZE + NOISE_TAG_SIZE
};

/* A cipher key and the number of its next message (5.1). */
struct noise_cipher {
	uint8_t k[SEAL_KEY_SIZE];
	uint64_t n;
};
/* in and out may be the same place.  out has size + NOISE_TAG_SIZE bytes. */
void noise_encrypt(const struct noise_cipher *cipher, uint64_t n, const void *ad, size_t ad_size,
    const uint8_t *in, size_t size, uint8_t *out);
/* size: with the tag.  False when the bytes are not what was encrypted under key, number and ad. */
bool noise_decrypt(const struct noise_cipher *cipher, uint64_t n, const void *ad, size_t ad_size,
    const uint8_t *in, size_t size, uint8_t *out);

/* A handshake in progress; plain data, so that a message can be tried on a copy. */
struct noise {
	bool initiator;
	unsigned messages; /* written or read */
	uint8_t h[RAFT_HASH_SIZE];
	uint8_t ck[RAFT_HASH_SIZE];
	struct noise_cipher cipher;
	struct seal_pair s, e;                        /* own static and ephemeral pair */
	uint8_t rs[SEAL_KEY_SIZE], re[SEAL_KEY_SIZE]; /* public keys of the other side */
};

/* self: own static pair.  peer_key: the static key of the other side. */
void noise_start(struct noise *noise, bool initiator, const struct seal_pair *self,
    const uint8_t peer_key[SEAL_KEY_SIZE], const void *prologue, size_t prologue_size);
/*
 * The initiator writes the first message, the responder the second.  out has
 * size + NOISE_OVERHEAD bytes.  False: a key of the other side is of low order.
 */
bool noise_write(struct noise *noise, const uint8_t *payload, size_t size, uint8_t *out);
/* payload has size - NOISE_OVERHEAD bytes and may be NULL when these are none.  After false the
 * handshake is over. */
bool noise_read(struct noise *noise, const uint8_t *message, size_t size, uint8_t *payload);
/* After both messages: the keys from initiator to responder and back.  Wipes the handshake. */
void noise_split(struct noise *noise, struct noise_cipher *there, struct noise_cipher *back);

#endif
