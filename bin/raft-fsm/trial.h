/* SPDX-License-Identifier: ISC */
/*
 * What --try asks of a machine.
 *
 * Plain: a restore, the lines of standard input, the queries, a snapshot; each answer is printed.
 * Of --conform: one run of many, whose entries are in memory and whose answers are recorded.
 */
#ifndef FSM_TRIAL_H
#define FSM_TRIAL_H

#include <stdio.h>

#include "wire/message.h"

enum { TRIAL_QUERIES_MAX = 64, TRIAL_SHOWN_SIZE = 4 * 60 + 8 };

/* Where the program is killed. */
enum trial_kill {
	TRIAL_KILL_NEVER,
	TRIAL_KILL_READY,   /* when it has said ready */
	TRIAL_KILL_ENTRY,   /* at the answer to the entry kill_index, or to a later one */
	TRIAL_KILL_RESTORE, /* at the answer to restore */
	TRIAL_KILL_SNAPSHOT /* at the answer to snapshot */
};

/* What of the contract is broken. */
enum trial_breach {
	BREACH_READY,    /* the first line */
	BREACH_ANSWER,   /* an answer, or one too many */
	BREACH_SNAPSHOT, /* a snapshot, or a restore */
	BREACH_END       /* the end */
};

struct trial_entry {
	uint64_t index;
	struct wire_bytes data;
};

/* NULL, 0: not asked for.  Paths are absolute. */
struct trial {
	const char *restore, *snapshot;
	uint64_t from; /* index of the first line */
	struct wire_bytes queries[TRIAL_QUERIES_MAX];
	size_t queries_count;

	FILE *record;                      /* NULL: plain; what follows is of --conform */
	const struct trial_entry *entries; /* sorted by index; the indexes between them are not
					      of clients */
	size_t entries_count;
	bool singly;             /* each request waits for the answer to the one before */
	bool query_each;         /* the queries are asked before and after each entry, too */
	uint64_t snapshot_after; /* index; 0: after all */
	enum trial_kill kill;
	uint64_t kill_index;
	struct wire_bytes cut; /* a request without its end, with which the input ends */
};

/* As far as it can be printed.  Returns text. */
const char *trial_shown(char text[TRIAL_SHOWN_SIZE], struct wire_bytes said);

#endif
