/* SPDX-License-Identifier: ISC */
/*
 * Where entries come from: standard input or files, one after the other.
 *
 * Neither opening nor reading stalls the loop: FIFOs, pipes and terminals are polled, files are
 * read a piece a turn.  Each input ends its own last entry: none spans two files.
 */
#ifndef CLIENT_INPUT_H
#define CLIENT_INPUT_H

#include "framing.h"
#include "unix/exit.h"
#include "unix/loop.h"

struct input;

enum input_found {
	INPUT_ITEM,
	INPUT_WAIT, /* nothing now; reading goes on */
	INPUT_END,
	INPUT_FAILED
};

/* paths: NULL-terminated; none: standard input, as is "-". */
struct input *input_new(struct loop *loop, enum framing framing, size_t item_max, char **paths);
/* The next entry; valid until the next turn.  FAILED: status and one sentence; nothing follows. */
enum input_found input_next(
    struct input *input, struct wire_bytes *item, enum exit_status *status, char *why);
/* Stops reading for now: there is no room for more. */
void input_hold(struct input *input);
uint64_t input_count(const struct input *input);

#endif
