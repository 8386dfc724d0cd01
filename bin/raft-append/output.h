/* SPDX-License-Identifier: ISC */
/*
 * Standard output for a loop that must not wait for it: its reader may hang, and signals and
 * answers are still heard.  What it does not accept yet is kept.
 */
#ifndef APPEND_OUTPUT_H
#define APPEND_OUTPUT_H

#include "unix/loop.h"

struct append_output {
	struct wire_buf buf; /* the owner appends to it */
	uv_poll_t poll;
	bool polled; /* it can be */
};

/* All zero before. */
void output_start(struct append_output *output, struct loop *loop);
/*
 * Writes what is accepted now.  While something is left, a turn of the loop begins when more is.
 * False with errno: it failed, and nothing is kept.
 */
bool output_flush(struct append_output *output);

#endif
