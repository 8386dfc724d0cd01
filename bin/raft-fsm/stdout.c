/* SPDX-License-Identifier: ISC */
/* stdout for those who must not wait for it. */
#include "stdout.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/file.h"

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
	int fd = file_reopen_nonblocking(STDOUT_FILENO);
	if (fd >= 0)
		return fd;
	if (!S_ISREG(st.st_mode)) {
		flags_before = fcntl(STDOUT_FILENO, F_GETFL);
		fcntl(STDOUT_FILENO, F_SETFL, flags_before | O_NONBLOCK);
		atexit(restore_flags);
	}
	return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}
