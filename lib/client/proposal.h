/* SPDX-License-Identifier: ISC */
/*
 * One proposal of one entry (a barrier, the opening or dropping of a session, one move of a
 * cursor), sent again until it is answered for good.
 *
 * An entry without a serial is not admitted exactly once: each of them is harmless when it is in
 * the log twice.  The owner has the link and passes on what concerns this: up, answers, down.
 */
#ifndef CLIENT_PROPOSAL_H
#define CLIENT_PROPOSAL_H

#include "local/link.h"
#include "raft/reason.h"

struct proposal;

struct proposal_calls {
	/*
	 * Answered: committed, or refused for a reason that no retry cures.  doubt: an earlier
	 * attempt may be in the log.  The callee may proposal_propose another entry, or once_free.
	 */
	void (*done)(const struct msg_answer *answer, bool doubt, void *arg);
	/* An attempt was refused or in doubt and will be made again: for the reason at the end of
	 * the time. */
	void (*refused)(enum raft_reason reason, void *arg);
};

/* Requests are numbered from *requests on, which the owner shares. */
struct proposal *proposal_new(struct loop *loop, struct link *link, uint64_t *requests,
    const struct proposal_calls *calls, void *arg);
/* Takes NULL. */
void proposal_free(struct proposal *proposal);
/* Proposes it, now if the link is up.  fence: 0 for any term. */
void proposal_propose(struct proposal *proposal, enum raft_kind kind,
    const struct raft_sid *session, uint64_t fence, const void *data, uint32_t size);
/* Of a contract: the index of the one that it replaces; before proposal_propose, 0 without this. */
void proposal_replaces(struct proposal *proposal, uint64_t index);
/* Of a move of a cursor: the epoch and the serial; before proposal_propose. */
void proposal_moves(struct proposal *proposal, uint64_t epoch, uint64_t serial);
void proposal_up(struct proposal *proposal);
void proposal_down(struct proposal *proposal);
/* False when the answer is to another request. */
bool proposal_answer(struct proposal *proposal, const struct msg_answer *answer);
/* Whether an attempt may be in the log, or has no answer. */
bool proposal_in_doubt(const struct proposal *proposal);

#endif
