/* SPDX-License-Identifier: ISC */
/*
 * What is done a second later: an idle commit index stored, an idle write-ahead
 * log moved, a full disk looked at again.  No timer runs when there is nothing to do.
 */
#ifndef LOGD_TICK_H
#define LOGD_TICK_H

#include <uv.h>

struct logd;

struct tick {
	uv_timer_t timer;
	uv_idle_t again;
};

void tick_init(struct logd *logd);
/* A tick within a second. */
void tick_want(struct logd *logd);
/* Another turn at once: there is more to do than was done in this one. */
void tick_again(struct logd *logd);

#endif
