/* SPDX-License-Identifier: ISC */
/* Randomness, hashes and texts of keys, from libsodium.  pair.c has a secret's file. */
#include "seal.h"

#include <err.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "wire/buf.h"

_Static_assert(RAFT_HASH_SIZE <= crypto_generichash_BYTES_MAX, "a BLAKE2b hash of our size exists");
_Static_assert(SEAL_KEY_SIZE == crypto_scalarmult_BYTES, "our keys are X25519's");
_Static_assert((int)SEAL_KEY_SIZE == (int)RAFT_KEY_SIZE, "a member's key is a key");

void
seal_init(void)
{
	if (sodium_init() < 0)
		errx(EX_OSERR, "libsodium cannot start: no source of randomness");
}

void
seal_random(void *out, size_t size)
{
	randombytes_buf(out, size);
}

uint64_t
seal_random_u64(void)
{
	uint64_t v;
	do
		randombytes_buf(&v, sizeof v);
	while (v == 0);
	return v;
}

void
seal_wipe(void *bytes, size_t size)
{
	sodium_memzero(bytes, size);
}

static void
hash_parts(uint8_t *out, size_t out_size, const struct seal_part *parts, size_t count)
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, out_size);
	for (size_t i = 0; i < count; i++)
		crypto_generichash_update(&state, parts[i].bytes, parts[i].size);
	crypto_generichash_final(&state, out, out_size);
}

struct raft_hash
seal_hash(const struct seal_part *parts, size_t count)
{
	struct raft_hash hash;
	hash_parts(hash.b, sizeof hash.b, parts, count);
	return hash;
}

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(struct seal_stream), "the state fits");

void
seal_stream_begin(struct seal_stream *stream)
{
	crypto_generichash_init(
	    (crypto_generichash_state *)(void *)stream->state, NULL, 0, RAFT_HASH_SIZE);
}

void
seal_stream_add(struct seal_stream *stream, const void *bytes, size_t size)
{
	crypto_generichash_update((crypto_generichash_state *)(void *)stream->state, bytes, size);
}

struct raft_hash
seal_stream_end(struct seal_stream *stream)
{
	struct raft_hash hash;
	crypto_generichash_final(
	    (crypto_generichash_state *)(void *)stream->state, hash.b, sizeof hash.b);
	return hash;
}

struct raft_hash
seal_chain(const struct raft_hash *prev, uint64_t index, const struct raft_entry *entry)
{
	uint8_t number[8];
	bytes_put_u64(number, index);
	struct seal_part parts[] = {
	    {prev->b, sizeof prev->b}, {number, sizeof number}, {entry->bytes, entry->size}};
	return seal_hash(parts, 3);
}

struct raft_hash
seal_digest(const struct raft_hash *prev, const void *data, uint32_t size)
{
	uint8_t number[4];
	bytes_put_u32(number, size);
	struct seal_part parts[] = {
	    {prev->b, sizeof prev->b}, {number, sizeof number}, {data, size}};
	return seal_hash(parts, 3);
}

/* domain_size: with its NUL. */
static void
named_id(struct raft_sid *sid, const char *domain, size_t domain_size, const char *name)
{
	struct seal_part parts[] = {{domain, domain_size}, {name, strlen(name)}};
	hash_parts(sid->b, sizeof sid->b, parts, 2);
	sid->b[0] |= RAFT_SID_NAMED;
}

void
seal_session_id(struct raft_sid *sid, const char *name)
{
	static const char domain[] = "raft-tools session";
	named_id(sid, domain, sizeof domain, name);
}

void
seal_cursor_id(struct raft_sid *sid, const char *name)
{
	static const char domain[] = "raft-tools cursor";
	named_id(sid, domain, sizeof domain, name);
}

/* The member that comes after `id` in order of id (NULL: the first); NULL when there is none. */
static const struct raft_member *
member_after(const struct raft_config *members, const struct raft_id *id)
{
	const struct raft_member *next = NULL;
	for (size_t i = 0; i < members->count; i++) {
		const struct raft_member *m = &members->members[i];
		if (id && memcmp(m->id.s, id->s, sizeof id->s) <= 0)
			continue;
		if (next == NULL || memcmp(m->id.s, next->id.s, sizeof next->id.s) < 0)
			next = m;
	}
	return next;
}

struct raft_hash
seal_cluster_id(const char *name, const struct raft_config *members)
{
	static const char domain[] = "raft-tools cluster";
	crypto_generichash_state state;
	uint8_t size[4];
	crypto_generichash_init(&state, NULL, 0, RAFT_HASH_SIZE);
	crypto_generichash_update(&state, (const uint8_t *)domain, sizeof domain);
	bytes_put_u32(size, (uint32_t)strlen(name));
	crypto_generichash_update(&state, size, sizeof size);
	crypto_generichash_update(&state, (const uint8_t *)name, strlen(name));
	for (const struct raft_member *m = member_after(members, NULL); m;
	     m = member_after(members, &m->id)) {
		uint8_t role = (uint8_t)m->role;
		crypto_generichash_update(&state, (const uint8_t *)m->id.s, sizeof m->id.s);
		crypto_generichash_update(&state, m->key, sizeof m->key);
		crypto_generichash_update(&state, &role, 1);
	}
	struct raft_hash id;
	crypto_generichash_final(&state, id.b, sizeof id.b);
	return id;
}

_Static_assert(
    SEAL_KEY_TEXT_SIZE == sodium_base64_ENCODED_LEN(SEAL_KEY_SIZE, sodium_base64_VARIANT_ORIGINAL),
    "a key's text has its size");

void
seal_key_text(char *out, const uint8_t key[SEAL_KEY_SIZE])
{
	sodium_bin2base64(
	    out, SEAL_KEY_TEXT_SIZE, key, SEAL_KEY_SIZE, sodium_base64_VARIANT_ORIGINAL);
}

bool
seal_key_parse(uint8_t key[SEAL_KEY_SIZE], const char *text)
{
	size_t size;
	char again[SEAL_KEY_TEXT_SIZE];
	if (strlen(text) != SEAL_KEY_TEXT_SIZE - 1 ||
	    sodium_base642bin(key, SEAL_KEY_SIZE, text, SEAL_KEY_TEXT_SIZE - 1, NULL, &size, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    size != SEAL_KEY_SIZE)
		return false;
	/* libsodium also takes some bytes that are no base64: a key has one text only. */
	seal_key_text(again, key);
	bool same = memcmp(again, text, sizeof again) == 0;
	sodium_memzero(again, sizeof again);
	return same;
}

void
seal_pair_new(struct seal_pair *pair)
{
	randombytes_buf(pair->secret, sizeof pair->secret);
	seal_pair_public(pair);
}

void
seal_pair_public(struct seal_pair *pair)
{
	crypto_scalarmult_base(pair->public, pair->secret);
}

void
seal_hex(char *out, const void *bytes, size_t size)
{
	sodium_bin2hex(out, 2 * size + 1, bytes, size);
}
