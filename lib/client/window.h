/* SPDX-License-Identifier: ISC */
/*
 * What an appender knows of each entry that is not acknowledged yet: no I/O here.
 *
 * Entries have consecutive serials of one session.  An attempt is one sending of a serial
 * in one request.  ⚠ "Refused" speaks of one attempt, so each entry counts the attempts
 * without an answer, and remembers whether one ended in doubt: only a commit ends a doubt.
 *
 * Ours: since a leader admits a serial only after all before it, a committed serial means
 * that those below it are committed too, whatever their own answers say.
 */
#ifndef CLIENT_WINDOW_H
#define CLIENT_WINDOW_H

#include "wire/message.h"

struct window_slot {
	uint64_t request; /* of the newest attempt; 0: none */
	struct raft_pos pos;
	uint32_t size;        /* of the record */
	uint32_t outstanding; /* attempts sent and not answered */
	bool doubt;           /* an attempt may be in the log */
	bool committed;
};

struct window {
	struct wire_buf records; /* the entries as they are sent, oldest first */
	size_t records_at;       /* where the oldest begins */
	struct window_slot *slots;
	size_t mask;
	size_t first;
	size_t count;
	uint64_t number; /* of the oldest, counted from 1 over the life of the window */
	uint64_t serial; /* of the oldest */
	struct raft_sid session;
	enum raft_kind kind;  /* of all entries */
	size_t unsent;        /* slots from here on wait to be sent */
	size_t unsent_at;     /* where the record of that slot begins */
	uint64_t outstanding; /* over all slots */
};

/* Entries are numbered from 1, their serials count on from `last_serial`.  kind: CLIENT or ACK. */
void window_init(struct window *window, size_t count_max, enum raft_kind kind,
    const struct raft_sid *session, uint64_t last_serial);
void window_free(struct window *window);
/* Bytes of records held. */
size_t window_size(const struct window *window);
bool window_full(const struct window *window);
/* Encodes one entry at the end.  Before: !window_full. */
void window_take(struct window *window, const void *data, size_t size);

/* How many slots from `unsent` on fit into one request, and the bytes of their records. */
size_t window_next(const struct window *window, size_t count_max, size_t size_max, size_t *size);
/* Appends those records and notes the attempt. */
void window_send(
    struct window *window, uint64_t request, size_t count, size_t size, struct wire_buf *out);

/* Part of an answer, as far as it meets slots of the window: [*from, *to), from < to, or false. */
bool window_meets(
    const struct window *window, uint64_t serial, uint64_t count, size_t *from, size_t *to);
/* The answer says committed; pos is that of slot `from`. */
void window_committed(struct window *window, size_t from, size_t to, struct raft_pos pos);
/*
 * The answer says refused or unknown.  True when it speaks of the newest attempt of one of the
 * slots; *first is then the lowest such slot.
 */
bool window_not_committed(
    struct window *window, uint64_t request, size_t from, size_t to, bool unknown, size_t *first);
/* Slots from here on are to be sent again. */
void window_rewind(struct window *window, size_t slot);
/* The connection ended: what has no answer stays in doubt, all is to be sent again. */
void window_lost(struct window *window);
/* A new session for all that is held: its serials count from 1, all is to be sent.  Before: no
 * doubt. */
void window_renew(struct window *window, const struct raft_sid *session);

/*
 * Takes the run of committed entries off the front whose places follow on from the first's;
 * 0: the oldest is not committed.  pos.index 0: the place is not known.
 */
size_t window_pop(struct window *window, uint64_t *number, struct raft_pos *pos);
/* Entries at the front that are committed though not all their answers came. */
size_t window_committed_count(const struct window *window);
/* Whether an entry that is not known committed may be in the log. */
bool window_in_doubt(const struct window *window);
/* Slots, counted from the front, up to and with the last that may be in the log; 0: none. */
size_t window_doubt_end(const struct window *window);

#endif
