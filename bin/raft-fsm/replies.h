/* SPDX-License-Identifier: ISC */
/*
 * The newest replies of the program, by index: bounded by count and bytes, the oldest go first.
 *
 * They outlast the program: one that is fed again says the same again, and what is kept stays.
 */
#ifndef FSM_REPLIES_H
#define FSM_REPLIES_H

#include "wire/message.h"

struct kept {
	uint64_t index;
	uint64_t serial;
	struct raft_sid session;
	enum wire_reply_state state;
	uint32_t size;
	uint64_t at; /* where its data lies in the ring of bytes, which it never wraps around */
};

struct replies;

/* size: bytes of data kept; a larger reply is not kept. */
struct replies *replies_new(size_t count, size_t size);
/* Takes NULL. */
void replies_free(struct replies *replies);
/* Ignored when its index is not above all that were added. */
void replies_add(struct replies *replies, const struct kept *kept, const uint8_t *data);
/* Those above the index may be wrong: they are dropped, and may be added anew. */
void replies_forget(struct replies *replies, uint64_t index);
/* index 0: not known.  NULL: not at hand. */
const struct kept *replies_find(
    const struct replies *replies, const struct raft_sid *session, uint64_t serial, uint64_t index);
struct wire_bytes replies_data(const struct replies *replies, const struct kept *kept);
size_t replies_count(const struct replies *replies);

#endif
