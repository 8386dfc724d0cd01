/* SPDX-License-Identifier: ISC */
/*
 * The one connection of raft-elect.
 *
 * A new one ends the old one unread, and what the old one had waiting is
 * forgotten: else a dead elector's truncation would run after the new one has read
 * the log.  For the same reason each write carries the number given in the hello.
 */
#ifndef LOGD_ELECTOR_H
#define LOGD_ELECTOR_H

#include "wire/message.h"

struct logd;
struct logd_client;

struct elector {
	struct logd_client *client; /* NULL: none */
	uint64_t start;             /* the number of its connection */
	bool told_full;
};

/* This connection is the elector's from now on; its number. */
uint64_t elector_new(struct logd *logd, struct logd_client *client);
/* All that it must know: state, terms, configurations, sessions, entries above the commit index. */
void elector_tell(struct logd *logd);
/* Nothing, when the peer is not the elector. */
void elector_gone(struct logd *logd, struct logd_client *client);

/* Its requests; false: malformed. */
bool elector_take_write(
    struct logd *logd, struct logd_client *client, const struct msg_log_write *m);
bool elector_take_commit(
    struct logd *logd, struct logd_client *client, const struct msg_log_commit *m);

/* All writes up to number are durable. */
void elector_stored(struct logd *logd, uint64_t number);
/* The log begins elsewhere. */
void elector_before(struct logd *logd);
/* The disk takes no entries, or takes them again. */
void elector_full(struct logd *logd);

#endif
