/* SPDX-License-Identifier: ISC */
/* Questions on their way: without an index, with one, sent, answered before their turn. */
#include "asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsm_link.h"
#include "refusal.h"
#include "timeout.h"

enum { SIZE_MAX_ALL = 4 << 20, WHY_SIZE = 1024 };

static const char no_index[] = "no answer from raft-elect";

/* They go through these upwards.  In the queue answered and sent ones come first, then ready ones,
 * and so on. */
enum question_state {
	ANSWERED, /* while an earlier one has no answer */
	SENT,     /* to raft-fsm */
	READY,    /* it has its index */
	ROUND,    /* the index has been asked for */
	NEW
};

struct question {
	struct question *next;
	enum question_state state;
	uint64_t number;
	uint64_t index;
	bool refused; /* the answer */
	struct wire_buf answer;
	size_t size;
	uint8_t data[];
};

struct asker {
	struct loop *loop;
	const struct asker_calls *calls;
	void *arg;
	struct link *elect; /* NULL: answers may be stale */
	struct fsm_link *fsm;
	uv_timer_t pause; /* before the next question to raft-elect */
	uint64_t pause_ms;
	struct timeout *timeout;
	struct question *first, **end;
	size_t count, size;
	uint64_t number;
	uint64_t rounds, round; /* asked, and the one without an answer; 0: none */
	uint64_t index;         /* the highest given */
	bool over;
	/* What is waited for: at raft-elect, and at raft-fsm. */
	struct trouble {
		enum exit_status status;
		char why[WHY_SIZE];
	} at_elect, at_fsm;
};

/* ------------------------------------------------------------ the end */

static void
asker_fail(struct asker *asker, enum exit_status status, const char *why)
{
	if (asker->over)
		return;
	asker->over = true;
	uv_timer_stop(&asker->pause);
	timeout_stop(asker->timeout);
	asker->calls->failed(status, why, asker->arg);
}

static void
asker_set(struct trouble *trouble, enum exit_status status, const char *why)
{
	trouble->status = status;
	snprintf(trouble->why, sizeof trouble->why, "%s", why);
}

static void
asker_on_timeout(void *arg)
{
	struct asker *asker = arg;
	if (asker->count == 0)
		return; /* it begins again with the next question */
	const struct trouble *trouble =
	    asker->first->state <= READY ? &asker->at_fsm : &asker->at_elect;
	timeout_set_why(asker->timeout, trouble->why);
	asker_fail(asker, trouble->status, timeout_sentence(asker->timeout));
}

/* ------------------------------------------------------- the questions */

static void
move_all(struct asker *asker, enum question_state from, enum question_state to)
{
	for (struct question *question = asker->first; question; question = question->next)
		if (question->state == from)
			question->state = to;
}

static void
asker_drop_first(struct asker *asker)
{
	struct question *question = asker->first;
	asker->first = question->next;
	if (asker->first == NULL)
		asker->end = &asker->first;
	asker->count--;
	asker->size -= question->size;
	wire_buf_free(&question->answer);
	free(question);
}

bool
asker_room(const struct asker *asker)
{
	return !asker->over && asker->count < ASKER_IN_FLIGHT_MAX && asker->size < SIZE_MAX_ALL;
}

bool
asker_idle(const struct asker *asker)
{
	return asker->count == 0;
}

void
asker_take(struct asker *asker, const void *data, size_t size)
{
	struct question *question = calloc(1, sizeof *question + size);
	must(question != NULL);
	question->state = asker->elect ? NEW : READY;
	question->number = ++asker->number;
	question->size = size;
	if (size > 0)
		memcpy(question->data, data, size);
	*asker->end = question;
	asker->end = &question->next;
	asker->size += size;
	if (asker->count++ == 0)
		timeout_progress(asker->timeout);
}

/* ------------------------------------------------------- at raft-elect */

static void
ask_for_index(struct asker *asker)
{
	bool any = false;
	if (asker->round != 0 || !link_up(asker->elect) ||
	    uv_is_active((uv_handle_t *)&asker->pause))
		return;
	for (struct question *question = asker->first; question && !any; question = question->next)
		any = question->state == NEW;
	if (!any)
		return;
	asker->round = ++asker->rounds;
	move_all(asker, NEW, ROUND);
	msg_read_index_put(link_out(asker->elect), &(struct msg_read_index){asker->round});
}

static void
no_round(struct asker *asker)
{
	asker->round = 0;
	move_all(asker, ROUND, NEW);
}

static void
asker_on_pause_over(uv_timer_t *timer)
{
	(void)timer; /* the turn that it begins ends with asker_send */
}

static void
on_index(struct asker *asker, const struct msg_read_index_reply *reply)
{
	if (asker->round == 0 || reply->request != asker->round)
		return;
	if (!reply->ok) {
		enum raft_reason reason = (enum raft_reason)reply->reason;
		const char *why = refusal_text(reason, reply->index);
		if (!raft_reason_retry(reason)) {
			asker_fail(asker, refusal_status(reason), why);
			return;
		}
		asker_set(&asker->at_elect, refusal_status(reason), why);
		asker->pause_ms = refusal_pause_ms(asker->pause_ms, reason);
		uv_timer_start(&asker->pause, asker_on_pause_over, asker->pause_ms, 0);
		no_round(asker);
		return;
	}
	/* Never below an earlier one: so the answers come in order. */
	asker->index = reply->index > asker->index ? reply->index : asker->index;
	asker->round = 0;
	asker->pause_ms = 0;
	for (struct question *question = asker->first; question; question = question->next)
		if (question->state == ROUND)
			question->index = asker->index;
	move_all(asker, ROUND, READY);
}

