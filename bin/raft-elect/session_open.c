/* SPDX-License-Identifier: ISC */
/* Asking raft-logd for the digests of sessions and the positions of cursors. */
#include "session_open.h"

#include <stdlib.h>

#include "raft/array.h"
#include "node.h"

enum { ASK_EVERY_MS = 10, GIVE_UP_MS = 5000 };

struct session_open {
	uint64_t ticket;
	uint64_t request; /* the question under way; 0: none */
	struct mono_ms ask_at;
	struct mono_ms give_up_at;
	struct raft_answer answer;
};

void
session_open_add(
    struct session_opens *session_opens, uint64_t ticket, const struct raft_answer *answer)
{
	struct mono_ms now = mono_now();
	RAFT_GROW(session_opens->list, session_opens->room, session_opens->count + 1);
	session_opens->list[session_opens->count++] = (struct session_open){
	    .ticket = ticket,
	    .ask_at = now,
	    .give_up_at = {now.ms + GIVE_UP_MS},
	    .answer = *answer,
	};
}

/* Answers and takes it off the list; the last one moves to its place. */
static void
session_open_finish(struct session_opens *session_opens, struct session_open *open,
    const struct msg_session *session)
{
	struct ticket *ticket = tickets_find(&session_opens->node->tickets, open->ticket);
	if (ticket)
		clients_answer(&session_opens->node->clients, ticket, &open->answer, session);
	*open = session_opens->list[--session_opens->count];
}

void
session_open_session(struct session_opens *session_opens, const struct msg_session *session)
{
	size_t i = 0;
	while (i < session_opens->count && session_opens->list[i].request != session->request)
		i++;
	if (i == session_opens->count)
		return;
	struct session_open *open = &session_opens->list[i];
	struct raft_answer *answer = &open->answer;
	open->request = 0;
	open->ask_at.ms = mono_now().ms + ASK_EVERY_MS;
	if (!session->found || session->epoch < answer->epoch ||
	    session->serial < answer->last_serial)
		return;
	answer->last_serial = session->serial;
	session_open_finish(session_opens, open, session);
}

static void
session_open_ask(struct session_opens *session_opens, struct session_open *open)
{
	const struct ticket *ticket = tickets_find(&session_opens->node->tickets, open->ticket);
	if (ticket == NULL)
		return;
	open->request = ++session_opens->requests;
	logd_session(&session_opens->node->logd, open->request, &ticket->open);
}

/* The commit index has been told to raft-logd before: what it answers then is at least that new. */
static bool
may_ask(
    const struct session_opens *session_opens, const struct session_open *open, struct mono_ms now)
{
	return open->request == 0 && open->ask_at.ms <= now.ms &&
	       session_opens->node->commit.index >= open->answer.epoch;
}

static uint64_t
wanted_at(const struct session_open *open)
{
	if (open->request != 0 || open->ask_at.ms > open->give_up_at.ms)
		return open->give_up_at.ms;
	return open->ask_at.ms;
}

struct mono_ms
session_open_turn(struct session_opens *session_opens, struct mono_ms now)
{
	static const struct msg_session none;
	struct mono_ms next = {UINT64_MAX};
	for (size_t i = 0; i < session_opens->count;) {
		struct session_open *open = &session_opens->list[i];
		if (now.ms >= open->give_up_at.ms) {
			open->answer.verdict = RAFT_UNKNOWN;
			open->answer.reason = RAFT_REASON_NO_ANSWER;
			session_open_finish(session_opens, open, &none);
			continue;
		}
		if (may_ask(session_opens, open, now))
			session_open_ask(session_opens, open);
		else if (open->request == 0 && open->ask_at.ms <= now.ms)
			open->ask_at.ms = now.ms + ASK_EVERY_MS;
		if (wanted_at(open) < next.ms)
			next.ms = wanted_at(open);
		i++;
	}
	return next;
}

void
session_open_clear(struct session_opens *session_opens)
{
	session_opens->count = 0;
}
