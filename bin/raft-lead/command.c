/* SPDX-License-Identifier: ISC */
/* fork, a gate, exec. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unix/command.h"

enum { WISH_SIZE_MAX = 4096 };

/* Two pipes: the gate is opened by a byte, the fault tells why exec failed. */
struct start {
	int gate[2];
	int fault[2];
	int wish[2];
};

/* Handlers are this program's; what is ignored stays ignored. */
static void
signals_default(void)
{
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			signal(number, SIG_DFL);
	}
}

_Noreturn static void
command_run(const struct start *start, char **argv, uint64_t term, const sigset_t *signals)
{
	char byte;
	setsid();
	close(start->gate[1]);
	/* End of file: raft-lead is gone, and the watchdog does not know this group. */
	if (read(start->gate[0], &byte, 1) != 1)
		_exit(0);
	fcntl(start->wish[1], F_SETFD, 0);
	command_set_number("RAFT_TERM", term);
	command_set_number("RAFT_LEAD_FD", (uint64_t)start->wish[1]);
	signals_default();
	sigprocmask(SIG_SETMASK, signals, NULL);
	execvp(argv[0], argv);
	int error = errno;
	_exit(write(start->fault[1], &error, sizeof error) == sizeof error ? 127 : 126);
}

static bool
start_pipes(struct start *start)
{
	return pipe2(start->gate, O_CLOEXEC) == 0 && pipe2(start->fault, O_CLOEXEC) == 0 &&
	       pipe2(start->wish, O_CLOEXEC) == 0;
}

/* Takes the gate away again when the watchdog does not know the group: the command never runs. */
static int
start_open(struct lead_command *command, struct start *start, struct watchdog *dog,
    uint64_t until_ms, bool *exec)
{
	int error = 0;
	if (!watchdog_renew(dog, command->pid, until_ms))
		return errno;
	if (write(start->gate[1], "g", 1) != 1)
		return errno;
	*exec = read(start->fault[0], &error, sizeof error) == sizeof error;
	return error;
}

int
command_start(struct lead_command *command, struct watchdog *dog, char **argv, uint64_t term,
    uint64_t until_ms, bool *exec)
{
	struct start start = {{-1, -1}, {-1, -1}, {-1, -1}};
	sigset_t all, before;
	*exec = false;
	if (!start_pipes(&start))
		return errno;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	command->pid = fork();
	if (command->pid == 0)
		command_run(&start, argv, term, &before);
	int error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(start.gate[0]);
	close(start.fault[1]);
	close(start.wish[1]);
	command->wish = start.wish[0];
	if (command->pid > 0)
		error = start_open(command, &start, dog, until_ms, exec);
	close(start.gate[1]);
	close(start.fault[0]);
	return error;
}

bool
command_ended(struct lead_command *command, int *status)
{
	siginfo_t info = {0};
	if (command->pid <= 0 ||
	    waitid(P_PID, (id_t)command->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    info.si_pid == 0)
		return false;
	/* Before it is reaped: until then the number cannot be another group's. */
	kill(-command->pid, SIGKILL);
	waitid(P_PID, (id_t)command->pid, &info, WEXITED);
	command->pid = 0;
	*status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return true;
}

struct raft_id
command_wish(struct lead_command *command)
{
	char text[WISH_SIZE_MAX];
	struct raft_id id = RAFT_NOBODY;
	fcntl(command->wish, F_SETFL, O_NONBLOCK);
	ssize_t got = read(command->wish, text, sizeof text - 1);
	if (got <= 1 || text[got - 1] != '\n')
		return id;
	text[got - 1] = '\0';
	const char *newline = strrchr(text, '\n');
	raft_id_parse(&id, newline ? newline + 1 : text);
	return id;
}
