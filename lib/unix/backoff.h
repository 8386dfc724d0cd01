/* SPDX-License-Identifier: ISC */
/*
 * The pause before the next attempt: first_ms after the first failure, then twice as long each
 * time, up to last_ms.  A run of good_ms or longer starts over.
 *
 * A struct backoff is initialised with its limits; the rest of it is zero.
 */
#ifndef UNIX_BACKOFF_H
#define UNIX_BACKOFF_H

#include "raft/types.h"

struct backoff {
	uint64_t first_ms, last_ms;
	uint64_t good_ms;       /* of an owner that calls backoff_begin */
	uint64_t wait_ms;       /* the last pause; 0: none yet */
	struct mono_ms started; /* of the present run; 0: none */
};

/* A run begins now. */
void backoff_begin(struct backoff *backoff);
/* It has ended. */
void backoff_end(struct backoff *backoff);
/* The pause in milliseconds before the next attempt. */
uint64_t backoff_wait(struct backoff *backoff);
/* The next pause is the first again. */
void backoff_reset(struct backoff *backoff);

#endif
