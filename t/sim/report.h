/* SPDX-License-Identifier: ISC */
/*
 * A batch of seeds: several processes, their counters added up, and a report.
 */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum { BATCH_JOBS_MAX = 64 };

enum trace_form { TRACE_NONE, TRACE_LINES, TRACE_ETCD };

struct batch {
	uint64_t first, last; /* seeds */
	uint64_t seconds;     /* not 0: from `first` on for so long */
	uint64_t steps;
	const char *profile;
	unsigned jobs;
	bool twice;            /* each seed twice: the traces must be equal */
	enum trace_form trace; /* TRACE_ETCD: of one run, which is no batch */
	bool need_all;         /* a needed counter that is zero is a failure */
	bool scenarios, update;
};

/* The exit status. */
int batch_run(const struct batch *batch);

#endif
