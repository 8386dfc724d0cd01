/* SPDX-License-Identifier: ISC */
/* What raft-logd reports of itself: status, sessions, cursors. */
#ifndef LOGD_STATUS_H
#define LOGD_STATUS_H

#include "wire/message.h"

struct logd;
struct logd_client;

/* Answers to query_text; arg: the struct logd. */
void status_put(void *arg, struct wire_buf *out);
void status_put_sessions(void *arg, struct wire_buf *out);
void status_put_cursors(void *arg, struct wire_buf *out);
/* session_get. */
bool status_take_session(
    struct logd *logd, struct logd_client *client, const struct msg_session_get *m);

#endif
