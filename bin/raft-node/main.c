/* SPDX-License-Identifier: ISC */
/*
 * raft-node: the daemons of one node in the foreground.  raft-node(8).
 *
 * For those without a supervisor of their own: it starts the daemons, starts
 * each again when it ends, and stops them in order.  It knows nothing of Raft.
 */
#include <errno.h>
#include <linux/close_range.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/conf/text.h"
#include "../../lib/unix/daemon.h"
#include "child.h"
#include "run.h"

/* In order of starting; they are stopped the other way round, the log last. */
enum { LOGD, PEERD, ELECT, FSM, CHILDREN_MAX };
static const char *const child_names[] = {"raft-logd", "raft-peerd", "raft-elect", "raft-fsm"};
_Static_assert(
    sizeof(child_names) / sizeof(child_names[0]) == CHILDREN_MAX, "each daemon has a name");

/* How long daemons of a former raft-node may take to stop. */
enum { LEFTOVER_MAX_MS = 20000, LEFTOVER_POLL_MS = 20 };

static struct node {
	struct daemon daemon;
	struct child_setting setting;
	struct child children[CHILDREN_MAX];
	size_t children_count;
	uv_timer_t leftover;
	struct mono_ms began;
	bool started, stopping;
	enum exit_status status; /* what the node exits with */
} node;

/* ------------------------------------------------------------ stopping */

/* The last one that is not down yet, then the one before it. */
static void
stop_next(void)
{
	for (size_t i = node.children_count; i-- > 0;) {
		struct child *child = &node.children[i];
		if (child->state == CHILD_STOPPING)
			return;
		if (child->state != CHILD_DOWN) {
			child_stop(child);
			return;
		}
	}
	loop_stop(node.daemon.loop);
}

static void
stop(void *arg)
{
	(void)arg;
	if (node.stopping)
		return;
	node.stopping = true;
	uv_timer_stop(&node.leftover);
	stop_next();
}

static void
stop_now(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < node.children_count; i++)
		child_kill(&node.children[i]);
}

/* ------------------------------------------------------------ what the children report */

static void
on_child_ready(struct child *child, void *arg)
{
	(void)child;
	(void)arg;
	if (node.children[LOGD].state == CHILD_READY && node.children[PEERD].state == CHILD_READY &&
	    node.children[ELECT].state == CHILD_READY)
		daemon_ready(&node.daemon);
}

static void
on_child_stopped(struct child *child, void *arg)
{
	(void)child;
	(void)arg;
	stop_next();
}

static void
on_child_hopeless(struct child *child, enum exit_status status, void *arg)
{
	char why[256];
	if (node.stopping) {
		stop_next();
		return;
	}
	if (status == EXIT_CONFIG)
		snprintf(why, sizeof(why),
		    "%s can't work with this configuration: its own line says why", child->name);
	else
		snprintf(why, sizeof(why), "%s can't be started from %s", child->name,
		    node.setting.programs);
	log_error("stop", "status=%d why=%s", (int)status, log_q(why));
	node.status = status;
	stop(arg);
}

static const struct child_calls child_calls = {on_child_ready, on_child_stopped, on_child_hopeless};

/* ------------------------------------------------------------ starting */

/* Ours without what is meant for this process alone, and with the pipe's number. */
static char **
make_environment(void)
{
	static char parent_fd[] = "RAFT_PARENT_FD=4";
	_Static_assert(CHILD_PARENT_FD == 4, "parent_fd says it");
	size_t count = 0, kept = 0;
	while (environ[count] != NULL)
		count++;
	char **environment = text_memory(calloc(count + 2, sizeof(*environment)));
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "NOTIFY_SOCKET=", strlen("NOTIFY_SOCKET=")) != 0)
			environment[kept++] = environ[i];
	environment[kept] = parent_fd;
	return environment;
}

/* The programs lie beside this one. */
static char *
programs_folder(void)
{
	char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (size < 0)
		daemon_die(EXIT_OS, "/proc/self/exe can't be read: %s", strerror(errno));
	path[size] = '\0';
	return path_folder(path);
}

static void
start_children(void)
{
	node.started = true;
	node.children_count = node.daemon.conf->fsm.present ? FSM + 1 : FSM;
	for (size_t i = 0; i < node.children_count; i++) {
		child_init(&node.children[i], child_names[i], &node.setting);
		node.children[i].has_output = i == FSM;
	}
	for (size_t i = 0; i < node.children_count && !node.stopping; i++)
		child_start(&node.children[i]);
}

/* Waits for the daemons of a raft-node that was killed: two of a kind must not meet. */
static void
try_start(uv_timer_t *timer)
{
	char why[CONF_WHY_SIZE];
	switch (run_lock(node.daemon.conf, &node.setting.parent_fd, why)) {
	case RUN_LOCKED:
		uv_timer_stop(timer);
		start_children();
		return;
	case RUN_LEFTOVER:
		if (mono_now().ms - node.began.ms < LEFTOVER_MAX_MS)
			return;
		daemon_die(EXIT_RETRY, "%s", why);
	case RUN_TAKEN:
		daemon_die(EXIT_RETRY, "%s", why);
	case RUN_ERROR:
		daemon_die(exit_of_errno(errno), "%s", why);
	}
}

/* The first attempt is made here, so that a second raft-node is refused before anything else. */
static void
begin(void)
{
	node.began = mono_now();
	must(uv_timer_init(loop_uv(node.daemon.loop), &node.leftover) == 0);
	uv_timer_start(&node.leftover, try_start, LEFTOVER_POLL_MS, LEFTOVER_POLL_MS);
	try_start(&node.leftover);
	if (!node.started)
		log_info(
		    "wait", "why=%s", log_q("daemons of a former raft-node are still stopping"));
}

int
main(int argc, char **argv)
{
	char why[CONF_WHY_SIZE];
	node.daemon = (struct daemon){
	    .prog = "raft-node",
	    .usage = "[-nv] [-c FILE] [-d FD] [--log-time]",
	    .stop = stop,
	    .stop_now = stop_now,
	};
	daemon_start(&node.daemon, argc, argv);
	/* What whoever started us left open is not for the daemons. */
	close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	if (!run_make(node.daemon.conf, why))
		daemon_die(exit_of_errno(errno), "%s", why);

	node.setting = (struct child_setting){
	    .loop = node.daemon.loop,
	    .programs = programs_folder(),
	    .config = node.daemon.conf->path,
	    .environment = make_environment(),
	    .verbose = node.daemon.verbose,
	    .log_time = node.daemon.log_time,
	    .calls = &child_calls,
	};
	begin();
	loop_run(node.daemon.loop);
	return (int)node.status;
}
