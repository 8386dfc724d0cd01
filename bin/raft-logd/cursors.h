/* SPDX-License-Identifier: ISC */
/* Cursors: what a program behind raft-fsm has taken, kept here by name, stored with the next
 * transaction. */
#ifndef LOGD_CURSORS_H
#define LOGD_CURSORS_H

#include "wire/message.h"
#include "db.h"

struct logd;
struct logd_client;
struct cursor_set;

struct cursors {
	struct cursor_set *sets; /* not yet durable */
	size_t count;
	size_t room;
};

/* Requests; false: malformed. */
bool cursors_take_get(
    struct logd *logd, struct logd_client *client, const struct msg_cursor_get *m);
bool cursors_take_set(
    struct logd *logd, struct logd_client *client, const struct msg_cursor_set *m);
/* The peer is gone: what it set is stored all the same. */
void cursors_forget(struct logd *logd, const struct logd_client *client);

bool cursors_waiting(const struct logd *logd);
void cursors_store(struct logd *logd);
/* They are durable: answers. */
void cursors_stored(struct logd *logd);

#endif
