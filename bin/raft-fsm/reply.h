/* SPDX-License-Identifier: ISC */
/*
 * What a machine says, from bytes: raft-fsm-protocol(7).  Pure: nothing here asserts on
 * what came from the program.
 *
 * Bytes are fed as they come; reply_next gives one saying at a time.  No more than one saying of
 * the largest size, and one read, is held: the data of a larger answer is dropped as it comes. Such
 * an answer still is one, because a client may have asked for it.
 */
#ifndef FSM_REPLY_H
#define FSM_REPLY_H

#include "wire/message.h"

/* What ready says of a chain, as text: the first bytes in hexadecimal, or "-" for none. */
enum { REPLY_CHAIN_BYTES = 16, REPLY_CHAIN_SIZE = 2 * REPLY_CHAIN_BYTES + 1 };

enum reply_kind {
	REPLY_MORE, /* more bytes are needed */
	REPLY_READY,
	REPLY_DURABLE,
	REPLY_OK,
	REPLY_REFUSED,
	REPLY_WRONG /* it is none of them: why says what is wrong; nothing more is read */
};

struct reply {
	enum reply_kind kind;
	uint64_t index;               /* of READY and DURABLE */
	char chain[REPLY_CHAIN_SIZE]; /* of READY; "": it says none */
	struct wire_bytes
	    data;        /* of OK and REFUSED; of WRONG what it says; valid until bytes are fed */
	const char *why; /* of WRONG */
	/* Of OK and REFUSED: why the data cannot be passed on, and is empty; NULL: it is there. */
	const char *lost;
};

struct reply_reader {
	bool netstring;
	size_t size_max; /* of one saying; may change between two */
	struct wire_buf buf;
	size_t at;                /* where the next one begins */
	size_t scanned;           /* no newline stands in [at, scanned) */
	enum reply_kind dropping; /* of an answer that is too long; REPLY_MORE: of none */
	uint64_t drop_left;       /* bytes of its netstring before the comma */
	bool wrong;
};

void reply_init(struct reply_reader *source, bool netstring, size_t size_max);
void reply_free(struct reply_reader *source);
/* Room for size bytes to read into; what was given before is no longer valid. */
uint8_t *reply_room(struct reply_reader *source, size_t size);
/* So many bytes of the room hold input now; once after each reply_room. */
void reply_added(struct reply_reader *source, size_t room, size_t size);
struct reply reply_next(struct reply_reader *source);
/* Whether a saying has begun and is not at its end. */
bool reply_begun(const struct reply_reader *source);

#endif
