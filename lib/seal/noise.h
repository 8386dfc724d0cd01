/* SPDX-License-Identifier: ISC */
/*
 * The Noise protocol framework, revision 34, for one suite:
 * 25519, ChaChaPoly, SHA256, all from libsodium's primitives.
 *
 * A pattern is data (noise_pattern.c); names may carry psk modifiers
 * (Noise_KKpsk0_25519_ChaChaPoly_SHA256).  raft-peerd uses KK only; the others run
 * so that public test vectors can be run.
 * Section numbers below are those of the specification.
 */
#ifndef SEAL_NOISE_H
#define SEAL_NOISE_H

#include "seal.h"

enum {
	NOISE_HASH_SIZE = 32,
	NOISE_TAG_SIZE = 16,
	NOISE_PSK_SIZE = 32,
	NOISE_PSKS_MAX = 4,
	NOISE_MESSAGES_MAX = 4,
	NOISE_TOKENS_MAX = 8,
	/* A message is its payload and at most a key, an encrypted key and a tag more. */
	NOISE_OVERHEAD_MAX = 2 * SEAL_KEY_SIZE + 2 * NOISE_TAG_SIZE
};

#define NOISE_TOKENS(T)                                                                            \
	T(E, "e")                                                                                  \
	T(S, "s")                                                                                  \
	T(EE, "ee")                                                                                \
	T(ES, "es")                                                                                \
	T(SE, "se")                                                                                \
	T(SS, "ss")                                                                                \
	T(PSK, "psk")
enum noise_token {
	NOISE_END,
#define T(NAME, text) NOISE_##NAME,
	NOISE_TOKENS(T)
#undef T
};

/* What a name such as "KK" or "XXpsk3" stands for. */
struct noise_pattern {
	bool initiator_known; /* pre-message: the responder knows the initiator's static key */
	bool responder_known; /* and the other way round */
	bool psk;
	size_t count; /* of messages; the initiator sends the first, then they alternate */
	enum noise_token messages[NOISE_MESSAGES_MAX][NOISE_TOKENS_MAX + 1];
};
/* name: with `size` bytes, without suite.  False when it is unknown. */
bool noise_pattern_find(struct noise_pattern *pattern, const char *name, size_t size);

/* What a side has before the handshake.  NULL: has none, or (e) makes one. */
struct noise_keys {
	const struct seal_pair *s; /* own static pair */
	const struct seal_pair *e; /* own ephemeral pair; only for test vectors */
	const uint8_t *rs;         /* the other side's static public key */
	const uint8_t *psks[NOISE_PSKS_MAX];
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
/* A new key from the old one, one way (4.2). */
void noise_rekey(struct noise_cipher *cipher);

/* A handshake under way; plain data, so that it can be copied and tried on the copy. */
struct noise {
	struct noise_pattern pattern;
	bool initiator;
	size_t at; /* the next message */
	uint8_t h[NOISE_HASH_SIZE];
	uint8_t ck[NOISE_HASH_SIZE];
	bool keyed;
	struct noise_cipher cipher;
	bool have_s, have_e, have_rs, have_re;
	struct seal_pair s, e;
	uint8_t rs[SEAL_KEY_SIZE], re[SEAL_KEY_SIZE];
	bool e_given;
	size_t psks_used;
	bool have_psk[NOISE_PSKS_MAX];
	uint8_t psks[NOISE_PSKS_MAX][NOISE_PSK_SIZE];
};

/* False when the name is not of a suite and pattern that is known here, or a key that the pattern
 * needs is missing. */
bool noise_start(struct noise *noise, const char *protocol, bool initiator,
    const struct noise_keys *keys, const void *prologue, size_t prologue_size);
/* Before: it is this side's turn.  out has room for size + NOISE_OVERHEAD_MAX; *out_size is set.
 * False: a key is bad. */
bool noise_write(
    struct noise *noise, const uint8_t *payload, size_t size, uint8_t *out, size_t *out_size);
/* payload has room for size.  After false the handshake is over. */
bool noise_read(struct noise *noise, const uint8_t *message, size_t size, uint8_t *payload,
    size_t *payload_size);
bool noise_done(const struct noise *noise);
/* After the last message: the keys from initiator to responder and back.  Wipes the handshake. */
void noise_split(struct noise *noise, struct noise_cipher *there, struct noise_cipher *back);

#endif
