/* SPDX-License-Identifier: ISC */
/*
 * The objects of the specification, section 5: cipher, symmetric state, handshake.
 * Which keys a DH is of depends on the side; everything else is symmetric.
 */
#include "noise.h"

#include <sodium.h>
#include <string.h>

static const char protocol[] = "Noise_KK_25519_ChaChaPoly_SHA256";

/* ------- cipher (5.1, 12.3) ------------------------------------------------ */

enum { NONCE_SIZE = crypto_aead_chacha20poly1305_IETF_NPUBBYTES };
_Static_assert(NOISE_TAG_SIZE == crypto_aead_chacha20poly1305_IETF_ABYTES, "a tag has its size");
_Static_assert(
    SEAL_KEY_SIZE == crypto_aead_chacha20poly1305_IETF_KEYBYTES, "a cipher key has its size");
_Static_assert(RAFT_HASH_SIZE == crypto_hash_sha256_BYTES, "a hash has its size");

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

/* ------- symmetric state (5.2, 4.3) ----------------------------------------- */

static void
noise_hmac(uint8_t out[RAFT_HASH_SIZE], const uint8_t *key, const uint8_t *a, size_t a_size,
    const uint8_t *b, size_t b_size)
{
	crypto_auth_hmacsha256_state state;
	crypto_auth_hmacsha256_init(&state, key, RAFT_HASH_SIZE);
	crypto_auth_hmacsha256_update(&state, a, a_size);
	crypto_auth_hmacsha256_update(&state, b, b_size);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof state);
}

/* The two outputs of 4.3. */
static void
noise_hkdf(const uint8_t *ck, const uint8_t *input, size_t size, uint8_t first[RAFT_HASH_SIZE],
    uint8_t second[RAFT_HASH_SIZE])
{
	uint8_t key[RAFT_HASH_SIZE];
	noise_hmac(key, ck, input, size, NULL, 0);
	noise_hmac(first, key, NULL, 0, &(uint8_t){1}, 1);
	noise_hmac(second, key, first, RAFT_HASH_SIZE, &(uint8_t){2}, 1);
	sodium_memzero(key, sizeof key);
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

/* False for a point of low order, which would make a secret that everybody knows. */
static bool
mix_dh(struct noise *noise, const struct seal_pair *own, const uint8_t theirs[SEAL_KEY_SIZE])
{
	uint8_t secret[crypto_scalarmult_BYTES];
	if (crypto_scalarmult(secret, own->secret, theirs) != 0)
		return false;
	noise_hkdf(noise->ck, secret, sizeof secret, noise->ck, noise->cipher.k);
	noise->cipher.n = 0;
	sodium_memzero(secret, sizeof secret);
	return true;
}

/* ------- handshake (5.3, 7.5) ----------------------------------------------- */

void
noise_start(struct noise *noise, bool initiator, const struct seal_pair *self,
    const uint8_t peer_key[SEAL_KEY_SIZE], const void *prologue, size_t prologue_size)
{
	*noise = (struct noise){.initiator = initiator, .s = *self};
	memcpy(noise->rs, peer_key, sizeof noise->rs);
	/* A name of exactly one hash is not hashed. */
	_Static_assert(sizeof protocol - 1 == RAFT_HASH_SIZE, "the name is as long as a hash");
	memcpy(noise->h, protocol, sizeof noise->h);
	memcpy(noise->ck, noise->h, sizeof noise->ck);
	mix_hash(noise, prologue, prologue_size);
	mix_hash(noise, initiator ? noise->s.public : noise->rs, SEAL_KEY_SIZE);
	mix_hash(noise, initiator ? noise->rs : noise->s.public, SEAL_KEY_SIZE);
}

/* The letters are the initiator's key and the responder's. */
static bool
mix_first(struct noise *noise) /* es, ss */
{
	return (noise->initiator ? mix_dh(noise, &noise->e, noise->rs)
				 : mix_dh(noise, &noise->s, noise->re)) &&
	       mix_dh(noise, &noise->s, noise->rs);
}

static bool
mix_second(struct noise *noise) /* ee, se */
{
	return mix_dh(noise, &noise->e, noise->re) &&
	       (noise->initiator ? mix_dh(noise, &noise->s, noise->re)
				 : mix_dh(noise, &noise->e, noise->rs));
}

/* The ephemeral key at the head of the next message, and the secrets that it makes possible. */
static bool
mix_ephemeral(struct noise *noise, const uint8_t key[SEAL_KEY_SIZE])
{
	mix_hash(noise, key, SEAL_KEY_SIZE);
	return noise->messages++ == 0 ? mix_first(noise) : mix_second(noise);
}

bool
noise_write(struct noise *noise, const uint8_t *payload, size_t size, uint8_t *out)
{
	must(noise->messages == (noise->initiator ? 0 : 1));
	seal_pair_new(&noise->e);
	memcpy(out, noise->e.public, SEAL_KEY_SIZE);
	if (!mix_ephemeral(noise, noise->e.public))
		return false;
	out += SEAL_KEY_SIZE;
	noise_encrypt(
	    &noise->cipher, noise->cipher.n++, noise->h, sizeof noise->h, payload, size, out);
	mix_hash(noise, out, size + NOISE_TAG_SIZE);
	return true;
}

bool
noise_read(struct noise *noise, const uint8_t *message, size_t size, uint8_t *payload)
{
	must(noise->messages == (noise->initiator ? 1 : 0));
	if (size < NOISE_OVERHEAD)
		return false;
	memcpy(noise->re, message, SEAL_KEY_SIZE);
	if (!mix_ephemeral(noise, noise->re))
		return false;
	message += SEAL_KEY_SIZE;
	size -= SEAL_KEY_SIZE;
	if (!noise_decrypt(&noise->cipher, noise->cipher.n++, noise->h, sizeof noise->h, message,
		size, payload))
		return false;
	mix_hash(noise, message, size);
	return true;
}

void
noise_split(struct noise *noise, struct noise_cipher *there, struct noise_cipher *back)
{
	must(noise->messages == 2);
	noise_hkdf(noise->ck, NULL, 0, there->k, back->k);
	there->n = back->n = 0;
	sodium_memzero(noise, sizeof *noise);
}
