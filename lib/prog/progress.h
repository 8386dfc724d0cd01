/* SPDX-License-Identifier: ISC */
/*
 * A line on the terminal that is replaced while a program works.  Nothing is printed where standard
 * error is no terminal.  The line fits into one row, and is erased before any complaint of tool.h
 * and when the process exits.
 */
#ifndef PROG_PROGRESS_H
#define PROG_PROGRESS_H

#include "unix/loop.h"

struct progress;

/*
 * The first line after a second, then one every every_ms.  wanted false: none.  loop NULL: the
 * caller asks often enough by itself; otherwise turns occur while nothing else happens.
 */
struct progress *progress_new(struct loop *loop, const char *prog, bool wanted, uint64_t every_ms);
/* Call in each turn: whether it is time for a line. */
bool progress_due(struct progress *progress);
/* Replaces the line. */
void progress_show(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum progress_unit { PROGRESS_ENTRIES, PROGRESS_BYTES };
/* Measuring begins: what is done from now on.  what: a phrase for the line; NULL: none. */
void progress_begin(struct progress *progress, const char *what);
/* If a line is due: how much is done, of what total if it is known (not 0), at what rate. */
void progress_amount(
    struct progress *progress, enum progress_unit unit, uint64_t done, uint64_t total);
/* ", 40 %, 1m 12s left" of work that has taken elapsed_ms; empty where the total is 0. */
struct progress_share {
	char text[64];
};
struct progress_share progress_share(uint64_t done, uint64_t total, uint64_t elapsed_ms);

/* Erases the line of this process, if there is one. */
void progress_clear(void);

#endif
