/* SPDX-License-Identifier: ISC */
/* $RAFT_LEAD_FD: raft-lead(1). */
#include "lead.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int lead_fd = -1;

void
lead_begin(void)
{
	const char *text = getenv("RAFT_LEAD_FD");
	char *end;
	long fd = text ? strtol(text, &end, 10) : -1;
	if (text && *text && !*end && fd > STDERR_FILENO && fd < INT_MAX &&
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0)
		lead_fd = (int)fd;
	unsetenv("RAFT_LEAD_FD");
}

bool
lead_wish(const struct raft_id *member)
{
	char line[RAFT_ID_SIZE + 1];
	int size = snprintf(line, sizeof line, "%s\n", member->s);
	return lead_fd >= 0 && write(lead_fd, line, (size_t)size) == size;
}
