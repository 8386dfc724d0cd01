/* SPDX-License-Identifier: ISC */
/* Start, signals, end. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "loop.h"
#include "timer.h"

enum { FDS_MAX = 8 };

struct child {
	struct child *next; /* of all in this process */
	struct loop *loop;
	const struct child_calls *calls;
	void *arg;
	uv_process_t *process; /* NULL: none runs */
	pid_t group;           /* 0: none */
	bool signalled;
	enum child_step step;
	struct timer *patience; /* with the step */
};

static struct child *children;

/* ------- reaping ------------------------------------------------------------- */

static bool
child_is_ours(pid_t pid)
{
	struct child *child = children;
	while (child && child_pid(child) != pid)
		child = child->next;
	return child != NULL;
}

/*
 * libuv waits for the processes that it started, and for no others.  One of ours hides the rest:
 * then this is called again when it has been taken.
 */
static void
child_reap(void)
{
	for (;;) {
		siginfo_t info = {0};
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 ||
		    child_is_ours(info.si_pid))
			return;
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

static void
child_on_sigchld(uv_signal_t *handle, int number)
{
	(void)handle, (void)number;
	child_reap();
}

void
child_reap_inherited(struct loop *loop)
{
	static uv_signal_t handle;
	must(uv_signal_init(loop_uv(loop), &handle) == 0);
	uv_signal_start(&handle, child_on_sigchld, SIGCHLD);
	uv_unref((uv_handle_t *)&handle);
}

/* ------- start --------------------------------------------------------------- */

static void
child_on_process_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
child_on_exit(uv_process_t *process, int64_t status, int number)
{
	struct child *child = process->data;
	const struct child_exit how = {.status = (int)status, .signal = number};
	child->process = NULL;
	uv_close((uv_handle_t *)process, child_on_process_closed);
	child_reap();
	child->calls->ended(&how, child->arg);
}

int
child_start(struct child *child, const struct child_command *command)
{
	uv_stdio_container_t stdio[FDS_MAX];
	must(child->process == NULL);
	must(command->fds_count <= FDS_MAX);
	for (int i = 0; i < command->fds_count; i++) {
		int fd = command->fds[i];
		stdio[i] = (uv_stdio_container_t){
		    .flags = fd < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = fd};
	}
	uv_process_options_t options = {
	    .exit_cb = child_on_exit,
	    .file = command->file,
	    .args = (char **)command->args,
	    .cwd = command->folder,
	    .flags = UV_PROCESS_DETACHED,
	    .stdio_count = command->fds_count,
	    .stdio = stdio,
	};
	uv_process_t *process = calloc(1, sizeof *process);
	must(process != NULL);
	process->data = child;
	int error = uv_spawn(loop_uv(child->loop), process, &options);
	if (error) {
		uv_close((uv_handle_t *)process, child_on_process_closed);
		return error;
	}
	child->process = process;
	child->group = process->pid;
	child->signalled = false;
	return 0;
}

pid_t
child_pid(const struct child *child)
{
	return child->process ? child->process->pid : 0;
}

void
child_exit_text(char *text, size_t size, const struct child_exit *how)
{
	const char *name = how->signal ? sigabbrev_np(how->signal) : NULL;
	if (how->signal)
		snprintf(text, size, "was killed by SIG%s", name ? name : "?");
	else
		snprintf(text, size, "exited with %d", how->status);
}

/* ------- end ----------------------------------------------------------------- */

void
child_adopt(struct child *child, pid_t group)
{
	child->group = group;
}

pid_t
child_group(const struct child *child)
{
	return child->group;
}

void
child_signal(struct child *child, int number)
{
	if (child->group <= 1)
		return;
	child->signalled = child->signalled || child->process;
	kill(-child->group, number);
}

bool
child_signalled(const struct child *child)
{
	return child->signalled;
}

void
child_end(struct child *child, enum child_step step, uint64_t patience_ms)
{
	child->step = step;
	if (step == CHILD_TERM)
		child_signal(child, SIGTERM);
	else if (step == CHILD_KILL)
		child_signal(child, SIGKILL);
	if (patience_ms || step == CHILD_ASKED)
		timer_start(child->patience, patience_ms);
}

static void
child_on_late(void *arg)
{
	struct child *child = arg;
	enum child_step next = child->step + 1;
	child_end(child, next, child->calls->late(next, child->arg));
}

void
child_forget(struct child *child)
{
	timer_stop(child->patience);
	child->group = 0;
}

struct child *
child_new(struct loop *loop, const struct child_calls *calls, void *arg)
{
	struct child *child = calloc(1, sizeof *child);
	must(child != NULL);
	child->loop = loop;
	child->calls = calls;
	child->arg = arg;
	child->patience = timer_new(loop, child_on_late, child);
	child->next = children;
	children = child;
	return child;
}
