/* SPDX-License-Identifier: ISC */
/*
 * --try, shared by its files: what was asked for, and the command.
 *
 *   try.c          the options; which mode
 *   try_run.c      the command, and the lines of stdin
 *   try_sink.c     lines to one command; to one for each batch
 *   try_machine.c  requests and answers
 *
 * Here one may wait: no loop, one child in our own process group, so that ^C reaches both.
 */
#ifndef FSM_TRY_RUN_H
#define FSM_TRY_RUN_H

#include <sys/types.h>

#include "client/framing.h"
#include "conf/conf.h"

enum { TRY_QUERIES_MAX = 64 };

struct
try {
	const struct conf *conf; /* NULL: none was named */
	enum framing framing;
	bool framed; /* by an option */
	enum conf_mode mode;
	bool moded; /* likewise */
	char **command;
	/* Of a machine; NULL: not asked for.  The paths are absolute. */
	const char *restore, *snapshot;
	uint64_t from; /* the first line's index; 0: behind what the program has */
	const char *queries[TRY_QUERIES_MAX];
	size_t queries_count;

	pid_t pid;
	int pipe; /* to its stdin */
	struct framing_reader lines;
	uint64_t index; /* of the last entry that was delivered */
};

/* Starts the command; output: set to the other end of its stdout, NULL: it has ours. */
void try_start(struct try *try, int *output);
/* Waits for it.  An exit status: its own, or 128 and the signal; how: "exited with 3". */
int try_wait(const struct try *try, char *how, size_t size);
/* Reads some of stdin, at the end of which false is returned. */
bool try_read(struct try *try);
/* The next line that was read whole. */
bool try_line(struct try *try, struct wire_bytes *line);

/* Each returns the exit status. */
int try_sink(struct try *try);
int try_batch(struct try *try);
int try_machine(struct try *try);

#endif
