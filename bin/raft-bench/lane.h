/* SPDX-License-Identifier: ISC */
/*
 * One connection to one node, which appends entries or asks the node's program, and the time at
 * which each operation in flight began.
 *
 * Operations of a lane are answered in their order.
 */
#ifndef BENCH_LANE_H
#define BENCH_LANE_H

#include "conf/conf.h"
#include "unix/exit.h"
#include "unix/loop.h"
#include "wire/message.h"

struct lane;

struct lane_settings {
	const struct conf *conf; /* of the node */
	const char *program;     /* the name of this one */
	uint64_t in_flight;  /* at most APPENDER_IN_FLIGHT_MAX, for queries ASKER_IN_FLIGHT_MAX */
	uint64_t give_up_ms; /* without progress */
	const char *query;   /* NULL: entries are appended */
	bool stale;          /* the program may answer with an old state */
};

struct lane_calls {
	/* An operation is committed, or answered by the program. */
	void (*done)(uint64_t began_ns, uint64_t ended_ns, void *arg);
	/* The program refused a query, for this reason. */
	void (*refused)(struct wire_bytes why, void *arg);
	/* Nothing follows: the lane failed, or ended as lane_stop asked; why is one sentence. */
	void (*ended)(struct lane *lane, enum exit_status status, const char *why, void *arg);
};

/* What became of the operations that a lane took, once it has ended or is idle. */
struct lane_outcomes {
	uint64_t done;
	uint64_t refused; /* not in the log; or a query that the program refused */
	uint64_t unknown; /* may be in the log */
};

/* It lives as long as the process; the struct calls must, too. */
struct lane *lane_new(struct loop *loop, const struct lane_settings *settings,
    const struct lane_calls *calls, void *arg);
/* The configuration of its node. */
const struct conf *lane_conf(const struct lane *lane);
/* Whether it has reached its node, and the node's program where queries are asked. */
bool lane_ready(const struct lane *lane);
/* Whether it accepts one more operation now. */
bool lane_room(const struct lane *lane);
/* Before: lane_room.  Copies the data: of the entry, or of the query. */
void lane_take(struct lane *lane, struct wire_bytes data, uint64_t began_ns);
/* At the end of each turn. */
void lane_send(struct lane *lane);
/* No operation waits for an answer. */
bool lane_idle(const struct lane *lane);
/* What it waits for, in one sentence; "" when nothing is amiss. */
const char *lane_trouble(const struct lane *lane);
/* Sends nothing more; `ended` is called, perhaps at once, when what was sent has an outcome. */
void lane_stop(struct lane *lane, enum exit_status status, const char *why);
struct lane_outcomes lane_outcomes(const struct lane *lane);

#endif
