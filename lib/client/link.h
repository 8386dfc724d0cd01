/* SPDX-License-Identifier: ISC */
/*
 * A connection to one of this node's daemons that comes back: it is made again, with a
 * back-off, for as long as nobody frees the link.
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "unix/conn.h"
#include "unix/exit.h"

struct link;

struct link_calls {
	/* The hello was answered: from now on link_out may be used. */
	void (*up)(struct link *link, const struct msg_hello_reply *hello, void *arg);
	/* A frame other than hello_reply.  May call link_free. */
	void (*frame)(
	    struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg);
	/*
	 * An attempt failed, or the connection ended (was_up).  why is one sentence.  What was sent
	 * and not answered never will be.  May call link_free.
	 */
	void (*down)(struct link *link, bool was_up, const char *why, void *arg);
	/*
	 * No further attempt makes sense: no version in common (EXIT_UNAVAILABLE), or the
	 * permission is missing (EXIT_FENCED).  May be followed by link_free only.
	 */
	void (*hopeless)(struct link *link, enum exit_status status, const char *why, void *arg);
	/* What waited has been written: link_choked is false again.  May be NULL. */
	void (*drained)(struct link *link, void *arg);
};

/*
 * The first attempt is made in the next turn of the loop, so no call comes before link_new returns.
 */
struct link *link_new(struct loop *loop, const char *path, enum wire_kind kind, const char *program,
    const struct link_calls *calls, void *arg);
/* Takes NULL. */
void link_free(struct link *link);
bool link_up(const struct link *link);
/* Before: link_up. */
struct wire_buf *link_out(struct link *link);
/* Writes now instead of at the end of the turn.  Before: link_up. */
void link_flush(struct link *link);
/* As conn_read_now, when there is a connection. */
void link_read_now(struct link *link);
bool link_choked(const struct link *link);
/* Ends the connection, as if the other end had, and tries anew: for one that talks nonsense. */
void link_break(struct link *link, const char *why);

#endif
