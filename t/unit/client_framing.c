/* SPDX-License-Identifier: ISC */
/* Framings: whatever the pieces in which a stream comes, the entries are the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/framing.h"
#include "client/json.h"
#include "check.h"

struct stream {
	enum framing framing;
	const char *bytes;
	size_t size;
	enum framing_found end;
	const char *items; /* each followed by | */
};

#define S(text) text, sizeof(text) - 1
static const struct stream streams[] = {
    {FRAMING_LINE, S("a\nbc\n\nd\n"), FRAMING_END, "a|bc||d|"},
    {FRAMING_LINE, S("a\nunterminated"), FRAMING_END, "a|unterminated|"},
    {FRAMING_LINE, S(""), FRAMING_END, ""},
    {FRAMING_LINE, S("\n"), FRAMING_END, "|"},
    {FRAMING_LINE, S("0123456789ab\nnext"), FRAMING_END, "0123456789ab|next|"},
    {FRAMING_LINE, S("a\n0123456789abc\nnext"), FRAMING_TOO_LARGE, "a|"},
    {FRAMING_LINE, S("a\n0123456789abc"), FRAMING_TOO_LARGE, "a|"},
    {FRAMING_NUL, S("a\nb\0c\0\0d"), FRAMING_END, "a\nb|c||d|"},
    {FRAMING_NETSTRING, S("1:a,0:,3:b,c,"), FRAMING_END, "a||b,c|"},
    {FRAMING_NETSTRING, S(""), FRAMING_END, ""},
    {FRAMING_NETSTRING, S("12:0123456789ab,"), FRAMING_END, "0123456789ab|"},
    {FRAMING_NETSTRING, S("1:a,13:0123456789abc,"), FRAMING_TOO_LARGE, "a|"},
    {FRAMING_NETSTRING, S("1:a,99999999999999999999:"), FRAMING_TOO_LARGE, "a|"},
    {FRAMING_NETSTRING, S("1:a,1:b"), FRAMING_MALFORMED, "a|"},
    {FRAMING_NETSTRING, S("1:a,2:b,"), FRAMING_MALFORMED, "a|"},
    {FRAMING_NETSTRING, S("1:ab,"), FRAMING_MALFORMED, ""},
    {FRAMING_NETSTRING, S("01:a,"), FRAMING_MALFORMED, ""},
    {FRAMING_NETSTRING, S(":a,"), FRAMING_MALFORMED, ""},
    {FRAMING_NETSTRING, S("1:a,\n"), FRAMING_MALFORMED, "a|"},
    {FRAMING_NETSTRING, S("12"), FRAMING_MALFORMED, ""},
    {FRAMING_WHOLE, S("a\nb\n"), FRAMING_END, "a\nb\n|"},
    {FRAMING_WHOLE, S(""), FRAMING_END, "|"},
    {FRAMING_WHOLE, S("0123456789abc"), FRAMING_TOO_LARGE, ""},
};

/*
 * Reads the stream in pieces of so many bytes, once from each place where the reader asks for more.
 */
static void
read_in_pieces(const struct stream *stream, size_t piece)
{
	struct framing_reader reader;
	struct wire_bytes item;
	char why[FRAMING_WHY_SIZE], items[256];
	size_t size = 0, at = 0;
	enum framing_found found;
	framing_init(&reader, stream->framing, 12);
	for (;;) {
		found = framing_next(&reader, &item, why);
		if (found == FRAMING_ITEM) {
			if (item.size > 0)
				memcpy(items + size, item.bytes, item.size);
			size += item.size;
			items[size++] = '|';
		} else if (found != FRAMING_MORE) {
			break;
		} else if (at == stream->size) {
			framing_end(&reader);
		} else {
			size_t more = stream->size - at < piece ? stream->size - at : piece;
			framing_feed(&reader, stream->bytes + at, more);
			at += more;
		}
	}
	CHECK(found == stream->end);
	CHECK(size == strlen(stream->items));
	CHECK(memcmp(items, stream->items, size) == 0);
	framing_free(&reader);
}

static void
streams_are_split(void)
{
	for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
		for (size_t piece = 1; piece < 20; piece++)
			read_in_pieces(&streams[i], piece);
}

