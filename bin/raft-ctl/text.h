/* SPDX-License-Identifier: ISC */
/* What daemons answer, shown to people and to programs. */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include "client/text.h"
#include "wire/buf.h"

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
