/* SPDX-License-Identifier: ISC */
/*
 * Whose turn it is: a lock file that all processes of one incarnation of the
 * program hold, as an inherited descriptor, and nobody else.
 *
 * The lock is free when the last of them is gone, whatever became of raft-fsm
 * meanwhile.  So two incarnations never run at once, not even after kill -9 of raft-fsm
 * while its program still reads the rest of its pipe.
 */
#ifndef TURN_H
#define TURN_H

#include <stdbool.h>
#include <sys/types.h>

/* The descriptor that holds the lock, close-on-exec; -1 with errno: EWOULDBLOCK, somebody has it. */
int turn_take(const char *path);
/* Notes the process group of the one who got it. */
void turn_note(int fd, pid_t group);
/* The process group noted, if its leader still holds the lock; else 0. */
pid_t turn_group(const char *path);
/* Whether nobody holds it. */
bool turn_free(const char *path);
/* A process that left its group holds it and does not end: begin with a new file. */
void turn_abandon(const char *path);

#endif
