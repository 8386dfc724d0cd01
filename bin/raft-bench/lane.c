/* SPDX-License-Identifier: ISC */
/* A lane: an appender or an asker, and a ring of times. */
#include "lane.h"

#include <stdlib.h>
#include <string.h>

#include "client/appender.h"
#include "client/asker.h"
#include "prog/tool.h"

struct lane {
	const struct lane_calls *calls;
	void *arg;
	const struct conf *conf;
	struct appender *appender; /* one of these two */
	struct asker *asker;
	uint64_t in_flight;
	uint64_t taken;    /* operations so far, counted from 1 */
	uint64_t answered; /* done, or refused by the program */
	uint64_t refused;  /* by the program */
	uint64_t *began_ns;
	bool ready;
	bool over;
};

/* When the operation `number`, one of those in flight, began. */
static uint64_t
lane_began_ns(const struct lane *lane, uint64_t number)
{
	return lane->began_ns[number % lane->in_flight];
}

static void
lane_end(struct lane *lane, enum exit_status status, const char *why)
{
	if (lane->over)
		return;
	lane->over = true;
	lane->calls->ended(lane, status, why, lane->arg);
}

static void
lane_on_committed(uint64_t number, uint64_t count, struct raft_pos pos, void *arg)
{
	struct lane *lane = arg;
	(void)pos;
	uint64_t now_ns = uv_hrtime();
	lane->answered += count;
	for (uint64_t i = number; i < number + count; i++)
		lane->calls->done(lane_began_ns(lane, i), now_ns, lane->arg);
}

/*
 * The first query has no number among the operations: it shows that the node's program answers.
 * Reads change nothing, so it is harmless.
 */
static void
lane_on_first_answer(struct lane *lane, bool refused, struct wire_bytes data)
{
	if (refused)
		lane->calls->refused(data, lane->arg);
	else
		lane->ready = true;
}

static void
lane_on_answered(uint64_t number, bool refused, struct wire_bytes data, void *arg)
{
	struct lane *lane = arg;
	if (lane->over)
		return;
	if (number == 1) {
		lane_on_first_answer(lane, refused, data);
		return;
	}
	lane->answered++;
	if (refused) {
		lane->refused++;
		lane->calls->refused(data, lane->arg);
	} else {
		lane->calls->done(lane_began_ns(lane, number - 1), uv_hrtime(), lane->arg);
	}
}

static void
lane_on_failed(enum exit_status status, const char *why, void *arg)
{
	lane_end(arg, status, why);
}

static const struct appender_calls appender_calls = {NULL, lane_on_committed, lane_on_failed};
static const struct asker_calls asker_calls = {lane_on_answered, lane_on_failed};

static void
lane_make_asker(struct lane *lane, struct loop *loop, const struct lane_settings *settings)
{
	struct tool_path elect = tool_socket_of(settings->conf, "elect"),
			 fsm = tool_socket_of(settings->conf, "fsm");
	lane->asker = asker_new(loop,
	    &(struct asker_settings){.elect = settings->stale ? NULL : elect.text,
		.fsm = fsm.text,
		.program = settings->program,
		.give_up_ms = settings->give_up_ms},
	    &asker_calls, lane);
	asker_take(lane->asker, settings->query, strlen(settings->query));
}

static void
lane_make_appender(struct lane *lane, struct loop *loop, const struct lane_settings *settings)
{
	struct tool_path elect = tool_socket_of(settings->conf, "elect");
	lane->appender = appender_new(loop,
	    &(struct appender_settings){.path = elect.text,
		.program = settings->program,
		.in_flight_max = settings->in_flight,
		.give_up_ms = settings->give_up_ms},
	    &appender_calls, lane);
}

struct lane *
lane_new(struct loop *loop, const struct lane_settings *settings, const struct lane_calls *calls,
    void *arg)
{
	struct lane *lane = calloc(1, sizeof *lane);
	must(lane != NULL);
	lane->calls = calls;
	lane->arg = arg;
	lane->conf = settings->conf;
	lane->in_flight = settings->in_flight;
	lane->began_ns = calloc(lane->in_flight, sizeof *lane->began_ns);
	must(lane->began_ns != NULL);
	if (settings->query)
		lane_make_asker(lane, loop, settings);
	else
		lane_make_appender(lane, loop, settings);
	return lane;
}

const struct conf *
lane_conf(const struct lane *lane)
{
	return lane->conf;
}

bool
lane_ready(const struct lane *lane)
{
	return lane->appender ? appender_connected(lane->appender) : lane->ready;
}

bool
lane_room(const struct lane *lane)
{
	if (lane->over || lane->taken - lane->answered >= lane->in_flight)
		return false;
	return lane->appender ? appender_room(lane->appender) : asker_room(lane->asker);
}

void
lane_take(struct lane *lane, struct wire_bytes data, uint64_t began_ns)
{
	must(lane_room(lane));
	lane->began_ns[++lane->taken % lane->in_flight] = began_ns;
	if (lane->appender)
		appender_take(lane->appender, data.bytes, data.size);
	else
		asker_take(lane->asker, data.bytes, data.size);
}

void
lane_send(struct lane *lane)
{
	if (lane->over)
		return;
	if (lane->appender)
		appender_send(lane->appender);
	else
		asker_send(lane->asker);
}

bool
lane_idle(const struct lane *lane)
{
	return lane->over || lane->taken == lane->answered;
}

const char *
lane_trouble(const struct lane *lane)
{
	return lane->appender ? appender_trouble(lane->appender) : "";
}

/* Queries have no outcome to wait for. */
void
lane_stop(struct lane *lane, enum exit_status status, const char *why)
{
	if (lane->over)
		return;
	if (lane->appender)
		appender_stop(lane->appender, status, why);
	else
		lane_end(lane, status, why);
}

struct lane_outcomes
lane_outcomes(const struct lane *lane)
{
	struct lane_outcomes outcomes = {lane->answered - lane->refused, lane->refused, 0};
	if (lane->asker || lane->taken == lane->answered)
		return outcomes;
	uint64_t doubtful = appender_doubtful(lane->appender);
	outcomes.done = appender_committed(lane->appender);
	outcomes.unknown = doubtful > outcomes.done ? doubtful - outcomes.done : 0;
	outcomes.refused = lane->taken - outcomes.done - outcomes.unknown;
	return outcomes;
}
