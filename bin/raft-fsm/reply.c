/* SPDX-License-Identifier: ISC */
/* Sayings of a machine, out of a stream of bytes. */
#include "reply.h"

#include <string.h>

enum { DIGITS_MAX = 20, LENGTH_DIGITS_MAX = 9 };

void
reply_init(struct reply_reader *reader, bool netstring, size_t size_max)
{
	*reader = (struct reply_reader){.netstring = netstring, .size_max = size_max};
}

void
reply_free(struct reply_reader *reader)
{
	wire_buf_free(&reader->buf);
}

uint8_t *
reply_room(struct reply_reader *reader, size_t size)
{
	if (reader->at > 0) {
		wire_buf_drop(&reader->buf, reader->at);
		reader->scanned -= reader->scanned < reader->at ? reader->scanned : reader->at;
		reader->at = 0;
	}
	return wire_buf_add(&reader->buf, size);
}

void
reply_added(struct reply_reader *reader, size_t room, size_t size)
{
	reader->buf.size -= room - size;
}

/* size: of what stands at the beginning of what it said. */
static struct reply
wrong(struct reply_reader *reader, const char *why, const uint8_t *said, size_t size)
{
	reader->wrong = true;
	return (struct reply){.kind = REPLY_WRONG, .why = why, .data = {said, size}};
}

/* Digits and nothing else. */
static bool
number(const uint8_t *bytes, size_t size, uint64_t *value)
{
	*value = 0;
	if (size == 0 || size >= DIGITS_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] < '0' || bytes[i] > '9')
			return false;
		*value = *value * 10 + (uint64_t)(bytes[i] - '0');
	}
	return true;
}

static const struct {
	const char *word;
	size_t size;
	enum reply_kind kind;
	bool numbered;
} words[] = {
    {"ok", 2, REPLY_OK, false},
    {"refused", 7, REPLY_REFUSED, false},
    {"ready", 5, REPLY_READY, true},
    {"durable", 7, REPLY_DURABLE, true},
};

/* One whole saying. */
static struct reply
parse(struct reply_reader *reader, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		size_t word = words[i].size;
		if (size < word || memcmp(bytes, words[i].word, word) != 0 || (size > word && bytes[word] != ' '))
			continue;
		struct reply reply = {.kind = words[i].kind};
		size_t skip = size > word ? word + 1 : word;
		reply.data = (struct wire_bytes){bytes + skip, size - skip};
		if (words[i].numbered && !number(reply.data.bytes, reply.data.size, &reply.index))
			return wrong(reader, "it says ready or durable without a number behind it", bytes, size);
		return reply;
	}
	return wrong(reader, "it says what is neither ok, refused, ready nor durable", bytes, size);
}

static struct reply
next_line(struct reply_reader *reader)
{
	const uint8_t *start = reader->buf.bytes + reader->at;
	size_t size = reader->buf.size - reader->at, from = reader->scanned - reader->at;
	const uint8_t *end = size > from ? memchr(start + from, '\n', size - from) : NULL;
	size_t line = end ? (size_t)(end - start) : size;
	if (line > reader->size_max)
		return wrong(reader, "its answer is longer than fsm.reply_max, or has no newline at its end", start,
		    line);
	if (end == NULL) {
		reader->scanned = reader->buf.size;
		return (struct reply){.kind = REPLY_MORE};
	}
	reader->at += line + 1;
	reader->scanned = reader->at;
	if (memchr(start, '\0', line))
		return wrong(reader, "its answer holds a NUL: take framing: netstring for such data", start, line);
	return parse(reader, start, line);
}

static struct reply
next_netstring(struct reply_reader *reader)
{
	const uint8_t *start = reader->buf.bytes + reader->at;
	size_t size = reader->buf.size - reader->at, digits = 0;
	uint64_t length;
	while (digits < size && digits <= LENGTH_DIGITS_MAX && start[digits] >= '0' && start[digits] <= '9')
		digits++;
	if (digits == size && digits <= LENGTH_DIGITS_MAX)
		return (struct reply){.kind = REPLY_MORE};
	if (digits > LENGTH_DIGITS_MAX || start[digits] != ':' || !number(start, digits, &length))
		return wrong(reader, "it says what is no netstring", start, size);
	if (length > reader->size_max)
		return wrong(reader, "its answer is longer than fsm.reply_max", start, size);
	if (size < digits + 1 + length + 1)
		return (struct reply){.kind = REPLY_MORE};
	if (start[digits + 1 + length] != ',')
		return wrong(reader, "its netstring has no comma at its end", start, size);
	reader->at += digits + 1 + length + 1;
	return parse(reader, start + digits + 1, length);
}

struct reply
reply_next(struct reply_reader *reader)
{
	if (reader->wrong)
		return wrong(reader, "it has said something wrong before", NULL, 0);
	if (reader->at == reader->buf.size)
		return (struct reply){.kind = REPLY_MORE};
	return reader->netstring ? next_netstring(reader) : next_line(reader);
}

bool
reply_begun(const struct reply_reader *reader)
{
	return reader->at < reader->buf.size;
}
