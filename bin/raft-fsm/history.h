/* SPDX-License-Identifier: ISC */
/*
 * Entries and queries for --conform, and the answers to them.
 *
 * Indexes begin at 2 and have gaps, as in a real log, where others than clients have entries.
 */
#ifndef FSM_HISTORY_H
#define FSM_HISTORY_H

#include "trial.h"

enum { HISTORY_MAX = 1000, HISTORY_ASKED_MAX = 16 };

/* The first answer that came, and in which run. */
struct told {
	bool known;
	unsigned state;
	struct wire_bytes data;
	const char *story;
};

struct history {
	struct trial_entry entries[HISTORY_MAX];
	size_t count;
	struct wire_bytes queries[TRIAL_QUERIES_MAX];
	size_t queries_count;
	struct told answers[HISTORY_MAX];
	struct told (*rounds)[TRIAL_QUERIES_MAX]; /* rounds[i]: after i entries */
};

/* The data is kept by the caller.  False: it is full. */
bool history_add(struct history *history, struct wire_bytes data);
/* None is asked twice.  Data of queries beyond the limit is not asked. */
void history_ask(struct history *history, struct wire_bytes query);
/* Entries are asked as queries, too: some are, and all others must change nothing. */
void history_ask_entries(struct history *history);
/* No entry and no query follows. */
void history_complete(struct history *history);
/* How many entries have an index up to this one. */
size_t history_position(const struct history *history, uint64_t index);
/* The index of the last of the first count; 0: of none. */
uint64_t history_index(const struct history *history, size_t count);

/* Those that raft-fsm makes up where none are given. */
void history_make(struct history *history);
/* All values of a byte; those that a line cannot hold are left out unless netstring. */
void history_make_bytes(struct history *history, bool netstring);
/* Of this size and near it; reply_max: the most that can be asked back. */
void history_make_large(struct history *history, size_t entry_max, size_t reply_max);
/* Lines of standard input.  False: there are none.  What is wrong ends the process. */
bool history_read(struct history *history, size_t entry_max, bool netstring);
/* The last ones of another history, in the reverse order, with indexes below this one. */
void history_make_other(struct history *other, const struct history *of, uint64_t below);

#endif
