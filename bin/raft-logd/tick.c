/* SPDX-License-Identifier: ISC */
/* The timer of a second, and turns without input. */
#include "tick.h"

#include "compact.h"
#include "logd.h"

enum { TICK_MS = 1000 };

static void
tick_on_timer(uv_timer_t *timer)
{
	struct logd *logd = timer->data;
	if (logd->space.state != SPACE_AMPLE)
		space_look(logd);
	compact_plan(logd);
	writer_tick(logd);
	if (logd->space.state != SPACE_AMPLE || writer_unsettled(logd))
		tick_want(logd);
}

static void
tick_on_again(uv_idle_t *idle)
{
	/* The turn comes before the loop waits, and this handle is why it does not wait. */
	uv_idle_stop(idle);
}

void
tick_init(struct logd *logd)
{
	uv_loop_t *uv = loop_uv(logd->daemon.loop);
	must(uv_timer_init(uv, &logd->tick.timer) == 0);
	must(uv_idle_init(uv, &logd->tick.again) == 0);
	logd->tick.timer.data = logd->tick.again.data = logd;
}

void
tick_want(struct logd *logd)
{
	if (!uv_is_active((uv_handle_t *)&logd->tick.timer))
		uv_timer_start(&logd->tick.timer, tick_on_timer, TICK_MS, 0);
}

void
tick_again(struct logd *logd)
{
	uv_idle_start(&logd->tick.again, tick_on_again);
}
