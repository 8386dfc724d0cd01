/* SPDX-License-Identifier: ISC */
/*
 * One proposal of one entry without a serial (a barrier, the opening or dropping of a
 * session), sent again until it is answered for good.
 *
 * Such entries are not admitted exactly once: each of them is harmless when it is in the log twice.
 * The owner has the link and passes on what concerns this: up, answers, down.
 */
#ifndef CLIENT_ONCE_H
#define CLIENT_ONCE_H

#include "../raft/reason.h"
#include "link.h"

struct once;

struct once_calls {
	/*
	 * Answered: committed, or refused for a reason that no retry cures.  doubt: an earlier attempt
	 * may be in the log.  The callee may once_propose another entry, or once_free.
	 */
	void (*done)(const struct msg_answer *answer, bool doubt, void *arg);
	/* An attempt was refused or in doubt and will be made again: for the reason at the end of the time. */
	void (*refused)(enum raft_reason reason, void *arg);
};

/* Requests are numbered from *requests on, which the owner shares. */
struct once *once_new(struct loop *loop, struct link *link, uint64_t *requests,
    const struct once_calls *calls, void *arg);
/* Takes NULL. */
void once_free(struct once *once);
/* Proposes it, now if the link is up.  fence: 0 for any term. */
void once_propose(struct once *once, enum raft_kind kind, const struct raft_sid *session, uint64_t fence,
    const void *data, uint32_t size);
void once_up(struct once *once);
void once_down(struct once *once);
/* False when the answer is to another request. */
bool once_answer(struct once *once, const struct msg_answer *answer);
/* Whether an attempt may be in the log, or has no answer. */
bool once_in_doubt(const struct once *once);

#endif
