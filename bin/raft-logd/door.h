/* SPDX-License-Identifier: ISC */
/*
 * The socket `log`: who connects, their hello, and which request goes where.
 *
 * Whatever a connection sends, it ends that connection at the worst.
 */
#ifndef LOGD_DOOR_H
#define LOGD_DOOR_H

#include "../../lib/unix/conn.h"
#include "../../lib/unix/exit.h"
#include "reader.h"

struct logd;

/* A connection. */
struct peer {
	struct peer *next, *before;
	struct logd *logd;
	struct conn *conn;
	uint8_t kind; /* enum wire_kind; 0: no hello yet */
	bool trusted;
	struct reads reads;
	struct snapshot *opened; /* NULL: none */
};

struct door {
	struct peer *first, *last;
	size_t count;
	struct listener *listener;
	char path[128];
};

/* Listens; ends the process with one sentence when that is impossible. */
void door_open(struct logd *logd);
/* Every connection ends, the socket goes. */
void door_close(struct logd *logd);
/* To the end of the list, so that the others come first. */
void door_last(struct door *door, struct peer *peer);

/* Ends the connection unread; the peer is gone with it. */
void peer_drop(struct peer *peer);
/* The same, with a warning. */
void peer_reject(struct peer *peer, const char *why);
void peer_refuse(struct peer *peer, uint64_t request, enum exit_status status, const char *sentence);

#endif
