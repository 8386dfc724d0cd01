/* SPDX-License-Identifier: ISC */
/* What clients ask: queries, replies, orders. */
#include "machine.h"

enum { ASKS_MAX = 8192, ASKS_BYTES_MAX = 64 << 20 };

/* Whether the program is there, or soon will be. */
static bool
machine_ask_hopeless(struct machine *m, struct ask *ask)
{
	if (!m->stopping && !m->held)
		return false;
	ask_refuse(ask, EXIT_UNAVAILABLE, m->stopping ? "raft-fsm is being stopped" : m->fsm->why);
	return true;
}

void
machine_ask(struct machine *m, struct ask *ask)
{
	if (machine_ask_hopeless(m, ask))
		return;
	if (m->queries.count + m->waits.count >= ASKS_MAX || m->queries.bytes >= ASKS_BYTES_MAX) {
		ask_refuse(ask, EXIT_RETRY, "too many questions to the program wait");
	} else if (ask->kind == ASK_COMMAND) {
		machine_snap_order(m, ask);
	} else if (ask->kind == ASK_REPLIES) {
		uint64_t last = ask->first + (ask->count ? ask->count - 1 : 0);
		uint64_t until = ask->until ? ask->until : source_commit(m->fsm->source);
		ask->index = ask->first ? last : until;
		asks_put(&m->waits, ask);
		machine_serve(m);
	} else {
		asks_put(&m->queries, ask);
	}
}

static void
answer_replies(struct machine *m, struct ask *ask)
{
	for (uint64_t i = 0; i < ask->count; i++) {
		uint64_t index = ask->first ? ask->first + i : 0;
		const struct kept *kept =
		    replies_find(m->replies, &ask->session, ask->serial + i, index);
		if (kept)
			ask_reply(ask, kept->serial, kept->index, (uint8_t)kept->state,
			    replies_data(m->replies, kept));
		else
			ask_reply(ask, ask->serial + i, index, WIRE_REPLY_LOST, wire_text(""));
	}
	ask_end(ask);
}

void
machine_serve(struct machine *m)
{
	uint64_t answered = machine_answered(m);
	/* Those of one client mostly come in order; each is looked at once for what it waits. */
	bool fed = m->phase == PHASE_FEEDING || m->phase == PHASE_ENDING;
	for (size_t left = fed ? m->waits.count : 0; left > 0; left--) {
		struct ask *ask = asks_take(&m->waits);
		if (ask->index <= answered)
			answer_replies(m, ask);
		else
			asks_put(&m->waits, ask);
	}
}

void
machine_put_queries(struct machine *m)
{
	for (size_t left = m->queries.count; left > 0; left--) {
		struct ask *ask = asks_take(&m->queries);
		if (ask->index <= m->sent && feed_open(m->feed) && pending_room(&m->pending))
			machine_put(m, REQUEST_QUERY, ask->data, ask->size)->ask = ask;
		else
			asks_put(&m->queries, ask);
	}
}
