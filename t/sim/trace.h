/* SPDX-License-Identifier: ISC */
/*
 * The trace: every event of a run, one line each, and a hash over all of them.
 *
 * Records are kept unformatted in a ring, so that the trace is free until
 * someone wants to read it.  With `print` each is printed as it happens.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raft_message;
struct etcd;

enum { TRACE_VALUES = 6, TRACE_TEXT = 56, TRACE_RING = 2048 };

struct trace_record {
	uint64_t step;
	uint64_t at_us;
	const char *what; /* a literal */
	const char *keys; /* a literal: names of the values, separated by spaces */
	uint64_t values[TRACE_VALUES];
	int node; /* -1: the world */
	int peer; /* -1: none */
	char text[TRACE_TEXT];
};

struct trace {
	bool print;
	struct etcd *etcd; /* the same in that form; NULL: it is not wanted */
	uint64_t hash;
	uint64_t count;
	struct trace_record ring[TRACE_RING];
};

struct sim;

void trace_add(struct sim *sim, int node, int peer, const char *what, const char *keys, uint64_t a,
    uint64_t b, uint64_t c);
void trace_text(struct sim *sim, int node, const char *what, const char *text);
void trace_message(struct sim *sim, const char *what, const struct raft_message *message);
/* Prints the last `count` records to stderr. */
void trace_tail(const struct sim *sim, size_t count);

#endif