static const char *
asker_on_elect_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct asker *asker = arg;
	struct msg_read_index_reply reply;
	if (asker->over)
		return NULL;
	if (number != MSG_READ_INDEX_REPLY || !msg_read_index_reply_get(&reply, body, size))
		return "raft-elect sends what cannot be read";
	on_index(asker, &reply);
	return NULL;
}

static void
asker_on_elect_up(void *arg)
{
	struct asker *asker = arg;
	asker_set(&asker->at_elect, EXIT_UNAVAILABLE, no_index);
}

static void
asker_on_elect_down(bool was_up, const char *why, void *arg)
{
	struct asker *asker = arg;
	(void)was_up;
	no_round(asker);
	asker_set(&asker->at_elect, EXIT_UNAVAILABLE, why);
}

static void
asker_on_failed(enum exit_status status, const char *why, void *arg)
{
	asker_fail(arg, status, why);
}

static const struct link_calls elect_calls = {.up = asker_on_elect_up,
    .frame = asker_on_elect_frame,
    .down = asker_on_elect_down,
    .failed = asker_on_failed};

/* --------------------------------------------------------- at raft-fsm */

static void
ask_the_program(struct asker *asker)
{
	for (struct question *question = asker->first; question; question = question->next) {
		if (!fsm_link_up(asker->fsm) || fsm_link_choked(asker->fsm) ||
		    question->state > READY)
			return;
		if (question->state <= SENT)
			continue;
		question->state = SENT;
		msg_fsm_query_put(
		    fsm_link_out(asker->fsm), &(struct msg_fsm_query){.request = question->number,
						  .index = question->index,
						  .data = {question->data, question->size}});
	}
}

/* While the program is waited for, the last refusal is the reason. */
static void
set_at_fsm(struct asker *asker)
{
	const char *refused = fsm_link_refused(asker->fsm);
	asker_set(&asker->at_fsm, EXIT_UNAVAILABLE,
	    refused ? refused : "the program of this node has not answered");
}

static void
give_answers(struct asker *asker)
{
	for (struct question *first; (first = asker->first) != NULL && first->state == ANSWERED;
	     asker_drop_first(asker))
		asker->calls->answered(first->number, first->refused,
		    (struct wire_bytes){first->answer.bytes, first->answer.size}, asker->arg);
}

/* An answer belongs to its question by number: raft-fsm may give a later one first. */
static void
asker_on_reply(const struct msg_fsm_reply *reply, void *arg)
{
	struct asker *asker = arg;
	struct question *question = asker->first;
	while (question != NULL && question->number != reply->request)
		question = question->next;
	if (question == NULL || question->state != SENT || reply->state > WIRE_REPLY_REFUSED) {
		fsm_link_break(asker->fsm, "raft-fsm answers what was not asked");
		return;
	}
	timeout_progress(asker->timeout);
	set_at_fsm(asker);
	question->state = ANSWERED;
	question->refused = reply->state == WIRE_REPLY_REFUSED;
	wire_buf_put(&question->answer, reply->data.bytes, reply->data.size);
	give_answers(asker);
}

static void
asker_on_machine_up(void *arg)
{
	set_at_fsm(arg);
}

static void
asker_on_machine_down(const char *why, void *arg)
{
	struct asker *asker = arg;
	move_all(asker, SENT, READY);
	asker_set(&asker->at_fsm, EXIT_UNAVAILABLE, why);
}

static const struct fsm_link_calls machine_calls = {
    asker_on_machine_up, asker_on_reply, asker_on_machine_down, asker_on_failed};

/* ------------------------------------------------------------- the life */

void
asker_send(struct asker *asker)
{
	if (asker->over)
		return;
	if (asker->elect)
		ask_for_index(asker);
	ask_the_program(asker);
}

struct asker *
asker_new(struct loop *loop, const struct asker_settings *settings, const struct asker_calls *calls,
    void *arg)
{
	struct asker *asker = calloc(1, sizeof *asker);
	must(asker != NULL);
	asker->loop = loop;
	asker->calls = calls;
	asker->arg = arg;
	asker->end = &asker->first;
	asker_set(&asker->at_elect, EXIT_UNAVAILABLE, no_index);
	asker_set(&asker->at_fsm, EXIT_UNAVAILABLE, "no answer from raft-fsm");
	uv_timer_init(loop_uv(loop), &asker->pause);
	asker->pause.data = asker;
	asker->timeout = timeout_new(loop, settings->give_up_ms, no_index, asker_on_timeout, asker);
	if (settings->elect)
		asker->elect = link_new(
		    loop, settings->elect, WIRE_CLIENT, settings->program, &elect_calls, asker);
	asker->fsm = fsm_link_new(loop, settings->fsm, settings->program, &machine_calls, asker);
	return asker;
}
