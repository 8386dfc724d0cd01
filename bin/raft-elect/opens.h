/* SPDX-License-Identifier: ISC */
/*
 * Openings of named sessions that are committed and wait for their digest.
 *
 * Only raft-logd knows the digest of a session's data, and it must be that of the serials which the
 * answer names: so this node's own raft-logd is asked until its table has the
 * opening, and the last serial and the digest are both taken from there.
 */
#ifndef ELECT_OPENS_H
#define ELECT_OPENS_H

#include "../../lib/raft/raft.h"
#include "../../lib/wire/message.h"

struct node;
struct open;

struct opens {
	struct node *node;
	struct open *list;
	size_t count;
	size_t room;
	uint64_t requests; /* numbers given out */
};

/* The opening of ticket is committed, as answer says; the ticket stays taken until it is answered. */
void opens_add(struct opens *opens, uint64_t ticket, const struct raft_answer *answer);
/* raft-logd's word on a session. */
void opens_session(struct opens *opens, const struct msg_session *session);
/* At the end of a turn: asks, asks again, gives up.  Returns when it wants the next turn; UINT64_MAX: never. */
struct mono_ms opens_turn(struct opens *opens, struct mono_ms now);
/* The core is gone; its tickets are answered by others. */
void opens_clear(struct opens *opens);

#endif
