/* SPDX-License-Identifier: ISC */
/*
 * The modes without a cluster: the source is standard input or in memory, the first end of the
 * program is the last, and there are no lines of log.
 */
#include "try_run.h"

#include <signal.h>
#include <stdlib.h>

#include "unix/signals.h"
#include "fsm.h"
#include "program.h"
#include "source.h"

static struct fsm try_fsm;

/* The program has a process group of its own: it does not outlive us. */
static void
try_kill(void)
{
	if (try_fsm.program)
		program_kill(try_fsm.program);
}

static void
try_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	try_kill();
	signal(number, SIG_DFL);
	raise(number);
}

static void
try_watch_signals(struct loop *loop)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	static uv_signal_t handles[sizeof numbers / sizeof numbers[0]];
	signals_unblock();
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		uv_signal_init(loop_uv(loop), &handles[i]);
		if (!signals_ignored(numbers[i]))
			uv_signal_start(&handles[i], try_on_signal, numbers[i]);
	}
	/* A program that does not read must not end us. */
	signal(SIGPIPE, SIG_IGN);
	atexit(try_kill);
}

void
try_run(const struct conf *conf, const struct trial *trial, char **command)
{
	struct fsm *fsm = &try_fsm;
	*fsm = (struct fsm){.trial = trial,
	    .conf = conf,
	    .mode = fsm_mode(conf->fsm.mode),
	    .command = command,
	    .foreground = true};
	fsm->loop = loop_new();
	try_watch_signals(fsm->loop);
	fsm->source = source_of_lines(fsm->loop, conf, trial);
	fsm->mode->start(fsm);
	loop_run(fsm->loop);
	exit(EXIT_BUG); /* fsm_verdict ends it */
}
