/* SPDX-License-Identifier: ISC */
/* What daemons answer: lines of key=value pairs, read, and shown to people and to programs. */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include "wire/buf.h"

#include <stdbool.h>

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

/* Pairs wrapped at 80 columns behind a title; the keys named in `without` (NULL-terminated) are
 * left out. */
void text_show(struct wire_buf *out, const char *title, const struct text_line *line,
    const char *const *without);
/* A table with a column for each key that stands in any of the lines. */
void text_show_table(struct wire_buf *out, const struct text_line *const *lines, size_t count,
    const char *const *without);
void text_json_string(struct wire_buf *out, const char *value);
/*
 * An object, without the key `part`.  The kind of the line, "elect" or "session", gives each key
 * its type: keys.def.
 */
void text_json(struct wire_buf *out, const struct text_line *line, const char *kind);

#endif
