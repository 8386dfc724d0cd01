/* SPDX-License-Identifier: ISC */
/* A timer that each progress puts off. */
#include "timeout.h"

#include <stdio.h>
#include <stdlib.h>

enum { WHY_SIZE = 1024 };

struct timeout {
	struct loop *loop;
	uv_timer_t timer;
	uint64_t limit_ms;
	struct mono_ms progress_at;
	uint64_t polls; /* those of the loop when the time is over; 0: it is not */
	void (*over)(void *arg);
	void *arg;
	const char *why_first;
	char why[WHY_SIZE];
	char sentence[WHY_SIZE + 64];
};

/* The timer may run late, before the loop has polled, when this process was stopped. */
static void
timeout_on_timer(uv_timer_t *timer)
{
	struct timeout *timeout = timer->data;
	uint64_t silent = mono_now().ms - timeout->progress_at.ms;
	if (silent < timeout->limit_ms) {
		uv_timer_start(timer, timeout_on_timer, timeout->limit_ms - silent, 0);
		return;
	}
	if (timeout->polls == 0)
		timeout->polls = loop_polls(timeout->loop) + 1;
	if (loop_polls(timeout->loop) < timeout->polls || loop_stopping(timeout->loop))
		uv_timer_start(timer, timeout_on_timer, 1, 0);
	else
		timeout->over(timeout->arg);
}

struct timeout *
timeout_new(
    struct loop *loop, uint64_t limit_ms, const char *why, void (*over)(void *arg), void *arg)
{
	struct timeout *timeout = calloc(1, sizeof *timeout);
	must(timeout != NULL);
	timeout->loop = loop;
	timeout->over = over;
	timeout->arg = arg;
	timeout->why_first = why;
	must(uv_timer_init(loop_uv(loop), &timeout->timer) == 0);
	timeout->timer.data = timeout;
	timeout_set_why(timeout, NULL);
	timeout_begin(timeout, limit_ms);
	return timeout;
}

static void
timeout_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
timeout_free(struct timeout *timeout)
{
	if (timeout)
		uv_close((uv_handle_t *)&timeout->timer, timeout_on_closed);
}

void
timeout_begin(struct timeout *timeout, uint64_t limit_ms)
{
	timeout_stop(timeout);
	timeout->limit_ms = limit_ms;
	timeout_progress(timeout);
}

void
timeout_progress(struct timeout *timeout)
{
	timeout->progress_at = mono_now();
	timeout->polls = 0;
	/* A running timer looks at the time when it ends. */
	if (!uv_is_active((uv_handle_t *)&timeout->timer))
		uv_timer_start(&timeout->timer, timeout_on_timer, timeout->limit_ms, 0);
}

void
timeout_stop(struct timeout *timeout)
{
	uv_timer_stop(&timeout->timer);
}

void
timeout_set_why(struct timeout *timeout, const char *why)
{
	snprintf(timeout->why, sizeof timeout->why, "%s", why ? why : timeout->why_first);
}

const char *
timeout_why(const struct timeout *timeout)
{
	return timeout->why;
}

const char *
timeout_sentence(struct timeout *timeout)
{
	snprintf(timeout->sentence, sizeof timeout->sentence, "%s (given up after %llu ms)",
	    timeout->why, (unsigned long long)timeout->limit_ms);
	return timeout->sentence;
}
