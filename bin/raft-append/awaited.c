/* SPDX-License-Identifier: ISC */
/* Runs of committed entries, and the one that is asked for. */
#include "awaited.h"

#include <stdlib.h>
#include <string.h>

#include "client/fsm_link.h"
#include "client/read_index.h"
#include "client/timeout.h"

enum { WANTED_MAX = 65536, RUN_MAX = 4096, HURRY_MS = 1000 };

/* Entries of one session whose serials, and places as far as they are known, follow on from the
 * first's. */
struct run {
	struct run *next;
	uint64_t number, count;
	struct raft_sid session;
	uint64_t serial;
	struct raft_pos pos;
	uint64_t
	    until; /* where pos is not known: none of them lies behind this; 0: not known either */
};

struct awaited {
	struct fsm_link *fsm;
	const struct awaited_calls *calls;
	void *arg;
	struct run *first, *last;
	uint64_t wanted;
	uint64_t requests;
	bool asked;   /* for the first run */
	bool placing; /* its until is being asked for */
	struct loop *loop;
	struct read_index *read_index; /* NULL: was never needed */
	struct awaited_paths paths;
	const char *program;
	bool ready;
	bool over;
	struct timeout *timeout;
};

static void
awaited_fail(struct awaited *awaited, enum exit_status status, const char *why)
{
	if (awaited->over)
		return;
	awaited->over = true;
	timeout_stop(awaited->timeout);
	awaited->calls->failed(status, why, awaited->arg);
}

static void
awaited_on_timeout(void *arg)
{
	struct awaited *awaited = arg;
	/* When nothing is wanted it begins again with the next entry. */
	if (!awaited->ready || awaited->wanted > 0)
		awaited_fail(awaited, EXIT_UNAVAILABLE, timeout_sentence(awaited->timeout));
}

/* ------------------------------------------------------------- the runs */

static bool
follows_on(const struct run *run, const struct run *next)
{
	uint64_t index = run->pos.index ? run->pos.index + run->count : 0;
	return memcmp(&run->session, &next->session, sizeof run->session) == 0 &&
	       run->serial + run->count == next->serial && next->pos.index == index &&
	       next->pos.term == run->pos.term;
}

static void
add_run(struct awaited *awaited, struct run run)
{
	struct run *last = awaited->last;
	/* What has been asked for stays as it is. */
	bool open =
	    last != NULL && !((awaited->asked || awaited->placing) && last == awaited->first);
	if (open && last->count + run.count <= RUN_MAX && follows_on(last, &run)) {
		last->count += run.count;
		return;
	}
	struct run *added = malloc(sizeof *added);
	must(added != NULL);
	*added = run;
	if (last)
		last->next = added;
	else
		awaited->first = added;
	awaited->last = added;
}

/* Takes so many entries off the front of a run. */
static void
awaited_advance(struct run *run, uint64_t count)
{
	run->number += count;
	run->serial += count;
	run->pos.index += run->pos.index ? count : 0;
	run->count -= count;
}

void
awaited_want(struct awaited *awaited, uint64_t number, uint64_t count,
    const struct raft_sid *session, uint64_t serial, struct raft_pos pos)
{
	struct run rest = {
	    .number = number, .count = count, .session = *session, .serial = serial, .pos = pos};
	if (awaited->over)
		return;
	if (awaited->wanted == 0)
		timeout_progress(awaited->timeout);
	awaited->wanted += count;
	while (rest.count > 0) {
		struct run run = rest;
		run.count = rest.count < RUN_MAX ? rest.count : RUN_MAX;
		add_run(awaited, run);
		awaited_advance(&rest, run.count);
	}
}

static void
drop_one(struct awaited *awaited)
{
	struct run *run = awaited->first;
	awaited_advance(run, 1);
	awaited->wanted--;
	if (run->count > 0)
		return;
	awaited->first = run->next;
	if (awaited->first == NULL)
		awaited->last = NULL;
	awaited->asked = false;
	free(run);
}

bool
awaited_room(const struct awaited *awaited)
{
	return !awaited->over && awaited->wanted < WANTED_MAX;
}

