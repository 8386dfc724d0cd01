/* SPDX-License-Identifier: ISC */
/* Requests as bytes. */
#include "request.h"

#include <stdio.h>
#include <string.h>

#include "client/framing.h"

enum { HEAD_MAX = 64 + REQUEST_FIELDS_MAX };

static const struct {
	const char *text;
	size_t size;
	bool indexed;
} words[] = {
#define R(NAME, text, indexed) {text, sizeof text - 1, indexed},
    REQUEST_KINDS(R)
#undef R
};
_Static_assert(sizeof words / sizeof words[0] == REQUEST_KINDS_COUNT, "a word for each request");

const char *
request_name(enum request_kind kind)
{
	return words[kind].text;
}

const char *
request_unfit(bool netstring, struct wire_bytes data)
{
	return netstring ? NULL : framing_line_unfit(data);
}

struct wire_bytes
request_refusal(char why[REQUEST_WHY_SIZE], const char *what, const char *unfit)
{
	snprintf(why, REQUEST_WHY_SIZE,
	    "the %s holds %s, which framing: line cannot give to the program", what, unfit);
	return wire_text(why);
}

void
request_put(struct wire_buf *out, bool netstring, enum request_kind kind,
    const struct request_head *of, const uint8_t *data, size_t size)
{
	char head[HEAD_MAX], length[WIRE_NUMBER_MAX + 1];
	size_t head_size = words[kind].size, length_size = 0;
	memcpy(head, words[kind].text, head_size);
	head[head_size++] = ' ';
	if (words[kind].indexed) {
		head_size += wire_number_put(head + head_size, of->index);
		head[head_size++] = ' ';
		must(of->fields.size <= REQUEST_FIELDS_MAX);
		if (of->fields.size)
			memcpy(head + head_size, of->fields.bytes, of->fields.size);
		head_size += of->fields.size;
	}
	if (netstring) {
		length_size = wire_number_put(length, head_size + size);
		length[length_size++] = ':';
	}
	uint8_t *at = wire_buf_add(out, length_size + head_size + size + 1);
	memcpy(at, length, length_size);
	memcpy(at + length_size, head, head_size);
	if (size)
		memcpy(at + length_size + head_size, data, size);
	at[length_size + head_size + size] = netstring ? ',' : '\n';
}
