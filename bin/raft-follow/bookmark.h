/* SPDX-License-Identifier: ISC */
/*
 * A bookmark: a byte of a log file, so that it is found again after the file was renamed, copied or
 * replaced.
 *
 * Names change at each rotation, inode numbers are used again, and device numbers change at a
 * restart of the system.  So a bookmark has the inode and the time of its birth, and hashes of the
 * bytes that never change in a file which is only appended to: the first ones, and those just
 * before the marked byte.
 */
#ifndef FOLLOW_BOOKMARK_H
#define FOLLOW_BOOKMARK_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/types.h"

enum { BOOKMARK_SPAN = 4096 }; /* bytes of either hash, at most */

struct bookmark {
	uint64_t inode;
	uint64_t born; /* nanoseconds since the epoch; 0: the file system does not say */
	uint64_t head; /* how many of the first bytes were hashed */
	uint64_t offset;
	struct raft_hash head_hash, tail_hash;
};

enum bookmark_found {
	BOOKMARK_OTHER,     /* another file */
	BOOKMARK_SAME,      /* the file, and the marked byte is where it was */
	BOOKMARK_COPY,      /* the same bytes in another file */
	BOOKMARK_TRUNCATED, /* the file was emptied, and may have been written to since */
	BOOKMARK_CUT        /* the file begins as it did; what was before the marked byte is gone */
};

/* False with errno: the file cannot be read. */
bool bookmark_take(struct bookmark *mark, int fd, uint64_t offset);
bool bookmark_look(const struct bookmark *mark, int fd, enum bookmark_found *found);

#endif
