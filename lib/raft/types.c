/* SPDX-License-Identifier: ISC */
/*
 * Ids, session ids and chunks: the smallest words of the core.
 */
#include "types.h"

#include <stdlib.h>
#include <string.h>

static bool
id_char_ok(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

bool
raft_id_equal(const struct raft_id *a, const struct raft_id *b)
{
	return memcmp(a->s, b->s, sizeof a->s) == 0;
}

bool
raft_id_none(const struct raft_id *id)
{
	return raft_id_equal(id, &RAFT_NOBODY);
}

bool
raft_id_parse(struct raft_id *id, const char *text)
{
	size_t size = 0;

	memset(id, 0, sizeof *id);
	while (text[size] != '\0') {
		if (size == sizeof id->s - 1 || !id_char_ok(text[size]))
			return false;
		size++;
	}
	memcpy(id->s, text, size);
	return size > 0;
}

bool
raft_id_valid(const struct raft_id *id)
{
	size_t i = 0;

	while (i < sizeof id->s && id_char_ok(id->s[i]))
		i++;
	if (i == sizeof id->s)
		return false;
	return memcmp(id->s + i, RAFT_NOBODY.s, sizeof id->s - i) == 0;
}

bool
raft_sid_equal(const struct raft_sid *a, const struct raft_sid *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool
raft_sid_none(const struct raft_sid *sid)
{
	static const struct raft_sid none;

	return raft_sid_equal(sid, &none);
}

bool
raft_sid_named(const struct raft_sid *sid)
{
	return (sid->b[0] & RAFT_SID_NAMED) != 0;
}

bool
raft_hash_equal(const struct raft_hash *a, const struct raft_hash *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool
raft_hash_none(const struct raft_hash *hash)
{
	static const struct raft_hash none;

	return raft_hash_equal(hash, &none);
}

struct raft_chunk *
raft_chunk_new(size_t size)
{
	struct raft_chunk *chunk;

	if (size > SIZE_MAX - sizeof *chunk)
		return NULL;
	chunk = malloc(sizeof *chunk + size);
	if (chunk == NULL)
		return NULL;
	chunk->refs = 1;
	chunk->size = size;
	return chunk;
}

struct raft_chunk *
raft_chunk_ref(struct raft_chunk *chunk)
{
	must(chunk->refs > 0);
	chunk->refs++;
	return chunk;
}

void
raft_chunk_unref(struct raft_chunk *chunk)
{
	if (chunk == NULL)
		return;
	must(chunk->refs > 0);
	if (--chunk->refs == 0)
		free(chunk);
}
