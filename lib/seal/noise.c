/* SPDX-License-Identifier: ISC */
/*
 * The objects of the specification, section 5: cipher, symmetric state, handshake.
 * Which DH a token means depends on the side; everything else is symmetric.
 */
#include "noise.h"

#include <sodium.h>
#include <string.h>

static const char prefix[] = "Noise_";
static const char suite[] = "_25519_ChaChaPoly_SHA256";

/* ------- cipher (5.1, 12.3) ------------------------------------------------ */

enum { NONCE_SIZE = crypto_aead_chacha20poly1305_IETF_NPUBBYTES };
_Static_assert(NOISE_TAG_SIZE == crypto_aead_chacha20poly1305_IETF_ABYTES, "a tag has its size");
_Static_assert(
    SEAL_KEY_SIZE == crypto_aead_chacha20poly1305_IETF_KEYBYTES, "a cipher key has its size");
_Static_assert(NOISE_HASH_SIZE == crypto_hash_sha256_BYTES, "a hash has its size");

/* 32 zero bits, then the number, little-endian. */
static void
nonce_of(uint8_t nonce[NONCE_SIZE], uint64_t n)
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n >> (8 * i));
}

void
noise_encrypt(const struct noise_cipher *cipher, uint64_t n, const void *ad, size_t ad_size,
    const uint8_t *in, size_t size, uint8_t *out)
{
	uint8_t nonce[NONCE_SIZE];
	nonce_of(nonce, n);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    out, NULL, in, size, ad, ad_size, NULL, nonce, cipher->k);
}

bool
noise_decrypt(const struct noise_cipher *cipher, uint64_t n, const void *ad, size_t ad_size,
    const uint8_t *in, size_t size, uint8_t *out)
{
	uint8_t nonce[NONCE_SIZE];
	nonce_of(nonce, n);
	return crypto_aead_chacha20poly1305_ietf_decrypt(
		   out, NULL, NULL, in, size, ad, ad_size, nonce, cipher->k) == 0;
}

void
noise_rekey(struct noise_cipher *cipher)
{
	static const uint8_t zeros[SEAL_KEY_SIZE];
	uint8_t next[SEAL_KEY_SIZE + NOISE_TAG_SIZE];
	noise_encrypt(cipher, UINT64_MAX, NULL, 0, zeros, sizeof zeros, next);
	memcpy(cipher->k, next, sizeof cipher->k);
	sodium_memzero(next, sizeof next);
}

/* ------- symmetric state (5.2, 4.3) ----------------------------------------- */

static void
noise_hmac(uint8_t out[NOISE_HASH_SIZE], const uint8_t *key, const uint8_t *a, size_t a_size,
    const uint8_t *b, size_t b_size)
{
	crypto_auth_hmacsha256_state state;
	crypto_auth_hmacsha256_init(&state, key, NOISE_HASH_SIZE);
	crypto_auth_hmacsha256_update(&state, a, a_size);
	crypto_auth_hmacsha256_update(&state, b, b_size);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof state);
}

/* `count` outputs of 32 bytes, 2 or 3. */
static void
noise_hkdf(const uint8_t *ck, const uint8_t *input, size_t size, uint8_t (*out)[NOISE_HASH_SIZE],
    uint8_t count)
{
	uint8_t key[NOISE_HASH_SIZE];
	noise_hmac(key, ck, input, size, NULL, 0);
	for (uint8_t i = 1; i <= count; i++)
		noise_hmac(
		    out[i - 1], key, i > 1 ? out[i - 2] : NULL, i > 1 ? NOISE_HASH_SIZE : 0, &i, 1);
	sodium_memzero(key, sizeof key);
}

static void
set_key(struct noise *noise, const uint8_t k[SEAL_KEY_SIZE])
{
	memcpy(noise->cipher.k, k, SEAL_KEY_SIZE);
	noise->cipher.n = 0;
	noise->keyed = true;
}

static void
mix_key(struct noise *noise, const uint8_t *input, size_t size)
{
	uint8_t out[2][NOISE_HASH_SIZE];
	noise_hkdf(noise->ck, input, size, out, 2);
	memcpy(noise->ck, out[0], sizeof noise->ck);
	set_key(noise, out[1]);
	sodium_memzero(out, sizeof out);
}

static void
mix_hash(struct noise *noise, const void *bytes, size_t size)
{
	crypto_hash_sha256_state state;
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, noise->h, sizeof noise->h);
	crypto_hash_sha256_update(&state, bytes, size);
	crypto_hash_sha256_final(&state, noise->h);
}

