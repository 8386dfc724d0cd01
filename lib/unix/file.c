/* SPDX-License-Identifier: ISC */
/* Write, sync, rename, sync the folder. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUFFIX_SIZE = 17 }; /* a dot and 64 bits in hexadecimal */

/* Cleaning up must not hide why it was needed. */
static void
unlink_quietly(const char *path)
{
	int saved = errno;
	unlink(path);
	errno = saved;
}

static bool
close_quietly(int fd, bool good)
{
	int saved = errno;
	if (close(fd) < 0 && good)
		return false;
	errno = saved;
	return good;
}

int
file_reopen_nonblocking(int fd)
{
	char path[32];
	struct stat st;
	if (fstat(fd, &st) < 0 || (!S_ISFIFO(st.st_mode) && !isatty(fd)))
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* ----------------------------------------------------------------- folders */

bool
file_sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && close_quietly(fd, fsync(fd) == 0);
}

bool
file_sync_folder_of(const char *path)
{
	char folder[FILE_PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t size = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
	if (size >= sizeof folder) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(folder, path, size);
	folder[size] = '\0';
	return file_sync_folder(slash ? folder : ".");
}

bool
file_rename(const char *from, const char *to)
{
	return rename(from, to) == 0 && file_sync_folder_of(to);
}

/* Not each file system knows the flag (NFS), and not each has hard links (exFAT, CIFS); one of the
 * two is enough. */
static bool
rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return true;
	if ((errno != EINVAL && errno != ENOSYS) || link(from, to) < 0)
		return false;
	unlink_quietly(from);
	return true;
}

/* ------------------------------------------------------------------- parts */

/* The name is cut to make room: a file system limits names, too. */
static bool
name_part(struct file_part *part, const char *path)
{
	uint64_t random;
	const char *slash = strrchr(path, '/');
	size_t folder = slash ? (size_t)(slash + 1 - path) : 0, name = strlen(path + folder);
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return false;
	if (name > NAME_MAX - SUFFIX_SIZE)
		name = NAME_MAX - SUFFIX_SIZE;
	if (strlen(path) >= sizeof part->path || folder + name + SUFFIX_SIZE >= sizeof part->part) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(part->path, path, strlen(path) + 1);
	snprintf(
	    part->part, sizeof part->part, "%.*s.%016" PRIx64, (int)(folder + name), path, random);
	return true;
}

bool
file_part_begin(struct file_part *part, const char *path, mode_t mode)
{
	part->fd = -1;
	do {
		if (!name_part(part, path))
			return false;
		part->fd =
		    open(part->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	} while (part->fd < 0 && errno == EEXIST);
	return part->fd >= 0;
}

void
file_part_drop(struct file_part *part)
{
	if (part->fd < 0)
		return;
	close_quietly(part->fd, false);
	part->fd = -1;
	unlink_quietly(part->part);
}

bool
file_part_end(struct file_part *part, enum file_place place)
{
	bool synced = close_quietly(part->fd, fsync(part->fd) == 0);
	part->fd = -1;
	if (!synced || !(place == FILE_NEW ? rename_new(part->part, part->path)
					   : rename(part->part, part->path) == 0)) {
		unlink_quietly(part->part);
		return false;
	}
	if (file_sync_folder_of(part->path))
		return true;
	if (place == FILE_NEW)
		unlink_quietly(part->path);
	return false;
}

/* ------------------------------------------------------------------- bytes */

bool
file_write(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;
	while (size > 0) {
		ssize_t written = write(fd, at, size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			errno = written < 0 ? errno : ENOSPC;
			return false;
		}
		at += written;
		size -= (size_t)written;
	}
	return true;
}

bool
file_write_whole(
    const char *path, const void *bytes, size_t size, mode_t mode, enum file_place place)
{
	struct file_part part;
	if (!file_part_begin(&part, path, mode))
		return false;
	if (file_write(part.fd, bytes, size))
		return file_part_end(&part, place);
	file_part_drop(&part);
	return false;
}

bool
file_hold_standard(const int modes[3])
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			return false;
	return true;
}
