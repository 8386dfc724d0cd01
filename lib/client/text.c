/* SPDX-License-Identifier: ISC */
/* Logfmt read. */
#include "text.h"

#include <stdlib.h>
#include <string.h>

#include "raft/array.h"
#include "wire/buf.h"

static char *
text_copy(const char *from, size_t size)
{
	char *text = malloc(size + 1);
	must(text != NULL);
	memcpy(text, from, size);
	text[size] = '\0';
	return text;
}

static int
text_hex_digit(char c)
{
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= '0' && c <= '9' ? c - '0' : 0;
}

/* A quoted value without its quotes and escapes; *at is after the first quote, and then after the
 * last. */
static char *
text_unquote(const char **at, const char *end)
{
	struct wire_buf value = {0};
	const char *p = *at;
	for (; p < end && *p != '"'; p++) {
		char c = *p;
		if (c == '\\' && p + 1 < end) {
			c = *++p;
			if (c == 'n')
				c = '\n';
			else if (c == 'x' && end - p > 2)
				c = (char)(text_hex_digit(p[1]) << 4 | text_hex_digit(p[2])),
				p += 2;
		}
		wire_buf_put(&value, &c, 1);
	}
	*at = p < end ? p + 1 : p;
	wire_buf_put(&value, "", 1);
	return (char *)value.bytes;
}

static void
text_parse_line(struct text_line *line, const char *at, const char *end)
{
	while (at < end) {
		while (at < end && *at == ' ')
			at++;
		const char *key = at;
		while (at < end && *at != '=' && *at != ' ')
			at++;
		if (at == key)
			return;
		RAFT_GROW(line->pairs, line->room, line->count + 1);
		struct text_pair *pair = &line->pairs[line->count++];
		pair->key = text_copy(key, (size_t)(at - key));
		if (at < end && *at == '=')
			at++;
		if (at < end && *at == '"') {
			at++;
			pair->value = text_unquote(&at, end);
			continue;
		}
		const char *value = at;
		while (at < end && *at != ' ')
			at++;
		pair->value = text_copy(value, (size_t)(at - value));
	}
}

void
text_parse(struct text *text, const char *bytes, size_t size)
{
	const char *end = bytes + size;
	*text = (struct text){0};
	while (bytes < end) {
		const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
		if (stop == NULL)
			stop = end;
		RAFT_GROW(text->lines, text->room, text->count + 1);
		text->lines[text->count] = (struct text_line){0};
		text_parse_line(&text->lines[text->count++], bytes, stop);
		bytes = stop + 1;
	}
}

void
text_free(struct text *text)
{
	for (size_t i = 0; i < text->count; i++) {
		for (size_t k = 0; k < text->lines[i].count; k++) {
			free(text->lines[i].pairs[k].key);
			free(text->lines[i].pairs[k].value);
		}
		free(text->lines[i].pairs);
	}
	free(text->lines);
	*text = (struct text){0};
}

const char *
text_get(const struct text_line *line, const char *key)
{
	for (size_t i = 0; i < line->count; i++)
		if (strcmp(line->pairs[i].key, key) == 0)
			return line->pairs[i].value;
	return NULL;
}
