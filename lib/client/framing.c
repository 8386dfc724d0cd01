/* SPDX-License-Identifier: ISC */
/* Framings: a stream of bytes to items, and entries to bytes. */
#include "framing.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "when.h"
#include "wire/origin.h"

void
framing_init(struct framing_reader *reader, enum framing framing, size_t item_max)
{
	must(framing != FRAMING_JSON);
	*reader = (struct framing_reader){.framing = framing, .item_max = item_max};
}

void
framing_free(struct framing_reader *reader)
{
	wire_buf_free(&reader->buf);
}

uint8_t *
framing_room(struct framing_reader *reader, size_t size)
{
	wire_buf_drop(&reader->buf, reader->at);
	reader->scanned -= reader->at;
	reader->at = 0;
	return wire_buf_add(&reader->buf, size);
}

void
framing_added(struct framing_reader *reader, size_t room, size_t size)
{
	must(size <= room);
	reader->buf.size -= room - size;
}

void
framing_feed(struct framing_reader *reader, const void *bytes, size_t size)
{
	uint8_t *room = framing_room(reader, size);
	if (size > 0)
		memcpy(room, bytes, size);
}

void
framing_end(struct framing_reader *reader)
{
	reader->ended = true;
}

void
framing_again(struct framing_reader *reader)
{
	must(reader->at == reader->buf.size);
	reader->ended = false;
	reader->whole_given = false;
}

static enum framing_found
framing_give(
    struct framing_reader *reader, struct wire_bytes *item, size_t start, size_t size, size_t next)
{
	/* An empty input has not even a buffer. */
	*item =
	    (struct wire_bytes){size > 0 ? reader->buf.bytes + start : (const uint8_t *)"", size};
	reader->at = next;
	reader->scanned = next;
	reader->count++;
	return FRAMING_ITEM;
}

static enum framing_found
too_large(struct framing_reader *reader, char *why)
{
	reader->failed = true;
	snprintf(why, FRAMING_WHY_SIZE, "entry %llu is larger than %zu bytes",
	    (unsigned long long)reader->count + 1, reader->item_max);
	return FRAMING_TOO_LARGE;
}

static enum framing_found
framing_malformed(struct framing_reader *reader, char *why, const char *what)
{
	reader->failed = true;
	snprintf(why, FRAMING_WHY_SIZE, "entry %llu is not a netstring: %s",
	    (unsigned long long)reader->count + 1, what);
	return FRAMING_MALFORMED;
}

static enum framing_found
next_terminated(struct framing_reader *reader, struct wire_bytes *item, char *why, int terminator)
{
	size_t at = reader->at, size = reader->buf.size;
	const uint8_t *bytes = reader->buf.bytes;
	const uint8_t *found = size > reader->scanned ? memchr(bytes + reader->scanned, terminator,
							    size - reader->scanned)
						      : NULL;
	size_t end = found ? (size_t)(found - bytes) : size;
	if (end - at > reader->item_max)
		return too_large(reader, why);
	if (found)
		return framing_give(reader, item, at, end - at, end + 1);
	reader->scanned = size;
	if (!reader->ended)
		return FRAMING_MORE;
	return at == size ? FRAMING_END : framing_give(reader, item, at, size - at, size);
}

/* An input that is empty is one empty entry. */
static enum framing_found
next_whole(struct framing_reader *reader, struct wire_bytes *item, char *why)
{
	size_t size = reader->buf.size - reader->at;
	if (size > reader->item_max)
		return too_large(reader, why);
	if (!reader->ended)
		return FRAMING_MORE;
	if (reader->whole_given)
		return FRAMING_END;
	reader->whole_given = true;
	return framing_give(reader, item, reader->at, size, reader->buf.size);
}

enum { LENGTH_DIGITS_MAX = 10 };

/* Reads LENGTH and its colon; *data is where the data begins. */
static enum framing_found
netstring_length(struct framing_reader *reader, size_t *length, size_t *data, char *why)
{
	size_t at = reader->at;
	for (*length = 0; at < reader->buf.size; at++) {
		uint8_t byte = reader->buf.bytes[at];
		if (byte == ':' && at > reader->at) {
			*data = at + 1;
			return FRAMING_ITEM;
		}
		if (byte < '0' || byte > '9')
			return framing_malformed(reader, why, "LENGTH:DATA, is expected");
		if (at > reader->at && reader->buf.bytes[reader->at] == '0')
			return framing_malformed(reader, why, "its length begins with 0");
		if (at - reader->at >= LENGTH_DIGITS_MAX)
			return too_large(reader, why);
		*length = *length * 10 + (size_t)(byte - '0');
	}
	if (!reader->ended)
		return FRAMING_MORE;
	return at == reader->at
		   ? FRAMING_END
		   : framing_malformed(reader, why, "the input ends within its length");
}

