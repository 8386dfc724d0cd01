/* SPDX-License-Identifier: ISC */
/* The way out when no quorum is left that remembers: asked for twice, and logged. */
#include "accept.h"

#include <stdio.h>
#include <stdlib.h>

#include "txn.h"
#include "logd.h"

static const char question[] =
    "node %s is recovering: its log ends at index %llu, and entries that it had acknowledged may "
    "be missing.\n"
    "It will heal by itself as soon as a leader is elected by others; then there is nothing to do "
    "here.\n"
    "When no quorum is left that way, raft-logd --accept-loss --yes lets it vote and stand again "
    "as it is:\n"
    "entries that were acknowledged to clients may then be lost for good, on every node.\n"
    "First start every other node, wait, and take the copy with the highest term and index.\n";

_Noreturn void
accept_loss(struct logd *logd)
{
	struct db_state state = logd->state;
	unsigned long long last = logd->rlog.last.pos.index;
	if (!state.recovering) {
		printf("node %s is not recovering: there is nothing to accept\n",
		    logd->identity.node.s);
		exit(EXIT_OK);
	}
	if (!logd->yes) {
		printf(question, logd->identity.node.s, last);
		exit(EXIT_RETRY);
	}
	state.recovering = false;
	state.mark_valid = true;
	state.mark_term = 0;
	txn_state(logd, &state);
	log_warn("accept_loss", "last=%llu term=%llu why=%s", last, (unsigned long long)state.term,
	    log_q("told to take part again as it is: acknowledged entries may be lost"));
	printf(
	    "node %s takes part again: its log ends at index %llu\n", logd->identity.node.s, last);
	exit(EXIT_OK);
}
