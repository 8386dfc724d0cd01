/* SPDX-License-Identifier: ISC */
/*
 * The program: one incarnation after the other, never two at once.
 *
 * It is the leader of a process group (and session) of its own, runs in the folder of
 * raft.yaml, has our stdout and stderr, and RAFT_* in its environment.
 * Ending: the owner closes its stdin; then child_end waits stop_timeout, sends
 * TERM to the group, a second later KILL.  An incarnation is over when its last process is
 * gone, not when its first one is; what is left of one that died is killed at once.
 */
#ifndef FSM_CHILD_H
#define FSM_CHILD_H

#include "fsm.h"

struct child;

struct child_calls {
	/* It runs; the owner gets the pipe to its stdin: non-blocking, close-on-exec. */
	void (*started)(int fd, void *arg);
	/* It can't be run: 126, 127 or 71, and one sentence. */
	void (*failed)(enum exit_status status, const char *why, void *arg);
	/* Started, and now over.  how: "exited with 3".  clean: by itself, with 0. */
	void (*over)(const char *how, bool clean, void *arg);
};

struct child_options {
	char *const *command;
	const char *mode;
	int pipe_size; /* wanted; 0: the system's */
	bool talks;    /* its stdout is a pipe to us: child_output */
	const struct conf *conf;
};

struct child *child_new(struct loop *loop, const struct child_options *options,
    const struct child_calls *calls, void *arg);
/* Before: none runs.  Takes NULL. */
void child_free(struct child *child);
/* Before: none runs.  One of started and failed is called, soon: when nothing is left of an earlier
 * one. */
void child_start(struct child *child);
/* After the owner has closed its stdin: over is called in the end.  False: none runs (a start is
 * given up). */
bool child_end(struct child *child);
/* It reads no more: it is dying, or else is ended in the same way. */
void child_deaf(struct child *child);
/* KILL to its group, without waiting. */
void child_kill(struct child *child);
/* In started, when it talks: our end of its stdout, non-blocking, which the caller then owns. */
int child_output(struct child *child);
/* In over: whether somebody else ended it with a signal that programs do not give themselves. */
bool child_killed(const struct child *child);
/* In over: whether we have sent it a signal. */
bool child_ended(const struct child *child);
/* 0: none runs. */
int child_pid(const struct child *child);

#endif
