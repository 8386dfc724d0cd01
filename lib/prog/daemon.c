/* SPDX-License-Identifier: ISC */
/* The common half of every daemon's main(). */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unix/child.h"
#include "unix/file.h"
#include "unix/signals.h"
#include "unix/sock.h"
#include "unix/user.h"

enum { OPTIONS_MAX = 32, OPT_LOG_TIME = 0x7000, PARENT_FD_LOW = 1000, ANNOUNCE_MS = 100 };

static const struct option common_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, 'n'},
    {"verbose", no_argument, NULL, 'v'},
    {"ready-fd", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"log-time", no_argument, NULL, OPT_LOG_TIME},
};
enum { COMMON_COUNT = sizeof common_options / sizeof common_options[0] };

/* The one daemon of this process: what signals and the parent's pipe reach. */
static struct {
	struct daemon *daemon;
	uv_signal_t term, interrupt, hangup;
	uv_poll_t parent;
	uv_timer_t announce;
	int ready_fd;
	char *notify; /* $NOTIFY_SOCKET; NULL: none */
	bool stopping;
} self = {.ready_fd = -1};

struct wants {
	const char *config;
	bool verbose;
};

_Noreturn void
daemon_die(enum exit_status status, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	log_error("exit", "status=%d why=%s", (int)status, log_q(text));
	exit((int)status);
}

/* Before the log is in use, an error is a plain sentence, as in every tool. */
__attribute__((format(printf, 3, 4))) _Noreturn static void
die_plain(const struct daemon *daemon, enum exit_status status, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "%s: ", daemon->prog);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit((int)status);
}

static size_t
join_options(struct option *all, const struct option *more)
{
	size_t count = 0;
	for (size_t i = 0; i < COMMON_COUNT; i++)
		all[count++] = common_options[i];
	for (; more && more->name; more++) {
		must(count < OPTIONS_MAX);
		all[count++] = *more;
	}
	all[count] = (struct option){0};
	return count;
}

static void
take_ready_fd(const struct daemon *daemon, const char *text)
{
	char *end;
	errno = 0;
	long fd = strtol(text, &end, 10);
	if (errno || *end || end == text || fd < 0 || fd > 1 << 20 || fcntl((int)fd, F_GETFD) < 0)
		die_plain(daemon, EXIT_USAGE, "-d %s: not an open descriptor", text);
	self.ready_fd = (int)fd;
	if (fd > STDERR_FILENO)
		fcntl(self.ready_fd, F_SETFD, FD_CLOEXEC);
}

_Noreturn static void
daemon_help(const struct daemon *daemon)
{
	printf("usage: %s %s\n", daemon->prog, daemon->usage);
	exit(EXIT_OK);
}

static void
daemon_take_option(struct daemon *daemon, struct wants *wants, int opt, char **argv)
{
	switch (opt) {
	case 'c':
		wants->config = optarg;
		break;
	case 'n':
		daemon->checking = true;
		break;
	case 'v':
		wants->verbose = true;
		break;
	case 'd':
		take_ready_fd(daemon, optarg);
		break;
	case 'h':
		daemon_help(daemon);
	case 'V':
		printf("%s %s\n", daemon->prog, RAFT_VERSION);
		exit(EXIT_OK);
	case OPT_LOG_TIME:
		log_time(true);
		daemon->log_time = true;
		break;
	case ':':
		die_plain(daemon, EXIT_USAGE, "%s: needs a value (usage: %s %s)", argv[optind - 1],
		    daemon->prog, daemon->usage);
	case '?':
		if (optopt > 0 && optopt < 128)
			die_plain(daemon, EXIT_USAGE, "-%c: unknown option (usage: %s %s)", optopt,
			    daemon->prog, daemon->usage);
		die_plain(daemon, EXIT_USAGE, "%s: unknown option (usage: %s %s)", argv[optind - 1],
		    daemon->prog, daemon->usage);
	default:
		daemon->found(opt, optarg);
	}
}

