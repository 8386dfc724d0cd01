/* SPDX-License-Identifier: ISC */
/*
 * A command as words.  Two forms:
 *
 *   put colour light blue            words with one blank between them
 *   3:put,6:colour,10:light blue,    netstrings, for words of any bytes
 *
 * No command begins with a digit, so nobody has to say which form it is.
 */
#ifndef KV_WORDS_H
#define KV_WORDS_H

#include "wire/message.h"

enum { WORDS_MAX = 5 };

struct words {
	struct wire_bytes word[WORDS_MAX];
	size_t count; /* WORDS_MAX: perhaps more */
	bool netstrings;
};

/* False: it begins as netstrings and is none. */
bool words_split(struct words *words, struct wire_bytes data);
/* The words from `first` to the end become one, blanks and all.  No effect on netstrings. */
void words_join(struct words *words, size_t first, struct wire_bytes data);
/* Takes one netstring off the front; false: none stands there. */
bool words_netstring(struct wire_bytes *data, struct wire_bytes *content);
void words_put_netstring(struct wire_buf *out, struct wire_bytes content);

#endif
