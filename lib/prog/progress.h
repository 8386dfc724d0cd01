/* SPDX-License-Identifier: ISC */
/*
 * A line on the terminal that is written again and again while a tool works; nothing is printed
 * where standard error is no terminal.
 */
#ifndef PROG_PROGRESS_H
#define PROG_PROGRESS_H

#include "unix/loop.h"

struct progress;

/* The first line after a second, then one every every_ms.  wanted false: none. */
struct progress *progress_new(struct loop *loop, const char *prog, bool wanted, uint64_t every_ms);
/* To be asked in each turn: whether it is time for a line. */
bool progress_due(struct progress *progress);
/* Replaces the line. */
void progress_show(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Before anything else is written to the terminal. */
void progress_clear(struct progress *progress);

#endif
