/* SPDX-License-Identifier: ISC */
/* logfmt lines on stderr: composed whole, offered once, never waited for. */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

/* A pipe accepts a write of PIPE_BUF bytes whole or not at all. */
enum { LINE_SIZE = PIPE_BUF, VALUE_SIZE = 1024, VALUES_COUNT = 8 };

/* What stderr is, and so how a write to it does not block. */
enum log_way {
	LOG_UNKNOWN,
	LOG_REOPENED, /* a pipe or terminal, non-blocking as a description of our own */
	LOG_PIPE,     /* a pipe of another user, which cannot be reopened */
	LOG_SOCKET,
	LOG_FILE /* or a device */
};

static struct {
	const char *prog; /* NULL: no lines */
	char node[64];
	bool verbose;
	bool time;
	enum log_way way;
	int fd;
	unsigned long long lost; /* lines, since stderr last accepted one */
	/* A terminal or a socket may accept a part of a line: the rest goes before the next one. */
	char rest[LINE_SIZE];
	size_t rest_size;
} state = {.fd = STDERR_FILENO};

static const char *const level_names[] = {
#define L(NAME, text) text,
    LOG_LEVELS(L)
#undef L
};

void
log_init(const char *prog)
{
	state.prog = prog;
}

void
log_node(const char *node)
{
	snprintf(state.node, sizeof state.node, "%s", node ? node : "");
}

void
log_verbose(bool verbose)
{
	state.verbose = verbose;
}

void
log_time(bool time)
{
	state.time = time;
}

static bool
log_plain(const char *text)
{
	if (*text == '\0')
		return false;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p <= ' ' || *p == '"' || *p == '=' || *p == '\\' || *p == 0x7f)
			return false;
	return true;
}

/* Bytes that a character takes inside quotes, written to out (room for 5). */
static int
quote_one(char *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		return snprintf(out, 5, "\\%c", c);
	if (c == '\n')
		return snprintf(out, 5, "\\n");
	if (c < ' ' || c == 0x7f)
		return snprintf(out, 5, "\\x%02x", c);
	out[0] = (char)c;
	return 1;
}

const char *
log_q(const char *text)
{
	static char values[VALUES_COUNT][VALUE_SIZE];
	static size_t turn;
	if (text == NULL)
		text = "";
	if (log_plain(text) && strlen(text) < VALUE_SIZE)
		return text;
	char *value = values[turn++ % VALUES_COUNT];
	size_t at = 0;
	value[at++] = '"';
	for (const unsigned char *p = (const unsigned char *)text; *p && at < VALUE_SIZE - 8; p++)
		at += (size_t)quote_one(value + at, *p);
	value[at++] = '"';
	value[at] = '\0';
	return value;
}

static int
put_time(char *out, size_t room)
{
	struct timespec now;
	struct tm tm;
	char text[32];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(out, room, "ts=%s.%03ldZ ", text, now.tv_nsec / 1000000);
}

/* The beginning of a line; its size. */
static int
log_head(char line[LINE_SIZE], enum log_level level, const char *event)
{
	int at = state.time ? put_time(line, LINE_SIZE) : 0;
	at += snprintf(
	    line + at, LINE_SIZE - (size_t)at, "lvl=%s prog=%s", level_names[level], state.prog);
	if (state.node[0])
		at += snprintf(line + at, LINE_SIZE - (size_t)at, " node=%s", state.node);
	return at + snprintf(line + at, LINE_SIZE - (size_t)at, " ev=%s", event);
}

/* ------------------------------------------------------------ writing */

static void
choose_way(void)
{
	struct stat st;
	bool known = fstat(STDERR_FILENO, &st) == 0;
	int fd = file_reopen_nonblocking(STDERR_FILENO);
	if (fd >= 0) {
		state.fd = fd;
		state.way = LOG_REOPENED;
	} else if (known && S_ISFIFO(st.st_mode)) {
		state.way = LOG_PIPE;
	} else {
		state.way = known && S_ISSOCK(st.st_mode) ? LOG_SOCKET : LOG_FILE;
	}
}

/* write(2) that fails with EAGAIN instead of waiting. */
static ssize_t
write_now(const char *bytes, size_t size)
{
	if (state.way == LOG_UNKNOWN)
		choose_way();
	const struct iovec whole = {(char *)bytes, size};
	struct pollfd room = {.fd = state.fd, .events = POLLOUT};
	ssize_t done = -1;
	if (state.way == LOG_SOCKET)
		return send(state.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (state.way == LOG_PIPE &&
	    ((done = pwritev2(state.fd, &whole, 1, -1, RWF_NOWAIT)) >= 0 || errno != EOPNOTSUPP))
		return done;
	/* On Linux before 6.5 another writer may fill the pipe of another user in between. */
	if (state.way != LOG_REOPENED && poll(&room, 1, 0) != 1)
		return -1;
	return write(state.fd, bytes, size);
}

/* False: nothing of it was accepted. */
static bool
log_offer(const char *bytes, size_t size)
{
	ssize_t done = write_now(bytes, size);
	if (done < 0)
		return false;
	state.rest_size = size - (size_t)done;
	memmove(state.rest, bytes + done, state.rest_size);
	return true;
}

/* What must be written before another line. */
static bool
log_catch_up(void)
{
	char line[LINE_SIZE];
	if (state.rest_size > 0)
		log_offer(state.rest, state.rest_size);
	if (state.rest_size == 0 && state.lost > 0) {
		int at = log_head(line, LOG_WARN, "log");
		at += snprintf(line + at, LINE_SIZE - (size_t)at, " lost=%llu why=%s\n", state.lost,
		    log_q("standard error accepted no more lines"));
		if (log_offer(line, (size_t)at))
			state.lost = 0;
	}
	return state.rest_size == 0 && state.lost == 0;
}

void
log_text(const char *line, size_t size)
{
	if (!log_catch_up() || !log_offer(line, size))
		state.lost++;
}

void
log_line(enum log_level level, const char *event, const char *keys, ...)
{
	if (state.prog == NULL || (level == LOG_DEBUG && !state.verbose))
		return;
	int saved = errno;
	char line[LINE_SIZE];
	int at = log_head(line, level, event);
	if (keys && *keys) {
		va_list args;
		line[at++] = ' ';
		va_start(args, keys);
		int more = vsnprintf(line + at, LINE_SIZE - (size_t)at - 1, keys, args);
		va_end(args);
		if (more > 0)
			at += more;
	}
	if (at > LINE_SIZE - 2)
		at = LINE_SIZE - 2;
	line[at++] = '\n';
	log_text(line, (size_t)at);
	errno = saved;
}
