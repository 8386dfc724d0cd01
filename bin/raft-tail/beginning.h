/* SPDX-License-Identifier: ISC */
/*
 * The entry to begin with, where --since or --last leave it open.  No I/O here: the owner asks
 * raft-logd for what beginning_ask names, and passes the answer to beginning_take.
 *
 * --since is found by bisection, one entry per step: times never decrease along the log.
 * --last is counted back from the end, in windows that grow while entries of other kinds fill
 * them; each window is read once, and nothing of it is kept.
 */
#ifndef TAIL_BEGINNING_H
#define TAIL_BEGINNING_H

#include "wire/message.h"

enum { BEGINNING_WINDOW = 4 }; /* entries in the first window, unless more are to be counted */

enum beginning_state {
	BEGINNING_ENDS,  /* between which indexes is it? */
	BEGINNING_SINCE, /* the first entry that is not older than since_ms */
	BEGINNING_UNTIL, /* the first one that is newer than until_ms */
	BEGINNING_BACK,  /* back from there */
	BEGINNING_FOUND
};

struct beginning {
	/* Set by the owner, the rest zero.  The limits are included. */
	uint64_t from, to;
	uint64_t since_ms, until_ms;
	uint64_t last; /* entries to print at the most; UINT64_MAX: all */
	uint64_t seen; /* committed somewhere, and perhaps not here yet */

	enum beginning_state state;
	bool hurry;            /* beginning_catch_up_no_longer was called */
	uint64_t low, high;    /* it is in [low, high] */
	uint64_t compacted_to; /* the first one left; 0: none that was asked for is gone */
	/* A bisection is in [begin, end]; a window is [begin, end), and read up to `next`. */
	uint64_t begin, end, next;
	uint64_t window;  /* size of the next window, at the least */
	uint64_t left;    /* entries to find before `end` */
	uint64_t counted; /* entries found in [begin, next) */

	/* When the state is BEGINNING_FOUND: begin at `low`, and print none of the first `skip`. */
	uint64_t skip;
	bool maybe_short; /* some that were asked for may be compacted away */
};

/* Before: the state is not BEGINNING_FOUND; likewise for beginning_take. */
struct msg_log_read beginning_ask(const struct beginning *beginning);
/* Whether it waits for this node's log to reach `seen`. */
bool beginning_catches_up(const struct beginning *beginning);
/* It has waited long enough for that: what is here counts. */
void beginning_catch_up_no_longer(struct beginning *beginning);
/* The answer to beginning_ask.  False when it is malformed, or of a newer level. */
bool beginning_take(struct beginning *beginning, const struct msg_log_entries *entries);
/* An entry that is printed, as far as its kind and --since decide. */
bool beginning_counts(const struct raft_entry *entry, uint64_t since_ms);

#endif
