/* SPDX-License-Identifier: ISC */
/* Bookmarks in log files. */
#include "bookmark.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/seal.h"

/* The hash of these bytes of the file; EAGAIN: it is shorter now. */
static bool
hash_range(int fd, uint64_t from, uint64_t to, struct raft_hash *hash)
{
	uint8_t bytes[BOOKMARK_SPAN];
	size_t size = 0, want = (size_t)(to - from);
	while (size < want) {
		ssize_t got = pread(fd, bytes + size, want - size, (off_t)(from + size));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got < 0 ? errno : EAGAIN;
			return false;
		}
		size += (size_t)got;
	}
	*hash = seal_hash(&(struct seal_part){bytes, size}, 1);
	return true;
}

static uint64_t
bookmark_tail(uint64_t offset)
{
	return offset < BOOKMARK_SPAN ? 0 : offset - BOOKMARK_SPAN;
}

static bool
file_identity(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE | STATX_BTIME, st) == 0;
}

static uint64_t
birth_of(const struct statx *st)
{
	if (!(st->stx_mask & STATX_BTIME))
		return 0;
	return (uint64_t)st->stx_btime.tv_sec * 1000000000u + st->stx_btime.tv_nsec;
}

bool
bookmark_take(struct bookmark *mark, int fd, uint64_t offset)
{
	struct statx st;
	if (!file_identity(fd, &st))
		return false;
	mark->inode = st.stx_ino;
	mark->born = birth_of(&st);
	mark->head = st.stx_size < BOOKMARK_SPAN ? st.stx_size : BOOKMARK_SPAN;
	mark->offset = offset;
	return hash_range(fd, 0, mark->head, &mark->head_hash) &&
	       hash_range(fd, bookmark_tail(offset), offset, &mark->tail_hash);
}

/* Whether the range has the hash that it had; a file that is too short has not. */
static bool
range_equal(
    int fd, uint64_t from, uint64_t to, const struct raft_hash *hash, uint64_t size, bool *equal)
{
	struct raft_hash now;
	*equal = false;
	if (size < to)
		return true;
	if (!hash_range(fd, from, to, &now))
		return errno == EAGAIN;
	*equal = raft_hash_equal(&now, hash);
	return true;
}

bool
bookmark_look(const struct bookmark *mark, int fd, enum bookmark_found *found)
{
	struct statx st;
	bool head, tail;
	uint64_t offset = mark->offset;
	if (!file_identity(fd, &st) ||
	    !range_equal(fd, 0, mark->head, &mark->head_hash, st.stx_size, &head) ||
	    !range_equal(fd, bookmark_tail(offset), offset, &mark->tail_hash, st.stx_size, &tail))
		return false;
	bool same = mark->inode == st.stx_ino && mark->born == birth_of(&st);
	/* Of an empty file nothing but the inode is known; one without a time of birth may be
	 * another file that has the number now. */
	if (mark->head == 0)
		*found = same ? BOOKMARK_SAME : BOOKMARK_OTHER;
	else if (!head)
		*found = same && mark->born != 0 ? BOOKMARK_TRUNCATED : BOOKMARK_OTHER;
	else if (tail)
		*found = same ? BOOKMARK_SAME : BOOKMARK_COPY;
	else
		*found = same ? BOOKMARK_CUT : BOOKMARK_OTHER;
	return true;
}
