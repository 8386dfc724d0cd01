/* SPDX-License-Identifier: ISC */
/*
 * --tee: the entries of the input on their way to standard output, in the framing of the input.
 *
 * ⚠ What is not known to be committed is not passed on.  An entry is held until the appender has it
 * committed.  Entries that the session has already are compared by one digest over all of them, so
 * they are kept in an unlinked file until the last one of them has been read.
 */
#ifndef APPEND_TEE_H
#define APPEND_TEE_H

#include "client/framing.h"

struct tee;

struct tee *tee_new(enum framing framing);
/* An entry that is skipped.  False: it cannot be kept, and why. */
bool tee_skip(struct tee *tee, struct wire_bytes item, char why[FRAMING_WHY_SIZE]);
/* All that were skipped are committed; likewise.  Before: there were some. */
bool tee_skipped(struct tee *tee, char why[FRAMING_WHY_SIZE]);
/* An entry that the appender was given. */
void tee_take(struct tee *tee, struct wire_bytes item);
/* The oldest `count` of these are committed: appends them to out. */
void tee_committed(struct tee *tee, uint64_t count, struct wire_buf *out);
/* Whether entries that were skipped are still to be passed on; they come before all others. */
bool tee_more(const struct tee *tee);
/* Appends some of those.  False: they cannot be read, and why.  Before: tee_more. */
bool tee_next(struct tee *tee, struct wire_buf *out, char why[FRAMING_WHY_SIZE]);

#endif
