/* SPDX-License-Identifier: ISC */
/*
 * One child process at a time: the leader of a session and process group of its own.
 *
 * Processes that a daemon supervises are started, signalled and reaped here alone.  Signals go to
 * the group, which may outlive its leader.  Ending goes by steps: each has some patience, and when
 * the child has not ended by then the next one follows.
 */
#ifndef UNIX_CHILD_H
#define UNIX_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct child;

/* How a process ended: signal 0: by itself, with the status. */
struct child_exit {
	int status;
	int signal;
};
/* "exited with 3", "was killed by SIGKILL". */
void child_exit_text(char *text, size_t size, const struct child_exit *how);

enum child_step {
	CHILD_ASKED,   /* the owner has asked it to end, as by closing its input */
	CHILD_TERM,    /* TERM has been sent */
	CHILD_KILL,    /* KILL has been sent */
	CHILD_GIVEN_UP /* nothing more is done */
};

struct child_calls {
	/* The process has ended; others of its group may be left.  May call child_start. */
	void (*ended)(const struct child_exit *how, void *arg);
	/*
	 * The step before this one did not help in time: its signal is sent after the call.  The
	 * patience with it, in milliseconds; 0: no step follows.
	 */
	uint64_t (*late)(enum child_step step, void *arg);
};

struct child_command {
	const char *file; /* looked up in $PATH unless it has a slash */
	char *const *args;
	const char *folder; /* where it runs; NULL: ours */
	const int *fds;     /* of ours, which become its 0, 1 and so on; -1: /dev/null */
	int fds_count;
};

struct child *child_new(struct loop *loop, const struct child_calls *calls, void *arg);
/* Before: none runs.  0, or an error of libuv's. */
int child_start(struct child *child, const struct child_command *command);
/* Its process; 0: none runs. */
pid_t child_pid(const struct child *child);
/* Signals go to this group from now on; 0: to none. */
void child_adopt(struct child *child, pid_t group);
pid_t child_group(const struct child *child);
/* To its group. */
void child_signal(struct child *child, int number);
/* Whether a signal was sent while its process ran. */
bool child_signalled(const struct child *child);
/* Ends it, beginning with this step, whose signal is sent now. */
void child_end(struct child *child, enum child_step step, uint64_t patience_ms);
/* Nothing is left of the group, or nothing of interest: no further step. */
void child_forget(struct child *child);

/*
 * For every daemon: also reaps processes that it inherits, as process 1 of a container or as a
 * subreaper.  Once.
 */
void child_reap_inherited(struct loop *loop);

#endif
