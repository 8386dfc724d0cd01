/* SPDX-License-Identifier: ISC */
/* Splitting. */
#include "words.h"

#include <stdio.h>
#include <string.h>

static bool
is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

bool
words_netstring(struct wire_bytes *data, struct wire_bytes *content)
{
	size_t size = 0, at = 0;
	for (; at < data->size && is_digit(data->bytes[at]); at++) {
		if (size > data->size)
			return false;
		size = size * 10 + (size_t)(data->bytes[at] - '0');
	}
	/* A length, a colon, the content, a comma. */
	if (at == 0 || at == data->size || data->bytes[at] != ':')
		return false;
	at++;
	if (data->size - at <= size || data->bytes[at + size] != ',')
		return false;
	*content = (struct wire_bytes){data->bytes + at, size};
	*data = (struct wire_bytes){data->bytes + at + size + 1, data->size - at - size - 1};
	return true;
}

void
words_put_netstring(struct wire_buf *out, struct wire_bytes content)
{
	char size[24];
	wire_buf_put(out, size, (size_t)snprintf(size, sizeof size, "%zu:", content.size));
	wire_buf_put(out, content.bytes, content.size);
	wire_buf_put(out, ",", 1);
}

static bool
split_netstrings(struct words *words, struct wire_bytes data)
{
	while (data.size > 0 && words->count < WORDS_MAX)
		if (!words_netstring(&data, &words->word[words->count++]))
			return false;
	return true;
}

static void
split_blanks(struct words *words, struct wire_bytes data)
{
	while (words->count < WORDS_MAX) {
		const uint8_t *blank = memchr(data.bytes, ' ', data.size);
		size_t size = blank ? (size_t)(blank - data.bytes) : data.size;
		words->word[words->count++] = (struct wire_bytes){data.bytes, size};
		if (blank == NULL)
			return;
		data = (struct wire_bytes){blank + 1, data.size - size - 1};
	}
}

bool
words_split(struct words *words, struct wire_bytes data)
{
	*words = (struct words){.netstrings = data.size > 0 && is_digit(data.bytes[0])};
	if (words->netstrings)
		return split_netstrings(words, data);
	split_blanks(words, data);
	return true;
}

void
words_join(struct words *words, size_t first, struct wire_bytes data)
{
	if (words->netstrings || words->count <= first)
		return;
	words->word[first].size = (size_t)(data.bytes + data.size - words->word[first].bytes);
	words->count = first + 1;
}
