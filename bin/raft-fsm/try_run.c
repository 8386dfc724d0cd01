/* SPDX-License-Identifier: ISC */
/* The command that is tried, and the lines that become entries. */
#include "try_run.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unix/exit.h"

enum { READ_SIZE = 64 << 10 };

static void
new_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		errx(EXIT_OS, "no pipe: %s", strerror(errno));
}

void
try_start(struct try *try, int *output)
{
	int in[2], out[2];
	sigset_t usual;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	new_pipe(in);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	if (output) {
		new_pipe(out);
		posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	}
	/* We live on when nobody reads; the command is to die of it as usual. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	extern char **environ;
	int error =
	    posix_spawnp(&try->pid, try->command[0], &actions, &attributes, try->command, environ);
	if (error)
		errx(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: cannot run: %s",
		    try->command[0], strerror(error));
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	try->pipe = in[1];
	if (output) {
		close(out[1]);
		*output = out[0];
	}
}

int
try_wait(const struct try *try, char *how, size_t size)
{
	int status;
	while (waitpid(try->pid, &status, 0) < 0)
		if (errno != EINTR)
			errx(EXIT_OS, "waiting for %s: %s", try->command[0], strerror(errno));
	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));
		snprintf(how, size, "was killed by SIG%s", name ? name : "?");
		return 128 + WTERMSIG(status);
	}
	snprintf(how, size, "exited with %d", WEXITSTATUS(status));
	return WEXITSTATUS(status);
}

bool
try_read(struct try *try)
{
	uint8_t *room = framing_room(&try->lines, READ_SIZE);
	ssize_t got;
	do
		got = read(STDIN_FILENO, room, READ_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		errx(EXIT_IO, "standard input: %s", strerror(errno));
	framing_added(&try->lines, READ_SIZE, (size_t)got);
	if (got == 0)
		framing_end(&try->lines);
	return got > 0;
}

bool
try_line(struct try *try, struct wire_bytes *line)
{
	char why[FRAMING_WHY_SIZE];
	enum framing_found found = framing_next(&try->lines, line, why);
	if (found == FRAMING_TOO_LARGE)
		errx(EXIT_DATA, "standard input: %s", why);
	return found == FRAMING_ITEM;
}
