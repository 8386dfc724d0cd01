/* SPDX-License-Identifier: ISC */
/* The socket `log`: who connects, and which request goes where. */
#ifndef LOGD_SERVE_H
#define LOGD_SERVE_H

#include "local/server.h"
#include "reader.h"

struct logd;

/* A connection. */
struct logd_client {
	struct server_client base;
	struct reads reads;
	struct snapshot *opened; /* NULL: none */
};

/* Listens; ends the process with one sentence when that is impossible. */
void serve_open(struct logd *logd);
/* All connections: from NULL on; NULL after the last. */
struct logd_client *serve_next(const struct logd *logd, const struct logd_client *client);

#endif
