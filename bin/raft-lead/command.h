/* SPDX-License-Identifier: ISC */
/*
 * The command: started in a session and process group of its own, and only once the watchdog knows
 * that group.
 *
 * Besides its arguments it gets $RAFT_TERM, and $RAFT_LEAD_FD: a pipe into which it may write the
 * id of the member that is to lead next.
 */
#ifndef LEAD_COMMAND_H
#define LEAD_COMMAND_H

#include "raft/types.h"
#include "watchdog.h"

struct lead_command {
	pid_t pid; /* and group; 0: none runs */
	int wish;  /* the reading end of the pipe */
};

/*
 * Starts it; it may run until then.  0, or the error (errno) that keeps it from running; *exec: it
 * was exec that failed.
 */
int command_start(struct lead_command *command, struct watchdog *dog, char **argv, uint64_t term,
    uint64_t until_ms, bool *exec);
/*
 * Whether it has ended.  Then the rest of its group is killed, and *status is what a shell would
 * report: its exit status, or 128 and the number of the signal.
 */
bool command_ended(struct lead_command *command, int *status);
/* The member that it wants to lead next; RAFT_NOBODY: none.  Before: it has ended. */
struct raft_id command_wish(struct lead_command *command);

#endif
