/* SPDX-License-Identifier: ISC */
/* The state of raft-fsm as a whole: changed, logged, and reported in one place. */
#include "fsm.h"

#include <err.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/changes.h"
#include "wire/buf.h"
#include "source.h"

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
fsm_notice(struct fsm *f)
{
	bool runs = f->state == FSM_RUNNING;
	changes_put(f->server, "program", "", runs && !f->why[0] ? "it was started" : f->why,
	    "state=%s pid=%d restarts=%" PRIu64, state_names[f->state], f->pid, f->restarts);
}

void
fsm_state(struct fsm *f, enum fsm_state state, const char *why)
{
	char more[2048] = "";
	int at = 0;
	if (f->pid)
		at = snprintf(more, sizeof more, " pid=%d", f->pid);
	if (why[0])
		snprintf(more + at, sizeof more - (size_t)at, " why=%s", log_q(why));
	log_line(state_levels[state], "state", "from=%s to=%s%s", state_names[f->state],
	    state_names[state], more);
	f->state = state;
	snprintf(f->why, sizeof f->why, "%s", why);
	fsm_notice(f);
}

void
fsm_stop(void *arg)
{
	struct fsm *f = arg;
	server_yield(f->server);
	f->mode->stop(f);
}

void
fsm_fail(struct fsm *f, enum exit_status status)
{
	f->exit_status = status;
	fsm_stop(f);
}

void
fsm_done(struct fsm *f)
{
	loop_stop(f->loop);
}

void
fsm_verdict(int status, const char *format, ...)
{
	va_list args;
	fflush(stdout);
	va_start(args, format);
	if (format)
		vwarnx(format, args);
	va_end(args);
	exit(status);
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
	    f->conf->fsm.from == CONF_FROM_CURSOR ? "cursor" : "start", log_q(command), f->pid,
	    delivered, commit, commit > delivered ? commit - delivered : 0, f->restarts,
	    (int)more.size, more.size ? (const char *)more.bytes : "",
	    log_q(f->why[0] || !down ? f->why : down));
	must(size > 0);
	wire_buf_free(&more);
	free(command);
	return line;
}
