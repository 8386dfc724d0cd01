/* SPDX-License-Identifier: ISC */
/*
 * A link to another daemon of this node: connected with a back-off, greeted, lost, and
 * connected again.  No order of starting the daemons is required; what is waited for
 * is said once.
 */
#ifndef ELECT_DAEMON_LINK_H
#define ELECT_DAEMON_LINK_H

#include "unix/conn.h"
#include "unix/sock.h"

struct daemon_link_calls {
	/* The other side has greeted us back, in a version that we speak. */
	void (*up)(const struct msg_hello_reply *reply, void *arg);
	/*
	 * A frame.  Returns what is wrong with it, one sentence, or NULL: the link is then dropped.
	 */
	const char *(*frame)(uint16_t number, const uint8_t *body, size_t size, void *arg);
	/* It was up and is gone. */
	void (*down)(const char *why, void *arg);
};

struct daemon_link {
	struct loop *loop;
	const struct daemon_link_calls *calls;
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
bool daemon_link_open(struct daemon_link *link, struct loop *loop, const char *dir,
    const char *name, const char *whom, const struct daemon_link_calls *calls, void *arg,
    char *why);
/* The conversation works: says so, and the next back-off begins anew. */
void daemon_link_settled(struct daemon_link *link);
/* Greeted and not lost: frames may be put into link->conn. */
bool daemon_link_is_up(const struct daemon_link *link);

#endif
