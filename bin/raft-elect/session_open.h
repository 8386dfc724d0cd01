/* SPDX-License-Identifier: ISC */
/*
 * Openings of named sessions and cursors that are committed and wait for digest and position.
 *
 * Only raft-logd knows the digest of a session's data, and it must be that of the serials which the
 * answer names, as must the position of a cursor: so this node's own raft-logd is asked until its
 * table has the opening, and all three are taken from there.
 */
#ifndef ELECT_SESSION_OPEN_H
#define ELECT_SESSION_OPEN_H

#include "raft/raft.h"
#include "wire/message.h"

struct node;
struct session_open;

struct session_opens {
	struct node *node;
	struct session_open *list;
	size_t count;
	size_t room;
	uint64_t requests; /* numbers given out */
};

/*
 * The opening of ticket is committed, as answer says; the ticket stays taken until it is answered.
 */
void session_open_add(
    struct session_opens *session_opens, uint64_t ticket, const struct raft_answer *answer);
/* raft-logd's word on a session. */
void session_open_session(struct session_opens *session_opens, const struct msg_session *session);
/* At the end of a turn: asks, asks again, gives up.  Returns when it wants the next turn;
 * UINT64_MAX: never. */
struct mono_ms session_open_turn(struct session_opens *session_opens, struct mono_ms now);
/* The core is gone; its tickets are answered by others. */
void session_open_clear(struct session_opens *session_opens);

#endif
