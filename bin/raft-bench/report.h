/* SPDX-License-Identifier: ISC */
/* What raft-bench prints at its end: the histogram, and one line of figures. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "wire/buf.h"
#include "histogram.h"

struct report {
	const struct histogram *latency; /* in microseconds, of the operations that are done */
	double seconds;                  /* from the first operation to the last answer */
	const char *what;                /* a word: the kind of operation */
	uint64_t nodes, connections, in_flight;
	uint64_t bytes; /* of data, over all operations that are done */
	uint64_t refused, unknown;
	uint64_t rate; /* operations per second asked for; 0: as fast as answers come */
	bool held;     /* the rate was reached */
	uint64_t late; /* operations that left late */
};

/* One line of logfmt, or one object of JSON with the same keys. */
void report_put(struct wire_buf *out, const struct report *report, bool json, bool histogram);

#endif
