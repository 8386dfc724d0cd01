/* SPDX-License-Identifier: ISC */
/* A few log lines in a while, however often a thing happens. */
#ifndef PEERD_THROTTLE_H
#define PEERD_THROTTLE_H

#include "unix/loop.h"

enum { THROTTLE_MS = 10000, THROTTLE_BURST = 4 };

struct throttle {
	struct mono_ms end; /* of the present while */
	unsigned lines;     /* in it */
	uint64_t muted;     /* since the last line */
};

/* True: write a line; *muted is how often it has happened without one. */
static inline bool
throttle_pass(struct throttle *throttle, struct mono_ms now, uint64_t *muted)
{
	if (now.ms >= throttle->end.ms) {
		throttle->end.ms = now.ms + THROTTLE_MS;
		throttle->lines = 0;
	}
	if (throttle->lines == THROTTLE_BURST) {
		throttle->muted++;
		return false;
	}
	throttle->lines++;
	*muted = throttle->muted;
	throttle->muted = 0;
	return true;
}

#endif
