/* SPDX-License-Identifier: ISC */
/* fork, and letting go of all that it inherits. */
#include "detached.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* An open descriptor would keep a pipe open, a folder a file system. */
_Noreturn static void
detached_run(const char *name, void (*run)(int fd, void *arg), void *arg, int fd)
{
	setsid();
	prctl(PR_SET_NAME, name);
	if (fd > 0)
		close_range(0, (unsigned)fd - 1, 0);
	close_range((unsigned)fd + 1, ~0u, 0);
	if (chdir("/") == 0)
		run(fd, arg);
	_exit(0);
}

pid_t
detached_start(const char *name, void (*run)(int fd, void *arg), void *arg, int *fd)
{
	int fds[2];
	sigset_t all, before;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	/* Blocked for good in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		detached_run(name, run, arg, fds[1]);
	int error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fds[1]);
	if (pid > 0)
		*fd = fds[0];
	else
		close(fds[0]);
	errno = error;
	return pid;
}
