/* SPDX-License-Identifier: ISC */
/* A timer of the system, which is precise to about 50 microseconds, polled by the loop. */
#include "pace.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { NS = 1000 * 1000 * 1000 };

struct pace {
	uv_poll_t poll;
	int fd;
	uint64_t at_ns; /* the next time; 0: none */
};

static void
pace_on_poll(uv_poll_t *poll, int status, int events)
{
	struct pace *pace = poll->data;
	uint64_t expirations;
	(void)status;
	(void)events;
	/* Only so that it is no longer readable; the turn looks at the time. */
	ssize_t got = read(pace->fd, &expirations, sizeof expirations);
	(void)got;
	pace->at_ns = 0;
}

struct pace *
pace_new(struct loop *loop)
{
	struct pace *pace = calloc(1, sizeof *pace);
	must(pace != NULL);
	/* The clock of uv_hrtime. */
	pace->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (pace->fd < 0) {
		free(pace);
		return NULL;
	}
	must(uv_poll_init(loop_uv(loop), &pace->poll, pace->fd) == 0);
	pace->poll.data = pace;
	must(uv_poll_start(&pace->poll, UV_READABLE, pace_on_poll) == 0);
	return pace;
}

void
pace_wake_at(struct pace *pace, uint64_t ns)
{
	if (pace->at_ns != 0 && pace->at_ns <= ns)
		return;
	pace->at_ns = ns;
	struct itimerspec at = {.it_value = {(time_t)(ns / NS), (long)(ns % NS)}};
	must(timerfd_settime(pace->fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
}
