/* SPDX-License-Identifier: ISC */
/* Runs of committed entries, and the one that is asked for. */
#include "replies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/client/machine.h"
#include "../../lib/client/place.h"

enum { WANTED_MAX = 65536, RUN_MAX = 4096, HURRY_MS = 1000, WHY_SIZE = 1024 };

/* Entries of one session whose serials, and places as far as they are known, follow on from the first's. */
struct run {
	struct run *next;
	uint64_t number, count;
	struct raft_sid session;
	uint64_t serial;
	struct raft_pos pos;
	uint64_t until; /* where pos is not known: none of them lies behind this; 0: not known either */
};

struct replies {
	struct machine *machine;
	const struct replies_calls *calls;
	void *arg;
	struct run *first, *last;
	uint64_t wanted;
	uint64_t requests;
	bool asked; /* for the first run */
	bool placing; /* its until is being asked for */
	struct loop *loop;
	struct place *place; /* NULL: was never needed */
	struct replies_paths paths;
	const char *program;
	bool ready;
	bool over;
	uv_timer_t give_up;
	uint64_t give_up_ms;
	struct mono_ms progress_at;
	char why[WHY_SIZE];
};

static void
fail(struct replies *replies, enum exit_status status, const char *why)
{
	if (replies->over)
		return;
	replies->over = true;
	uv_timer_stop(&replies->give_up);
	replies->calls->failed(status, why, replies->arg);
}

static void
on_give_up(uv_timer_t *timer)
{
	struct replies *replies = timer->data;
	char why[WHY_SIZE + 64];
	/* This process may have been stopped: what was answered meanwhile counts. */
	machine_read_now(replies->machine);
	uint64_t silent = mono_now().ms - replies->progress_at.ms;
	if (replies->over)
		return;
	if (replies->ready && replies->wanted == 0)
		return; /* taken up again with the next entry */
	if (silent < replies->give_up_ms) {
		uv_timer_start(timer, on_give_up, replies->give_up_ms - silent, 0);
		return;
	}
	snprintf(why, sizeof why, "%s (given up after %llu ms)", replies->why,
	    (unsigned long long)replies->give_up_ms);
	fail(replies, EXIT_UNAVAILABLE, why);
}

static void
watch_progress(struct replies *replies)
{
	replies->progress_at = mono_now();
	if (!uv_is_active((uv_handle_t *)&replies->give_up))
		uv_timer_start(&replies->give_up, on_give_up, replies->give_up_ms, 0);
}

/* ------------------------------------------------------------- the runs */

static bool
follows_on(const struct run *run, const struct run *next)
{
	uint64_t index = run->pos.index ? run->pos.index + run->count : 0;
	return memcmp(&run->session, &next->session, sizeof run->session) == 0 &&
	    run->serial + run->count == next->serial && next->pos.index == index && next->pos.term == run->pos.term;
}

static void
add_run(struct replies *replies, struct run run)
{
	struct run *last = replies->last;
	/* What has been asked for stays as it is. */
	bool open = last != NULL && !((replies->asked || replies->placing) && last == replies->first);
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
		replies->first = added;
	replies->last = added;
}

/* Takes so many entries off the front of a run. */
static void
advance(struct run *run, uint64_t count)
{
	run->number += count;
	run->serial += count;
	run->pos.index += run->pos.index ? count : 0;
	run->count -= count;
}

void
replies_want(struct replies *replies, uint64_t number, uint64_t count, const struct raft_sid *session,
    uint64_t serial, struct raft_pos pos)
{
	struct run rest = {.number = number, .count = count, .session = *session, .serial = serial, .pos = pos};
	if (replies->over)
		return;
	if (replies->wanted == 0)
		watch_progress(replies);
	replies->wanted += count;
	while (rest.count > 0) {
		struct run run = rest;
		run.count = rest.count < RUN_MAX ? rest.count : RUN_MAX;
		add_run(replies, run);
		advance(&rest, run.count);
	}
}

