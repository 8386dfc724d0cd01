/* SPDX-License-Identifier: ISC */
/* The lock of the data directory. */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "prog/daemon.h"

int
lock_take(const char *data)
{
	char path[640];
	snprintf(path, sizeof path, "%s/lock", data);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		daemon_die(exit_of_errno(errno), "%s: the data directory cannot be written: %s",
		    data, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		daemon_die(EXIT_RETRY,
		    "%s: the data directory is in use: another raft-logd holds its lock: stop it",
		    data);
	daemon_die(exit_of_errno(errno), "%s: the data directory cannot be locked: %s", data,
	    strerror(errno));
}
