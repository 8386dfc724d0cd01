/* SPDX-License-Identifier: ISC */
/*
 * The three answers to a proposal, and why.
 *
 * COMMITTED: it is in the log for ever.  REFUSED: this attempt is not in the
 * log and never will be.  UNKNOWN: it may be.  There is no fourth.
 */
#ifndef RAFT_REASON_H
#define RAFT_REASON_H

#include <stdbool.h>

#define RAFT_VERDICTS(V)                                                                           \
	V(0, COMMITTED, "committed")                                                               \
	V(1, REFUSED, "refused")                                                                   \
	V(2, UNKNOWN, "unknown")
enum raft_verdict {
#define V(number, NAME, text) RAFT_##NAME = number,
	RAFT_VERDICTS(V)
#undef V
	    RAFT_VERDICTS_COUNT
};

/*
 * Reasons: number, NAME, text, what a client does about it (retry: the same
 * serials again after a pause; stop: no retry helps).  The numbers are on the wire.
 */
#define RAFT_REASONS(R)                                                                            \
	R(0, NONE, "none", retry)                                                                  \
	R(1, NO_LEADER, "no leader is known", retry)                                               \
	R(2, NOT_LEADER, "this node does not lead", retry)                                         \
	R(3, STEPPED_DOWN, "the leader stepped down before it was committed", retry)               \
	R(4, LEADER_CHANGED, "the leader changed before it answered", retry)                       \
	R(5, NO_ANSWER, "the leader did not answer in time", retry)                                \
	R(6, BUSY, "too much is waiting to be committed", retry)                                   \
	R(7, DISK_FULL, "the leader's disk is full", retry)                                        \
	R(8, DISK_LOST, "the log of this node is not available", retry)                            \
	R(9, GAP, "an earlier serial of the session is missing", retry)                            \
	R(10, AHEAD, "the leader has not yet seen what the client has seen", retry)                \
	R(11, TOO_OLD, "the session was opened too long ago", stop)                                \
	R(12, EXPIRED, "the session is not known", stop)                                           \
	R(13, OLD_EPOCH, "another producer has taken the session over", stop)                      \
	R(14, FENCED, "the term asked for is not the leader's term", stop)                         \
	R(15, SESSIONS_FULL, "there are too many named sessions", stop)                            \
	R(16, TOO_LARGE, "an entry is too large", stop)                                            \
	R(17, MALFORMED, "the proposal is malformed", stop)                                        \
	R(18, TRANSFERRING, "leadership is being transferred", retry)                              \
	R(19, RECOVERING, "this node is recovering its log", retry)                                \
	R(20, NOT_ALLOWED, "the change is not allowed now", stop)                                  \
	R(21, CHANGE_PENDING, "another change of the members is under way", retry)                 \
	R(22, NOT_CAUGHT_UP, "the learner has not caught up yet", retry)                           \
	R(23, NO_MEMBER, "there is no such member", stop)                                          \
	R(24, MEMBER_EXISTS, "a member with this id, key or address exists", stop)                 \
	R(25, ID_USED, "the id belonged to a member that was removed", stop)                       \
	R(26, LAST_VOTER, "no voter would be left", stop)                                          \
	R(27, MEMBERS_FULL, "there are too many members", stop)                                    \
	R(28, NOT_VOTER, "the target is not a voter", stop)                                        \
	R(29, TRANSFER_FAILED, "the target did not take over in time", retry)                      \
	R(30, TERM_YOUNG, "the leader has not committed an entry of its term yet", retry)          \
	R(31, FEW_VOTERS, "too few of the voters that would be left answer, or they recover",      \
	    retry)                                                                                 \
	R(32, REMOVED, "this node was removed from the cluster", stop)                             \
	R(33, LEVEL, "a member of the cluster runs a program that is too old for it", stop)        \
	R(34, CONTRACT, "the contract of the state machine does not allow the entry", stop)        \
	R(35, CONTRACT_CHANGED, "another contract has come into force meanwhile", stop)            \
	R(36, CURSOR_AHEAD, "the cursor would pass the end of the log", stop)                      \
	R(37, BEHIND, "this node does not have all that is committed yet", retry)
enum raft_reason {
#define R(number, NAME, text, retry) RAFT_REASON_##NAME = number,
	RAFT_REASONS(R)
#undef R
	    RAFT_REASONS_COUNT
};
/* "unknown reason" for a number that is none. */
const char *raft_reason_text(enum raft_reason reason);
const char *raft_verdict_text(enum raft_verdict verdict);
/* Whether the same serials may be sent again. */
bool raft_reason_retry(enum raft_reason reason);

#endif
