/* SPDX-License-Identifier: ISC */
/*
 * Diagnostics: logfmt, one line, stderr, no time stamp unless asked for.
 *
 *   lvl=info prog=raft-elect node=n2 ev=state from=follower to=candidate term=8 why="..."
 *
 * Values are quoted and escaped where they need it.  Never keys or payloads.
 *
 * Writing never waits: a line that a pipe, socket or terminal does not accept at once is lost and
 * counted, and the first line that is accepted again follows one with the count (ev=log lost=N).
 * A line is written before log_line returns, so that it precedes everything that the process does
 * afterwards, its own crash included.  The flags of stderr stay as they are: other processes share
 * them.
 */
#ifndef UNIX_LOG_H
#define UNIX_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_LEVELS(L)                                                                              \
	L(ERROR, "error") /* dying */                                                              \
	L(WARN, "warn")   /* look */                                                               \
	L(INFO, "info")   /* a change of state */                                                  \
	L(DEBUG, "debug") /* each message */
enum log_level {
#define L(NAME, text) LOG_##NAME,
	LOG_LEVELS(L)
#undef L
};

/* First of all: before it no line is written.  prog: the program's name.  node: NULL until it is
 * known. */
void log_init(const char *prog);
void log_node(const char *node);
void log_verbose(bool verbose); /* debug lines too */
void log_time(bool time);       /* begin each line with ts= */

/*
 * One line.  `keys` is a printf format that makes the rest of the line as key=value
 * pairs; values that are not plain words go through log_q.
 */
void log_line(enum log_level level, const char *event, const char *keys, ...)
    __attribute__((format(printf, 3, 4)));
/* A line with its newline, at most PIPE_BUF bytes, as it is. */
void log_text(const char *line, size_t size);
/*
 * The text as a logfmt value: as it is, or quoted and escaped.  One of eight rotating
 * buffers of 1 KiB; what does not fit is cut.
 */
const char *log_q(const char *text);
static inline const char *
log_yes(bool yes)
{
	return yes ? "yes" : "no";
}

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
