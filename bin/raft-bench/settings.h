/* SPDX-License-Identifier: ISC */
/* What raft-bench is asked to do: its options, and what follows from them. */
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include "prog/tool.h"

enum { SETTINGS_NODES_MAX = 64 };

struct settings {
	struct tool tool;
	struct conf *nodes[SETTINGS_NODES_MAX]; /* the first is the tool's */
	size_t nodes_count;
	uint64_t count;  /* operations; 0: until for_ms or the end of the input */
	uint64_t for_ms; /* 0: until count */
	uint64_t rate;   /* operations per second; 0: closed loop */
	uint64_t connections;
	uint64_t in_flight; /* of all connections together; at least one of each */
	uint64_t size;      /* bytes of an entry */
	const char *query;  /* NULL: entries are appended */
	bool stale;
	bool pipe; /* entries are the lines of standard input */
	uint64_t give_up_ms;
	bool json;
	bool histogram;
};

/* One per process.  Exits with one sentence when something is wrong, and for -h and -V. */
void settings_read(struct settings *settings, int argc, char **argv);
/* What of in_flight is for connection `number`, counted from 0. */
uint64_t settings_in_flight(const struct settings *settings, uint64_t number);

#endif
