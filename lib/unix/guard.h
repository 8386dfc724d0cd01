/* SPDX-License-Identifier: ISC */
/*
 * The end of a command whose supervisor is killed: a second process, in a session of its own, that
 * sends KILL to a process group when this process has ended, however it ended.
 *
 * Between the start of a command and guard_group nothing protects; that is as long as a system
 * call.
 */
#ifndef UNIX_GUARD_H
#define UNIX_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

/* Before threads are made.  Once.  False with errno. */
bool guard_start(void);
/* The group that must not outlive this process; 0: none, from now on. */
void guard_group(pid_t group);

#endif