static struct wants
daemon_take_options(struct daemon *daemon, int argc, char **argv)
{
	struct wants wants = {0};
	struct option all[OPTIONS_MAX + 1];
	join_options(all, daemon->options);
	opterr = 0;
	for (int opt; (opt = getopt_long(argc, argv, "+:c:nvd:hV", all, NULL)) != -1;)
		daemon_take_option(daemon, &wants, opt, argv);
	daemon->argc = argc - optind;
	daemon->argv = argv + optind;
	if (daemon->argc > 0 && !daemon->operands)
		die_plain(daemon, EXIT_USAGE, "%s: no operand is expected (usage: %s %s)",
		    daemon->argv[0], daemon->prog, daemon->usage);
	return wants;
}

static void
daemon_take_conf(struct daemon *daemon, const struct wants *wants)
{
	char why[CONF_WHY_SIZE];
	char *path = conf_find(wants->config, why);
	if (path == NULL)
		die_plain(daemon, exit_of_errno(errno), "%s", why);
	daemon->conf = conf_read(path, why);
	if (daemon->conf == NULL)
		die_plain(daemon, exit_of_errno(errno), "%s", why);
	free(path);
}

/* Files in the data and run directories are made for the user whose they are. */
static void
become_owner(const struct daemon *daemon)
{
	char why[CONF_WHY_SIZE];
	uid_t before = geteuid();
	if (!user_become_owner(daemon->conf->node.data, why, sizeof why) ||
	    !user_become_owner(daemon->conf->node.run, why, sizeof why))
		daemon_die(exit_of_errno(errno), "%s", why);
	if (geteuid() != before && !daemon->checking)
		log_info("user", "uid=%u why=%s", (unsigned)geteuid(),
		    log_q("started by root: the node belongs to this user"));
}

/* What every daemon needs, and what this one does. */
static void
daemon_check(struct daemon *daemon, const struct wants *wants)
{
	char why[SOCK_WHY_SIZE];
	gid_t gid;
	if (!sock_group(daemon->conf->node.group, &gid, why))
		daemon_die(exit_of_errno(errno), "%s", why);
	if (daemon->check)
		daemon->check(daemon->arg);
	if (!daemon->checking)
		return;
	if (wants->verbose) {
		char *text = conf_print(daemon->conf);
		fputs(text, stdout);
		free(text);
	}
	if (fflush(stdout) != 0)
		die_plain(daemon, EXIT_IO, "standard output: %s", strerror(errno));
	exit(EXIT_OK);
}

static void
daemon_stop(const char *why)
{
	if (self.stopping) {
		log_info("exit", "why=%s", log_q("asked twice to stop"));
		if (self.daemon->stop_now)
			self.daemon->stop_now(self.daemon->arg);
		_exit(EXIT_OS);
	}
	self.stopping = true;
	log_info("stop", "why=%s", log_q(why));
	self.daemon->stop(self.daemon->arg);
}

static void
daemon_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	if (number == SIGHUP)
		log_info("hup", "why=%s",
		    log_q("a changed configuration is read by a restart; nothing is done"));
	else
		daemon_stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void
on_parent(uv_poll_t *poll, int status, int events)
{
	char byte;
	int fd;
	(void)events;
	uv_fileno((uv_handle_t *)poll, &fd);
	ssize_t got = status == 0 ? read(fd, &byte, 1) : 0;
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	uv_poll_stop(poll);
	/* An open one keeps the next raft-node waiting. */
	if (self.daemon->yields)
		close(fd);
	if (!self.stopping)
		daemon_stop("raft-node is gone");
}

