/* SPDX-License-Identifier: ISC */
/* A log line never waits for stderr, and a lost one is counted. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unix/log.h"
#include "check.h"

enum { MANY = 20000, TEXT_SIZE = 8 << 20, NOBODY = 65534 };

static char text[TEXT_SIZE];

/* All that can be read now. */
static size_t
take(int fd, char *into)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t size = 0;
	while (poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN)) {
		ssize_t got = read(fd, into + size, TEXT_SIZE - 1 - size);
		if (got <= 0)
			break;
		size += (size_t)got;
	}
	into[size] = '\0';
	return size;
}

/* Lines that hold the word; *odd: those that do not begin and end as a line does. */
static size_t
lines(const char *at, const char *word, size_t *odd)
{
	size_t count = 0;
	*odd = 0;
	for (const char *end; *at; at = end + 1) {
		char line[8192];
		end = strchr(at, '\n');
		if (end == NULL)
			return ++*odd, count;
		snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
		count += strstr(line, word) != NULL;
		*odd += strncmp(line, "lvl=", 4) != 0 || strstr(line + 1, "lvl=") != NULL;
	}
	return count;
}

/*
 * In a process of its own, as its state is one a process: MANY lines to a reader that hangs, then
 * more once it reads, until one arrives.  It exits 0 when every line was written or counted.
 */
_Noreturn static void
write_to_hung_reader(int reader, int writer)
{
	size_t odd;
	int flags = fcntl(writer, F_GETFL);
	dup2(writer, STDERR_FILENO);
	log_init("test");
	for (int i = 0; i < MANY; i++)
		log_info("many", "number=%d", i);
	size_t size = take(reader, text), tries = 0;
	for (; strstr(text, "ev=after") == NULL; tries++) {
		log_info("after", NULL);
		size += take(reader, text + size);
	}
	size_t written = lines(text, "ev=many", &odd) + lines(text, "ev=after", &odd), lost = 0;
	for (const char *at = text; (at = strstr(at, "ev=log lost=")) != NULL; at++)
		lost += strtoul(at + strlen("ev=log lost="), NULL, 10);
	bool good = lost > 0 && written + lost == MANY + tries && odd == 0 &&
		    fcntl(STDERR_FILENO, F_GETFL) == flags;
	if (!good)
		printf("# written %zu lost %zu odd %zu\n", written, lost, odd);
	fflush(stdout);
	_exit(good ? 0 : 1);
}

static bool
all_written_or_counted(int reader, int writer, uid_t user)
{
	int status = -1;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		if (user == 0 || setuid(user) == 0)
			write_to_hung_reader(reader, writer);
		_exit(2);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	close(reader);
	close(writer);
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	return status == 0;
}

static void
test_pipe(void)
{
	int fds[2];
	CHECK(pipe(fds) == 0 && all_written_or_counted(fds[0], fds[1], 0));
}

static void
test_pipe_of_another(void)
{
	int fds[2];
	CHECK(
	    pipe(fds) == 0 && all_written_or_counted(fds[0], fds[1], geteuid() == 0 ? NOBODY : 0));
}

static void
test_sockets(void)
{
	int stream[2], packets[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0);
	CHECK(all_written_or_counted(stream[0], stream[1], 0));
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets) == 0);
	CHECK(all_written_or_counted(packets[0], packets[1], 0));
}

static void
test_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	CHECK(slave >= 0 && all_written_or_counted(master, slave, 0));
}

int
main(void)
{
	check_run(
	    "log: lines to a pipe whose reader hangs do not wait, and the lost ones are counted",
	    test_pipe);
	check_run("log: lines to a pipe that another user has made do not wait, and the lost ones "
		  "are counted",
	    test_pipe_of_another);
	check_run(
	    "log: lines to a socket whose reader hangs do not wait, and the lost ones are counted",
	    test_sockets);
	check_run(
	    "log: lines to a terminal that shows none do not wait, and the lost ones are counted",
	    test_terminal);
	return check_done();
}
