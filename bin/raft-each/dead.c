/* SPDX-License-Identifier: ISC */
/* Opening, and appending with an fsync. */
#include "dead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prog/tool.h"
#include "unix/file.h"

struct dead {
	int fd;
	off_t size;
};

_Noreturn static void
dead_die(const char *path, const char *what)
{
	tool_die(EXIT_IO, "--dead %s: cannot %s: %s", path, what, strerror(errno));
}

/* After the last newline. */
static off_t
dead_end(int fd, off_t size)
{
	char byte;
	while (size > 0 && pread(fd, &byte, 1, size - 1) == 1 && byte != '\n')
		size--;
	return size;
}

struct dead *
dead_open(const char *path)
{
	struct stat st;
	struct dead *dead = calloc(1, sizeof *dead);
	must(dead != NULL);
	dead->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	if (dead->fd < 0 || fstat(dead->fd, &st) < 0)
		dead_die(path, "open");
	if (!S_ISREG(st.st_mode))
		tool_die(EXIT_USAGE, "--dead %s: is not a regular file", path);
	if (flock(dead->fd, LOCK_EX | LOCK_NB) < 0)
		tool_die(EXIT_RETRY,
		    "--dead %s: another process has locked it: each raft-each "
		    "needs a file of its own",
		    path);
	dead->size = dead_end(dead->fd, st.st_size);
	if (dead->size < st.st_size && ftruncate(dead->fd, dead->size) < 0)
		dead_die(path, "cut off an incomplete last line");
	if (!file_sync_folder_of(path))
		dead_die(path, "sync its folder");
	return dead;
}

bool
dead_add(struct dead *dead, const struct wire_buf *lines)
{
	if (file_write(dead->fd, lines->bytes, lines->size) && fsync(dead->fd) == 0) {
		dead->size += (off_t)lines->size;
		return true;
	}
	int error = errno;
	/* Where this fails, the next start does it. */
	if (ftruncate(dead->fd, dead->size) == 0)
		fsync(dead->fd);
	errno = error;
	return false;
}
