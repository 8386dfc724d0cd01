/* SPDX-License-Identifier: ISC */
/* The progress line. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LONG_MS = 1000, EVERY_MS = 200 };

struct progress {
	uv_timer_t timer; /* turns happen while nothing else does */
	const char *prog;
	bool terminal;
	bool shown;
	struct mono_ms start;
	struct mono_ms next;
	uint64_t committed;
};

static void
progress_on_timer(uv_timer_t *timer)
{
	(void)timer;
}

struct progress *
progress_new(struct loop *loop, const char *prog, bool typed)
{
	struct progress *progress = calloc(1, sizeof *progress);
	must(progress != NULL);
	progress->prog = prog;
	progress->start = mono_now();
	progress->next.ms = progress->start.ms + LONG_MS;
	/* One who types is not told how fast. */
	progress->terminal = isatty(STDERR_FILENO) && !typed;
	if (!progress->terminal)
		return progress;
	uv_timer_init(loop_uv(loop), &progress->timer);
	uv_timer_start(&progress->timer, progress_on_timer, LONG_MS, EVERY_MS);
	return progress;
}

void
progress_show(struct progress *progress, uint64_t committed, const char *trouble)
{
	if (!progress->terminal)
		return;
	struct mono_ms now = mono_now();
	if (now.ms < progress->next.ms)
		return;
	progress->next.ms = now.ms + EVERY_MS;
	progress->shown = true;
	fprintf(stderr, "\r%s: %llu committed, %llu/s%s%s\033[K", progress->prog,
	    (unsigned long long)committed,
	    (unsigned long long)(committed * 1000 / (now.ms - progress->start.ms)),
	    trouble[0] ? ", waiting: " : "", trouble);
}

void
progress_clear(struct progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r\033[K");
	progress->shown = false;
}
