/* SPDX-License-Identifier: ISC */
/* Reasons of refusals as exit statuses. */
#include "refusal.h"

#include <inttypes.h>
#include <stdio.h>

enum { PAUSE_FIRST_MS = 20, PAUSE_MAX_MS = 100 };

enum exit_status
refusal_status(enum raft_reason reason)
{
	switch (reason) {
	case RAFT_REASON_BUSY:
	case RAFT_REASON_DISK_FULL:
	case RAFT_REASON_GAP:
	case RAFT_REASON_AHEAD:
	case RAFT_REASON_TOO_OLD:
	case RAFT_REASON_EXPIRED:
	case RAFT_REASON_SESSIONS_FULL:
	case RAFT_REASON_TRANSFERRING:
	case RAFT_REASON_RECOVERING:
	case RAFT_REASON_CHANGE_PENDING:
	case RAFT_REASON_NOT_CAUGHT_UP:
	case RAFT_REASON_TRANSFER_FAILED:
	case RAFT_REASON_TERM_YOUNG:
	case RAFT_REASON_FEW_VOTERS:
	case RAFT_REASON_LEVEL:
	case RAFT_REASON_CONTRACT_CHANGED:
		return EXIT_RETRY;
	case RAFT_REASON_OLD_EPOCH:
	case RAFT_REASON_FENCED:
	case RAFT_REASON_NOT_ALLOWED:
		return EXIT_FENCED;
	case RAFT_REASON_NO_MEMBER:
	case RAFT_REASON_MEMBER_EXISTS:
	case RAFT_REASON_ID_USED:
	case RAFT_REASON_LAST_VOTER:
	case RAFT_REASON_MEMBERS_FULL:
	case RAFT_REASON_NOT_VOTER:
	case RAFT_REASON_TOO_LARGE:
	case RAFT_REASON_CONTRACT:
	case RAFT_REASON_CURSOR_AHEAD:
		return EXIT_DATA;
	case RAFT_REASON_MALFORMED:
		return EXIT_BUG;
	case RAFT_REASON_REMOVED:
		return EXIT_CONFIG;
	default:
		return EXIT_UNAVAILABLE;
	}
}

const char *
refusal_text(enum raft_reason reason, uint64_t index)
{
	static char text[96];
	if (reason == RAFT_REASON_CONTRACT)
		return "an entry holds a newline or a NUL, which the contract of the state machine "
		       "does not allow (raft-ctl contract show)";
	if (reason != RAFT_REASON_REMOVED)
		return raft_reason_text(reason);
	snprintf(text, sizeof text, "%s at entry %" PRIu64, raft_reason_text(reason), index);
	return text;
}

uint64_t
refusal_pause_ms(uint64_t before, enum raft_reason reason)
{
	bool first = before == 0 || reason == RAFT_REASON_LEADER_CHANGED;
	uint64_t pause = first ? PAUSE_FIRST_MS : 2 * before;
	return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}
