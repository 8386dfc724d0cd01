/* SPDX-License-Identifier: ISC */
/*
 * What the main() of every daemon does alike: options, configuration, signals,
 * readiness, the pipe of raft-node.
 *
 * Options: -c FILE, -n (check what the start checks), -nv (print the configuration), -d FD
 * (readiness: a newline is written to it and it is closed), -v (debug lines), -h, -V, --log-time,
 * and the long forms. $NOTIFY_SOCKET is told READY=1 as well. $RAFT_PARENT_FD names a descriptor
 * whose end of file means that raft-node is gone: the daemon then stops as on TERM. TERM and INT
 * call stop once, a second one calls stop_now and exits at once; HUP is logged, nothing else; PIPE
 * is ignored.
 */
#ifndef PROG_DAEMON_H
#define PROG_DAEMON_H

#include "conf/conf.h"
#include "unix/exit.h"
#include "unix/log.h"
#include "unix/loop.h"

struct option; /* getopt_long */

struct daemon {
	const char *prog;
	const char *usage; /* the SYNOPSIS line after the name, e.g. "[-nv] [-c FILE] [-d FD]" */
	/* More long options of this program (NULL: none); found: is told each one. */
	const struct option *options;
	bool operands; /* it takes some */
	/*
	 * When raft-node is gone, the next one need not wait for this daemon: it holds nothing that
	 * the others use, and a second one of its kind is refused by its socket.
	 */
	bool yields;
	void (*found)(int opt, const char *value);
	/*
	 * Called once the configuration is read, by -n as well: whatever else the start needs and
	 * can be found out without a side effect.  It ends in daemon_die.  May be NULL.
	 */
	void (*check)(void *arg);
	/* Called once, in the loop, when the daemon is to stop; it calls loop_stop when it has. */
	void (*stop)(void *arg);
	/* What must be done even then, without the loop; may be NULL. */
	void (*stop_now)(void *arg);
	void *arg;
	/* Set by daemon_start. */
	struct conf *conf;
	struct loop *loop;
	bool checking;          /* -n */
	bool verbose, log_time; /* -v, --log-time: raft-node passes them on */
	int argc;               /* what is left after the options (raft-fsm's command) */
	char **argv;
};

/*
 * Reads the options and the configuration, checks, prints and exits when that is all that is
 * asked, and sets up loop and signals.  Exits with one sentence: 64, or as exit_of_errno has it.
 */
void daemon_start(struct daemon *daemon, int argc, char **argv);
/* The daemon answers on its socket: say so, once. */
void daemon_ready(struct daemon *daemon);
/* One sentence as an error line, then exit. */
_Noreturn void daemon_die(enum exit_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
