/* SPDX-License-Identifier: ISC */
/* The progress line. */
#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FIRST_MS = 1000, LINE_MAX_SIZE = 512 };

struct progress {
	uv_timer_t timer; /* turns occur while nothing else happens */
	const char *prog;
	const char *what;
	uint64_t every_ms;
	bool wanted;
	struct mono_ms next;
	struct mono_ms begun;
};

/* A process has one standard error. */
static bool progress_shown, progress_registered;

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
	progress->begun = mono_now();
	progress->next.ms = progress->begun.ms + FIRST_MS;
	progress->wanted = wanted && isatty(STDERR_FILENO);
	if (!progress->wanted || loop == NULL)
		return progress;
	uv_timer_init(loop_uv(loop), &progress->timer);
	uv_timer_start(&progress->timer, progress_on_timer, FIRST_MS, every_ms);
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

/* Bytes that fit before the last column: a line that wraps could not be replaced. */
static size_t
progress_room(void)
{
	struct winsize window;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col < 2)
		return LINE_MAX_SIZE;
	return window.ws_col - 1u;
}

void
progress_show(struct progress *progress, const char *format, ...)
{
	char line[LINE_MAX_SIZE];
	size_t room = progress_room();
	va_list args;
	va_start(args, format);
	int size = snprintf(line, sizeof line, "%s: ", progress->prog);
	must(size > 0 && (size_t)size < sizeof line);
	vsnprintf(line + size, sizeof line - (size_t)size, format, args);
	va_end(args);
	if (room < sizeof line)
		line[room] = '\0';
	/* What a daemon answers must not steer the terminal. */
	for (char *at = line; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	/* Nothing is left of it, however the process exits. */
	if (!progress_registered)
		atexit(progress_clear);
	progress_shown = progress_registered = true;
	fprintf(stderr, "\r%s\033[K", line);
}

void
progress_clear(void)
{
	if (progress_shown)
		fprintf(stderr, "\r\033[K");
	progress_shown = false;
}

/* ------------------------------------------------------------- amounts */

void
progress_begin(struct progress *progress, const char *what)
{
	progress->what = what;
	progress->begun = mono_now();
}

/* "12 entries", "1.5 GiB". */
struct amount_text {
	char text[32];
};

static struct amount_text
amount_print(enum progress_unit unit, uint64_t amount)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct amount_text out;
	double value = (double)amount;
	size_t at = 0;
	for (; unit == PROGRESS_BYTES && value >= 1024; at++)
		value /= 1024;
	if (unit == PROGRESS_ENTRIES)
		snprintf(out.text, sizeof out.text, "%" PRIu64 " entries", amount);
	else
		snprintf(out.text, sizeof out.text, "%.*f %s", at > 0, value, units[at]);
	return out;
}

struct progress_share
progress_share(uint64_t done, uint64_t total, uint64_t elapsed_ms)
{
	struct progress_share out = {""};
	if (total == 0)
		return out;
	double part = done < total ? (double)done / (double)total : 1;
	int size = snprintf(out.text, sizeof out.text, ", %d %%", (int)(100 * part));
	if (done == 0)
		return out;
	uint64_t left_s = (uint64_t)((double)elapsed_ms * (1 - part) / part / 1000 + 0.5);
	char *at = out.text + size;
	size_t room = sizeof out.text - (size_t)size;
	if (left_s < 60)
		snprintf(at, room, ", %" PRIu64 "s left", left_s);
	else if (left_s < 3600)
		snprintf(at, room, ", %" PRIu64 "m %" PRIu64 "s left", left_s / 60, left_s % 60);
	else
		snprintf(at, room, ", %" PRIu64 "h %" PRIu64 "m left", left_s / 3600,
		    left_s % 3600 / 60);
	return out;
}

void
progress_amount(struct progress *progress, enum progress_unit unit, uint64_t done, uint64_t total)
{
	if (!progress_due(progress))
		return;
	uint64_t elapsed_ms = mono_now().ms - progress->begun.ms;
	struct amount_text rate =
	    amount_print(unit, (uint64_t)((double)done * 1000 / (double)(elapsed_ms + 1)));
	progress_show(progress, "%s%s%s%s%s, %s/s%s", progress->what ? progress->what : "",
	    progress->what ? ": " : "", amount_print(unit, done).text, total ? " of " : "",
	    total ? amount_print(unit, total).text : "", rate.text,
	    progress_share(done, total, elapsed_ms).text);
}