static void
drop_one(struct replies *replies)
{
	struct run *run = replies->first;
	advance(run, 1);
	replies->wanted--;
	if (run->count > 0)
		return;
	replies->first = run->next;
	if (replies->first == NULL)
		replies->last = NULL;
	replies->asked = false;
	free(run);
}

bool
replies_room(const struct replies *replies)
{
	return !replies->over && replies->wanted < WANTED_MAX;
}

void
replies_hurry(struct replies *replies)
{
	if (replies->over)
		return;
	replies->give_up_ms = HURRY_MS;
	uv_timer_stop(&replies->give_up);
	watch_progress(replies);
}

bool
replies_idle(const struct replies *replies)
{
	return replies->wanted == 0;
}

bool
replies_ready(const struct replies *replies)
{
	return replies->ready;
}

/* --------------------------------------------------------- at raft-fsm */

static void
on_place(uint64_t index, void *arg)
{
	struct replies *replies = arg;
	replies->placing = false;
	replies->first->until = index;
}

/* An answer that the place is not known says that it is committed: so it is within what is committed now. */
static void
find_place(struct replies *replies)
{
	if (replies->placing)
		return;
	if (replies->place == NULL)
		replies->place = place_new(replies->loop, replies->paths.elect, replies->program, on_place, replies);
	replies->placing = true;
	place_ask(replies->place);
}

void
replies_send(struct replies *replies)
{
	const struct run *run = replies->first;
	if (replies->over || run == NULL || replies->asked || !machine_up(replies->machine))
		return;
	if (run->pos.index == 0 && run->until == 0) {
		find_place(replies);
		return;
	}
	replies->asked = true;
	msg_fsm_reply_get_put(machine_out(replies->machine),
	    &(struct msg_fsm_reply_get){.request = ++replies->requests, .session = run->session,
		.serial = run->serial, .count = run->count, .index = run->pos.index, .until = run->until});
}

/* While the program is waited for, the last refusal is the reason. */
static void
set_why(struct replies *replies)
{
	const char *refused = machine_refused(replies->machine);
	snprintf(replies->why, sizeof replies->why, "%s",
	    refused ? refused : "the program of this node has not replied");
}

static void
on_reply(const struct msg_fsm_reply *reply, void *arg)
{
	struct replies *replies = arg;
	const struct run *run = replies->first;
	if (!replies->asked || reply->request != replies->requests || reply->serial != run->serial ||
	    reply->state > REPLY_LOST) {
		machine_break(replies->machine, "raft-fsm answers what was not asked");
		return;
	}
	struct reply found = {.number = run->number, .pos = run->pos, .state = (enum reply_state)reply->state,
	    .data = reply->data};
	if (found.pos.index == 0)
		found.pos.index = reply->index;
	watch_progress(replies);
	set_why(replies);
	drop_one(replies);
	replies->calls->reply(&found, replies->arg);
}

static void
on_machine_up(void *arg)
{
	struct replies *replies = arg;
	set_why(replies);
	replies->ready = true;
}

static void
on_machine_down(const char *why, void *arg)
{
	struct replies *replies = arg;
	replies->asked = false;
	snprintf(replies->why, sizeof replies->why, "%s", why);
}

static void
on_machine_failed(enum exit_status status, const char *why, void *arg)
{
	fail(arg, status, why);
}

static const struct machine_calls machine_calls = {on_machine_up, on_reply, on_machine_down, on_machine_failed};

struct replies *
replies_new(struct loop *loop, const struct replies_paths *paths, const char *program, uint64_t give_up_ms,
    const struct replies_calls *calls, void *arg)
{
	struct replies *replies = calloc(1, sizeof *replies);
	must(replies != NULL);
	replies->calls = calls;
	replies->arg = arg;
	replies->give_up_ms = give_up_ms;
	snprintf(replies->why, sizeof replies->why, "no answer from raft-fsm");
	uv_timer_init(loop_uv(loop), &replies->give_up);
	replies->give_up.data = replies;
	replies->loop = loop;
	replies->paths = *paths;
	replies->program = program;
	replies->machine = machine_new(loop, paths->fsm, program, &machine_calls, replies);
	watch_progress(replies);
	return replies;
}
