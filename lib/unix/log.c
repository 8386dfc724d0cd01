/* SPDX-License-Identifier: ISC */
/* logfmt lines on stderr: composed whole, written at once, never waited for. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, VALUE_SIZE = 1024, VALUES_COUNT = 8, PATIENCE_MS = 100 };

static struct {
	const char *prog;
	char node[64];
	bool verbose;
	bool time;
} state = {.prog = "raft"};

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

/* A pipe that is full for long has a reader that hangs: the line is dropped, the daemon goes on. */
static void
write_line(const char *line, size_t size)
{
	struct pollfd stderr_ready = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&stderr_ready, 1, PATIENCE_MS) != 1 || !(stderr_ready.revents & POLLOUT))
		return;
	ssize_t ignored = write(STDERR_FILENO, line, size);
	(void)ignored;
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

void
log_line(enum log_level level, const char *event, const char *keys, ...)
{
	if (level == LOG_DEBUG && !state.verbose)
		return;
	int saved = errno;
	char line[LINE_SIZE];
	int at = state.time ? put_time(line, sizeof line) : 0;
	at += snprintf(
	    line + at, sizeof line - (size_t)at, "lvl=%s prog=%s", level_names[level], state.prog);
	if (state.node[0])
		at += snprintf(line + at, sizeof line - (size_t)at, " node=%s", state.node);
	at += snprintf(
	    line + at, sizeof line - (size_t)at, " ev=%s%s", event, keys && *keys ? " " : "");
	if (keys) {
		va_list args;
		va_start(args, keys);
		int more = vsnprintf(line + at, sizeof line - (size_t)at - 1, keys, args);
		va_end(args);
		if (more > 0)
			at += more;
	}
	if (at > LINE_SIZE - 2)
		at = LINE_SIZE - 2;
	line[at++] = '\n';
	write_line(line, (size_t)at);
	errno = saved;
}
