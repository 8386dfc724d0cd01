/* SPDX-License-Identifier: ISC */
/* Checking a stream, and splitting it. */
#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/text.h"
#include "seal/seal.h"
#include "unix/file.h"
#include "files.h"

enum { PIECE_SIZE = 1 << 20, PROGRESS_MS = 500 };

static uint8_t piece[PIECE_SIZE];

static bool
restore_fail(const char *path, const char *what, char *why)
{
	snprintf(why, CONF_WHY_SIZE, "%s: %s: %s", path, what, strerror(errno));
	return false;
}

static bool
restore_unreadable(struct restore *restore, char *why)
{
	restore->status = EXIT_IO;
	return restore_fail(restore->path, "cannot be read", why);
}

static bool
restore_wrong(struct restore *restore, const char *what, char *why)
{
	restore->status = EXIT_DATA;
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
	if (whole && snapshot_head_newer(restore->bytes.bytes, size)) {
		restore->status = EXIT_CONFIG;
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
	uint64_t total = restore->head.file_size, left = total, at = restore->bytes.size;
	progress_begin(restore->progress, fd < 0 ? "checking it" : "writing it");
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
		progress_amount(restore->progress, PROGRESS_BYTES, total - left, total);
	}
	progress_clear();
	struct raft_hash hash = seal_stream_end(&stream);
	if (!raft_hash_equal(&hash, &restore->head.file_hash))
		return "its content is not what its head says: it is damaged";
	return read_at(restore, at, piece, 1) ? "there is something behind its end" : NULL;
}

/* ------------------------------------------------------------- opening */

/* A file without a name, in the nearest folder above that exists; -1 with errno. */
static int
unnamed_file(const char *folder)
{
	char *at = text_dup(folder);
	struct stat st;
	while (stat(at, &st) < 0 && errno == ENOENT && at[1] != '\0') {
		char *above = path_folder(at);
		free(at);
		at = above;
	}
	char *name = path_resolve(at, "raft-init.XXXXXX");
	int fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	free(name);
	free(at);
	return fd;
}

/* Up to PIECE_SIZE bytes; -1 with errno. */
static ssize_t
read_piece(int fd)
{
	ssize_t size;
	do
		size = read(fd, piece, sizeof piece);
	while (size < 0 && errno == EINTR);
	return size;
}

static bool
restore_spool(struct restore *restore, const char *folder, char *why)
{
	int from = restore->fd;
	uint64_t done = 0;
	restore->fd = unnamed_file(folder);
	if (restore->fd < 0) {
		restore->status = EXIT_IO;
		return restore_fail(folder, "no room for what comes from a pipe", why);
	}
	progress_begin(restore->progress, "reading it");
	for (ssize_t size; (size = read_piece(from)) != 0; done += (uint64_t)size) {
		if (size < 0)
			return restore_unreadable(restore, why);
		if (!file_write(restore->fd, piece, (size_t)size)) {
			restore->status = EXIT_IO;
			return restore_fail(folder, "no room for what comes from a pipe", why);
		}
		progress_amount(restore->progress, PROGRESS_BYTES, done + (uint64_t)size, 0);
	}
	return true;
}

bool
restore_open(struct restore *restore, const char *path, const char *folder, char *why)
{
	bool standard = strcmp(path, "-") == 0;
	*restore = (struct restore){.path = standard ? "standard input" : path,
	    .fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC),
	    .progress = progress_new(NULL, "raft-init --restore", true, PROGRESS_MS)};
	if (restore->fd < 0)
		return restore_unreadable(restore, why);
	if ((standard || lseek(restore->fd, 0, SEEK_CUR) < 0) &&
	    !restore_spool(restore, folder, why))
		return false;
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