static void
inputs_follow_each_other(void)
{
	struct framing_reader reader;
	struct wire_bytes item;
	char why[FRAMING_WHY_SIZE];
	framing_init(&reader, FRAMING_LINE, 100);
	for (int i = 0; i < 3; i++) {
		framing_feed(&reader, "one\ntwo", 7);
		framing_end(&reader);
		CHECK(framing_next(&reader, &item, why) == FRAMING_ITEM);
		CHECK(item.size == 3);
		CHECK(framing_next(&reader, &item, why) == FRAMING_ITEM);
		CHECK(item.size == 3);
		CHECK(framing_next(&reader, &item, why) == FRAMING_END);
		framing_again(&reader);
	}
	CHECK(reader.count == 6);
	framing_free(&reader);
}

static void
put(struct wire_buf *out, enum framing framing, const char *data, size_t size)
{
	uint8_t record[256];
	struct raft_entry entry;
	struct raft_sid sid = {{0x80, 1}};
	raft_entry_header(record, 3, RAFT_CLIENT, &sid, 9, (uint32_t)size);
	memcpy(record + RAFT_ENTRY_HEADER_SIZE, data, size);
	must(raft_entry_decode(&entry, NULL, record, RAFT_ENTRY_HEADER_SIZE + size));
	framing_put(out, framing, 12, &entry);
}

static void
check_put(enum framing framing, const char *data, size_t size, const char *want, size_t want_size)
{
	struct wire_buf out = {0};
	put(&out, framing, data, size);
	if (out.size != want_size || memcmp(out.bytes, want, want_size) != 0)
		printf("got %.*s\n", (int)out.size, (const char *)out.bytes);
	CHECK(out.size == want_size);
	CHECK(memcmp(out.bytes, want, want_size) == 0);
	wire_buf_free(&out);
}

#define HEAD                                                                                       \
	"{\"index\":12,\"term\":3,\"session\":\"80010000000000000000000000000000\",\"serial\":9,"
static void
entries_are_put(void)
{
	check_put(FRAMING_LINE, S("ab"), S("ab\n"));
	check_put(FRAMING_LINE, S(""), S("\n"));
	check_put(FRAMING_NUL, S("a\nb"), S("a\nb\0"));
	check_put(FRAMING_NETSTRING, S("a\0,"), S("3:a\0,,"));
	check_put(FRAMING_NETSTRING, S(""), S("0:,"));
	check_put(FRAMING_WHOLE, S("a\n"), S("a\n"));
	check_put(FRAMING_JSON, S("a\"\\\n\x01\xc3\xa9"),
	    S(HEAD "\"data\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\"}\n"));
	check_put(FRAMING_JSON, S("a\0b"), S(HEAD "\"data\":\"a\\u0000b\"}\n"));
	check_put(FRAMING_JSON, S(""), S(HEAD "\"data\":\"\"}\n"));
	check_put(FRAMING_JSON, S("\xff"), S(HEAD "\"base64\":\"/w==\"}\n"));
	check_put(FRAMING_JSON, S("\xff\xfe"), S(HEAD "\"base64\":\"//4=\"}\n"));
	check_put(FRAMING_JSON, S("\xff\xfe\xfd\x01"), S(HEAD "\"base64\":\"//79AQ==\"}\n"));
}

static void
utf8_is_told_from_bytes(void)
{
	static const char *const good[] = {"", "a", "\xc2\x80", "\xed\x9f\xbf", "\xee\x80\x80",
	    "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80"};
	static const char *const bad[] = {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
	    "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82",
	    "\xc3", "a\xc3(", "\xf8\x88\x80\x80\x80"};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		CHECK(json_utf8((const uint8_t *)good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(!json_utf8((const uint8_t *)bad[i], strlen(bad[i])));
}

int
main(void)
{
	check_run("framing: whatever the pieces a stream comes in, its entries are the same",
	    streams_are_split);
	check_run("framing: inputs follow each other, and none shares an entry",
	    inputs_follow_each_other);
	check_run("framing: entries are put in each framing", entries_are_put);
	check_run("json: UTF-8 is told from bytes (RFC 3629)", utf8_is_told_from_bytes);
	return check_done();
}
