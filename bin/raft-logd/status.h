/* SPDX-License-Identifier: ISC */
/* What raft-logd says of itself: status, and the sessions. */
#ifndef LOGD_STATUS_H
#define LOGD_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logd;
struct logd_client;

/* query_text and session_get; false: malformed. */
bool status_take(struct logd *logd, struct logd_client *client, const uint8_t *body, size_t size);
bool status_take_session(
    struct logd *logd, struct logd_client *client, const uint8_t *body, size_t size);

#endif
