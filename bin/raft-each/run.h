/* SPDX-License-Identifier: ISC */
/*
 * The command, one run at a time, in a session and process group of its own.
 *
 * Its standard input is a file in memory that holds all of its input before it starts: whatever
 * happens to this process, a command never takes a part of its input for the whole.  None outlives
 * this process.
 */
#ifndef EACH_RUN_H
#define EACH_RUN_H

#include <stdbool.h>

#include "wire/buf.h"

struct loop;
struct each_run;

struct run_calls {
	/* It has ended.  how: "exited with 3".  ok: by itself, with 0. */
	void (*over)(bool ok, const char *how, void *arg);
};

/* Before threads are made, and once; ends the process with a sentence where that fails. */
struct each_run *run_new(
    struct loop *loop, char *const *command, const struct run_calls *calls, void *arg);
/*
 * Before: none runs.  False: it cannot be run; why: of that size.  The environment is that of this
 * process.
 */
bool run_start(struct each_run *run, const struct wire_buf *input, char *why, size_t size);
/* To its group. */
void run_signal(struct each_run *run, int number);
/* TERM, and KILL to what is left some seconds later. */
void run_end(struct each_run *run);

#endif
