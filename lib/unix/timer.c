/* SPDX-License-Identifier: ISC */
/* A timer on the heap, freed when libuv has closed its handle. */
#include "timer.h"

#include <stdlib.h>

#include "loop.h"

struct timer {
	uv_timer_t uv;
	void (*fire)(void *arg);
	void *arg;
};

static void
timer_on_fire(uv_timer_t *uv)
{
	struct timer *timer = uv->data;
	timer->fire(timer->arg);
}

static void
timer_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

struct timer *
timer_new(struct loop *loop, void (*fire)(void *arg), void *arg)
{
	struct timer *timer = calloc(1, sizeof *timer);
	must(timer != NULL);
	timer->fire = fire;
	timer->arg = arg;
	must(uv_timer_init(loop_uv(loop), &timer->uv) == 0);
	timer->uv.data = timer;
	return timer;
}

void
timer_free(struct timer *timer)
{
	if (timer)
		uv_close((uv_handle_t *)&timer->uv, timer_on_closed);
}

void
timer_start(struct timer *timer, uint64_t after_ms)
{
	timer_repeat(timer, after_ms, 0);
}

void
timer_repeat(struct timer *timer, uint64_t after_ms, uint64_t period_ms)
{
	uv_timer_start(&timer->uv, timer_on_fire, after_ms, period_ms);
}

void
timer_stop(struct timer *timer)
{
	uv_timer_stop(&timer->uv);
}

bool
timer_active(const struct timer *timer)
{
	return uv_is_active((const uv_handle_t *)&timer->uv);
}
