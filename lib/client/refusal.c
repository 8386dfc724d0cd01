/* SPDX-License-Identifier: ISC */
/* Reasons of refusals as exit statuses. */
#include "refusal.h"

enum { PAUSE_FIRST_MS = 20, PAUSE_MAX_MS = 500 };

enum exit_status
refusal_status(enum raft_reason reason)
{
	switch (reason) {
	case RAFT_BUSY_REASON:
	case RAFT_DISK_FULL_REASON:
	case RAFT_GAP_REASON:
	case RAFT_AHEAD_REASON:
	case RAFT_TOO_OLD_REASON:
	case RAFT_EXPIRED_REASON:
	case RAFT_SESSIONS_FULL_REASON:
	case RAFT_TRANSFERRING_REASON:
	case RAFT_RECOVERING_REASON:
	case RAFT_CHANGE_PENDING_REASON:
	case RAFT_NOT_CAUGHT_UP_REASON:
	case RAFT_TRANSFER_FAILED_REASON:
	case RAFT_TERM_YOUNG_REASON:
	case RAFT_FEW_VOTERS_REASON:
		return EXIT_RETRY;
	case RAFT_OLD_EPOCH_REASON:
	case RAFT_FENCED_REASON:
	case RAFT_NOT_ALLOWED_REASON:
		return EXIT_FENCED;
	case RAFT_NO_MEMBER_REASON:
	case RAFT_MEMBER_EXISTS_REASON:
	case RAFT_ID_USED_REASON:
	case RAFT_LAST_VOTER_REASON:
	case RAFT_MEMBERS_FULL_REASON:
	case RAFT_NOT_VOTER_REASON:
	case RAFT_TOO_LARGE_REASON:
		return EXIT_DATA;
	case RAFT_MALFORMED_REASON:
		return EXIT_BUG;
	default:
		return EXIT_UNAVAILABLE;
	}
}

uint64_t
refusal_pause_ms(uint64_t before)
{
	uint64_t pause = before == 0 ? PAUSE_FIRST_MS : 2 * before;
	return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}
