/* SPDX-License-Identifier: ISC */
/*
 * Reading the log: committed entries for everyone, all of it for the elector.
 *
 * Requests wait with their connection.  After the turn's transaction (before it: those of
 * raft-fsm) they are answered from the tail in memory; what is older is read from the
 * database, one slice per turn, so that a reader far from the end never delays a write.  A reader
 * that does not take its answers gets no more.
 */
#ifndef LOGD_READER_H
#define LOGD_READER_H

#include "wire/message.h"

struct logd;
struct logd_client;
struct read_request;

struct reads {
	struct read_request *first; /* in order */
};

/* A log_read; false: malformed. */
bool reader_request(struct logd *logd, struct logd_client *client, const struct msg_log_read *m);
void reader_forget(struct logd_client *client);
/*
 * Before the turn's transaction: answers raft-fsm from memory, so that its program works while the
 * disk does.
 */
void reader_serve_fsm(struct logd *logd);
/* Answers what can be answered. */
void reader_turn(struct logd *logd);

#endif
