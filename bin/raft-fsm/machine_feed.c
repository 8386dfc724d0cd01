/* SPDX-License-Identifier: ISC */
/* Requests out, replies in. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "machine.h"

enum { READ_SIZE = 64 << 10, READS_A_TURN = 16 };

/* ------- out --------------------------------------------------------------- */

/*
 * While entries are fed singly one goes out when all before it are answered, and the next likewise.
 */
static bool
may_send(struct machine *m, uint64_t index)
{
	if (!feed_open(m->feed) || !pending_room(&m->pending))
		return false;
	bool single = (index >= m->single_from && index <= m->single_to) ||
		      (m->sent >= m->single_from && m->sent <= m->single_to);
	return m->single_from == 0 || !single || m->pending.count == 0;
}

static void machine_feed_settle_local(struct machine *m);

/* Puts what is there.  False when nothing was. */
static bool
machine_feed_fill(struct machine *m)
{
	struct batch *batch = &m->batch;
	bool some = false;
	for (;;) {
		if (batch->at == batch->count) {
			batch_free(batch);
			if (!source_take(m->fsm->source, batch))
				break;
		}
		uint64_t index = batch->first_index + batch->at;
		const struct raft_entry *entry = &batch->entries[batch->at];
		if (machine_terms_stop(m) || !may_send(m, index) ||
		    (m->fsm->trial && machine_try_due(m)) ||
		    !machine_terms_deliverable(m, index, entry))
			break;
		machine_put_entry(m, index, entry);
		batch->at++;
		some = true;
	}
	return some;
}

void
machine_pump(struct machine *m)
{
	bool some;
	if (m->phase == PHASE_RESTORING) {
		feed_flush(m->feed);
		machine_watch(m);
	}
	if (m->feed == NULL || m->phase != PHASE_FEEDING)
		return;
	do {
		if (may_send(m, m->sent + 1))
			machine_put_queries(m);
		if (may_send(m, m->sent + 1))
			machine_snap_put(m);
		some = machine_feed_fill(m);
		machine_feed_settle_local(m);
		if (m->fsm->trial && machine_try_fill(m))
			some = true;
	} while (feed_flush(m->feed) && some);
	machine_serve(m);
	if (m->terms.why[0] && m->pending.count == 0) {
		machine_agree_hold(m, m->terms.why);
		return;
	}
	machine_watch(m);
	if (m->fsm->trial)
		machine_try_end(m);
}

/* ------- in ---------------------------------------------------------------- */

static void
machine_feed_keep(struct machine *m, const struct pending_one *one, enum wire_reply_state state,
    struct wire_bytes data)
{
	const struct kept kept = {.index = one->index,
	    .serial = one->serial,
	    .session = one->session,
	    .state = state,
	    .size = (uint32_t)data.size};
	replies_add(m->replies, &kept, data.bytes);
	if (one->index == m->suspect) {
		m->suspect = 0;
		m->deaths = 0;
	}
}

/* The oldest request has its answer.  A query of --try has no client. */
static void
machine_feed_answer(struct machine *m, enum wire_reply_state state, struct wire_bytes data)
{
	const struct pending_one one = *pending_first(&m->pending);
	if (m->fsm->trial)
		machine_try_answer(m, state, data);
	m->moved = mono_now();
	/* A restore or snapshot may end or begin other things: it is off the list before. */
	pending_drop_first(&m->pending);
	if (one.kind == REQUEST_ENTRY) {
		machine_feed_keep(m, &one, state, data);
	} else if (one.kind == REQUEST_RESTORE && m->fsm->trial) {
		machine_try_restored(m);
	} else if (one.kind == REQUEST_RESTORE) {
		machine_restored(m, state == WIRE_REPLY_OK, data);
	} else if (one.kind == REQUEST_SNAPSHOT) {
		machine_snap_written(m, state == WIRE_REPLY_OK, data);
	} else if (one.ask) {
		ask_reply(one.ask, 0, one.before, (uint8_t)state, data);
		ask_end(one.ask);
	}
}

/* Those that are ours to answer, as soon as they are the oldest. */
static void
machine_feed_settle_local(struct machine *m)
{
	char why[REQUEST_WHY_SIZE];
	for (struct pending_one *one; (one = pending_first(&m->pending)) && one->unfit;)
		machine_feed_answer(m, WIRE_REPLY_REFUSED,
		    request_refusal(why, request_name(one->kind), one->unfit));
}

/* What cannot be passed on is a lost reply of an entry, which is applied; a query may as well be
 * refused. */
static void
take_answer(struct machine *m, const struct reply *reply)
{
	struct pending_one *first = pending_first(&m->pending);
	enum wire_reply_state state = reply->kind == REPLY_OK ? WIRE_REPLY_OK : WIRE_REPLY_REFUSED;
	if (first == NULL) {
		/* Which answer was the one too many is not known. */
		replies_forget(m->replies, m->base);
		machine_fault(m, "the program answers what it was not asked, or twice");
		return;
	}
	if (reply->lost && first->kind == REQUEST_ENTRY)
		state = WIRE_REPLY_LOST;
	else if (reply->lost && first->kind == REQUEST_QUERY)
		state = WIRE_REPLY_REFUSED;
	machine_feed_answer(m, state, reply->lost ? wire_text(reply->lost) : reply->data);
	machine_feed_settle_local(m);
}

