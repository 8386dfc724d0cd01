/* SPDX-License-Identifier: ISC */
/*
 * A link to another daemon of this node: connected with a back-off, greeted, lost, and
 * connected again.  No order of starting the daemons is required; what is waited for
 * is said once.
 */
#ifndef ELECT_LINK_H
#define ELECT_LINK_H

#include "../../lib/unix/conn.h"
#include "../../lib/unix/sock.h"

struct link_calls {
	/* The other side has greeted us back, in a version that we speak. */
	void (*up)(const struct msg_hello_reply *reply, void *arg);
	/* A frame.  Returns what is wrong with it, one sentence, or NULL: the link is then dropped. */
	const char *(*frame)(uint16_t number, const uint8_t *body, size_t size, void *arg);
	/* It was up and is gone. */
	void (*down)(const char *why, void *arg);
};

struct link {
	struct loop *loop;
	const struct link_calls *calls;
	void *arg;
	const char *whom; /* the program at the other end */
	char path[SOCK_PATH_MAX];
	uv_timer_t timer;
	struct conn *conn; /* NULL while not connected */
	bool greeted;
	bool said; /* what is waited for, since it was last there */
	uint64_t pause_ms;
};

/*
 * Begins to connect to the socket dir/name.  The struct calls must outlive the link.
 * Errors: false and a sentence in why when the path is too long.
 */
bool link_open(struct link *link, struct loop *loop, const char *dir, const char *name,
    const char *whom, const struct link_calls *calls, void *arg, char *why);
/* The conversation works: says so, and the next back-off begins anew. */
void link_settled(struct link *link);
/* Greeted and not lost: frames may be put into link->conn. */
bool link_is_up(const struct link *link);

#endif
