/* SPDX-License-Identifier: ISC */
/* The lock of the program's incarnation. */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 32 };

int
lock_acquire(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

void
lock_note(int fd, pid_t group)
{
	char text[TEXT_SIZE];
	int size = snprintf(text, sizeof text, "%ld\n", (long)group);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) < 0)
		return; /* then the next start waits for it, and does not end it */
}

/* Whether the process has the file open as the descriptor that raft-fsm gave it. */
static bool
lock_holds(pid_t pid, int fd)
{
	char path[TEXT_SIZE * 2];
	struct stat ours, its;
	snprintf(path, sizeof path, "/proc/%ld/fd/3", (long)pid);
	return fstat(fd, &ours) == 0 && stat(path, &its) == 0 && ours.st_dev == its.st_dev &&
	       ours.st_ino == its.st_ino;
}

pid_t
lock_group(const char *path)
{
	char text[TEXT_SIZE] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	ssize_t size = read(fd, text, sizeof text - 1);
	pid_t group = size > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
	if (group > 1 && !lock_holds(group, fd))
		group = 0;
	close(fd);
	return group > 1 ? group : 0;
}

bool
lock_is_free(const char *path)
{
	int fd = lock_acquire(path);
	if (fd < 0)
		return errno != EWOULDBLOCK;
	close(fd);
	return true;
}

void
lock_abandon(const char *path)
{
	unlink(path);
}