static enum framing_found
framing_next_netstring(struct framing_reader *reader, struct wire_bytes *item, char *why)
{
	size_t length, data;
	enum framing_found found = netstring_length(reader, &length, &data, why);
	if (found != FRAMING_ITEM)
		return found;
	if (length > reader->item_max)
		return too_large(reader, why);
	if (reader->buf.size - data < length + 1) {
		if (!reader->ended)
			return FRAMING_MORE;
		return framing_malformed(reader, why, "the input ends within its data");
	}
	if (reader->buf.bytes[data + length] != ',')
		return framing_malformed(reader, why, "no comma stands after its data");
	return framing_give(reader, item, data, length, data + length + 1);
}

enum framing_found
framing_next(struct framing_reader *reader, struct wire_bytes *item, char *why)
{
	must(!reader->failed);
	switch (reader->framing) {
	case FRAMING_LINE:
		return next_terminated(reader, item, why, '\n');
	case FRAMING_NUL:
		return next_terminated(reader, item, why, '\0');
	case FRAMING_NETSTRING:
		return framing_next_netstring(reader, item, why);
	default:
		return next_whole(reader, item, why);
	}
}

static void
put_terminated(struct wire_buf *out, struct wire_bytes bytes, uint8_t terminator)
{
	wire_buf_put(out, bytes.bytes, bytes.size);
	wire_buf_put(out, &terminator, 1);
}

static void
put_netstring(struct wire_buf *out, struct wire_bytes bytes)
{
	json_put_u64(out, bytes.size);
	json_put_raw(out, ":");
	put_terminated(out, bytes, ',');
}

static void
framing_put_session(struct wire_buf *out, const struct raft_sid *sid)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t *at = wire_buf_add(out, 2 * RAFT_SID_SIZE);
	for (size_t i = 0; i < RAFT_SID_SIZE; i++) {
		at[2 * i] = (uint8_t)hex[sid->b[i] >> 4];
		at[2 * i + 1] = (uint8_t)hex[sid->b[i] & 15];
	}
}

/* An entry of level 1 has neither. */
static void
put_stamp(struct wire_buf *out, const struct raft_entry *entry)
{
	char time[WHEN_SIZE], origin[WIRE_ORIGIN_SIZE];
	struct raft_stamp stamp;
	if (!raft_entry_stamp(entry, &stamp))
		return;
	if (stamp.time > 0) {
		when_print(time, stamp.time);
		json_put_raw(out, ",\"time\":\"");
		json_put_raw(out, time);
		json_put_raw(out, "\"");
	}
	wire_origin_print(origin, &stamp);
	json_put_raw(out, ",\"origin\":\"");
	json_put_raw(out, origin);
	json_put_raw(out, "\"");
}

static void
put_json(struct wire_buf *out, uint64_t index, const struct raft_entry *entry)
{
	const uint8_t *data = raft_entry_data(entry);
	uint32_t size = raft_entry_data_size(entry);
	json_put_raw(out, "{\"index\":");
	json_put_u64(out, index);
	json_put_raw(out, ",\"term\":");
	json_put_u64(out, entry->term);
	put_stamp(out, entry);
	json_put_raw(out, ",\"session\":\"");
	framing_put_session(out, &entry->session);
	json_put_raw(out, "\",\"serial\":");
	json_put_u64(out, entry->serial);
	if (json_utf8(data, size)) {
		json_put_raw(out, ",\"data\":");
		json_put_string(out, data, size);
	} else {
		json_put_raw(out, ",\"base64\":");
		json_put_base64(out, data, size);
	}
	json_put_raw(out, "}\n");
}

void
framing_put_bytes(struct wire_buf *out, enum framing framing, struct wire_bytes bytes)
{
	must(framing != FRAMING_JSON);
	switch (framing) {
	case FRAMING_LINE:
		put_terminated(out, bytes, '\n');
		return;
	case FRAMING_NUL:
		put_terminated(out, bytes, '\0');
		return;
	case FRAMING_NETSTRING:
		put_netstring(out, bytes);
		return;
	default:
		wire_buf_put(out, bytes.bytes, bytes.size);
	}
}

void
framing_put(
    struct wire_buf *out, enum framing framing, uint64_t index, const struct raft_entry *entry)
{
	if (framing == FRAMING_JSON)
		put_json(out, index, entry);
	else
		framing_put_bytes(out, framing,
		    (struct wire_bytes){raft_entry_data(entry), raft_entry_data_size(entry)});
}

const char *
framing_line_unfit(struct wire_bytes data)
{
	if (data.size == 0)
		return NULL;
	if (memchr(data.bytes, '\n', data.size))
		return "a newline";
	return memchr(data.bytes, '\0', data.size) ? "a NUL" : NULL;
}

const char *
framing_program_unfit(const struct conf *conf, struct wire_bytes data)
{
	bool lines = conf->fsm.present && conf->fsm.mode == CONF_MACHINE &&
		     conf->fsm.framing == FRAMING_LINE;
	return lines ? framing_line_unfit(data) : NULL;
}
