/* SPDX-License-Identifier: ISC */
/* Logfmt shown as text, tables and JSON. */
#include "text.h"

#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "raft/array.h"
#include "keys.def"

enum { COLUMNS = 80, COLUMNS_MAX = 32 };

/* -------------------------------------------------------------- showing */

static bool
text_named(const char *const *names, const char *key)
{
	for (; names && *names; names++)
		if (strcmp(*names, key) == 0)
			return true;
	return false;
}

static void
put_blanks(struct wire_buf *out, size_t count)
{
	memset(wire_buf_add(out, count), ' ', count);
}

void
text_show(struct wire_buf *out, const char *title, const struct text_line *line,
    const char *const *without)
{
	enum { INDENT = 8 };
	size_t column = strlen(title);
	json_put_raw(out, title);
	for (size_t i = 0; i < line->count; i++) {
		const struct text_pair *pair = &line->pairs[i];
		size_t width = strlen(pair->key) + 1 + strlen(pair->value);
		if (text_named(without, pair->key) || pair->value[0] == '\0')
			continue;
		if (column + 2 + width > COLUMNS && column > INDENT) {
			json_put_raw(out, "\n");
			column = 0;
		}
		size_t blanks = column < INDENT ? INDENT - column : 2;
		put_blanks(out, blanks);
		json_put_raw(out, pair->key);
		json_put_raw(out, "=");
		json_put_raw(out, pair->value);
		column += blanks + width;
	}
	json_put_raw(out, "\n");
}

static size_t
find_columns(const char **keys, const struct text_line *const *lines, size_t count,
    const char *const *without)
{
	size_t columns = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < lines[i]->count; k++) {
			const char *key = lines[i]->pairs[k].key;
			size_t at = 0;
			while (at < columns && strcmp(keys[at], key) != 0)
				at++;
			if (at == columns && columns < COLUMNS_MAX && !text_named(without, key))
				keys[columns++] = key;
		}
	}
	return columns;
}

static size_t
cell_width(const struct text_line *line, const char *key)
{
	const char *value = text_get(line, key);
	return value && value[0] ? strlen(value) : 1;
}

static void
put_cell(struct wire_buf *out, const char *value, size_t width, bool last)
{
	json_put_raw(out, value);
	if (last)
		json_put_raw(out, "\n");
	else
		put_blanks(out, width - strlen(value) + 2);
}

void
text_show_table(struct wire_buf *out, const struct text_line *const *lines, size_t count,
    const char *const *without)
{
	const char *keys[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX];
	size_t columns = find_columns(keys, lines, count, without);
	for (size_t c = 0; c < columns; c++) {
		widths[c] = strlen(keys[c]);
		for (size_t i = 0; i < count; i++)
			if (cell_width(lines[i], keys[c]) > widths[c])
				widths[c] = cell_width(lines[i], keys[c]);
	}
	for (size_t c = 0; c < columns; c++)
		put_cell(out, keys[c], widths[c], c + 1 == columns);
	for (size_t i = 0; i < count; i++) {
		for (size_t c = 0; c < columns; c++) {
			const char *value = text_get(lines[i], keys[c]);
			put_cell(out, value && value[0] ? value : "-", widths[c], c + 1 == columns);
		}
	}
}

/* ----------------------------------------------------------------- JSON */

enum text_type {
	TEXT_STRING,
	TEXT_ENUM, /* a string out of those that the page lists */
	TEXT_BOOLEAN,
	TEXT_INTEGER,
	TEXT_INTEGER_OR_NULL /* null: the daemon prints a word, or nothing */
};

static enum text_type
text_type(const char *kind, const char *key)
{
	static const struct {
		const char *kind, *key;
		enum text_type type;
	} keys[] = {
#define K(kind, key, type) {#kind, #key, TEXT_##type},
	    TEXT_KEYS(K)
#undef K
	};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strcmp(keys[i].kind, kind) == 0 && strcmp(keys[i].key, key) == 0)
			return keys[i].type;
	return TEXT_STRING;
}

/* As JSON has them: no leading zero. */
static bool
is_integer(const char *value)
{
	size_t size = strspn(value, "0123456789");
	return size > 0 && value[size] == '\0' && (value[0] != '0' || size == 1);
}

/*
 * The type depends on the key alone: a session may be called 7, or yes.  A value that does not fit,
 * as from a daemon of another version, is null.
 */
static void
put_value(struct wire_buf *out, enum text_type type, const char *value)
{
	switch (type) {
	case TEXT_STRING:
	case TEXT_ENUM:
		text_json_string(out, value);
		break;
	case TEXT_BOOLEAN:
		json_put_raw(out, strcmp(value, "yes") == 0  ? "true"
				  : strcmp(value, "no") == 0 ? "false"
							     : "null");
		break;
	case TEXT_INTEGER:
	case TEXT_INTEGER_OR_NULL:
		json_put_raw(out, is_integer(value) ? value : "null");
		break;
	}
}

/* JSON has no way to say bytes that are not UTF-8: a question mark stands for each. */
void
text_json_string(struct wire_buf *out, const char *value)
{
	size_t size = strlen(value);
	if (json_utf8((const uint8_t *)value, size)) {
		json_put_string(out, (const uint8_t *)value, size);
		return;
	}
	char *ascii = strdup(value);
	must(ascii != NULL);
	for (size_t i = 0; i < size; i++)
		if (ascii[i] & 0x80)
			ascii[i] = '?';
	json_put_string(out, (const uint8_t *)ascii, size);
	free(ascii);
}

void
text_json(struct wire_buf *out, const struct text_line *line, const char *kind)
{
	const char *before = "";
	json_put_raw(out, "{");
	for (size_t i = 0; i < line->count; i++) {
		const struct text_pair *pair = &line->pairs[i];
		if (strcmp(pair->key, "part") == 0)
			continue;
		json_put_raw(out, before);
		text_json_string(out, pair->key);
		json_put_raw(out, ":");
		put_value(out, text_type(kind, pair->key), pair->value);
		before = ",";
	}
	json_put_raw(out, "}");
}
