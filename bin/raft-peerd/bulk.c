/* SPDX-License-Identifier: ISC */
/* The bucket as a clock: when it will be out of debt. */
#include "bulk.h"

#include <stdlib.h>

/* A full bucket is what flows in so long. */
enum { BURST_US = 100000, SECOND_US = 1000000 };

struct bulk {
	uv_timer_t timer;
	uint64_t rate;
	uint64_t paid_us; /* by then all that was sent has been paid for */
};

static void
on_timer(uv_timer_t *timer)
{
	(void)timer; /* the turn that it begins sends */
}

static uint64_t
now_us(void)
{
	return uv_hrtime() / 1000;
}

struct bulk *
bulk_new(struct loop *loop, uint64_t rate)
{
	struct bulk *bulk = calloc(1, sizeof *bulk);
	must(bulk != NULL);
	must(uv_timer_init(loop_uv(loop), &bulk->timer) == 0);
	bulk->rate = rate;
	return bulk;
}

uint64_t
bulk_rate(const struct bulk *bulk)
{
	return bulk->rate;
}

bool
bulk_may(struct bulk *bulk)
{
	uint64_t now = now_us();
	if (bulk->rate == 0 || bulk->paid_us <= now)
		return true;
	if (!uv_is_active((uv_handle_t *)&bulk->timer))
		uv_timer_start(&bulk->timer, on_timer, (bulk->paid_us - now) / 1000 + 1, 0);
	return false;
}

void
bulk_sent(struct bulk *bulk, size_t size)
{
	uint64_t now = now_us();
	if (bulk->rate == 0)
		return;
	if (bulk->paid_us + BURST_US < now)
		bulk->paid_us = now - BURST_US;
	bulk->paid_us += (uint64_t)size * SECOND_US / bulk->rate;
}
