/* SPDX-License-Identifier: ISC */
/*
 * The head of a snapshot's stream: all of a snapshot but the program's own file, which
 * follows it.  raft-logd(8) describes it byte by byte.
 *
 * The head holds the hash of the file, so the hash of the head stands for the whole stream; it ends
 * with its own, so that no damage to it is taken for content.
 */
#ifndef SEAL_SNAPSHOT_H
#define SEAL_SNAPSHOT_H

#include "wire/message.h"

enum {
	SNAPSHOT_VERSION = 2,
	SNAPSHOT_PREFIX_SIZE = 16, /* what tells the size of the head */
	SNAPSHOT_HEAD_MAX = 32 << 20,
	SNAPSHOT_TEXT_MAX = 255 /* of the cluster's name, and of the format's */
};

struct snapshot_head {
	struct raft_pos pos; /* it stands for all entries up to here */
	struct raft_hash chain;
	struct raft_hash cluster;
	struct wire_bytes name;   /* of the cluster */
	struct wire_bytes format; /* of the file; empty: there is no state, only the log was cut */
	uint64_t file_size;
	struct raft_hash file_hash; /* BLAKE2b-256 */
	struct wire_bytes config;   /* in force there: an encoded configuration */
	struct wire_bytes sessions; /* the table there: session records, in order of last index */
	uint64_t level;             /* in force there */
	uint64_t time;              /* in the last stamp up to there; 0: none */
	struct raft_contract_at contract; /* in force there */
};

/* Appends all of it, in the present version. */
void snapshot_head_put(struct wire_buf *out, const struct snapshot_head *head);
/*
 * The size of the head whose first SNAPSHOT_PREFIX_SIZE bytes these are, also of a newer version;
 * 0: it is none.
 */
size_t snapshot_head_size(const uint8_t prefix[SNAPSHOT_PREFIX_SIZE]);
/*
 * Reads all of a head, of this version or 1; its pieces point into bytes.  False when it is
 * malformed or damaged: also when the configuration or a session is.
 */
bool snapshot_head_get(struct snapshot_head *head, const uint8_t *bytes, size_t size);
/*
 * Whether it is an intact head of a newer version or level, or has fields that this program does
 * not know. The hash at its end distinguishes it from a damaged one.
 */
bool snapshot_head_newer(const uint8_t *bytes, size_t size);
#define SNAPSHOT_NEWER                                                                             \
	"it was written by a program of a newer level than this one: upgrade this program"
/* The sessions of a head as a table, which the caller owns; NULL when there is no memory. */
struct raft_sessions *snapshot_sessions(const struct snapshot_head *head);

#endif
