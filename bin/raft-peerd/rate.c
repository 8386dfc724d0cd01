/* SPDX-License-Identifier: ISC */
/* The bucket as a clock: when it will be out of debt. */
#include "rate.h"

#include <stdlib.h>

/* A full bucket is what flows in so long. */
enum { BURST_US = 100000, SECOND_US = 1000000 };

struct rate {
	uv_timer_t timer;
	uint64_t per_second;
	uint64_t paid_us; /* by then all that was sent has been paid for */
};

static void
rate_on_timer(uv_timer_t *timer)
{
	(void)timer; /* the turn that it begins sends */
}

struct rate *
rate_new(struct loop *loop, uint64_t per_second)
{
	struct rate *rate = calloc(1, sizeof *rate);
	must(rate != NULL);
	must(uv_timer_init(loop_uv(loop), &rate->timer) == 0);
	rate->per_second = per_second;
	return rate;
}

bool
rate_take(struct rate *rate, size_t size)
{
	uint64_t now_us = uv_hrtime() / 1000;
	if (rate->per_second == 0)
		return true;
	if (rate->paid_us > now_us) {
		uv_timer_start(&rate->timer, rate_on_timer, (rate->paid_us - now_us) / 1000 + 1, 0);
		return false;
	}
	if (rate->paid_us + BURST_US < now_us)
		rate->paid_us = now_us - BURST_US;
	rate->paid_us += (uint64_t)size * SECOND_US / rate->per_second;
	return true;
}
