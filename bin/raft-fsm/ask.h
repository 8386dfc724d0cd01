/* SPDX-License-Identifier: ISC */
/*
 * A question of a client on the socket fsm that is not answered yet.
 *
 * Whoever has it answers it and ends it; when the client is gone meanwhile the answer goes nowhere.
 */
#ifndef FSM_ASK_H
#define FSM_ASK_H

#include "fsm.h"
#include "wire/message.h"

struct fsm_client;

enum ask_kind { ASK_COMMAND, ASK_QUERY, ASK_REPLIES };

struct ask {
	struct ask *next;
	struct fsm_client *client;
	enum ask_kind kind;
	uint64_t request;
	uint64_t index; /* answered once all up to here is */
	/* Of ASK_REPLIES: serials [serial, serial + count); first: the index of the first one; 0:
	 * not known, and then none of them lies behind until. */
	struct raft_sid session;
	uint64_t serial, count, first, until;
	/* A query, or a command as text (NUL behind it). */
	uint8_t *data;
	size_t size;
};

/* A queue of them. */
struct asks {
	struct ask *first, **end;
	size_t count;
	size_t bytes; /* of their data */
};
void asks_put(struct asks *asks, struct ask *ask);
/* Takes the first; NULL: none. */
struct ask *asks_take(struct asks *asks);

void ask_reply(
    const struct ask *ask, uint64_t serial, uint64_t index, uint8_t state, struct wire_bytes data);
/* These two end the ask. */
void ask_text(struct ask *ask, const char *text);
void ask_refuse(struct ask *ask, enum exit_status status, const char *sentence);
void ask_end(struct ask *ask);
/* Refuses all of them. */
void asks_refuse(struct asks *asks, enum exit_status status, const char *sentence);

#endif
