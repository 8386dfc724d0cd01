/* SPDX-License-Identifier: ISC */
/*
 * What has changed in a daemon, for the clients that watch it (raft-protocol(7), watch).
 *
 * The daemon reports each change where it happens, with its reason.  The newest one of each kind
 * and id is kept: a client that begins to watch later is sent these first, with the time at which
 * each happened.  A client that does not read is sent no more than its connection takes; when it
 * reads again it is sent how many changes it missed, and the newest ones.
 */
#ifndef LOCAL_CHANGES_H
#define LOCAL_CHANGES_H

#include "server.h"

/*
 * kind and id: words; id "" for the node itself.  reason: one sentence.  keys: a format that makes
 * key=value pairs, the first of them state; values that are not plain words go through log_q.
 * Nothing is sent where all of this but the reason is as it was.  server NULL: nothing is done.
 */
void changes_put(struct server *server, const char *kind, const char *id, const char *reason,
    const char *keys, ...) __attribute__((format(printf, 5, 6)));
/* It is kept no longer. */
void changes_forget(struct server *server, const char *kind, const char *id);

/* For server.c. */

struct changes;

struct changes *changes_new(void);
/* Takes NULL. */
void changes_free(struct changes *changes);
/* A client begins to watch: it is sent what is kept. */
void changes_watch(struct server_client *client, uint64_t request);
/* A client that watches reads again. */
void changes_drained(struct server_client *client);
/* Some client watches. */
bool changes_watched(const struct server *server);

#endif