static void
mix_key_and_hash(struct noise *noise, const uint8_t psk[NOISE_PSK_SIZE])
{
	uint8_t out[3][NOISE_HASH_SIZE];
	noise_hkdf(noise->ck, psk, NOISE_PSK_SIZE, out, 3);
	memcpy(noise->ck, out[0], sizeof noise->ck);
	mix_hash(noise, out[1], NOISE_HASH_SIZE);
	set_key(noise, out[2]);
	sodium_memzero(out, sizeof out);
}

/* Returns the bytes written: size, and a tag when there is a key. */
static size_t
encrypt_and_hash(struct noise *noise, const uint8_t *in, size_t size, uint8_t *out)
{
	if (noise->keyed) {
		noise_encrypt(
		    &noise->cipher, noise->cipher.n++, noise->h, sizeof noise->h, in, size, out);
		size += NOISE_TAG_SIZE;
	} else if (size > 0) {
		memmove(out, in, size);
	}
	mix_hash(noise, out, size);
	return size;
}

static bool
decrypt_and_hash(struct noise *noise, const uint8_t *in, size_t size, uint8_t *out)
{
	uint8_t h[NOISE_HASH_SIZE];
	memcpy(h, noise->h, sizeof h);
	/* Before the decryption, which may be in place. */
	mix_hash(noise, in, size);
	if (noise->keyed)
		return size >= NOISE_TAG_SIZE &&
		       noise_decrypt(&noise->cipher, noise->cipher.n++, h, sizeof h, in, size, out);
	if (size > 0)
		memmove(out, in, size);
	return true;
}

/* ------- handshake (5.3) ---------------------------------------------------- */

/* The pattern's name inside "Noise_NAME_25519_ChaChaPoly_SHA256". */
static bool
find_pattern(struct noise_pattern *pattern, const char *protocol)
{
	size_t size = strlen(protocol), fixed = sizeof prefix - 1 + sizeof suite - 1;
	return size > fixed && memcmp(protocol, prefix, sizeof prefix - 1) == 0 &&
	       strcmp(protocol + size - (sizeof suite - 1), suite) == 0 &&
	       noise_pattern_find(pattern, protocol + sizeof prefix - 1, size - fixed);
}

static void
take_keys(struct noise *noise, const struct noise_keys *keys)
{
	if ((noise->have_s = keys->s != NULL))
		noise->s = *keys->s;
	if ((noise->e_given = keys->e != NULL))
		noise->e = *keys->e;
	if ((noise->have_rs = keys->rs != NULL))
		memcpy(noise->rs, keys->rs, sizeof noise->rs);
	for (size_t i = 0; i < NOISE_PSKS_MAX; i++)
		if ((noise->have_psk[i] = keys->psks[i] != NULL))
			memcpy(noise->psks[i], keys->psks[i], NOISE_PSK_SIZE);
}

/* A pre-message: a static key known to both, mixed in before anything is sent. */
static bool
mix_known(struct noise *noise, bool initiators)
{
	bool own = noise->initiator == initiators;
	if (own ? !noise->have_s : !noise->have_rs)
		return false;
	mix_hash(noise, own ? noise->s.public : noise->rs, SEAL_KEY_SIZE);
	return true;
}

bool
noise_start(struct noise *noise, const char *protocol, bool initiator,
    const struct noise_keys *keys, const void *prologue, size_t prologue_size)
{
	memset(noise, 0, sizeof *noise);
	if (!find_pattern(&noise->pattern, protocol))
		return false;
	noise->initiator = initiator;
	take_keys(noise, keys);
	size_t size = strlen(protocol);
	if (size <= NOISE_HASH_SIZE)
		memcpy(noise->h, protocol, size);
	else
		crypto_hash_sha256(noise->h, (const uint8_t *)protocol, size);
	memcpy(noise->ck, noise->h, sizeof noise->ck);
	mix_hash(noise, prologue, prologue_size);
	return (!noise->pattern.initiator_known || mix_known(noise, true)) &&
	       (!noise->pattern.responder_known || mix_known(noise, false));
}

/* False for a point of low order, which would make a secret that everybody knows. */
static bool
mix_dh(struct noise *noise, bool have_ours, const struct seal_pair *ours, bool have_theirs,
    const uint8_t *theirs)
{
	uint8_t secret[crypto_scalarmult_BYTES];
	if (!have_ours || !have_theirs || crypto_scalarmult(secret, ours->secret, theirs) != 0)
		return false;
	mix_key(noise, secret, sizeof secret);
	sodium_memzero(secret, sizeof secret);
	return true;
}

static bool
mix_psk(struct noise *noise)
{
	size_t i = noise->psks_used++;
	if (i >= NOISE_PSKS_MAX || !noise->have_psk[i])
		return false;
	mix_key_and_hash(noise, noise->psks[i]);
	return true;
}

