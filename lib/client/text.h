/* SPDX-License-Identifier: ISC */
/* What daemons answer to query_text: lines of key=value pairs. */
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include <stddef.h>

struct text_pair {
	char *key;
	char *value; /* unquoted */
};
struct text_line {
	struct text_pair *pairs;
	size_t count, room;
};
struct text {
	struct text_line *lines;
	size_t count, room;
};

void text_parse(struct text *text, const char *bytes, size_t size);
void text_free(struct text *text);
/* NULL when the line has no such key. */
const char *text_get(const struct text_line *line, const char *key);

#endif
