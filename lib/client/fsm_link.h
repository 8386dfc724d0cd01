/* SPDX-License-Identifier: ISC */
/*
 * The state machine of this node: a link to raft-fsm, once that has said that it runs a
 * program of mode machine.  It is made again when it ends, and is up only after
 * that question.
 */
#ifndef CLIENT_FSM_LINK_H
#define CLIENT_FSM_LINK_H

#include "local/link.h"

struct fsm_link;

struct fsm_link_calls {
	/* From now on fsm_link_out may be used. */
	void (*up)(void *arg);
	void (*reply)(const struct msg_fsm_reply *reply, void *arg);
	/* An attempt failed, or the link ended: what was asked and not answered never will be. */
	void (*down)(const char *why, void *arg);
	/*
	 * No further attempt makes sense: raft-fsm runs no machine, or cannot be reached for good.
	 * That the program cannot answer now is a `down`. May be followed by fsm_link_free only.
	 */
	void (*failed)(enum exit_status status, const char *why, void *arg);
};

/* path: of raft-fsm's socket.  No call comes before fsm_link_new returns. */
struct fsm_link *fsm_link_new(struct loop *loop, const char *path, const char *program,
    const struct fsm_link_calls *calls, void *arg);
/* Takes NULL. */
void fsm_link_free(struct fsm_link *fsm);
bool fsm_link_up(const struct fsm_link *fsm);
/*
 * Why raft-fsm refused the last question.  NULL: it answered it, or the link failed.  The reason
 * outlasts the end of the connection that a refusal brings, until the next answer or failure.
 */
const char *fsm_link_refused(const struct fsm_link *fsm);
/* Before: fsm_link_up. */
struct wire_buf *fsm_link_out(struct fsm_link *fsm);
bool fsm_link_choked(const struct fsm_link *fsm);
/* Ends the link and tries anew: for one that talks nonsense. */
void fsm_link_break(struct fsm_link *fsm, const char *why);

#endif
