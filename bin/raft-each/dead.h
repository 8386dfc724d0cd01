/* SPDX-License-Identifier: ISC */
/*
 * The file of entries that no run of the command has accepted: a line of JSON each, as of
 * raft-tail -F json.
 *
 * It is locked while it is open.  Its last line is complete: what a loss of power or a full disk
 * left of one is cut off, and its entry comes again.
 */
#ifndef EACH_DEAD_H
#define EACH_DEAD_H

#include <stdbool.h>

#include "wire/buf.h"

struct dead;

/* Opens or creates it; ends the process with a sentence where that fails. */
struct dead *dead_open(const char *path);
/* Appends the lines; true once they are on the disk.  False with errno: then none of them is there.
 */
bool dead_add(struct dead *dead, const struct wire_buf *lines);

#endif
