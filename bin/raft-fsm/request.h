/* SPDX-License-Identifier: ISC */
/*
 * What a machine is asked, as bytes: raft-fsm-protocol(7).  Pure.
 *
 * A request is a word, what belongs to it, and data; a line each, or a netstring each.
 */
#ifndef FSM_REQUEST_H
#define FSM_REQUEST_H

#include "wire/message.h"

/* The word: NAME, text, whether an index follows it. */
#define REQUEST_KINDS(R)                                                                           \
	R(ENTRY, "entry", true)                                                                    \
	R(QUERY, "query", false)                                                                   \
	R(RESTORE, "restore", false)                                                               \
	R(SNAPSHOT, "snapshot", false)
enum request_kind {
#define R(NAME, text, indexed) REQUEST_##NAME,
	REQUEST_KINDS(R)
#undef R
	    REQUEST_KINDS_COUNT
};

const char *request_name(enum request_kind kind);
/*
 * What the data holds that this form cannot: "a newline", "a NUL"; NULL: it fits.  Data that does
 * not fit is never given to the program: raft-fsm answers in its place, the same on every node.
 */
const char *request_unfit(bool netstring, struct wire_bytes data);
enum { REQUEST_WHY_SIZE = 128 };
/* The answer in its place.  what: "entry" or "query"; unfit: from request_unfit. */
struct wire_bytes request_refusal(char why[REQUEST_WHY_SIZE], const char *what, const char *unfit);
/* Before the data of an entry. */
struct request_head {
	uint64_t index;
	struct wire_bytes fields; /* each with a blank after it */
};
enum { REQUEST_FIELDS_MAX = 128 };
/* Appends one.  Before: request_unfit is NULL.  head: of an entry. */
void request_put(struct wire_buf *out, bool netstring, enum request_kind kind,
    const struct request_head *head, const uint8_t *data, size_t size);

#endif
