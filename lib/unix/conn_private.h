/* SPDX-License-Identifier: ISC */
/*
 * Between loop.c and conn.c: the lists of conns that have something to do at a turn's end or start.
 */
#ifndef UNIX_CONN_PRIVATE_H
#define UNIX_CONN_PRIVATE_H

#include "conn.h"

/* loop.c: at the end of this turn conn_flush; at the start of the next conn_wake. */
void loop_flush_later(struct loop *loop, struct conn *conn);
void loop_flush_never(struct loop *loop, struct conn *conn);
void loop_wake_later(struct loop *loop, struct conn *conn);
void loop_wake_never(struct loop *loop, struct conn *conn);

/* conn.c */
void conn_wake(struct conn *conn);
struct conn **conn_wake_link(struct conn *conn);
bool conn_queued(const struct conn *conn);
void conn_queue(struct conn *conn, struct conn **list);
void conn_unqueue(struct conn *conn, struct conn **list);

#endif
