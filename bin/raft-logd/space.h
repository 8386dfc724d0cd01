/* SPDX-License-Identifier: ISC */
/*
 * Room on the disk.  A full disk is not a broken one: raft-logd stays up.
 *
 * Below `reserve` the elector is told, so that it sends no more; what is on its
 * way is still written, into the reserve.  Below half of the reserve, and when
 * SQLite itself finds the disk full, entries wait here until there is room; a
 * write of term and vote alone is still tried.
 */
#ifndef LOGD_SPACE_H
#define LOGD_SPACE_H

#include "raft/types.h"

struct logd;

#define SPACE_STATES(S)                                                                            \
	S(AMPLE, "no")                                                                             \
	S(LOW, "low")                                                                              \
	S(FULL, "full")
enum space_state {
#define S(NAME, text) SPACE_##NAME,
	SPACE_STATES(S)
#undef S
};
const char *space_name(enum space_state state);

struct space {
	enum space_state state;
	struct mono_ms looked_at;
	bool refused;        /* SQLite found it full: until a transaction succeeds, */
	bool trial;          /* which is tried now and then */
	uint64_t free_bytes; /* as last seen */
};

void space_init(struct logd *logd);
/* Reports the state to the clients that watch. */
void space_notice(struct logd *logd);
/* Looks at the file system if that was long ago; before each transaction. */
void space_check(struct logd *logd);
/* Looks now. */
void space_look(struct logd *logd);
/* What a transaction or a checkpoint has found: room, or a full disk. */
void space_found(struct logd *logd, bool room);

#endif
