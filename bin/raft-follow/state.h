/* SPDX-License-Identifier: ISC */
/*
 * The state file: where in the log files the entries of the session come from.
 *
 *   raft-follow 1
 *   session NAME
 *   place SERIAL DIGEST                 the entry after this serial is the line
 *   at INODE BORN HEAD HASH OFFSET HASH   that begins here
 *   left | ahead INODE ...              optional: how far the other file has been read
 *
 * Within a place each line is the next serial, so between two places nothing has to be written.
 * ⚠ A place is on the disk before its first line is sent.  A place goes once the next one's serial
 * is committed.  So for whatever serial the session has there is the place from which it is
 * counted.
 */
#ifndef FOLLOW_STATE_H
#define FOLLOW_STATE_H

#include "bookmark.h"
#include "raft/session.h"
#include "wire/buf.h"

/* The other file of a reader: the one that it has left, which may still grow, or the one that it
 * returns to. */
enum spot_other { SPOT_NONE, SPOT_LEFT, SPOT_AHEAD };

/* Where a reader is. */
struct spot {
	struct bookmark at;
	enum spot_other which;
	struct bookmark other;
};

struct follow_place {
	uint64_t serial;         /* the last before it */
	struct raft_hash digest; /* of the session at that serial */
	struct spot spot;
};

struct follow_state {
	char session[RAFT_SESSION_NAME_MAX + 1];
	struct follow_place *places; /* their serials do not fall */
	size_t count, room;
};

enum { STATE_WHY_SIZE = 1024 };

/* No other process uses the file until this one ends; false with errno. */
bool state_lock(const char *path);
/* False with one sentence in why.  A file that does not exist is a state without places. */
bool state_read(struct follow_state *state, const char *path, char *why);
/* The content of the file; the caller frees it. */
void state_print(const struct follow_state *state, struct wire_buf *out);
void state_add(struct follow_state *state, const struct follow_place *place);
/* Forgets the places that are not needed for this serial and those after it. */
void state_trim(struct follow_state *state, uint64_t committed);
/* The place that this serial is counted from; those after it are forgotten.  NULL: none. */
const struct follow_place *state_find(struct follow_state *state, uint64_t serial);
/* Takes the other positions away. */
void state_clear(struct follow_state *state);

#endif
