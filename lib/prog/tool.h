/* SPDX-License-Identifier: ISC */
/*
 * What the main() of every tool does alike: options, the configuration, complaints.
 *
 * One list of options for all tools, so that a letter means one thing everywhere: a tool
 * names those it takes.  -c, -h, -V and -v are taken by all.
 * A complaint is one sentence on stderr, `prog: what: why`.
 */
#ifndef PROG_TOOL_H
#define PROG_TOOL_H

#include "conf/conf.h"
#include "unix/exit.h"
#include "unix/loop.h"
#include "unix/sock.h"

/* NAME, letter (0: long form only), long form, argument (none, required, optional). */
#define TOOL_OPTIONS(O)                                                                            \
	O(CONFIG, 'c', "config", required)                                                         \
	O(HELP, 'h', "help", no)                                                                   \
	O(VERSION, 'V', "version", no)                                                             \
	O(VERBOSE, 'v', "verbose", no)                                                             \
	O(FRAMING, 'F', "framing", required)                                                       \
	O(NUL, '0', "null", no)                                                                    \
	O(COUNT, 'N', "count", required)                                                           \
	O(IN_FLIGHT, 'w', "in-flight", required)                                                   \
	O(TIMEOUT, 't', "timeout", required)                                                       \
	O(SESSION, 'S', "session", required)                                                       \
	O(REPLIES, 'r', "replies", no)                                                             \
	O(FOLLOW, 'f', "follow", no)                                                               \
	O(JSON, 'j', "json", no)                                                                   \
	O(YAML, 'y', "yaml", no)                                                                   \
	O(SIZE, 's', "size", required)                                                             \
	O(CONTINUE, 0, "continue", no)                                                             \
	O(FENCE, 0, "fence", optional)                                                             \
	O(FROM, 0, "from", required)                                                               \
	O(TO, 0, "to", required)                                                                   \
	O(SINCE, 0, "since", required)                                                             \
	O(UNTIL, 0, "until", required)                                                             \
	O(LEARNER, 0, "learner", no)                                                               \
	O(YES, 0, "yes", no)                                                                       \
	O(STALE, 0, "stale", no)                                                                   \
	O(OUTPUT, 'o', "output", required)                                                         \
	O(CONNECTIONS, 0, "connections", required)                                                 \
	O(RATE, 0, "rate", required)                                                               \
	O(FOR, 0, "for", required)                                                                 \
	O(QUERY, 0, "query", required)                                                             \
	O(PIPE, 0, "pipe", no)                                                                     \
	O(HISTOGRAM, 'H', "histogram", no)                                                         \
	O(LAST, 0, "last", required)                                                               \
	O(TEE, 0, "tee", no)                                                                       \
	O(CURSOR, 'C', "cursor", required)                                                         \
	O(BATCH, 'B', "batch", required)                                                           \
	O(TRIES, 0, "tries", required)                                                             \
	O(DEAD, 0, "dead", required)                                                               \
	O(ONCE, 0, "once", no)                                                                     \
	O(STATE, 0, "state", required)                                                             \
	O(NEWEST, 0, "newest", no)                                                                 \
	O(LAG, 0, "lag", required)
enum tool_option {
#define O(NAME, letter, name, argument) TOOL_##NAME,
	TOOL_OPTIONS(O)
#undef O
	    TOOL_OPTIONS_COUNT
};

struct tool {
	const char *prog;
	const char *usage; /* the SYNOPSIS after the name */
	/*
	 * Bits 1ull << TOOL_x, besides those of all tools.  With that of TOOL_CONFIG each -c is
	 * passed to found, too; otherwise the last one counts.
	 */
	uint64_t takes;
	bool command; /* what is left is a command: its options are not this tool's */
	/* Told each of them in order; may tool_die. */
	void (*found)(enum tool_option option, const char *value);
	/* Set by tool_start. */
	struct conf *conf;
	struct loop *loop;
	bool verbose;
	int argc; /* what is left after the options */
	char **argv;
};

/*
 * Reads options and configuration and makes the loop; exits 64 or 78 with one sentence, 0 for -h
 * and -V. Before: argv[argc] is NULL.
 */
void tool_start(struct tool *tool, int argc, char **argv);
/* Another node's configuration, which the caller frees; NULL: that of the default places.  Exits
 * with one sentence where it cannot be read. */
struct conf *tool_conf(const char *given);

/* One sentence; the program's name is put before it, and control bytes are shown as \xNN. */
void tool_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * Of a tool with `command`: ends the process with one sentence when none is left, or when it cannot
 * be run.
 */
void tool_command(const struct tool *tool);
_Noreturn void tool_die(enum exit_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For link_calls.refused of a tool: exits with what the daemon says. */
_Noreturn void tool_refused(enum exit_status status, const char *why, void *arg);

/* The value of an option, or exit 64. */
uint64_t tool_number(enum tool_option option, const char *value, uint64_t low, uint64_t high);
uint64_t tool_duration_ms(enum tool_option option, const char *value);
uint64_t tool_size(enum tool_option option, const char *value, uint64_t low, uint64_t high);
enum framing tool_framing(const char *value, bool output);

/* The path of one of the node's sockets, or exit 78. */
struct tool_path {
	char text[SOCK_PATH_MAX];
};
struct tool_path tool_socket(const struct tool *tool, const char *name);
struct tool_path tool_socket_of(const struct conf *conf, const char *name);

/* Writes it all to stdout; exits 74 when that fails, quietly when the reader has gone. */
void tool_write(const void *bytes, size_t size);
/* The same for a tool that has more to say about it: false with errno. */
bool tool_output(const void *bytes, size_t size);

/* The time after which a client gives up when nothing moves. */
enum { TOOL_GIVE_UP_MS = 30000 };

#endif