/* The tokens that both sides treat alike.  es: the initiator's ephemeral with the responder's
 * static key. */
static bool
mix_token(struct noise *noise, enum noise_token token)
{
	bool own_e = token == NOISE_EE || (token == NOISE_ES) == noise->initiator;
	switch (token) {
	case NOISE_EE:
		return mix_dh(noise, noise->have_e, &noise->e, noise->have_re, noise->re);
	case NOISE_SS:
		return mix_dh(noise, noise->have_s, &noise->s, noise->have_rs, noise->rs);
	case NOISE_ES:
	case NOISE_SE:
		return own_e ? mix_dh(noise, noise->have_e, &noise->e, noise->have_rs, noise->rs)
			     : mix_dh(noise, noise->have_s, &noise->s, noise->have_re, noise->re);
	case NOISE_PSK:
		return mix_psk(noise);
	default:
		return false;
	}
}

static void
mix_ephemeral(struct noise *noise, const uint8_t key[SEAL_KEY_SIZE])
{
	mix_hash(noise, key, SEAL_KEY_SIZE);
	if (noise->pattern.psk)
		mix_key(noise, key, SEAL_KEY_SIZE);
}

static void
write_ephemeral(struct noise *noise, uint8_t *out)
{
	if (!noise->e_given)
		seal_pair_new(&noise->e);
	noise->have_e = true;
	memcpy(out, noise->e.public, SEAL_KEY_SIZE);
	mix_ephemeral(noise, out);
}

static bool
my_turn(const struct noise *noise)
{
	return (noise->at % 2 == 0) == noise->initiator;
}

bool
noise_write(
    struct noise *noise, const uint8_t *payload, size_t size, uint8_t *out, size_t *out_size)
{
	must(!noise_done(noise));
	must(my_turn(noise));
	uint8_t *at = out;
	for (const enum noise_token *t = noise->pattern.messages[noise->at++]; *t != NOISE_END;
	     t++) {
		if (*t == NOISE_E) {
			write_ephemeral(noise, at);
			at += SEAL_KEY_SIZE;
		} else if (*t == NOISE_S) {
			if (!noise->have_s)
				return false;
			at += encrypt_and_hash(noise, noise->s.public, SEAL_KEY_SIZE, at);
		} else if (!mix_token(noise, *t)) {
			return false;
		}
	}
	at += encrypt_and_hash(noise, payload, size, at);
	*out_size = (size_t)(at - out);
	return true;
}

/* Both keys of the other side; *used is what was taken of the message. */
static bool
read_ephemeral(struct noise *noise, const uint8_t *at, size_t left, size_t *used)
{
	if (left < SEAL_KEY_SIZE)
		return false;
	memcpy(noise->re, at, SEAL_KEY_SIZE);
	noise->have_re = true;
	mix_ephemeral(noise, noise->re);
	*used = SEAL_KEY_SIZE;
	return true;
}

static bool
read_static(struct noise *noise, const uint8_t *at, size_t left, size_t *used)
{
	size_t size = SEAL_KEY_SIZE + (noise->keyed ? NOISE_TAG_SIZE : 0);
	if (left < size || !decrypt_and_hash(noise, at, size, noise->rs))
		return false;
	noise->have_rs = true;
	*used = size;
	return true;
}

bool
noise_read(struct noise *noise, const uint8_t *message, size_t size, uint8_t *payload,
    size_t *payload_size)
{
	must(!noise_done(noise));
	must(!my_turn(noise));
	for (const enum noise_token *t = noise->pattern.messages[noise->at++]; *t != NOISE_END;
	     t++) {
		size_t used = 0;
		bool ok = *t == NOISE_E   ? read_ephemeral(noise, message, size, &used)
			  : *t == NOISE_S ? read_static(noise, message, size, &used)
					  : mix_token(noise, *t);
		if (!ok)
			return false;
		message += used;
		size -= used;
	}
	if (!decrypt_and_hash(noise, message, size, payload))
		return false;
	*payload_size = size - (noise->keyed ? NOISE_TAG_SIZE : 0);
	return true;
}

bool
noise_done(const struct noise *noise)
{
	return noise->at == noise->pattern.count;
}

void
noise_split(struct noise *noise, struct noise_cipher *there, struct noise_cipher *back)
{
	must(noise_done(noise));
	uint8_t out[2][NOISE_HASH_SIZE];
	noise_hkdf(noise->ck, NULL, 0, out, 2);
	memcpy(there->k, out[0], SEAL_KEY_SIZE);
	memcpy(back->k, out[1], SEAL_KEY_SIZE);
	there->n = back->n = 0;
	sodium_memzero(out, sizeof out);
	sodium_memzero(noise, sizeof *noise);
}
