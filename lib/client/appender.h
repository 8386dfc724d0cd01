/* SPDX-License-Identifier: ISC */
/*
 * Appends entries, in order, each exactly once, through this node's raft-elect.
 *
 * The caller's turn function gives it what there is (while appender_room), then calls
 * appender_send: what has gathered leaves in as few requests as possible.  Entries stay in a
 * window until they are committed.  After a refusal that a retry may cure, an unknown
 * answer or a lost connection it goes back to the lowest serial concerned and sends
 * everything from there on again, after a pause.
 *
 * Anonymous: a random session.  When that is refused as too old or has expired, and
 * nothing is in doubt, it goes on in a new one.  Named: opened first, with `opened` called when it
 * is.  A cursor is a named session of its own kind, whose entries are positions, a u64 each.
 *
 * ⚠ It fails with another status than 76 only when no entry that is not known
 * committed may be in the log.  The exception is a consumer that is fenced: 77, whatever became of
 * its last ACK.
 */
#ifndef CLIENT_APPENDER_H
#define CLIENT_APPENDER_H

#include "unix/exit.h"
#include "unix/loop.h"
#include "wire/message.h"

struct appender;

struct appender_calls {
	/* A named session is open: so many entries are in it, with this digest.  appender_room from
	 * now on. */
	void (*opened)(uint64_t last_serial, const struct raft_hash *digest, void *arg);
	/*
	 * The entries [number, number + count), counted from 1 as they were taken, are committed;
	 * each once, in order.  pos is the first's place, the rest follow on; index 0: places are
	 * not at hand.
	 */
	void (*committed)(uint64_t number, uint64_t count, struct raft_pos pos, void *arg);
	/* The end: why is one sentence.  Nothing more is called; the appender is freed by its
	 * owner. */
	void (*failed)(enum exit_status status, const char *why, void *arg);
};

struct appender_settings {
	const char *path;    /* of raft-elect's socket */
	const char *program; /* who we are */
	uint64_t in_flight_max;
	uint64_t give_up_ms; /* without progress */
	uint64_t fence;      /* 0: any term */
	const char *session; /* a valid name; NULL: anonymous */
	bool cursor;         /* it names a cursor; in_flight_max is then 1 */
};

enum { APPENDER_IN_FLIGHT = 4096, APPENDER_IN_FLIGHT_MAX = 1 << 20 };

struct appender *appender_new(struct loop *loop, const struct appender_settings *settings,
    const struct appender_calls *calls, void *arg);
/* Takes NULL. */
void appender_free(struct appender *appender);
/* Whether it takes one more entry now. */
bool appender_room(const struct appender *appender);
/* Whether raft-elect has been reached; entries may be given before. */
bool appender_connected(const struct appender *appender);
/* Before: appender_room.  Copies the data. */
void appender_take(struct appender *appender, const void *data, size_t size);
/* At the end of each turn. */
void appender_send(struct appender *appender);
/* Nothing waits for an answer. */
bool appender_idle(const struct appender *appender);
/* Sends nothing more; fails with this status once all that was sent is answered, or soon. */
void appender_stop(struct appender *appender, enum exit_status status, const char *why);

/* Entries known committed, from the first on; and the number of the last that may be (0: none
 * beyond). */
uint64_t appender_committed(const struct appender *appender);
uint64_t appender_doubtful(const struct appender *appender);
/* During the committed call: the session that the entry `number` is in, and its serial there. */
uint64_t appender_serial(
    const struct appender *appender, uint64_t number, struct raft_sid *session);
/* From the opened call on: the cursor's position when it was opened. */
uint64_t appender_position(const struct appender *appender);
/* Likewise: the index of the entry that opened the session. */
uint64_t appender_epoch(const struct appender *appender);
/* What it waits for, in one sentence; "" when nothing is amiss. */
const char *appender_trouble(const struct appender *appender);

#endif
