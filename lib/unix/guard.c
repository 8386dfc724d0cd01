/* SPDX-License-Identifier: ISC */
/* One socket: groups come over it, and its end is the end of the process that is guarded. */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GUARD_FD = 3 };

static int guard_socket = -1;

/* No pipe of the guarded process may be held open here: its readers wait for its end. */
static bool
guard_let_go(int fd)
{
	for (int i = 0; i < GUARD_FD; i++)
		close(i);
	if (open("/dev/null", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2)
		return false;
	if (fd != GUARD_FD && dup2(fd, GUARD_FD) < 0)
		return false;
	return close_range(GUARD_FD + 1, ~0u, 0) == 0;
}

_Noreturn static void
guard_run(int fd)
{
	pid_t group = 0, next;
	ssize_t got;
	setsid();
	if (chdir("/") < 0 || !guard_let_go(fd))
		_exit(1);
	while ((got = recv(GUARD_FD, &next, sizeof next, MSG_WAITALL)) == sizeof next ||
	       (got < 0 && errno == EINTR))
		if (got > 0)
			group = next;
	if (group > 1)
		kill(-group, SIGKILL);
	_exit(0);
}

bool
guard_start(void)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		guard_run(fds[1]);
	close(fds[1]);
	if (pid > 0)
		guard_socket = fds[0];
	else
		close(fds[0]);
	return pid > 0;
}

void
guard_group(pid_t group)
{
	send(guard_socket, &group, sizeof group, MSG_NOSIGNAL);
}
