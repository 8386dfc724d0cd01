/* SPDX-License-Identifier: ISC */
/*
 * raft-fsm: pipes committed entries into a program.
 *
 * It reads from raft-logd alone, and only what is committed; so a program that is slow or
 * stuck holds up nobody but itself.  It touches no disk but the lock of its
 * program, and no network.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/buf.h"
#include "fsm.h"
#include "program.h"
#include "source.h"
#include "serve.h"
#include "try.h"

static struct fsm fsm;

static const char *const state_names[] = {
#define S(NAME, text, level) text,
    FSM_STATES(S)
#undef S
};
static const enum log_level state_levels[] = {
#define S(NAME, text, level) level,
    FSM_STATES(S)
#undef S
};

void
fsm_state(struct fsm *f, enum fsm_state state, const char *why)
{
	int pid = program_pid(f->program);
	char more[2048] = "";
	int at = 0;
	if (pid)
		at = snprintf(more, sizeof more, " pid=%d", pid);
	if (why[0])
		snprintf(more + at, sizeof more - (size_t)at, " why=%s", log_q(why));
	log_line(state_levels[state], "state", "from=%s to=%s%s", state_names[f->state],
	    state_names[state], more);
	f->state = state;
	snprintf(f->why, sizeof f->why, "%s", why);
}

static void
fsm_on_stop(void *arg)
{
	struct fsm *f = arg;
	serve_yield(f->server);
	f->mode->stop(f);
}

void
fsm_fail(struct fsm *f, enum exit_status status)
{
	f->exit_status = status;
	fsm_on_stop(f);
}

void
fsm_done(struct fsm *f)
{
	loop_stop(f->loop);
}

/* The words of the command with blanks between; a new string. */
static char *
command_text(char *const *command)
{
	struct wire_buf text = {0};
	for (char *const *word = command; word && *word; word++) {
		if (word != command)
			wire_buf_put(&text, " ", 1);
		wire_buf_put(&text, *word, strlen(*word));
	}
	wire_buf_put(&text, "", 1);
	return (char *)text.bytes;
}

char *
fsm_status_line(const struct fsm *f)
{
	uint64_t delivered = f->mode->delivered(f);
	uint64_t commit = source_commit(f->source);
	const char *down = source_why(f->source);
	char *command = command_text(f->command), *line;
	struct wire_buf more = {0};
	if (f->mode->status)
		f->mode->status(f, &more);
	int size = asprintf(&line,
	    "part=fsm state=%s mode=%s framing=%s from=%s command=%s pid=%d delivered=%" PRIu64
	    " commit=%" PRIu64 " lag=%" PRIu64 " restarts=%" PRIu64 "%.*s why=%s\n",
	    state_names[f->state], f->mode->name, framing_name(f->conf->fsm.framing),
	    f->conf->fsm.from == CONF_FROM_CURSOR ? "cursor" : "start", log_q(command),
	    program_pid(f->program), delivered, commit, commit > delivered ? commit - delivered : 0,
	    program_restarts(f->program), (int)more.size, more.size ? (const char *)more.bytes : "",
	    log_q(f->why[0] || !down ? f->why : down));
	must(size > 0);
	wire_buf_free(&more);
	free(command);
	return line;
}

static const struct mode *const modes[] = {
    [CONF_SINK] = &sink_mode, [CONF_BATCH] = &batch_mode, [CONF_MACHINE] = &machine_mode};

static const struct option options[] = {{"try", no_argument, NULL, 't'}, {0}};

/* try_wanted has looked before; what comes here was spelt in some other way. */
static void
fsm_on_option(int opt, const char *value)
{
	(void)opt, (void)value;
	daemon_die(EXIT_USAGE, "--try: spell it out");
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
		     "[--query QUERY] [--from INDEX] [--] COMMAND [ARG ...]",
	    .operands = true,
	    .yields = true,
	    .options = options,
	    .found = fsm_on_option,
	    .stop = fsm_on_stop,
	    .stop_now = on_stop_now,
	    .arg = &fsm,
	};
	daemon_start(&fsm.daemon, argc, argv);
	fsm.conf = fsm.daemon.conf;
	fsm.loop = fsm.daemon.loop;
	fsm.mode = modes[fsm.conf->fsm.mode];
	fsm.foreground = fsm.daemon.argc > 0 || fsm.conf->fsm.command == NULL;
	fsm.command = fsm.daemon.argc > 0 ? fsm.daemon.argv : fsm.conf->fsm.command;
	if (fsm.command == NULL && fsm.mode != &sink_mode)
		daemon_die(
		    EXIT_CONFIG, "fsm.command is missing: mode %s needs a program", fsm.mode->name);
	fsm.server = serve_new(&fsm);
	fsm.source = source_new(fsm.loop, fsm.conf);
	fsm.mode->start(&fsm);
	daemon_ready(&fsm.daemon);
	loop_run(fsm.loop);
	serve_free(fsm.server);
	source_free(fsm.source);
	return (int)fsm.exit_status;
}
