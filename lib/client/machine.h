/* SPDX-License-Identifier: ISC */
/*
 * The state machine of this node: a link to raft-fsm, once that has said that it runs a
 * program of mode machine.  It is made again when it ends, and is up only after
 * that question.
 */
#ifndef CLIENT_MACHINE_H
#define CLIENT_MACHINE_H

#include "link.h"

struct machine;

struct machine_calls {
	/* From now on machine_out may be used. */
	void (*up)(void *arg);
	void (*reply)(const struct msg_fsm_reply *reply, void *arg);
	/* An attempt failed, or the link ended: what was asked and not answered never will be. */
	void (*down)(const char *why, void *arg);
	/*
	 * No further attempt makes sense: raft-fsm runs no machine, or cannot be reached for good.  That the
	 * program cannot answer now is a `down`.
	 * May be followed by machine_free only.
	 */
	void (*failed)(enum exit_status status, const char *why, void *arg);
};

/* path: of raft-fsm's socket.  No call comes before machine_new returns. */
struct machine *machine_new(struct loop *loop, const char *path, const char *program,
    const struct machine_calls *calls, void *arg);
/* Takes NULL. */
void machine_free(struct machine *machine);
bool machine_up(const struct machine *machine);
/*
 * Why raft-fsm refused the last question.  NULL: it answered it, or the link failed.  The reason outlasts the
 * end of the connection that a refusal brings, until the next answer or failure.
 */
const char *machine_refused(const struct machine *machine);
/* Before: machine_up. */
struct wire_buf *machine_out(struct machine *machine);
bool machine_choked(const struct machine *machine);
/* As conn_read_now. */
void machine_read_now(struct machine *machine);
/* Ends the link and tries anew: for one that talks nonsense. */
void machine_break(struct machine *machine, const char *why);

#endif
