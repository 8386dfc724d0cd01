/* SPDX-License-Identifier: ISC */
/*
 * What a machine is asked, as bytes: raft-fsm-protocol(7).  Pure.
 *
 * A request is a word, what belongs to it, and data; a line each, or a netstring each.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "../../lib/wire/message.h"

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
/* Whether the data can be said in this form: a line holds no newline. */
bool request_fits(bool netstring, const uint8_t *data, size_t size);
/* Appends one.  Before: request_fits.  index: of an entry. */
void request_put(struct wire_buf *out, bool netstring, enum request_kind kind, uint64_t index,
    const uint8_t *data, size_t size);

#endif
