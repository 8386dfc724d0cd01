/* SPDX-License-Identifier: ISC */
/* Sayings of a machine, out of a stream of bytes. */
#include "reply.h"

#include <string.h>

#include "client/framing.h"

enum { DIGITS_MAX = 20, LENGTH_DIGITS_MAX = 9 };

void
reply_init(struct reply_reader *source, bool netstring, size_t size_max)
{
	*source = (struct reply_reader){.netstring = netstring, .size_max = size_max};
}

void
reply_free(struct reply_reader *source)
{
	wire_buf_free(&source->buf);
}

uint8_t *
reply_room(struct reply_reader *source, size_t size)
{
	if (source->at > 0) {
		wire_buf_drop(&source->buf, source->at);
		source->scanned -= source->scanned < source->at ? source->scanned : source->at;
		source->at = 0;
	}
	return wire_buf_add(&source->buf, size);
}

void
reply_added(struct reply_reader *source, size_t room, size_t size)
{
	source->buf.size -= room - size;
}

/* size: of what stands at the beginning of what it said. */
static struct reply
reply_wrong(struct reply_reader *source, const char *why, const uint8_t *said, size_t size)
{
	source->wrong = true;
	return (struct reply){.kind = REPLY_WRONG, .why = why, .data = {said, size}};
}

/* Digits and nothing else. */
static bool
reply_number(const uint8_t *bytes, size_t size, uint64_t *value)
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
		if (size >= word && memcmp(bytes, words[i].word, word) == 0 &&
		    (size == word || bytes[word] == ' '))
			return (int)i;
	}
	return -1;
}

/* Moves " CHAIN" from the end of data to chain.  False: something else is there. */
static bool
reply_chain(struct wire_bytes *data, char chain[REPLY_CHAIN_SIZE])
{
	const uint8_t *blank = memchr(data->bytes, ' ', data->size);
	if (blank == NULL)
		return true;
	size_t size = data->size - (size_t)(blank + 1 - data->bytes);
	data->size -= size + 1;
	if (size == 0 || size >= REPLY_CHAIN_SIZE)
		return false;
	memcpy(chain, blank + 1, size);
	chain[size] = '\0';
	return strcmp(chain, "-") == 0 ||
	       (size == REPLY_CHAIN_SIZE - 1 && strspn(chain, "0123456789abcdef") == size);
}

/* One whole saying. */
static struct reply
reply_parse(struct reply_reader *source, const uint8_t *bytes, size_t size)
{
	int at = find_word(bytes, size);
	if (at < 0)
		return reply_wrong(
		    source, "it says what is neither ok, refused, ready nor durable", bytes, size);
	size_t word = words[at].size, skip = size > word ? word + 1 : word;
	struct reply reply = {.kind = words[at].kind, .data = {bytes + skip, size - skip}};
	if (reply.kind == REPLY_READY && !reply_chain(&reply.data, reply.chain))
		return reply_wrong(source,
		    "it says ready N with something that is neither 32 lower-case hexadecimal "
		    "digits nor a minus sign after it",
		    bytes, size);
	if (words[at].numbered && !reply_number(reply.data.bytes, reply.data.size, &reply.index))
		return reply_wrong(
		    source, "it says ready or durable without a number behind it", bytes, size);
	if (!words[at].numbered && !source->netstring && framing_line_unfit(reply.data)) {
		reply.lost = "the reply holds a NUL, which framing: line cannot give to a client";
		reply.data.size = 0;
	}
	return reply;
}

/* ------- an answer that is too long: only its word matters ------------------- */

/* Whether its word is that of an answer.  size: as much as is there. */
static bool
drop_begin(struct reply_reader *source, const uint8_t *bytes, size_t size)
{
	int at = find_word(bytes, size);
	if (at < 0 || words[at].numbered)
		return false;
	source->dropping = words[at].kind;
	return true;
}

static struct reply
drop_end(struct reply_reader *source)
{
	const struct reply reply = {
	    .kind = source->dropping, .data = wire_text(""), .lost = too_long};
	source->dropping = REPLY_MORE;
	source->scanned = source->at;
	return reply;
}

