/* SPDX-License-Identifier: ISC */
/* Sayings of a machine, out of a stream of bytes. */
#include "reply.h"

#include <string.h>

#include "../../lib/client/framing.h"

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

static const char too_long[] = "the reply is longer than fsm.reply_max";

/* The place in words; -1: it begins with none of them.  size: as much as is there. */
static int
find_word(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		size_t word = words[i].size;
		if (size >= word && memcmp(bytes, words[i].word, word) == 0 && (size == word || bytes[word] == ' '))
			return (int)i;
	}
	return -1;
}

/* One whole saying. */
static struct reply
parse(struct reply_reader *reader, const uint8_t *bytes, size_t size)
{
	int at = find_word(bytes, size);
	if (at < 0)
		return wrong(reader, "it says what is neither ok, refused, ready nor durable", bytes, size);
	size_t word = words[at].size, skip = size > word ? word + 1 : word;
	struct reply reply = {.kind = words[at].kind, .data = {bytes + skip, size - skip}};
	if (words[at].numbered && !number(reply.data.bytes, reply.data.size, &reply.index))
		return wrong(reader, "it says ready or durable without a number behind it", bytes, size);
	if (!words[at].numbered && !reader->netstring && framing_line_unfit(reply.data)) {
		reply.lost = "the reply holds a NUL, which framing: line cannot give to a client";
		reply.data.size = 0;
	}
	return reply;
}

/* ------- an answer that is too long: only its word matters ------------------- */

/* Whether its word is that of an answer.  size: as much as is there. */
static bool
drop_begin(struct reply_reader *reader, const uint8_t *bytes, size_t size)
{
	int at = find_word(bytes, size);
	if (at < 0 || words[at].numbered)
		return false;
	reader->dropping = words[at].kind;
	return true;
}

static struct reply
drop_end(struct reply_reader *reader)
{
	const struct reply reply = {.kind = reader->dropping, .data = wire_text(""), .lost = too_long};
	reader->dropping = REPLY_MORE;
	reader->scanned = reader->at;
	return reply;
}

static struct reply
drop_line(struct reply_reader *reader)
{
	const uint8_t *start = reader->buf.bytes + reader->at;
	size_t size = reader->buf.size - reader->at;
	const uint8_t *end = memchr(start, '\n', size);
	reader->at += end ? (size_t)(end - start) + 1 : size;
	return end ? drop_end(reader) : (struct reply){.kind = REPLY_MORE};
}

static struct reply
drop_netstring(struct reply_reader *reader)
{
	size_t size = reader->buf.size - reader->at;
	size_t now = reader->drop_left < size ? (size_t)reader->drop_left : size;
	reader->at += now;
	reader->drop_left -= now;
	if (now == size)
		return (struct reply){.kind = REPLY_MORE};
	const uint8_t *comma = reader->buf.bytes + reader->at;
	if (*comma != ',')
		return wrong(reader, "its netstring has no comma at its end", comma, size - now);
	reader->at++;
	return drop_end(reader);
}

/* ------- sayings ------------------------------------------------------------- */

static struct reply
next_line(struct reply_reader *reader)
{
	const uint8_t *start = reader->buf.bytes + reader->at;
	size_t size = reader->buf.size - reader->at, from = reader->scanned - reader->at;
	const uint8_t *end = size > from ? memchr(start + from, '\n', size - from) : NULL;
	size_t line = end ? (size_t)(end - start) : size;
	if (line > reader->size_max && drop_begin(reader, start, line))
		return drop_line(reader);
	if (line > reader->size_max)
		return wrong(reader, "what it says is longer than fsm.reply_max, or has no newline at its end", start, line);
	if (end == NULL) {
		reader->scanned = reader->buf.size;
		return (struct reply){.kind = REPLY_MORE};
	}
	reader->at += line + 1;
	reader->scanned = reader->at;
	return parse(reader, start, line);
}

/* content: of `length` bytes, as many as `size` of which are there. */
static struct reply
long_netstring(struct reply_reader *reader, const uint8_t *content, size_t size, uint64_t length)
{
	size_t enough = sizeof "refused";
	if (size < enough && size < length)
		return (struct reply){.kind = REPLY_MORE};
	if (!drop_begin(reader, content, size < length ? size : (size_t)length))
		return wrong(reader, "what it says is longer than fsm.reply_max", content, size);
	reader->at = (size_t)(content - reader->buf.bytes);
	reader->drop_left = length;
	return drop_netstring(reader);
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
		return long_netstring(reader, start + digits + 1, size - digits - 1, length);
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
	if (reader->dropping != REPLY_MORE)
		return reader->netstring ? drop_netstring(reader) : drop_line(reader);
	return reader->netstring ? next_netstring(reader) : next_line(reader);
}

bool
reply_begun(const struct reply_reader *reader)
{
	return reader->at < reader->buf.size || reader->dropping != REPLY_MORE;
}
