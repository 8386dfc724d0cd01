/* SPDX-License-Identifier: ISC */
/* Asking raft-logd for the digests of sessions. */
#include "opens.h"

#include <stdlib.h>

#include "node.h"

enum {
	ASK_EVERY_MS = 10,
	GIVE_UP_MS = 5000
};

struct open {
	uint64_t ticket;
	uint64_t request; /* the question under way; 0: none */
	struct mono_ms ask_at;
	struct mono_ms give_up_at;
	struct raft_answer answer;
};

void
opens_add(struct opens *opens, uint64_t ticket, const struct raft_answer *answer)
{
	struct mono_ms now = mono_now();
	if (opens->count == opens->room) {
		opens->room = opens->room ? 2 * opens->room : 16;
		opens->list = realloc(opens->list, opens->room * sizeof *opens->list);
		must(opens->list != NULL);
	}
	opens->list[opens->count++] = (struct open){
	    .ticket = ticket,
	    .ask_at = now,
	    .give_up_at = {now.ms + GIVE_UP_MS},
	    .answer = *answer,
	};
}

/* Answers and takes it off the list; the last one moves to its place. */
static void
finish(struct opens *opens, struct open *open, const struct wire_hash *digest)
{
	struct ticket *ticket = tickets_find(&opens->node->tickets, open->ticket);
	if (ticket)
		clients_answer(&opens->node->clients, ticket, &open->answer, digest);
	*open = opens->list[--opens->count];
}

void
opens_session(struct opens *opens, const struct msg_session *session)
{
	size_t i = 0;
	while (i < opens->count && opens->list[i].request != session->request)
		i++;
	if (i == opens->count)
		return;
	struct open *open = &opens->list[i];
	struct raft_answer *answer = &open->answer;
	open->request = 0;
	open->ask_at.ms = mono_now().ms + ASK_EVERY_MS;
	if (!session->found || session->epoch < answer->epoch || session->serial < answer->last_serial)
		return;
	answer->last_serial = session->serial;
	finish(opens, open, &session->digest);
}

static void
ask(struct opens *opens, struct open *open)
{
	const struct ticket *ticket = tickets_find(&opens->node->tickets, open->ticket);
	if (ticket == NULL)
		return;
	open->request = ++opens->requests;
	rlog_session(&opens->node->rlog, open->request, &ticket->open);
}

/* The commit index has been told to raft-logd before: what it answers then is at least that new. */
static bool
may_ask(const struct opens *opens, const struct open *open, struct mono_ms now)
{
	return open->request == 0 && open->ask_at.ms <= now.ms && opens->node->commit.index >= open->answer.epoch;
}

static uint64_t
wanted_at(const struct open *open)
{
	if (open->request != 0 || open->ask_at.ms > open->give_up_at.ms)
		return open->give_up_at.ms;
	return open->ask_at.ms;
}

struct mono_ms
opens_turn(struct opens *opens, struct mono_ms now)
{
	static const struct wire_hash none;
	struct mono_ms next = {UINT64_MAX};
	for (size_t i = 0; i < opens->count;) {
		struct open *open = &opens->list[i];
		if (now.ms >= open->give_up_at.ms) {
			open->answer.verdict = RAFT_UNKNOWN;
			open->answer.reason = RAFT_REASON_NO_ANSWER;
			finish(opens, open, &none);
			continue;
		}
		if (may_ask(opens, open, now))
			ask(opens, open);
		else if (open->request == 0 && open->ask_at.ms <= now.ms)
			open->ask_at.ms = now.ms + ASK_EVERY_MS;
		if (wanted_at(open) < next.ms)
			next.ms = wanted_at(open);
		i++;
	}
	return next;
}

void
opens_clear(struct opens *opens)
{
	opens->count = 0;
}
