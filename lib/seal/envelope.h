/* SPDX-License-Identifier: ISC */
/*
 * The envelope: what one NNG message between two raft-peerd looks like.  raft-protocol(7)
 * has the same in tables.
 *
 * Integers big-endian.  Every kind begins: version u8, kind u8, class u8, sender id (32 bytes).
 * Then hello      receiver id, cluster tag (8 bytes), handshake u64, Noise message 1 (48 bytes)
 *   reply      receiver id, cluster tag, handshake u64, Noise message 2 (64 bytes)
 *   transport  session u64, counter u64, the sealed frames with their tag
 *   hint       session u64: "I know no such session"; in clear, so it is never believed beyond a
 * new handshake The head of a transport message is the additional data of its seal.
 */
#ifndef SEAL_ENVELOPE_H
#define SEAL_ENVELOPE_H

#include "channel.h"

#define ENVELOPE_KINDS(K)                                                                          \
	K(1, HELLO, "hello")                                                                       \
	K(2, REPLY, "reply")                                                                       \
	K(3, TRANSPORT, "transport")                                                               \
	K(4, HINT, "hint")
enum envelope_kind {
#define K(number, NAME, text) ENVELOPE_##NAME = number,
	ENVELOPE_KINDS(K)
#undef K
};

enum {
	ENVELOPE_TAG_SIZE = 8, /* of the cluster id: tells a wrong cluster from a wrong key */
	ENVELOPE_FIXED_SIZE = 3 + RAFT_ID_SIZE,
	ENVELOPE_HELLO_SIZE =
	    ENVELOPE_FIXED_SIZE + RAFT_ID_SIZE + ENVELOPE_TAG_SIZE + 8 + CHANNEL_HELLO_SIZE,
	ENVELOPE_REPLY_SIZE =
	    ENVELOPE_FIXED_SIZE + RAFT_ID_SIZE + ENVELOPE_TAG_SIZE + 8 + CHANNEL_REPLY_SIZE,
	ENVELOPE_HEAD_SIZE = ENVELOPE_FIXED_SIZE + 16,
	ENVELOPE_HINT_SIZE = ENVELOPE_FIXED_SIZE + 8
};

struct envelope {
	enum envelope_kind kind;
	uint8_t class;
	struct raft_id sender;
	struct raft_id receiver;            /* hello, reply */
	uint8_t cluster[ENVELOPE_TAG_SIZE]; /* hello, reply: the first bytes of the cluster id */
	uint64_t handshake;                 /* hello, reply: the initiator's number for it */
	uint64_t session;                   /* transport, hint */
	uint64_t counter;                   /* transport */
};

/* Writes what goes before the Noise message or the sealed bytes; returns its size. */
size_t envelope_put(uint8_t *out, const struct envelope *envelope);

#define ENVELOPE_ERRORS(E)                                                                         \
	E(OK, "all is well")                                                                       \
	E(SHORT, "a message that is cut short or too long")                                        \
	E(VERSION, "a protocol version that is not spoken here")                                   \
	E(KIND, "a message of unknown kind or class")                                              \
	E(ID, "a message with a malformed node id")
enum envelope_error {
#define E(NAME, text) ENVELOPE_##NAME,
	ENVELOPE_ERRORS(E)
#undef E
};
const char *envelope_error_text(enum envelope_error error);
/* *head_size: where the Noise message or the sealed bytes begin.  Whole sizes are checked. */
enum envelope_error envelope_get(
    struct envelope *envelope, const uint8_t *bytes, size_t size, size_t *head_size);

#endif
