/* SPDX-License-Identifier: ISC */
/*
 * Messages between nodes: struct raft_message as a raft_* frame, and back.
 *
 * Who sent it and to whom is not in the frame: raft-peerd's connection says it, and its word
 * is authenticated.
 */
#ifndef ELECT_CODEC_H
#define ELECT_CODEC_H

#include "raft/raft.h"
#include "wire/message.h"

/* No message with more bytes of entries is sent, and one that comes is malformed. */
enum { CODEC_ENTRIES_MAX = 32 << 20 };

/*
 * Appends the frame up to its entries, whose size is counted in; *entries and *count are
 * what the caller appends after it with wire_entries_put (count 0: nothing).
 */
void codec_put(struct wire_buf *out, const struct raft_message *message,
    const struct raft_entry **entries, size_t *count);

/* A message that was read, with what it points to. */
struct codec_message {
	struct raft_message message;
	struct raft_entry *entries;
	struct raft_chunk *chunk;
};
/*
 * Decodes a frame.  from and to are left nobody.  False when it is malformed or of another kind,
 * then nothing is owned; else the caller calls codec_drop.
 */
bool codec_get(struct codec_message *in, const struct wire_frame *frame);
void codec_drop(struct codec_message *in);

#endif
