/* SPDX-License-Identifier: ISC */
/*
 * raft-fsm --try --conform: a machine against the whole contract of raft-fsm-protocol(7).
 *
 * Each check gives the program a history, or a part of one, in several ways: singly and pipelined,
 * with kills, in another folder, from a snapshot.  A run is one incarnation of the program under
 * the real mode machine, in a process of its own (try_run).  What it answers to an entry, or to a
 * query after an entry, is a function of the history: the first answer is kept, and each other run
 * must give the same.
 *
 *   history.c       entries and queries, and what has been answered to them
 *   record.c        what came in a run
 *   conform_said.c  where the contract is broken: what was sent, what came, what is demanded
 *   conform_judge.c what holds for every run
 *   conform_run.c   a run
 *   conform_kill.c  checks with kills
 *   conform_snap.c  checks with snapshots
 *   conform.c       the table of checks, and their order
 */
#ifndef FSM_CONFORM_H
#define FSM_CONFORM_H

#include "conf/conf.h"
#include "history.h"
#include "record.h"

enum { CONFORM_PATH_MAX = 512, CONFORM_NAME_MAX = 64, CONFORM_TEXT_MAX = 1024 };

/* The result of a check. */
enum conform_verdict { CONFORM_OK, CONFORM_BROKEN, CONFORM_SKIPPED };

/* What the page demands, and in which of its sections. */
struct demand {
	const char *section, *text;
};

struct conform {
	const struct conf *conf;
	char **command;
	bool netstring;
	char folder[CONFORM_PATH_MAX]; /* holds all others, and the snapshots */
	unsigned folders_count;        /* made in it so far */

	/* other: entries that the restored state has nothing of. */
	struct history main, other, bytes, large;
	size_t steps;  /* of main: those that have a run or a round of queries each */
	size_t middle; /* of main: the number of entries in the snapshot */

	bool durable;                       /* it has a state on its own disk */
	char no_snapshot[CONFORM_TEXT_MAX]; /* why there is none; "": there is */
	char snapshot[CONFORM_PATH_MAX], snapshot_all[CONFORM_PATH_MAX];
	char snapshot_bytes[CONFORM_PATH_MAX], snapshot_large[CONFORM_PATH_MAX];

	/* Of the present check. */
	const char *title;
	unsigned number;
	enum conform_verdict verdict;
	char skipped[CONFORM_TEXT_MAX];
};

/* A folder of the program, and what is known of its content. */
struct state {
	char folder[CONFORM_PATH_MAX];
	const char *node;
	uint64_t given;    /* the program was given entries up to this index */
	uint64_t promised; /* and has said that it holds those up to this index */
};

/* One incarnation. */
struct trial_run {
	struct history *history;
	size_t count;                /* entries of it, from the first on */
	struct trial trial;          /* how; entries and queries are filled in */
	bool queries;                /* they are asked after the last entry */
	const struct demand *demand; /* where an answer is another one; NULL: demand_same */
	const struct demand
	    *demand_index;            /* where ready or durable is wrong; NULL: demand_durable */
	const char *story;            /* in a sentence: "pipelined" */
	uint64_t ready;               /* out: what it said first */
	const char *snapshot_refused; /* out: a new string; NULL: it was not */
};

/* conform_said.c */
/* The check fails; each sentence is printed.  False, for the caller to return. */
bool conform_broken(
    struct conform *c, const char *sent, const char *came, const struct demand *demand);
/* Likewise with what was expected in the place of a fault. */
bool conform_fault(struct conform *c, const struct trial_run *run, const struct record *breach,
    const struct record *expected);
bool conform_skip(struct conform *c, const char *why);
/* The line of the check that has ended. */
void conform_report(struct conform *c);
extern const struct demand demand_ready, demand_answers, demand_same, demand_order, demand_query,
    demand_durable, demand_cut, demand_restore, demand_snapshot;

/* conform_judge.c */
/* Reads what came in the run.  False: the contract is broken, which has been printed. */
bool conform_judge(struct conform *c, struct state *state, struct trial_run *run, FILE *file);

/* conform_run.c */
/* Makes the folder of this run, in $TMPDIR or /tmp; removed when this process ends. */
void conform_root_new(struct conform *c);
void state_new(struct conform *c, struct state *state, const char *node);
/* Removes what is there. */
void state_free(struct state *state);
/* False: the contract is broken, which has been printed. */
bool conform_run_once(struct conform *c, struct state *state, struct trial_run *run);
/* Another place for a file, in a folder of its own. */
void conform_place(struct conform *c, char path[CONFORM_PATH_MAX]);

/* conform_kill.c, conform_snap.c: false: broken, or skipped */
bool conform_check_kill(struct conform *c);
bool conform_check_cut(struct conform *c);
bool conform_check_snapshot(struct conform *c);
bool conform_check_fresh(struct conform *c);
bool conform_check_used(struct conform *c);
bool conform_check_half(struct conform *c);

/* conform.c */
/* Ends the process: 0, or 65 where the contract is broken.  wish: the queries. */
_Noreturn void conform_run(const struct conf *conf, const struct trial *wish, char **command);

#endif
