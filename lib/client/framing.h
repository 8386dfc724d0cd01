/* SPDX-License-Identifier: ISC */
/*
 * Framings: how entries lie in a stream of bytes, and back.
 *
 *   line       data, newline; an unterminated last line is an entry
 *   nul        data, NUL; likewise
 *   netstring  LENGTH:DATA,
 *   whole      all of the input is one entry; as output: the data, nothing between
 *   json       output only: an object a line with index, term, time and origin (if the entry has
 *              them), session, serial, and data (the text) or, where that is not UTF-8, base64
 *
 * A reader is fed bytes as they come and gives items one at a time.  No item is larger
 * than item_max, and no more than one item and one read are held.
 */
#ifndef CLIENT_FRAMING_H
#define CLIENT_FRAMING_H

#include "conf/conf.h"
#include "wire/message.h"

struct framing_reader {
	enum framing framing;
	size_t item_max;
	struct wire_buf buf;
	size_t at;      /* where the next item begins */
	size_t scanned; /* no terminator stands in [at, scanned) */
	uint64_t count; /* items given so far */
	bool ended;
	bool whole_given;
	bool failed;
};

enum framing_found {
	FRAMING_ITEM,
	FRAMING_MORE,      /* more bytes are needed */
	FRAMING_END,       /* the input has ended and nothing is left */
	FRAMING_TOO_LARGE, /* the next item is above item_max */
	FRAMING_MALFORMED  /* a netstring that is none, or is cut short */
};
enum { FRAMING_WHY_SIZE = 1024 };

/* Before: framing is not FRAMING_JSON. */
void framing_init(struct framing_reader *reader, enum framing framing, size_t item_max);
void framing_free(struct framing_reader *reader);
/* Room for `size` bytes to read into; items given before are no longer valid. */
uint8_t *framing_room(struct framing_reader *reader, size_t size);
/* So many bytes of the room now hold input; call once after each framing_room, also with 0. */
void framing_added(struct framing_reader *reader, size_t room, size_t size);
/* Both at once, from elsewhere. */
void framing_feed(struct framing_reader *reader, const void *bytes, size_t size);
/* No more bytes follow. */
void framing_end(struct framing_reader *reader);
/* Goes on with another input after FRAMING_END; the count of items goes on. */
void framing_again(struct framing_reader *reader);
/*
 * The next item; it points into the reader and is valid until framing_room, framing_feed or
 * framing_free. TOO_LARGE and MALFORMED: one sentence with the item's number in why; no item
 * follows.
 */
enum framing_found framing_next(struct framing_reader *reader, struct wire_bytes *item, char *why);

/* Appends the entry in the framing.  Framed line or nul, data that holds the terminator passes as
 * it is. */
void framing_put(
    struct wire_buf *out, enum framing framing, uint64_t index, const struct raft_entry *entry);
/* Bytes that are no entry, likewise.  Before: framing is not FRAMING_JSON. */
void framing_put_bytes(struct wire_buf *out, enum framing framing, struct wire_bytes bytes);

/* What of the data a line cannot hold, "a newline" or "a NUL"; NULL: it fits into one. */
const char *framing_line_unfit(struct wire_bytes data);
/* What of an entry the node's program cannot be given, likewise; NULL: it can be given all of it.
 */
const char *framing_program_unfit(const struct conf *conf, struct wire_bytes data);

#endif
