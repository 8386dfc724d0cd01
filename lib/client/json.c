/* SPDX-License-Identifier: ISC */
/* Pieces of JSON: strings, base64, numbers. */
#include "json.h"

#include <string.h>

/* The length of the UTF-8 sequence at bytes, or 0 where there is none (RFC 3629, section 4). */
static size_t
sequence_size(const uint8_t *bytes, size_t left)
{
	uint8_t first = bytes[0];
	size_t size = first < 0x80   ? 1
		      : first < 0xc2 ? 0
		      : first < 0xe0 ? 2
		      : first < 0xf0 ? 3
		      : first < 0xf5 ? 4
				     : 0;
	if (size == 0 || size > left)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and what lies above U+10FFFF show in the second byte. */
	if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) ||
	    (first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return size;
}

bool
json_utf8(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size;) {
		if (bytes[i] < 0x80) {
			i++;
			continue;
		}
		size_t length = sequence_size(bytes + i, size - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

void
json_put_raw(struct wire_buf *out, const char *text)
{
	wire_buf_put(out, text, strlen(text));
}

static bool
json_plain(uint8_t byte)
{
	return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
}

static void
put_escape(struct wire_buf *out, uint8_t byte)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	static const char hex[] = "0123456789abcdef";
	const char *found = byte ? strchr(from, byte) : NULL;
	if (found) {
		uint8_t *at = wire_buf_add(out, 2);
		at[0] = '\\';
		at[1] = (uint8_t)to[found - from];
		return;
	}
	json_put_raw(out, "\\u00");
	uint8_t *at = wire_buf_add(out, 2);
	at[0] = (uint8_t)hex[byte >> 4];
	at[1] = (uint8_t)hex[byte & 15];
}

void
json_put_string(struct wire_buf *out, const uint8_t *bytes, size_t size)
{
	json_put_raw(out, "\"");
	for (size_t i = 0; i < size;) {
		size_t start = i;
		while (i < size && json_plain(bytes[i]))
			i++;
		wire_buf_put(out, bytes + start, i - start);
		if (i < size)
			put_escape(out, bytes[i++]);
	}
	json_put_raw(out, "\"");
}

void
json_put_base64(struct wire_buf *out, const uint8_t *bytes, size_t size)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	json_put_raw(out, "\"");
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t group = (uint32_t)bytes[i] << 16 |
				 (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				 (left > 2 ? bytes[i + 2] : 0);
		uint8_t *at = wire_buf_add(out, 4);
		at[0] = (uint8_t)letters[group >> 18];
		at[1] = (uint8_t)letters[group >> 12 & 63];
		at[2] = left > 1 ? (uint8_t)letters[group >> 6 & 63] : '=';
		at[3] = left > 2 ? (uint8_t)letters[group & 63] : '=';
	}
	json_put_raw(out, "\"");
}

void
json_put_u64(struct wire_buf *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;
	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	wire_buf_put(out, digits + at, sizeof digits - at);
}
