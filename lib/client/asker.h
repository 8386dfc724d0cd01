/* SPDX-License-Identifier: ISC */
/*
 * Asks the state machine of this node, in order, many questions at a time.
 *
 * A linearizable read (§6.4) in two steps: an index from raft-elect, then the question to raft-fsm,
 * which lets the program answer once it has answered all entries up to that index.  One index
 * serves all questions that had been taken before it was asked for.  Reads change nothing, so
 * whatever is lost on the way is asked again.
 */
#ifndef CLIENT_ASKER_H
#define CLIENT_ASKER_H

#include "unix/exit.h"
#include "unix/loop.h"
#include "wire/message.h"

struct asker;

struct asker_settings {
	const char *elect;   /* path of raft-elect's socket; NULL: the answers may be stale */
	const char *fsm;     /* path of raft-fsm's socket */
	const char *program; /* who we are */
	uint64_t give_up_ms; /* without an answer */
};

struct asker_calls {
	/* The program's answer to question `number`, counted from 1; each once, in order. */
	void (*answered)(uint64_t number, bool refused, struct wire_bytes data, void *arg);
	/* The end: why is one sentence.  Nothing more is called. */
	void (*failed)(enum exit_status status, const char *why, void *arg);
};

/* Questions taken and not answered. */
enum { ASKER_IN_FLIGHT_MAX = 1024 };

struct asker *asker_new(struct loop *loop, const struct asker_settings *settings,
    const struct asker_calls *calls, void *arg);
/* Whether it takes one more question now. */
bool asker_room(const struct asker *asker);
/* Copies the question. */
void asker_take(struct asker *asker, const void *data, size_t size);
/* At the end of each turn. */
void asker_send(struct asker *asker);
/* All is answered. */
bool asker_idle(const struct asker *asker);

#endif
