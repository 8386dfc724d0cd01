/* SPDX-License-Identifier: ISC */
/*
 * The socket `log`: who connects, their hello, and which request goes where.
 *
 * Whatever a connection sends, it ends that connection at the worst.
 */
#ifndef LOGD_SERVE_H
#define LOGD_SERVE_H

#include "unix/conn.h"
#include "unix/exit.h"
#include "reader.h"

struct logd;

/* A connection. */
struct logd_client {
	struct logd_client *next, *before;
	struct logd *logd;
	struct conn *conn;
	uint8_t kind; /* enum wire_kind; 0: no hello yet */
	bool trusted;
	struct reads reads;
	struct snapshot *opened; /* NULL: none */
};

struct logd_server {
	struct logd_client *first, *last;
	size_t count;
	struct listener *listener;
	char path[128];
};

/* Listens; ends the process with one sentence when that is impossible. */
void serve_open(struct logd *logd);
/* Every connection ends, the socket goes. */
void serve_close(struct logd *logd);
/* To the end of the list, so that the others come first. */
void serve_last(struct logd_server *server, struct logd_client *client);

/* Ends the connection unread; the peer is gone with it. */
void logd_client_drop(struct logd_client *client);
/* The same, with a warning. */
void logd_client_reject(struct logd_client *client, const char *why);
void logd_client_refuse(
    struct logd_client *client, uint64_t request, enum exit_status status, const char *sentence);

#endif
