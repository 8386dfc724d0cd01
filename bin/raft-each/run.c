/* SPDX-License-Identifier: ISC */
/* Input, start, end. */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "prog/tool.h"
#include "unix/child.h"
#include "unix/command.h"
#include "unix/file.h"
#include "unix/guard.h"

enum { GRACE_MS = 5000 /* between TERM and KILL */ };

struct each_run {
	struct child *child;
	char *const *command;
	const struct run_calls *calls;
	void *arg;
};

static void
run_on_ended(const struct child_exit *end, void *arg)
{
	struct each_run *run = arg;
	char how[64];
	bool ok = end->status == 0 && end->signal == 0;
	child_exit_text(how, sizeof how, end);
	/* It failed; what it has started must not continue during the next run. */
	if (!ok)
		child_signal(run->child, SIGKILL);
	child_forget(run->child);
	guard_group(0);
	run->calls->over(ok, how, run->arg);
}

static uint64_t
run_on_late(enum child_step step, void *arg)
{
	(void)arg;
	return step == CHILD_KILL ? GRACE_MS : 0;
}

static const struct child_calls child_calls = {.ended = run_on_ended, .late = run_on_late};

struct each_run *
run_new(struct loop *loop, char *const *command, const struct run_calls *calls, void *arg)
{
	struct each_run *run = calloc(1, sizeof *run);
	must(run != NULL);
	run->command = command;
	run->calls = calls;
	run->arg = arg;
	if (!guard_start())
		tool_die(EXIT_OS, "cannot start a second process: %s", strerror(errno));
	run->child = child_new(loop, &child_calls, run);
	return run;
}

/* -1 with errno. */
static int
run_input(const struct wire_buf *input)
{
	int fd = memfd_create("entries", MFD_CLOEXEC);
	if (fd >= 0 && file_write(fd, input->bytes, input->size) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

bool
run_start(struct each_run *run, const struct wire_buf *input, char *why, size_t size)
{
	int fd = run_input(input);
	if (fd < 0) {
		snprintf(why, size, "no memory for its input: %s", strerror(errno));
		return false;
	}
	const int fds[] = {fd, STDOUT_FILENO, STDERR_FILENO};
	const struct child_command command = {
	    .file = run->command[0], .args = run->command, .fds = fds, .fds_count = 3};
	int error = child_start(run->child, &command);
	close(fd);
	if (error)
		command_why(run->command[0], ".", error, why, size);
	else
		guard_group(child_group(run->child));
	return error == 0;
}

void
run_signal(struct each_run *run, int number)
{
	child_signal(run->child, number);
}

void
run_end(struct each_run *run)
{
	child_end(run->child, CHILD_TERM, GRACE_MS);
}
