/* SPDX-License-Identifier: ISC */
/* What raft-fsm and tools ask of the committed log: its contracts, and its chain at a place. */
#ifndef LOGD_CONTRACTS_H
#define LOGD_CONTRACTS_H

#include "wire/message.h"

struct logd;
struct logd_client;

/* Requests; false: malformed. */
bool contracts_take_get(
    struct logd *logd, struct logd_client *client, const struct msg_contracts_get *m);
bool contracts_take_chain(
    struct logd *logd, struct logd_client *client, const struct msg_chain_get *m);
/* query_text: a line per contract, the one in force last, then the level. */
void contracts_put(void *arg, struct wire_buf *out);

#endif
