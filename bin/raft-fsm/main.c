/* SPDX-License-Identifier: ISC */
/*
 * raft-fsm: pipes committed entries into a program.
 *
 * It reads from raft-logd alone, and only what is committed; so a program that is slow or
 * stuck holds up nobody but itself.  It touches no disk but the lock of its
 * program, and no network.
 */
#include <getopt.h>

#include "unix/command.h"
#include "fsm.h"
#include "program.h"
#include "source.h"
#include "serve.h"
#include "try.h"

static struct fsm fsm;

static const struct option options[] = {{"try", no_argument, NULL, 't'}, {0}};

/* try_wanted has looked before; what comes here was spelt in some other way. */
static void
fsm_on_option(int opt, const char *value)
{
	(void)opt, (void)value;
	daemon_die(EXIT_USAGE, "--try: spell it out");
}

/* A command that is missing now may be there when it is needed: the start goes on without it. */
static void
fsm_check(void *arg)
{
	struct fsm *f = arg;
	char why[1024];
	f->conf = f->daemon.conf;
	f->mode = fsm_mode(f->conf->fsm.mode);
	f->foreground = f->daemon.argc > 0 || f->conf->fsm.command == NULL;
	f->command = f->daemon.argc > 0 ? f->daemon.argv : f->conf->fsm.command;
	if (f->command == NULL && f->mode != &sink_mode)
		daemon_die(
		    EXIT_CONFIG, "fsm.command is missing: mode %s needs a program", f->mode->name);
	if (!f->daemon.checking || f->command == NULL)
		return;
	enum exit_status status = command_check(f->command[0], f->conf->folder, why, sizeof why);
	if (status != EXIT_OK)
		daemon_die(status, "%s", why);
}

static void
on_stop_now(void *arg)
{
	struct fsm *f = arg;
	if (f->program)
		program_kill(f->program);
}

int
main(int argc, char **argv)
{
	if (try_wanted(argc, argv))
		return try_main(argc, argv);
	fsm.daemon = (struct daemon){
	    .prog = "raft-fsm",
	    .usage = "[-nv] [-c FILE] [-d FD] [--log-time] [-- COMMAND [ARG ...]], or "
		     "raft-fsm --try [-c FILE] [-F FRAMING | -0] [--mode MODE] [--restore FILE] "
		     "[--snapshot FILE] "
		     "[--query QUERY] [--from INDEX] [--fields FIELDS] [--conform] [--] COMMAND "
		     "[ARG ...]",
	    .operands = true,
	    .yields = true,
	    .options = options,
	    .found = fsm_on_option,
	    .check = fsm_check,
	    .stop = fsm_stop,
	    .stop_now = on_stop_now,
	    .arg = &fsm,
	};
	daemon_start(&fsm.daemon, argc, argv);
	fsm.loop = fsm.daemon.loop;
	fsm_serve_open(&fsm);
	fsm.source = source_new(fsm.loop, fsm.conf);
	fsm.mode->start(&fsm);
	daemon_ready(&fsm.daemon);
	loop_run(fsm.loop);
	server_free(fsm.server);
	source_free(fsm.source);
	return (int)fsm.exit_status;
}
