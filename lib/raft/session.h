/* SPDX-License-Identifier: ISC */
/*
 * The session table: what each client session has in the log.
 *
 * The table at index i is a pure function of the log up to i: all named
 * sessions, and the RAFT_SESSIONS_ANONYMOUS_MAX anonymous ones with the largest
 * last index.  So it is equal on all replicas.  It decides which serial a
 * leader admits: exactly once is kept in the log itself (§6.3).
 *
 * A cursor is a named session of its own kind: a consumer opens it and moves its position with
 * entries of kind ACK, which take the session's serials.  So the position is in the log, and the
 * consumer that opened it last owns it.
 *
 * The core keeps one table at its commit index and, while it leads, one at its
 * last index; raft-logd keeps one at the commit index and stores it.
 * A table never shrinks a log that is truncated: only what is committed, or a
 * leader's own log, is ever applied.
 */
#ifndef RAFT_SESSION_H
#define RAFT_SESSION_H

#include "types.h"

enum {
	RAFT_SESSIONS_NAMED_MAX = 4096,
	RAFT_SESSIONS_ANONYMOUS_MAX = 65536,
	RAFT_SESSION_NAME_MAX = 64, /* bytes, without a NUL */
	RAFT_RUN_SIZE = 16
};

/* An opening older than so many entries is refused: see raft_sessions_admit. */
enum { RAFT_SESSION_WINDOW = 65536 };

struct raft_session {
	struct raft_sid sid;
	uint64_t serial;     /* the last one in the log; 0: none yet (named only) */
	uint64_t last_index; /* of the entry with that serial, or of the opening */
	uint64_t epoch;      /* named: index of the entry that opened the present run */
	uint8_t run[RAFT_RUN_SIZE];
	char name[RAFT_SESSION_NAME_MAX + 1]; /* named only */
	struct raft_hash digest; /* named only; for raft-logd, the core leaves it zero */
	bool cursor;
	uint64_t position; /* cursors: all entries up to this index, which is less than last_index,
			      are consumed; else 0 */
};

struct raft_sessions;

struct raft_sessions *raft_sessions_new(void);
void raft_sessions_free(struct raft_sessions *sessions);
/* A deep copy; NULL when there is no memory. */
struct raft_sessions *raft_sessions_dup(const struct raft_sessions *sessions);

/* NULL when the session is unknown (never opened, dropped or evicted).  Valid until the next
 * change. */
struct raft_session *raft_sessions_find(struct raft_sessions *sessions, const struct raft_sid *sid);

/*
 * What applying an entry did: `touched` was created or changed (NULL: nothing
 * was), `gone` went away (by eviction or drop; none: all zero).
 */
struct raft_sessions_change {
	struct raft_session *touched;
	struct raft_sid gone;
};
/* Applies the entry at `index`.  Indexes must rise.  An entry that does not fit the table changes
 * nothing. */
struct raft_sessions_change raft_sessions_apply(
    struct raft_sessions *sessions, uint64_t index, const struct raft_entry *entry);

/* Puts a session back that was stored before; call in order of last_index.  For loading. */
bool raft_sessions_restore(struct raft_sessions *sessions, const struct raft_session *session);

/* Each session in order of last index; false from `each` stops. */
void raft_sessions_each(struct raft_sessions *sessions,
    bool (*each)(const struct raft_session *session, void *arg), void *arg);
size_t raft_sessions_count(const struct raft_sessions *sessions, bool named);
/* The least position of all cursors; UINT64_MAX: there is none. */
uint64_t raft_sessions_position_least(const struct raft_sessions *sessions);
/* The highest last index of all sessions; 0: there is none. */
uint64_t raft_sessions_last_index(const struct raft_sessions *sessions);

/*
 * The data of a SESSION_OPEN or CURSOR_OPEN entry: run id, epoch that it replaces (0: none;
 * u64), name.  Of a SESSION_DROP entry: the name.  A session's id in such an
 * entry is the named one.
 */
struct raft_session_open {
	uint8_t run[RAFT_RUN_SIZE];
	uint64_t replaces;
	char name[RAFT_SESSION_NAME_MAX + 1];
};
enum { RAFT_SESSION_OPEN_SIZE_MAX = RAFT_RUN_SIZE + 8 + RAFT_SESSION_NAME_MAX };
size_t raft_session_open_encode(const struct raft_session_open *open, uint8_t *out);
bool raft_session_open_decode(struct raft_session_open *open, const uint8_t *bytes, size_t size);

#endif
