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
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/text.h"
#include "prog/daemon.h"
#include "unix/timer.h"
#include "service.h"
#include "run.h"

/* In order of starting; they are stopped the other way round, the log last. */
enum { LOGD, PEERD, ELECT, FSM, CHILDREN_MAX };
static const char *const child_names[] = {"raft-logd", "raft-peerd", "raft-elect", "raft-fsm"};
_Static_assert(
    sizeof(child_names) / sizeof(child_names[0]) == CHILDREN_MAX, "each daemon has a name");

/* How long daemons of a former raft-node may take to stop. */
enum { LEFTOVER_MAX_MS = 20000, LEFTOVER_POLL_MS = 20 };

static struct supervisor {
	struct daemon daemon;
	struct service_setting setting;
	struct service services[CHILDREN_MAX];
	size_t children_count;
	struct timer *leftover;
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
		struct service *service = &node.services[i];
		if (service->state == SERVICE_STOPPING)
			return;
		if (service->state != SERVICE_DOWN) {
			service_stop(service);
			return;
		}
	}
	loop_stop(node.daemon.loop);
}

static void
supervisor_stop(void *arg)
{
	(void)arg;
	if (node.stopping)
		return;
	node.stopping = true;
	timer_stop(node.leftover);
	stop_next();
}

static void
stop_now(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < node.children_count; i++)
		service_kill(&node.services[i]);
}

/* ------------------------------------------------------------ what the children report */

static void
on_child_ready(struct service *service, void *arg)
{
	(void)service;
	(void)arg;
	if (node.services[LOGD].state == SERVICE_READY &&
	    node.services[PEERD].state == SERVICE_READY &&
	    node.services[ELECT].state == SERVICE_READY)
		daemon_ready(&node.daemon);
}

static void
on_child_stopped(struct service *service, void *arg)
{
	(void)service;
	(void)arg;
	stop_next();
}

static const char *
hopeless_text(const char *name, bool was_run)
{
	static char text[PATH_MAX + 64];
	if (was_run)
		snprintf(text, sizeof text,
		    "%s can't work with this configuration: its own line says why", name);
	else
		snprintf(
		    text, sizeof text, "%s can't be started from %s", name, node.setting.programs);
	return text;
}

static void
on_child_hopeless(struct service *service, enum exit_status status, void *arg)
{
	if (node.stopping) {
		stop_next();
		return;
	}
	log_error("stop", "status=%d why=%s", (int)status,
	    log_q(hopeless_text(service->name, status == EXIT_CONFIG)));
	node.status = status;
	supervisor_stop(arg);
}

static const struct service_calls child_calls = {
    on_child_ready, on_child_stopped, on_child_hopeless};

/* ------------------------------------------------------------ starting */

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
count_children(void)
{
	node.children_count = node.daemon.conf->fsm.present ? FSM + 1 : FSM;
}

static void
start_children(void)
{
	node.started = true;
	count_children();
	for (size_t i = 0; i < node.children_count; i++) {
		service_init(&node.services[i], child_names[i], &node.setting);
		node.services[i].has_output = i == FSM;
	}
	for (size_t i = 0; i < node.children_count && !node.stopping; i++)
		service_start(&node.services[i]);
}

/* Waits for the daemons of a raft-node that was killed: two of a kind must not meet. */
static void
supervisor_try_start(void *arg)
{
	(void)arg;
	char why[CONF_WHY_SIZE];
	switch (run_lock(node.daemon.conf, &node.setting.parent_fd, why)) {
	case RUN_LOCKED:
		timer_stop(node.leftover);
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
supervisor_begin(void)
{
	node.began = mono_now();
	node.leftover = timer_new(node.daemon.loop, supervisor_try_start, NULL);
	timer_repeat(node.leftover, LEFTOVER_POLL_MS, LEFTOVER_POLL_MS);
	supervisor_try_start(NULL);
	if (!node.started)
		log_info(
		    "wait", "why=%s", log_q("daemons of a former raft-node are still stopping"));
}

/* ------------------------------------------------------------ -n */

/* The daemon looks at what it needs itself. */
static void
check_child(const char *name)
{
	char path[PATH_MAX];
	char *args[] = {(char *)name, (char *)"-n", (char *)"-c", node.daemon.conf->path,
	    node.daemon.log_time ? (char *)"--log-time" : NULL, NULL};
	pid_t pid;
	int status;
	snprintf(path, sizeof path, "%s/%s", node.setting.programs, name);
	int error = posix_spawn(&pid, path, NULL, NULL, args, environ);
	if (error == 0 && waitpid(pid, &status, 0) < 0)
		error = errno;
	if (error != 0)
		daemon_die(exit_of_errno(error) != EXIT_CONFIG ? exit_of_errno(error)
			   : error == ENOENT                   ? EXIT_NOT_FOUND
							       : EXIT_NOT_EXECUTABLE,
		    "%s", hopeless_text(name, false));
	if (!WIFEXITED(status))
		daemon_die(EXIT_OS, "%s -n was killed by signal %d", name, WTERMSIG(status));
	if (WEXITSTATUS(status) != EXIT_OK)
		daemon_die((enum exit_status)WEXITSTATUS(status), "%s", hopeless_text(name, true));
}

/* At the start, run_make and the daemons themselves find this out. */
static void
supervisor_check(void *arg)
{
	char why[CONF_WHY_SIZE];
	(void)arg;
	if (!node.daemon.checking)
		return;
	if (!run_check(node.daemon.conf, why))
		daemon_die(exit_of_errno(errno), "%s", why);
	node.setting.programs = programs_folder();
	count_children();
	for (size_t i = 0; i < node.children_count; i++)
		check_child(child_names[i]);
}

int
main(int argc, char **argv)
{
	char why[CONF_WHY_SIZE];
	node.daemon = (struct daemon){
	    .prog = "raft-node",
	    .usage = "[-nv] [-c FILE] [-d FD] [--log-time]",
	    .check = supervisor_check,
	    .stop = supervisor_stop,
	    .stop_now = stop_now,
	};
	daemon_start(&node.daemon, argc, argv);
	/* What whoever started us left open is not for the daemons. */
	close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	if (!run_make(node.daemon.conf, why))
		daemon_die(exit_of_errno(errno), "%s", why);

	setenv("RAFT_PARENT_FD", CHILD_PARENT_FD_TEXT, 1);
	node.setting = (struct service_setting){
	    .loop = node.daemon.loop,
	    .programs = programs_folder(),
	    .config = node.daemon.conf->path,
	    .verbose = node.daemon.verbose,
	    .log_time = node.daemon.log_time,
	    .calls = &child_calls,
	};
	supervisor_begin();
	loop_run(node.daemon.loop);
	return (int)node.status;
}
