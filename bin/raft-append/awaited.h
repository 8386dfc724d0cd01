/* SPDX-License-Identifier: ISC */
/*
 * The replies of this node's state machine to what was committed (-r), in order.
 *
 * Committed entries are noted; raft-fsm is asked for the replies of a run of them at a time, and
 * what gathers meanwhile is the next run.  Asking changes nothing, so after a lost connection it is
 * asked again. A reply that raft-fsm no longer has is lost: the entry was applied, once, and never
 * is again.
 */
#ifndef APPEND_AWAITED_H
#define APPEND_AWAITED_H

#include "unix/exit.h"
#include "unix/loop.h"
#include "unix/sock.h"
#include "wire/message.h"

struct awaited;

struct awaited_reply {
	uint64_t number;     /* of the entry, counted from 1 */
	struct raft_pos pos; /* index 0: not known */
	enum wire_reply_state state;
	struct wire_bytes data;
};

struct awaited_calls {
	/* Each entry once, in order. */
	void (*reply)(const struct awaited_reply *reply, void *arg);
	/* No more will come: why is one sentence.  Nothing more is called. */
	void (*failed)(enum exit_status status, const char *why, void *arg);
};

/* Sockets of raft-fsm and raft-elect. */
struct awaited_paths {
	char fsm[SOCK_PATH_MAX], elect[SOCK_PATH_MAX];
};

struct awaited *awaited_new(struct loop *loop, const struct awaited_paths *paths,
    const char *program, uint64_t give_up_ms, const struct awaited_calls *calls, void *arg);
/*
 * Whether raft-fsm has been reached and runs a state machine: before, nothing should be appended.
 */
bool awaited_ready(const struct awaited *awaited);
/* Whether more entries may be under way. */
bool awaited_room(const struct awaited *awaited);
/* The entries [number, number + count) are committed: their place in the session and, where known,
 * in the log. */
void awaited_want(struct awaited *awaited, uint64_t number, uint64_t count,
    const struct raft_sid *session, uint64_t serial, struct raft_pos pos);
/* Gives up within a second from now. */
void awaited_hurry(struct awaited *awaited);
/* At the end of each turn. */
void awaited_send(struct awaited *awaited);
/* None is wanted any more. */
bool awaited_idle(const struct awaited *awaited);

#endif
