/* SPDX-License-Identifier: ISC */
/* Pauses that double. */
#include "backoff.h"

#include "loop.h"

void
backoff_begin(struct backoff *backoff)
{
	backoff->started = mono_now();
}

void
backoff_reset(struct backoff *backoff)
{
	backoff->wait_ms = 0;
}

void
backoff_end(struct backoff *backoff)
{
	if (backoff->started.ms && mono_now().ms - backoff->started.ms >= backoff->good_ms)
		backoff_reset(backoff);
	backoff->started.ms = 0;
}

uint64_t
backoff_wait(struct backoff *backoff)
{
	backoff->wait_ms = backoff->wait_ms ? backoff->wait_ms * 2 : backoff->first_ms;
	if (backoff->wait_ms > backoff->last_ms)
		backoff->wait_ms = backoff->last_ms;
	return backoff->wait_ms;
}
