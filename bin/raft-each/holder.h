/* SPDX-License-Identifier: ISC */
/*
 * Which member still has an entry: a question to this node's raft-elect.
 *
 * Only the leader knows what its members have: from level 3 on they report it.
 */
#ifndef EACH_HOLDER_H
#define EACH_HOLDER_H

#include "raft/types.h"

struct loop;

enum holder_state {
	HOLDER_MEMBER,  /* this member has it */
	HOLDER_LEARNER, /* so does this one, which cannot lead */
	HOLDER_ASK,     /* this node does not lead: this member does, and knows */
	HOLDER_NONE,    /* no member has it */
	HOLDER_UNKNOWN  /* no member that is connected has it, or there is no answer */
};

/* path: of raft-elect's socket.  found is called once; member: empty in the last two states. */
void holder_find(struct loop *loop, const char *path, const char *program, uint64_t index,
    void (*found)(enum holder_state state, const struct raft_id *member, void *arg), void *arg);

#endif
