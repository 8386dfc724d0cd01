/* SPDX-License-Identifier: ISC */
/* stdout for those who must not wait for it. */
#include "stdout.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int flags_before;

static void
restore_flags(void)
{
	fcntl(STDOUT_FILENO, F_SETFL, flags_before);
}

int
stdout_open(void)
{
	struct stat st;
	if (fstat(STDOUT_FILENO, &st) < 0)
		return -1;
	if (S_ISFIFO(st.st_mode) || isatty(STDOUT_FILENO)) {
		/* Opened anew it has flags of its own: O_NONBLOCK does not reach who else writes
		 * there. */
		int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	if (!S_ISREG(st.st_mode)) {
		flags_before = fcntl(STDOUT_FILENO, F_GETFL);
		fcntl(STDOUT_FILENO, F_SETFL, flags_before | O_NONBLOCK);
		atexit(restore_flags);
	}
	return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}