void
awaited_hurry(struct awaited *awaited)
{
	if (awaited->over)
		return;
	timeout_begin(awaited->timeout, HURRY_MS);
}

bool
awaited_idle(const struct awaited *awaited)
{
	return awaited->wanted == 0;
}

bool
awaited_ready(const struct awaited *awaited)
{
	return awaited->ready;
}

/* --------------------------------------------------------- at raft-fsm */

static void
on_place(uint64_t index, void *arg)
{
	struct awaited *awaited = arg;
	awaited->placing = false;
	awaited->first->until = index;
}

/* An answer that the place is not known says that it is committed: so it is within what is
 * committed now. */
static void
find_place(struct awaited *awaited)
{
	if (awaited->placing)
		return;
	if (awaited->read_index == NULL)
		awaited->read_index = read_index_new(
		    awaited->loop, awaited->paths.elect, awaited->program, on_place, awaited);
	awaited->placing = true;
	read_index_ask(awaited->read_index);
}

void
awaited_send(struct awaited *awaited)
{
	const struct run *run = awaited->first;
	if (awaited->over || run == NULL || awaited->asked || !fsm_link_up(awaited->fsm))
		return;
	if (run->pos.index == 0 && run->until == 0) {
		find_place(awaited);
		return;
	}
	awaited->asked = true;
	msg_fsm_reply_get_put(
	    fsm_link_out(awaited->fsm), &(struct msg_fsm_reply_get){.request = ++awaited->requests,
					    .session = run->session,
					    .serial = run->serial,
					    .count = run->count,
					    .index = run->pos.index,
					    .until = run->until});
}

/* While the program is waited for, the last refusal is the reason. */
static void
set_why(struct awaited *awaited)
{
	const char *refused = fsm_link_refused(awaited->fsm);
	timeout_set_why(
	    awaited->timeout, refused ? refused : "the program of this node has not replied");
}

static void
awaited_on_reply(const struct msg_fsm_reply *reply, void *arg)
{
	struct awaited *awaited = arg;
	const struct run *run = awaited->first;
	if (!awaited->asked || reply->request != awaited->requests ||
	    reply->serial != run->serial || reply->state >= WIRE_REPLY_STATES_COUNT) {
		fsm_link_break(awaited->fsm, "raft-fsm answers what was not asked");
		return;
	}
	struct awaited_reply found = {.number = run->number,
	    .pos = run->pos,
	    .state = (enum wire_reply_state)reply->state,
	    .data = reply->data};
	if (found.pos.index == 0)
		found.pos.index = reply->index;
	timeout_progress(awaited->timeout);
	set_why(awaited);
	drop_one(awaited);
	awaited->calls->reply(&found, awaited->arg);
}

static void
awaited_on_machine_up(void *arg)
{
	struct awaited *awaited = arg;
	set_why(awaited);
	awaited->ready = true;
}

static void
awaited_on_machine_down(const char *why, void *arg)
{
	struct awaited *awaited = arg;
	awaited->asked = false;
	timeout_set_why(awaited->timeout, why);
}

static void
awaited_on_machine_failed(enum exit_status status, const char *why, void *arg)
{
	awaited_fail(arg, status, why);
}

static const struct fsm_link_calls machine_calls = {
    awaited_on_machine_up, awaited_on_reply, awaited_on_machine_down, awaited_on_machine_failed};

struct awaited *
awaited_new(struct loop *loop, const struct awaited_paths *paths, const char *program,
    uint64_t give_up_ms, const struct awaited_calls *calls, void *arg)
{
	struct awaited *awaited = calloc(1, sizeof *awaited);
	must(awaited != NULL);
	awaited->calls = calls;
	awaited->arg = arg;
	awaited->timeout =
	    timeout_new(loop, give_up_ms, "no answer from raft-fsm", awaited_on_timeout, awaited);
	awaited->loop = loop;
	awaited->paths = *paths;
	awaited->program = program;
	awaited->fsm = fsm_link_new(loop, paths->fsm, program, &machine_calls, awaited);
	return awaited;
}
