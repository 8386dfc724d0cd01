/* SPDX-License-Identifier: ISC */
/* Groups come over the socket, whose end is the end of the process that is guarded. */
#include "guard.h"

#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>

#include "detached.h"

static int guard_socket = -1;

static void
guard_run(int fd, void *arg)
{
	pid_t group = 0, next;
	(void)arg;
	while (recv(fd, &next, sizeof next, 0) == sizeof next)
		group = next;
	if (group > 1)
		kill(-group, SIGKILL);
}

bool
guard_start(void)
{
	return detached_start("raft-guard", guard_run, NULL, &guard_socket) > 0;
}

void
guard_group(pid_t group)
{
	send(guard_socket, &group, sizeof group, MSG_NOSIGNAL);
}
