/* SPDX-License-Identifier: ISC */
/* What a tool ends with when a proposal was refused for this reason, and the pause between
 * attempts. */
#ifndef CLIENT_REFUSAL_H
#define CLIENT_REFUSAL_H

#include "raft/reason.h"
#include "unix/exit.h"

#include <stdint.h>

/*
 * When every attempt was refused: for a reason that a retry may cure, at the end of the time; else
 * at once. 69: nobody leads, or nothing answers; 75: somebody does, and does not want it now; 78:
 * the node was removed.
 */
enum exit_status refusal_status(enum raft_reason reason);

/*
 * The reason as text, more of it for RAFT_REASON_CONTRACT; with the entry that an answer
 * (pos.index) or a read_index_reply (index) names for RAFT_REASON_REMOVED.  Valid until the next
 * call.
 */
const char *refusal_text(enum raft_reason reason, uint64_t index);

/*
 * The pause before the next attempt, after a pause of `before` (0: none yet): 20, 40, 80, 100, 100,
 * … ms.  It is the first again when the leader has changed: the next one is elected, or soon will
 * be.  The maximum is what a client adds to the time without a leader.
 */
uint64_t refusal_pause_ms(uint64_t before, enum raft_reason reason);

#endif
