/* SPDX-License-Identifier: ISC */
/*
 * Whose turn it is: a lock file that all processes of one incarnation of the
 * program hold, as an inherited descriptor, and nobody else.
 *
 * The lock is free when the last of them is gone, whatever became of raft-fsm
 * meanwhile.  So two incarnations never run at once, not even after kill -9 of raft-fsm
 * while its program still reads the rest of its pipe.
 */
#ifndef FSM_LOCK_H
#define FSM_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The descriptor that holds the lock, close-on-exec; -1 with errno: EWOULDBLOCK, somebody has it.
 */
int lock_acquire(const char *path);
/* Notes the process group of the one who got it. */
void lock_note(int fd, pid_t group);
/* The process group noted, if its leader still holds the lock; else 0. */
pid_t lock_group(const char *path);
/* Whether nobody holds it. */
bool lock_is_free(const char *path);
/* A process that left its group holds it and does not end: begin with a new file. */
void lock_abandon(const char *path);

#endif
