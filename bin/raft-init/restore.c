/* SPDX-License-Identifier: ISC */
/* Checking a stream, and splitting it. */
#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/text.h"
#include "seal/seal.h"
#include "unix/file.h"
#include "files.h"

enum { PIECE_SIZE = 1 << 20 };

static uint8_t piece[PIECE_SIZE];

static bool
restore_fail(const char *path, const char *what, char *why)
{
	snprintf(why, CONF_WHY_SIZE, "%s: %s: %s", path, what, strerror(errno));
	return false;
}

static bool
restore_wrong(const struct restore *restore, const char *what, char *why)
{
	snprintf(why, CONF_WHY_SIZE, "%s: %s: give a file that raft-ctl snapshot -o wrote",
	    restore->path, what);
	return false;
}

/* Exactly so many bytes from offset on. */
static bool
read_at(const struct restore *restore, uint64_t offset, void *out, size_t size)
{
	size_t got = 0;
	while (got < size) {
		ssize_t more =
		    pread(restore->fd, (uint8_t *)out + got, size - got, (off_t)(offset + got));
		if (more <= 0)
			return false;
		got += (size_t)more;
	}
	return true;
}

static bool
read_head(struct restore *restore, char *why)
{
	uint8_t prefix[SNAPSHOT_PREFIX_SIZE];
	size_t size = read_at(restore, 0, prefix, sizeof prefix) ? snapshot_head_size(prefix) : 0;
	if (size == 0)
		return restore_wrong(restore, "it does not begin as a snapshot does", why);
	bool whole = read_at(restore, 0, wire_buf_add(&restore->bytes, size), size);
	restore->newer = whole && snapshot_head_newer(restore->bytes.bytes, size);
	if (restore->newer) {
		snprintf(why, CONF_WHY_SIZE, "%s: " SNAPSHOT_NEWER, restore->path);
		return false;
	}
	if (!whole || !snapshot_head_get(&restore->head, restore->bytes.bytes, size))
		return restore_wrong(restore, "its head is cut short or damaged", why);
	return true;
}

/* Each piece of the file, to `fd` as well unless it is -1; what is wrong, or NULL. */
static const char *
each_piece(const struct restore *restore, int fd)
{
	struct seal_stream stream;
	uint64_t left = restore->head.file_size, at = restore->bytes.size;
	seal_stream_begin(&stream);
	while (left > 0) {
		size_t size = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
		if (!read_at(restore, at, piece, size))
			return "it is cut short";
		if (fd >= 0 && files_interrupted())
			return strerror(EINTR);
		seal_stream_add(&stream, piece, size);
		if (fd >= 0 && !file_write(fd, piece, size))
			return strerror(errno);
		at += size;
		left -= size;
	}
	struct raft_hash hash = seal_stream_end(&stream);
	if (!raft_hash_equal(&hash, &restore->head.file_hash))
		return "its content is not what its head says: it is damaged";
	return read_at(restore, at, piece, 1) ? "there is something behind its end" : NULL;
}

bool
restore_open(struct restore *restore, const char *path, char *why)
{
	*restore = (struct restore){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
	if (restore->fd < 0)
		return restore_fail(path, "cannot be read", why);
	if (!read_head(restore, why))
		return false;
	const char *what = each_piece(restore, -1);
	return what == NULL || restore_wrong(restore, what, why);
}

/* ------------------------------------------------------------- putting */

static bool
restore_put_head(const struct restore *restore, const char *path, char *why)
{
	if (!file_write_whole(path, restore->bytes.bytes, restore->bytes.size, 0600, FILE_NEW))
		return restore_fail(path, "cannot be written", why);
	files_made(path);
	return true;
}

static bool
put_file(const struct restore *restore, const char *path, char *why)
{
	struct file_part part;
	if (!file_part_begin(&part, path, 0600))
		return restore_fail(path, "cannot be made", why);
	const char *what = each_piece(restore, part.fd);
	if (what == NULL && !file_part_end(&part, FILE_NEW))
		what = strerror(errno);
	file_part_drop(&part);
	if (what) {
		snprintf(why, CONF_WHY_SIZE, "%s: cannot be written: %s", path, what);
		return false;
	}
	files_made(path);
	return true;
}

bool
restore_put(const struct restore *restore, const char *data, char *why)
{
	char name[64];
	char *folder = path_resolve(data, "snapshots");
	char *head = path_resolve(folder, "restore.head");
	snprintf(name, sizeof name, "%020llu-%llu.snapshot",
	    (unsigned long long)restore->head.pos.index,
	    (unsigned long long)restore->head.pos.term);
	char *file = path_resolve(folder, name);
	bool good = files_folder(folder, 0700, why) &&
		    (restore->head.format.size == 0 || put_file(restore, file, why)) &&
		    restore_put_head(restore, head, why);
	free(file);
	free(head);
	free(folder);
	return good;
}
