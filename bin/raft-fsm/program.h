/* SPDX-License-Identifier: ISC */
/*
 * The program: one incarnation after the other, never two at once.
 *
 * It is the leader of a process group (and session) of its own, runs in the folder of
 * raft.yaml, has our stdout and stderr, and RAFT_* in its environment.
 * Ending: the owner closes its stdin; then program_end waits stop_timeout, sends
 * TERM to the group, a second later KILL.  An incarnation is over when its last process is
 * gone, not when its first one is; what is left of one that died is killed at once.
 *
 * One that cannot be run, or that the owner gives up, is started again after a pause.
 */
#ifndef FSM_PROGRAM_H
#define FSM_PROGRAM_H

#include "fsm.h"

struct program;

struct program_calls {
	/* It runs; the owner gets the pipe to its stdin: non-blocking, close-on-exec. */
	void (*started)(int fd, void *arg);
	/* Started, and now over.  how: "exited with 3".  clean: by itself, with 0. */
	void (*over)(const char *how, bool clean, void *arg);
	/* It does not end in time and is going to be sent TERM.  May be NULL. */
	void (*late)(void *arg);
};

struct program_options {
	int pipe_size; /* wanted; 0: the system's */
	bool talks;    /* its stdout is a pipe to us: program_output */
};

/* Runs fsm->command. */
struct program *program_new(struct fsm *fsm, const struct program_options *options,
    const struct program_calls *calls, void *arg);
/*
 * Before: none runs.  It is started when nothing is left of an earlier one.  again: what a line
 * about a failure says of the next start, as "; started again".
 */
void program_start(struct program *program, const char *again);
/* Before: none runs.  Starts it again soon, without a pause. */
void program_again(struct program *program);
/* Before: none runs.  Starts it again after a pause; what: why that is necessary. */
void program_back_off(struct program *program, const char *what);
/* Whether it is going to be started again. */
bool program_waits(const struct program *program);
/* The next pause is the shortest. */
void program_forgive(struct program *program);
/* After the owner has closed its stdin: over is called in the end.  False: none runs (a start is
 * given up). */
bool program_end(struct program *program);
/* It reads no more: it is dying, or else is ended in the same way. */
void program_deaf(struct program *program);
/* KILL to its group, without waiting. */
void program_kill(struct program *program);
/* In started, when it talks: our end of its stdout, non-blocking, which the caller then owns. */
int program_output(struct program *program);
/* In over: whether another process ended it, with a signal that programs do not send themselves. */
bool program_killed(const struct program *program);
/* In over: whether we have sent it a signal. */
bool program_ended(const struct program *program);
/* In over, as an exit status: its own, or 128 and the signal that ended it. */
int program_status(const struct program *program);

#endif
