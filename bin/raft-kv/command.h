/* SPDX-License-Identifier: ISC */
/*
 * The commands: what they do to the store, and what they answer.  raft-kv(1) says it in prose.
 *
 * ⚠ A reply is the same on every node: it depends on the store and the command, and on nothing
 * else.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "store.h"

/* A value, or a list of keys, and the words before it fit into the default of fsm.reply_max. */
enum { KEY_MAX = 1024, VALUE_MAX = (1 << 20) - 1024 };

/*
 * Appends "ok", "ok DATA" or "refused WHY".  query: nothing may change.  one_line: the reply
 * must fit into one (framing_line_unfit).
 */
void command_run(
    struct store *store, struct wire_bytes data, bool query, bool one_line, struct wire_buf *reply);

#endif