static void
watch_parent(struct daemon *daemon)
{
	const char *text = getenv("RAFT_PARENT_FD");
	if (text == NULL)
		return;
	int fd = atoi(text);
	unsetenv("RAFT_PARENT_FD");
	if (fd <= 2 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		die_plain(daemon, EXIT_USAGE, "$RAFT_PARENT_FD: %s: not an open descriptor", text);
	/* A dying process closes in rising order: raft-node waits for this one, so it has to go
	 * last. */
	int last = fcntl(fd, F_DUPFD_CLOEXEC, PARENT_FD_LOW);
	if (last >= 0) {
		close(fd);
		fd = last;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	must(uv_poll_init(loop_uv(daemon->loop), &self.parent, fd) == 0);
	uv_poll_start(&self.parent, UV_READABLE, on_parent);
	uv_unref((uv_handle_t *)&self.parent);
}

/* It is for this process alone: what we start does not inherit it. */
static void
take_notify_socket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	if (path)
		must((self.notify = strdup(path)) != NULL);
	unsetenv("NOTIFY_SOCKET");
}

static void
watch_signal(struct daemon *daemon, uv_signal_t *handle, int number)
{
	uv_signal_init(loop_uv(daemon->loop), handle);
	uv_signal_start(handle, daemon_on_signal, number);
	uv_unref((uv_handle_t *)handle);
}

void
daemon_start(struct daemon *daemon, int argc, char **argv)
{
	/* A stdout that was closed cannot be written: what is printed there is not lost in silence.
	 */
	static const int held[] = {O_RDWR, O_RDONLY, O_RDWR};
	signals_unblock();
	if (!file_hold_standard(held))
		_exit(EXIT_OS);
	log_init(daemon->prog);
	self.daemon = daemon;
	struct wants wants = daemon_take_options(daemon, argc, argv);
	log_verbose(wants.verbose);
	daemon->verbose = wants.verbose;
	daemon_take_conf(daemon, &wants);
	log_node(daemon->conf->node.id.s);
	become_owner(daemon);
	daemon_check(daemon, &wants);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	daemon->loop = loop_new();
	watch_signal(daemon, &self.term, SIGTERM);
	if (!signals_ignored(SIGINT))
		watch_signal(daemon, &self.interrupt, SIGINT);
	if (!signals_ignored(SIGHUP))
		watch_signal(daemon, &self.hangup, SIGHUP);
	child_reap_inherited(daemon->loop);
	watch_parent(daemon);
	take_notify_socket();
}

/* False: its queue is full, try again. */
static bool
notify_systemd(void)
{
	const char *path = self.notify;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	if (path == NULL || strlen(path) >= sizeof sun.sun_path)
		return true;
	size_t size = strlen(path);
	memcpy(sun.sun_path, path, size);
	if (sun.sun_path[0] == '@')
		sun.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	static const char ready[] = "READY=1";
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	bool sent =
	    sendto(fd, ready, sizeof ready - 1, MSG_NOSIGNAL, (struct sockaddr *)&sun, length) >= 0;
	bool full = !sent && errno == EAGAIN;
	if (!sent && !full)
		log_warn("notify", "why=%s", log_q(strerror(errno)));
	close(fd);
	return !full;
}

/*
 * The reader sees the end of file.  A standard descriptor stays taken, or the next connection would
 * get its number and what is printed there; standard error stays what it is, for the log.
 */
static void
ready_end(void)
{
	if (self.ready_fd < STDERR_FILENO) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0) {
			dup2(null, self.ready_fd);
			close(null);
		}
	} else if (self.ready_fd > STDERR_FILENO) {
		close(self.ready_fd);
	}
	self.ready_fd = -1;
}

/* False: it accepts nothing now, try again. */
static bool
notify_ready_fd(void)
{
	struct pollfd room = {.fd = self.ready_fd, .events = POLLOUT};
	if (self.ready_fd < 0)
		return true;
	if (poll(&room, 1, 0) == 0)
		return false;
	if (write(self.ready_fd, "\n", 1) < 0)
		log_warn("ready", "why=%s", log_q(strerror(errno)));
	ready_end();
	return true;
}

static void
daemon_announce(uv_timer_t *timer)
{
	static bool systemd_knows;
	systemd_knows = systemd_knows || notify_systemd();
	if (notify_ready_fd() && systemd_knows)
		uv_timer_stop(timer);
}

void
daemon_ready(struct daemon *daemon)
{
	static bool done;
	if (done)
		return;
	done = true;
	uv_timer_init(loop_uv(daemon->loop), &self.announce);
	uv_unref((uv_handle_t *)&self.announce);
	uv_timer_start(&self.announce, daemon_announce, ANNOUNCE_MS, ANNOUNCE_MS);
	daemon_announce(&self.announce);
}
