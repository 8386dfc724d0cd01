/* SPDX-License-Identifier: ISC */
/*
 * raft-lead: runs a command only while this node leads.
 *
 * raft-elect grants a deadline and renews it; the watchdog ends the command when it is not renewed
 * in time.  What is left here: when the command starts, its signals, and the exit status.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/refusal.h"
#include "client/timeout.h"
#include "local/link.h"
#include "prog/tool.h"
#include "unix/command.h"
#include "unix/signals.h"
#include "command.h"
#include "watchdog.h"

enum { REQUEST_LEAD = 1, REQUEST_TRANSFER = 2 };
/* In election timeouts: raft-elect answers in one, or has a new leader. */
enum { TRANSFER_PATIENCE = 2, WHY_SIZE = 1024 };

enum lead_state {
	LEAD_WAITING, /* for leadership */
	LEAD_RUNNING, /* the command */
	LEAD_LOST,    /* the command is to end, or has */
	LEAD_PASSING  /* it has ended, and named who is to lead next */
};

static const int forwarded[] = {
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT, SIGTSTP};
enum { FORWARDED_COUNT = sizeof forwarded / sizeof forwarded[0] };

static struct {
	struct tool tool;
	struct link *link;
	enum lead_state state;
	uint64_t term;
	struct watchdog dog;
	uv_poll_t dog_poll;
	struct lead_command command;
	uv_signal_t child, signals[FORWARDED_COUNT];
	struct timeout *timeout; /* of the transfer */
	struct raft_id successor;
	int status;
} self;

static void
lead_end(int status)
{
	self.status = status;
	loop_stop(self.tool.loop);
}

/* ------- the end of the command ---------------------------------------------- */

static void
transfer_over(const char *why)
{
	if (why != NULL)
		tool_say("leadership does not go to %s: %s", self.successor.s, why);
	lead_end(EXIT_RETRY);
}

static void
transfer_on_timeout(void *arg)
{
	(void)arg;
	transfer_over(timeout_sentence(self.timeout));
}

/* The command has ended with 75; it may have named a member. */
static void
lead_pass_on(void)
{
	self.successor = command_wish(&self.command);
	if (raft_id_none(&self.successor) || !link_up(self.link)) {
		lead_end(EXIT_RETRY);
		return;
	}
	self.state = LEAD_PASSING;
	self.timeout = timeout_new(self.tool.loop,
	    TRANSFER_PATIENCE * self.tool.conf->elect.election_timeout_ms, "no answer",
	    transfer_on_timeout, NULL);
	msg_transfer_put(
	    link_out(self.link), &(struct msg_transfer){REQUEST_TRANSFER, self.successor});
}

static void
lead_killed(void)
{
	if (self.command.pid > 0)
		kill(-self.command.pid, SIGKILL);
	tool_die(EXIT_OS, "the watchdog is gone or stopped: the command was killed");
}

static void
lead_lost(const char *why)
{
	if (self.state != LEAD_RUNNING)
		return;
	self.state = LEAD_LOST;
	tool_say("the command is ended: %s", why);
	if (!watchdog_end(&self.dog))
		lead_killed();
}

static void
lead_on_watchdog(uv_poll_t *handle, int status, int events)
{
	(void)handle, (void)status, (void)events;
	switch (watchdog_news(&self.dog)) {
	case WATCHDOG_NOTHING:
		break;
	case WATCHDOG_TERM_SENT:
		lead_lost("leadership was not confirmed in time");
		break;
	case WATCHDOG_GONE:
		lead_killed();
	}
}

static void
lead_on_child(uv_signal_t *handle, int number)
{
	int status;
	(void)handle, (void)number;
	if (!command_ended(&self.command, &status))
		return;
	/* This program may have been stopped: what the watchdog did then comes first. */
	lead_on_watchdog(NULL, 0, 0);
	uv_poll_stop(&self.dog_poll);
	watchdog_stop(&self.dog);
	if (self.state == LEAD_LOST)
		lead_end(EXIT_RETRY);
	else if (status == EXIT_RETRY)
		lead_pass_on();
	else
		lead_end(status);
}

/* ------- signals -------------------------------------------------------------- */

/*
 * The command has a session of its own, in which a terminal stop has no effect: it is stopped by
 * STOP, and this program with it.  The watchdog is not.
 */
static void
lead_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	if (self.command.pid > 0)
		kill(-self.command.pid, number == SIGTSTP ? SIGSTOP : number);
	if (number == SIGTSTP)
		raise(SIGSTOP);
	/* The command has ended: what is left is to pass leadership on. */
	else if (self.command.pid == 0 && (number == SIGINT || number == SIGTERM))
		lead_end(EXIT_RETRY);
}