static void
take_durable(struct machine *m, uint64_t index)
{
	if (m->fsm->trial)
		machine_try_durable(m, index);
	if (index > m->sent)
		machine_fault(m, "the program says durable %llu, an entry that it was not given",
		    (unsigned long long)index);
	else if (index > m->durable)
		m->durable = index;
}

static void
take_reply(struct machine *m, const struct reply *reply)
{
	char said[TRIAL_SHOWN_SIZE];
	if (m->trial_cut)
		return; /* where raft-fsm is killed it reaches no reader */
	if (reply->kind == REPLY_WRONG && m->fsm->trial) {
		machine_fault(m, "the program breaks the contract: %s: \"%s\"", reply->why,
		    trial_shown(said, reply->data));
	} else if (reply->kind == REPLY_WRONG) {
		machine_fault(m, "the program breaks the contract: %s", reply->why);
	} else if (reply->kind == REPLY_READY) {
		if (m->phase == PHASE_HELLO && m->fsm->trial)
			machine_try_ready(m, reply);
		else if (m->phase == PHASE_HELLO)
			machine_greeted(m, reply);
		else if (m->phase != PHASE_ENDING)
			machine_fault(m, "the program says ready twice");
	} else if (m->phase == PHASE_HELLO) {
		machine_fault(m, "the program does not say ready first");
	} else if (reply->kind == REPLY_DURABLE) {
		take_durable(m, reply->index);
	} else {
		take_answer(m, reply);
	}
}

/* False when nothing more comes. */
static bool
machine_feed_read_some(struct machine *m)
{
	uint8_t *room = reply_room(&m->in, READ_SIZE);
	ssize_t got;
	do
		got = read(m->output->fd, room, READ_SIZE);
	while (got < 0 && errno == EINTR);
	int error = errno;
	reply_added(&m->in, READ_SIZE, got > 0 ? (size_t)got : 0);
	if (got == 0 || (got < 0 && error != EAGAIN)) {
		machine_deaf(m);
		/* Its end is near, or is brought about. */
		if (m->phase != PHASE_ENDING) {
			machine_enter(m, PHASE_ENDING);
			if (m->closed == NULL)
				m->closed = "standard output";
			feed_free(m->feed);
			m->feed = NULL;
			program_deaf(m->fsm->program);
		}
		return false;
	}
	while (m->output && !m->fault[0]) {
		const struct pending_one *first = pending_first(&m->pending);
		m->in.size_max = first ? first->reply_max : m->fsm->conf->fsm.reply_max;
		struct reply reply = reply_next(&m->in);
		if (reply.kind == REPLY_MORE)
			break;
		take_reply(m, &reply);
	}
	return got == READ_SIZE && m->output;
}

void
machine_hear(struct machine *m)
{
	for (int i = 0; i < READS_A_TURN && m->output && !m->fault[0]; i++)
		if (!machine_feed_read_some(m))
			break;
	machine_snap_policy(m);
	machine_pump(m);
	machine_serve(m);
}

static void
machine_feed_on_output(uv_poll_t *poll, int status, int events)
{
	struct output *output = poll->data;
	(void)status, (void)events;
	if (output->machine)
		machine_hear(output->machine);
}

void
machine_listen(struct machine *m, int fd)
{
	struct output *output = calloc(1, sizeof *output);
	must(output != NULL);
	reply_init(&m->in, m->netstring, m->fsm->conf->fsm.reply_max);
	output->machine = m;
	output->fd = fd;
	output->poll.data = output;
	must(uv_poll_init(loop_uv(m->fsm->loop), &output->poll, fd) == 0);
	uv_poll_start(&output->poll, UV_READABLE | UV_DISCONNECT, machine_feed_on_output);
	m->output = output;
}

/* ------- the deadline --------------------------------------------------------- */

/* What is waited for: the oldest request, or the greeting.  0: nothing. */
static uint64_t
machine_feed_patience_ms(struct machine *m, const char **what)
{
	struct pending_one *first = pending_first(&m->pending);
	*what = "ready";
	if (m->phase == PHASE_HELLO)
		return m->fsm->conf->fsm.timeout_ms;
	if (first == NULL || m->phase == PHASE_DOWN || m->phase == PHASE_ENDING)
		return 0;
	*what = request_name(first->kind);
	return first->kind == REQUEST_RESTORE || first->kind == REQUEST_SNAPSHOT
		   ? m->fsm->conf->fsm.snapshot_timeout_ms
		   : m->fsm->conf->fsm.timeout_ms;
}

void
machine_on_deadline(void *arg)
{
	struct machine *m = arg;
	const char *what;
	/* We may have been stopped ourselves: what it has said meanwhile counts. */
	if (m->output)
		machine_hear(m);
	uint64_t patience = machine_feed_patience_ms(m, &what);
	bool late = patience && mono_now().ms - m->moved.ms >= patience;
	if (late && m->fsm->trial)
		machine_fault(m,
		    "the program has said nothing for %llu ms: is its output buffered?",
		    (unsigned long long)patience);
	else if (late)
		machine_fault(m,
		    "the program has not answered to %s for %llu ms: is its output buffered?", what,
		    (unsigned long long)patience);
	else
		machine_watch(m);
}

void
machine_watch(struct machine *m)
{
	const char *what;
	uint64_t patience = machine_feed_patience_ms(m, &what);
	/* It may go off early, never late. */
	if (patience == 0 || (timer_active(m->deadline) && m->armed_ms <= patience))
		return;
	uint64_t gone = mono_now().ms - m->moved.ms;
	m->armed_ms = patience;
	timer_start(m->deadline, gone < patience ? patience - gone + 1 : 1);
}
