/* SPDX-License-Identifier: ISC */
/*
 * libsodium behind one door: randomness, hashes, keys.  channel.h has the
 * sealed channel between nodes.
 */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include "raft/types.h"

enum { SEAL_KEY_SIZE = 32, SEAL_WHY_SIZE = 1024 };

/* First of all; ends the process when libsodium can't start. */
void seal_init(void);
void seal_random(void *out, size_t size);
uint64_t seal_random_u64(void); /* never 0 */
void seal_wipe(void *bytes, size_t size);

/* BLAKE2b-256 of the parts, one after the other. */
struct seal_part {
	const void *bytes;
	size_t size;
};
struct raft_hash seal_hash(const struct seal_part *parts, size_t count);

/* The same of what comes piece by piece: begin, add, add, end. */
struct seal_stream {
	_Alignas(64) uint8_t state[384];
};
void seal_stream_begin(struct seal_stream *stream);
void seal_stream_add(struct seal_stream *stream, const void *bytes, size_t size);
struct raft_hash seal_stream_end(struct seal_stream *stream);

/*
 * The chain of the log: BLAKE2b-256(prev, index as u64, record).  The record is the
 * encoded entry with its term.  The chain before the first entry is the cluster id.
 */
struct raft_hash seal_chain(
    const struct raft_hash *prev, uint64_t index, const struct raft_entry *entry);
/* The digest of a named session's data: BLAKE2b-256(prev, size as u32, data); before the first
 * entry all zero. */
struct raft_hash seal_digest(const struct raft_hash *prev, const void *data, uint32_t size);
/* The id of the named session, and of the cursor of that name, which is another session. */
void seal_session_id(struct raft_sid *sid, const char *name);
void seal_cursor_id(struct raft_sid *sid, const char *name);
/* Over the name and the members' (id, key, role) in order of id; no addresses. */
struct raft_hash seal_cluster_id(const char *name, const struct raft_config *members);

/* An X25519 pair. */
struct seal_pair {
	uint8_t secret[SEAL_KEY_SIZE];
	uint8_t public[SEAL_KEY_SIZE];
};
void seal_pair_new(struct seal_pair *pair);
/* The public key that belongs to pair->secret. */
void seal_pair_public(struct seal_pair *pair);
/*
 * The secret's file: one line of base64, mode 0600, fsynced with its folder; refuses where a file
 * exists.  Reading refuses a file that others can read.  False with one sentence in why.
 */
bool seal_pair_write(const struct seal_pair *pair, const char *path, char *why);
bool seal_pair_read(struct seal_pair *pair, const char *path, char *why);
/* base64 with padding; out has SEAL_KEY_TEXT_SIZE bytes, NUL included. */
enum { SEAL_KEY_TEXT_SIZE = 45 };
void seal_key_text(char *out, const uint8_t key[SEAL_KEY_SIZE]);
bool seal_key_parse(uint8_t key[SEAL_KEY_SIZE], const char *text);
/* Lower-case hexadecimal; out has 2 * size + 1 bytes. */
void seal_hex(char *out, const void *bytes, size_t size);

#endif
