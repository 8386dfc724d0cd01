/* SPDX-License-Identifier: ISC */
/*
 * What some subcommands do one after the other, with one limit on the time: something
 * at raft-elect, then wait until this node's log has an index.
 */
#ifndef CTL_STEPS_H
#define CTL_STEPS_H

#include "client/proposal.h"
#include "client/timeout.h"
#include "ctl.h"

struct steps {
	struct tool *tool;
	uint64_t give_up_ms;
	const char *done; /* by the command before these steps; NULL: nothing */
	const char *left; /* the command line for what is left to do after them; NULL: none */
	/* Begins at raft-elect, each time that the connection is made. */
	void (*up)(struct steps *steps);
	/* A frame of raft-elect that is no refusal of the request itself.  False: it cannot be
	 * read. */
	bool (*frame)(struct steps *steps, uint16_t number, const uint8_t *body, size_t size);
	/* Why the first step is not done, for the sentence at the end of the time; NULL: nothing.
	 */
	void (*explain)(struct steps *steps, struct wire_buf *out);
	struct link *elect;
	struct link *log;
	struct proposal *proposal; /* NULL: nothing is proposed */
	uint64_t replaces;         /* of a proposed contract: the index of the one before */
	uint64_t epoch, serial;    /* of a proposed move of a cursor */
	uint64_t requests;
	const char *first; /* what the first step has done */
	bool changed;      /* that is a change of the cluster */
	bool doubt;        /* a request other than a proposal may still be carried out */
	bool over;         /* the time */
	uint64_t index;    /* what this node's log is to have */
	struct timeout *timeout;
};

/*
 * Runs until steps_end.  After the time it exits with one sentence: which steps are done, what is
 * missing, what is left to do.  The status is 69 when nothing was changed, else 76.
 */
void steps_run(struct steps *steps);
void steps_end(struct steps *steps);
/*
 * The second step: ends once the log of this node has the index, committed.  first: what the first
 * step has done; the text must outlive the steps.
 */
void steps_wait_for(struct steps *steps, uint64_t index, const char *first);
/*
 * For `up`: proposes the entry, or again after the connection was lost.  The calls' arg is steps.
 */
void steps_propose(struct steps *steps, const struct proposal_calls *calls, enum raft_kind kind,
    const struct raft_sid *session, const void *data, uint32_t size);
/* For `frame` of what proposes, and for proposal_calls.refused. */
bool steps_answer(struct steps *steps, uint16_t number, const uint8_t *body, size_t size);
void steps_refused(enum raft_reason reason, void *arg);

#endif
