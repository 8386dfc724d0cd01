/* SPDX-License-Identifier: ISC */
/*
 * Where the line after the session's last entry is.
 *
 * The state has a place at or before that entry.  The lines from there on are counted, and their
 * digest is compared with the session's.  ⚠ Only when it is equal the next line is known: else the
 * state, the files and the log of the cluster do not belong together, and nothing is sent.
 */
#ifndef FOLLOW_SEEK_H
#define FOLLOW_SEEK_H

#include "logfile.h"
#include "state.h"

/* Initialised with what is wanted; the rest is zero. */
struct seek {
	struct follow_state *state;
	struct logfile *logfile;
	const char *session;
	uint64_t serial_want; /* the session's last, and its digest */
	struct raft_hash digest_want;
	uint64_t serial; /* of the last line that was counted */
	struct raft_hash digest;
	bool counts;            /* the place is found */
	struct mono_ms waiting; /* for the next of its lines, since then; 0: it does not wait */
};

enum seek_found {
	SEEK_READY,
	SEEK_AGAIN, /* to be called again at once, */
	SEEK_LATER, /* or after a while */
	SEEK_FAILED
};

enum seek_found seek_step(struct seek *seek, struct logfile_error *error);

#endif