static struct reply
drop_line(struct reply_reader *source)
{
	const uint8_t *start = source->buf.bytes + source->at;
	size_t size = source->buf.size - source->at;
	const uint8_t *end = memchr(start, '\n', size);
	source->at += end ? (size_t)(end - start) + 1 : size;
	return end ? drop_end(source) : (struct reply){.kind = REPLY_MORE};
}

static struct reply
drop_netstring(struct reply_reader *source)
{
	size_t size = source->buf.size - source->at;
	size_t now = source->drop_left < size ? (size_t)source->drop_left : size;
	source->at += now;
	source->drop_left -= now;
	if (now == size)
		return (struct reply){.kind = REPLY_MORE};
	const uint8_t *comma = source->buf.bytes + source->at;
	if (*comma != ',')
		return reply_wrong(
		    source, "its netstring has no comma at its end", comma, size - now);
	source->at++;
	return drop_end(source);
}

/* ------- sayings ------------------------------------------------------------- */

static struct reply
next_line(struct reply_reader *source)
{
	const uint8_t *start = source->buf.bytes + source->at;
	size_t size = source->buf.size - source->at, from = source->scanned - source->at;
	const uint8_t *end = size > from ? memchr(start + from, '\n', size - from) : NULL;
	size_t line = end ? (size_t)(end - start) : size;
	if (line > source->size_max && drop_begin(source, start, line))
		return drop_line(source);
	if (line > source->size_max)
		return reply_wrong(source,
		    "what it says is longer than fsm.reply_max, or has no newline at its end",
		    start, line);
	if (end == NULL) {
		source->scanned = source->buf.size;
		return (struct reply){.kind = REPLY_MORE};
	}
	source->at += line + 1;
	source->scanned = source->at;
	return reply_parse(source, start, line);
}

/* content: of `length` bytes, as many as `size` of which are there. */
static struct reply
long_netstring(struct reply_reader *source, const uint8_t *content, size_t size, uint64_t length)
{
	size_t enough = sizeof "refused";
	if (size < enough && size < length)
		return (struct reply){.kind = REPLY_MORE};
	if (!drop_begin(source, content, size < length ? size : (size_t)length))
		return reply_wrong(
		    source, "what it says is longer than fsm.reply_max", content, size);
	source->at = (size_t)(content - source->buf.bytes);
	source->drop_left = length;
	return drop_netstring(source);
}

static struct reply
reply_next_netstring(struct reply_reader *source)
{
	const uint8_t *start = source->buf.bytes + source->at;
	size_t size = source->buf.size - source->at, digits = 0;
	uint64_t length;
	while (digits < size && digits <= LENGTH_DIGITS_MAX && start[digits] >= '0' &&
	       start[digits] <= '9')
		digits++;
	if (digits == size && digits <= LENGTH_DIGITS_MAX)
		return (struct reply){.kind = REPLY_MORE};
	if (digits > LENGTH_DIGITS_MAX || start[digits] != ':' ||
	    !reply_number(start, digits, &length))
		return reply_wrong(source, "it says what is no netstring", start, size);
	if (length > source->size_max)
		return long_netstring(source, start + digits + 1, size - digits - 1, length);
	if (size < digits + 1 + length + 1)
		return (struct reply){.kind = REPLY_MORE};
	if (start[digits + 1 + length] != ',')
		return reply_wrong(source, "its netstring has no comma at its end", start, size);
	source->at += digits + 1 + length + 1;
	return reply_parse(source, start + digits + 1, length);
}

struct reply
reply_next(struct reply_reader *source)
{
	if (source->wrong)
		return reply_wrong(source, "it has said something wrong before", NULL, 0);
	if (source->at == source->buf.size)
		return (struct reply){.kind = REPLY_MORE};
	if (source->dropping != REPLY_MORE)
		return source->netstring ? drop_netstring(source) : drop_line(source);
	return source->netstring ? reply_next_netstring(source) : next_line(source);
}

bool
reply_begun(const struct reply_reader *source)
{
	return source->at < source->buf.size || source->dropping != REPLY_MORE;
}
