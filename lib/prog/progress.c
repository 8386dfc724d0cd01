/* SPDX-License-Identifier: ISC */
/* The progress line. */
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LONG_MS = 1000 };

struct progress {
	uv_timer_t timer; /* turns happen while nothing else does */
	const char *prog;
	uint64_t every_ms;
	bool wanted;
	bool shown;
	struct mono_ms next;
};

static void
progress_on_timer(uv_timer_t *timer)
{
	(void)timer;
}

struct progress *
progress_new(struct loop *loop, const char *prog, bool wanted, uint64_t every_ms)
{
	struct progress *progress = calloc(1, sizeof *progress);
	must(progress != NULL);
	progress->prog = prog;
	progress->every_ms = every_ms;
	progress->next.ms = mono_now().ms + LONG_MS;
	progress->wanted = wanted && isatty(STDERR_FILENO);
	if (!progress->wanted)
		return progress;
	uv_timer_init(loop_uv(loop), &progress->timer);
	uv_timer_start(&progress->timer, progress_on_timer, LONG_MS, every_ms);
	return progress;
}

bool
progress_due(struct progress *progress)
{
	if (!progress->wanted)
		return false;
	struct mono_ms now = mono_now();
	if (now.ms < progress->next.ms)
		return false;
	progress->next.ms = now.ms + progress->every_ms;
	return true;
}

void
progress_show(struct progress *progress, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	progress->shown = true;
	fprintf(stderr, "\r%s: ", progress->prog);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\033[K");
	va_end(args);
}

void
progress_clear(struct progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r\033[K");
	progress->shown = false;
}
