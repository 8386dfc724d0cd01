/* SPDX-License-Identifier: ISC */
/*
 * The end of a program that found a bug in itself: one line, then exit 70.
 *
 * No atexit handlers, no flush, no core of doubtful state written out: what is
 * durable is on disk already, and the supervisor starts the program anew.
 */
#include "exit.h"
#include "log.h"

#include "raft/types.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void
raft_must_fail(const char *cond, const char *file, int line)
{
	char text[512];
	int size = snprintf(text, sizeof text, "%s: bug: %s at %s:%d\n",
	    program_invocation_short_name, cond, file, line);

	if (size > 0)
		log_text(text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
	_exit(EXIT_BUG);
}
