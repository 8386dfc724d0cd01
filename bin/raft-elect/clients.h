/* SPDX-License-Identifier: ISC */
/*
 * The front door: connections of clients, their proposals, reads, and questions.
 *
 * A client that has too much outstanding, or does not take its answers, is not read until that
 * has gone down: the pipe of its producer fills up instead of our memory.  So is each client that
 * proposes while the core is congested.
 */
#ifndef ELECT_CLIENTS_H
#define ELECT_CLIENTS_H

#include "raft/raft.h"
#include "local/server.h"
#include "tickets.h"

struct node;
struct elect_client;

struct elect_clients {
	struct node *node;
	struct server *server;
	size_t held_count;     /* of its clients, those that are not read now */
	size_t leads_count;    /* those that asked for grants */
	uint64_t lead_hold_ms; /* until then a client that has gone may let its command run */
};

/* Listens.  Errors: exits with one sentence. */
void clients_open(struct elect_clients *clients, struct node *node);
/* No more connections, and no more frames from those that are there. */
void clients_close(struct elect_clients *clients);
void clients_flush(struct elect_clients *clients);
/* From NULL on; NULL after the last. */
struct elect_client *clients_next(
    const struct elect_clients *clients, const struct elect_client *client);

/*
 * The core's answer; ticket is dropped when it has the last one.  session: what raft-logd says of
 * the session that was opened; else all zero.
 */
void clients_answer(struct elect_clients *clients, struct ticket *ticket,
    const struct raft_answer *answer, const struct msg_session *session);
void clients_read_answer(
    struct elect_clients *clients, struct ticket *ticket, const struct raft_read_answer *answer);
/* All that is outstanding is unknown. */
void clients_answer_unknown(struct elect_clients *clients, enum raft_reason reason);
/* Tells the state to those that watch. */
void clients_tell_state(struct elect_clients *clients);
/* At the end of a turn: goes on reading from those that may. */
void clients_turn(struct elect_clients *clients);

#endif
