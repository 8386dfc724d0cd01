/* SPDX-License-Identifier: ISC */
/* One question to one daemon of this node. */
#ifndef CTL_QUERY_H
#define CTL_QUERY_H

#include "local/link.h"
#include "text.h"

struct query {
	const char *socket; /* "log", "peer", "elect", "fsm" */
	const char *what;   /* of query_text */
	bool patient;       /* tries again until it is answered */
	const char *done;   /* by the command before the question; NULL: nothing */
	bool settled;
	bool answered;
	struct text text;
	char why[1024]; /* not answered: one sentence */
	struct link *link;
};

struct tool;

/* Asks them all at once; returns when each is settled, or after the time. */
void query_all(struct tool *tool, struct query *queries, size_t count, uint64_t timeout_ms);
/* Asks one until it answers with something; exits 69, or 76 if something is done, after the time.
 */
void query_one(struct tool *tool, struct query *query, uint64_t timeout_ms);

#endif
