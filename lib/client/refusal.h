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
 * at once. 69: nobody leads, or nothing answers; 75: somebody does, and does not want it now.
 */
enum exit_status refusal_status(enum raft_reason reason);

/* 20 ms, 40 ms, … 500 ms: the pause before the next attempt after `before` (0: the first). */
uint64_t refusal_pause_ms(uint64_t before);

#endif