/* Until the command runs they have their usual effect on this program. */
static void
lead_watch_signals(void)
{
	for (size_t i = 0; i < FORWARDED_COUNT; i++) {
		if (signals_ignored(forwarded[i]))
			continue;
		uv_signal_init(loop_uv(self.tool.loop), &self.signals[i]);
		uv_signal_start(&self.signals[i], lead_on_signal, forwarded[i]);
	}
}

/* ------- the start of the command ---------------------------------------------- */

static void
lead_start(uint64_t term, uint64_t until_ms)
{
	bool exec;
	if (!watchdog_start(&self.dog, self.tool.conf->lead.grace_ms))
		tool_die(EXIT_OS, "no watchdog: %s", strerror(errno));
	int error = command_start(&self.command, &self.dog, self.tool.argv, term, until_ms, &exec);
	if (error != 0) {
		char why[WHY_SIZE];
		watchdog_stop(&self.dog);
		if (!exec)
			tool_die(EXIT_OS, "%s: %s", self.tool.argv[0], strerror(error));
		enum exit_status status =
		    command_why(self.tool.argv[0], ".", -error, why, sizeof why);
		tool_die(status, "%s", why);
	}
	self.state = LEAD_RUNNING;
	self.term = term;
	uv_poll_init(loop_uv(self.tool.loop), &self.dog_poll, self.dog.fd);
	uv_poll_start(&self.dog_poll, UV_READABLE | UV_DISCONNECT, lead_on_watchdog);
	lead_watch_signals();
	if (self.tool.verbose)
		tool_say("this node leads in term %" PRIu64 ": the command runs", term);
}

static void
lead_on_grant(const struct msg_lead_grant *grant)
{
	bool over = grant->until == 0 || grant->term != self.term;
	if (self.state == LEAD_WAITING) {
		/* What is left must do for more than the end. */
		if (grant->until > boot_ms() + self.tool.conf->lead.grace_ms)
			lead_start(grant->term, grant->until);
	} else if (self.state == LEAD_RUNNING && over)
		lead_lost("this node no longer leads");
	else if (self.state == LEAD_RUNNING &&
		 !watchdog_renew(&self.dog, self.command.pid, grant->until))
		lead_killed();
}

/* ------- raft-elect -------------------------------------------------------------- */

static void
lead_on_up(void *arg)
{
	(void)arg;
	if (self.state == LEAD_WAITING)
		msg_lead_put(link_out(self.link), &(struct msg_lead){REQUEST_LEAD});
}

static const char *
lead_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_lead_grant grant;
	struct msg_answer answer;
	(void)arg;
	if (number == MSG_LEAD_GRANT && msg_lead_grant_get(&grant, body, size))
		lead_on_grant(&grant);
	else if (number == MSG_ANSWER && msg_answer_get(&answer, body, size))
		transfer_over(answer.verdict == RAFT_REFUSED
				  ? refusal_text((enum raft_reason)answer.reason, answer.pos.index)
				  : NULL);
	else
		return "an unexpected message";
	return NULL;
}

static void
lead_on_down(bool was_up, const char *why, void *arg)
{
	(void)arg;
	if (self.state == LEAD_PASSING)
		transfer_over(why);
	else if (was_up || self.state != LEAD_WAITING)
		lead_lost(why);
	else if (self.tool.verbose)
		tool_say("waiting: %s", why);
}

static void
lead_on_refused(enum exit_status status, const char *why, void *arg)
{
	if (self.state == LEAD_RUNNING)
		lead_lost(why);
	else if (self.state != LEAD_LOST)
		tool_refused(status, why, arg);
}

static const struct link_calls link_calls = {
    .up = lead_on_up, .frame = lead_on_frame, .refused = lead_on_refused, .down = lead_on_down};

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-lead",
	    .usage = "[-v] [-c FILE] [--] COMMAND [ARGUMENT ...]",
	    .command = true,
	};
	tool_start(&self.tool, argc, argv);
	/* A mistake in its name is not to show only once this node leads. */
	tool_command(&self.tool);
	struct tool_path elect = tool_socket(&self.tool, "elect");
	uv_signal_init(loop_uv(self.tool.loop), &self.child);
	uv_signal_start(&self.child, lead_on_child, SIGCHLD);
	self.link =
	    link_new(self.tool.loop, elect.text, WIRE_CLIENT, self.tool.prog, &link_calls, NULL);
	loop_run(self.tool.loop);
	return self.status;
}
