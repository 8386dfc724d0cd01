/* SPDX-License-Identifier: ISC */
/* A line on the terminal for work that takes long; nothing where stderr is no terminal. */
#ifndef APPEND_PROGRESS_H
#define APPEND_PROGRESS_H

#include "unix/loop.h"

struct progress;

/* typed: the input comes from a terminal. */
struct progress *progress_new(struct loop *loop, const char *prog, bool typed);
/* In each turn: it looks at the clock itself.  trouble: what is waited for, or "". */
void progress_show(struct progress *progress, uint64_t committed, const char *trouble);
/* Before anything else is written to the terminal. */
void progress_clear(struct progress *progress);

#endif
