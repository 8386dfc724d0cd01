/* SPDX-License-Identifier: ISC */
/*
 * A connection to one of this node's daemons: made, greeted, and made again with a back-off each
 * time that it is lost, until the link is freed.
 */
#ifndef LOCAL_LINK_H
#define LOCAL_LINK_H

#include "unix/conn.h"
#include "unix/exit.h"

struct link;

/* Each may be NULL, and each may call link_free. */
struct link_calls {
	/* The hello was answered: from now on link_out and link_hello may be used. */
	void (*up)(void *arg);
	/*
	 * A frame other than hello_reply and refusal.  Returns NULL, or what is wrong with it in
	 * one sentence: the connection is then ended as by link_break.
	 */
	const char *(*frame)(uint16_t number, const uint8_t *body, size_t size, void *arg);
	/*
	 * The daemon refuses a request: exit status and sentence of its refusal.  NULL: the
	 * connection is ended as by link_break.
	 */
	void (*refused)(enum exit_status status, const char *why, void *arg);
	/*
	 * An attempt failed, or the connection ended (was_up).  What was sent and not answered
	 * never will be.  why: one sentence, or that of link_break.
	 */
	void (*down)(bool was_up, const char *why, void *arg);
	/*
	 * No further attempt is made: no version in common (EXIT_UNAVAILABLE), or the permission is
	 * missing (EXIT_FENCED).  NULL: refused is called; where that is NULL too, attempts
	 * continue.
	 */
	void (*failed)(enum exit_status status, const char *why, void *arg);
};

/*
 * program: the name of this one.  The struct calls must outlive the link.  The first attempt is
 * made in the next turn of the loop, so no call comes before link_new returns.
 */
struct link *link_new(struct loop *loop, const char *path, enum wire_kind kind, const char *program,
    const struct link_calls *calls, void *arg);
/* Takes NULL. */
void link_free(struct link *link);
/*
 * For daemons: the log reports once what the link waits for, and each loss and return.  daemon: the
 * program at the other end; the text must outlive the link.  The link has returned when the owner
 * calls link_settled; without that the back-off continues.
 */
void link_log(struct link *link, const char *daemon);
void link_settled(struct link *link);
bool link_up(const struct link *link);
/* Before, for the next three: link_up. */
const struct msg_hello_reply *link_hello(const struct link *link);
struct wire_buf *link_out(struct link *link);
/* Writes now instead of at the end of the turn. */
void link_flush(struct link *link);
/* As conn_out_size and conn_choked; 0 and false when it is not up. */
size_t link_out_size(const struct link *link);
bool link_choked(const struct link *link);
/*
 * Ends the connection as if the other end had, and makes it again after the back-off.  why NULL:
 * the owner no longer wants what it has asked for; the next attempt follows at once.
 */
void link_break(struct link *link, const char *why);

#endif
