/* SPDX-License-Identifier: ISC */
/*
 * The replies of this node's state machine to what was committed (-r), in order.
 *
 * Committed entries are noted; raft-fsm is asked for the replies of a run of them at a time, and what gathers
 * meanwhile is the next run.  Asking changes nothing, so after a lost connection it is asked again.
 * A reply that raft-fsm no longer has is lost: the entry was applied, once, and never is again.
 */
#ifndef APPEND_REPLIES_H
#define APPEND_REPLIES_H

#include "../../lib/unix/exit.h"
#include "../../lib/unix/loop.h"
#include "../../lib/unix/sock.h"
#include "../../lib/wire/message.h"

struct replies;

/* As fsm_reply has them. */
enum reply_state { REPLY_OK, REPLY_REFUSED, REPLY_LOST };

struct reply {
	uint64_t number; /* of the entry, counted from 1 */
	struct raft_pos pos; /* index 0: not known */
	enum reply_state state;
	struct wire_bytes data;
};

struct replies_calls {
	/* Each entry once, in order. */
	void (*reply)(const struct reply *reply, void *arg);
	/* No more will come: why is one sentence.  Nothing more is called. */
	void (*failed)(enum exit_status status, const char *why, void *arg);
};

/* Sockets of raft-fsm and raft-elect. */
struct replies_paths {
	char fsm[SOCK_PATH_MAX], elect[SOCK_PATH_MAX];
};

struct replies *replies_new(struct loop *loop, const struct replies_paths *paths, const char *program, uint64_t give_up_ms,
    const struct replies_calls *calls, void *arg);
/* Whether raft-fsm has been reached and runs a state machine: before, nothing should be appended. */
bool replies_ready(const struct replies *replies);
/* Whether more entries may be under way. */
bool replies_room(const struct replies *replies);
/* The entries [number, number + count) are committed: their place in the session and, where known, in the log. */
void replies_want(struct replies *replies, uint64_t number, uint64_t count, const struct raft_sid *session,
    uint64_t serial, struct raft_pos pos);
/* Gives up within a second from now. */
void replies_hurry(struct replies *replies);
/* At the end of each turn. */
void replies_send(struct replies *replies);
/* None is wanted any more. */
bool replies_idle(const struct replies *replies);

#endif
