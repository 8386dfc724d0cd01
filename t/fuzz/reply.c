/* SPDX-License-Identifier: ISC */
/*
 * What the program of a machine says: the same sayings whether the bytes come at once or in pieces,
 * none above the limit, nothing behind the first that is wrong; said again they read as they were;
 * and those that are kept are found as they were kept.  First bytes: the framing, the limit, a
 * piece's size.
 */
#include "../../bin/raft-fsm/replies.h"
#include "../../bin/raft-fsm/reply.h"
#include "fuzz.h"

enum { KEPT_COUNT = 8, KEPT_SIZE = 64 };

/* All that was said: kind, index, size, data of each; and said again. */
struct sayings {
	struct wire_buf all, again;
	size_t count;
	bool wrong;
	const char *why;
};

static void
frame(struct wire_buf *out, bool netstring, const void *bytes, size_t size)
{
	char head[32];

	if (netstring)
		wire_buf_put(out, head, (size_t)snprintf(head, sizeof head, "%zu:", size));
	wire_buf_put(out, bytes, size);
	wire_buf_put(out, netstring ? "," : "\n", 1);
}

static void
say(struct wire_buf *out, bool netstring, const struct reply *reply)
{
	struct wire_buf text = {0};
	char head[64 + REPLY_CHAIN_SIZE];
	bool numbered = reply->kind == REPLY_READY || reply->kind == REPLY_DURABLE;

	if (numbered)
		snprintf(head, sizeof head, "%s %llu%s%s",
		    reply->kind == REPLY_READY ? "ready" : "durable",
		    (unsigned long long)reply->index, reply->chain[0] ? " " : "", reply->chain);
	else
		snprintf(head, sizeof head, "%s ", reply->kind == REPLY_OK ? "ok" : "refused");
	wire_buf_put(&text, head, strlen(head));
	if (!numbered)
		wire_buf_put(&text, reply->data.bytes, reply->data.size);
	frame(out, netstring, text.bytes, text.size);
	wire_buf_free(&text);
}

static void
keep(struct sayings *sayings, const struct reply_reader *reader, const struct reply *reply)
{
	bool numbered = reply->kind == REPLY_READY || reply->kind == REPLY_DURABLE;

	must(reply->data.size < reader->size_max);
	must(reader->netstring || memchr(reply->data.bytes, '\n', reply->data.size) == NULL);
	bytes_put_u32(wire_buf_add(&sayings->all, 4), (uint32_t)reply->kind);
	bytes_put_u64(wire_buf_add(&sayings->all, 8), reply->index);
	wire_buf_put(&sayings->all, reply->chain, strlen(reply->chain));
	bytes_put_u32(wire_buf_add(&sayings->all, 4), numbered ? 0 : (uint32_t)reply->data.size);
	if (!numbered)
		wire_buf_put(&sayings->all, reply->data.bytes, reply->data.size);
	say(&sayings->again, reader->netstring, reply);
	sayings->count++;
}

static void
drain(struct sayings *sayings, struct reply_reader *reader)
{
	struct reply reply;

	while ((reply = reply_next(reader)).kind != REPLY_MORE && reply.kind != REPLY_WRONG)
		keep(sayings, reader, &reply);
	/* What is held is one saying that is not whole. */
	must(reply.kind == REPLY_WRONG || reader->buf.size - reader->at <= reader->size_max + 16);
	if (reply.kind != REPLY_WRONG)
		return;
	must(strlen(reply.why) > 0);
	must(reply.data.size <= reader->buf.size);
	sayings->wrong = true;
	sayings->why = reply.why;
	must(reply_next(reader).kind == REPLY_WRONG);
}

static struct sayings
hear(bool netstring, size_t size_max, const uint8_t *bytes, size_t size, size_t piece)
{
	struct reply_reader reader;
	struct sayings sayings = {0};

	reply_init(&reader, netstring, size_max);
	for (size_t at = 0; at < size && !sayings.wrong;) {
		size_t now = size - at < piece ? size - at : piece;

		memcpy(reply_room(&reader, piece), bytes + at, now);
		reply_added(&reader, piece, now);
		at += now;
		drain(&sayings, &reader);
	}
	reply_free(&reader);
	return sayings;
}

static void
drop(struct sayings *sayings)
{
	wire_buf_free(&sayings->all);
	wire_buf_free(&sayings->again);
}

static void
same(const struct sayings *a, const struct sayings *b)
{
	must(a->count == b->count);
	must(a->all.size == b->all.size);
	must(a->all.size == 0 || memcmp(a->all.bytes, b->all.bytes, a->all.size) == 0);
}

/* Each saying is a reply; the newest are found by either way, the same, and never more than fit. */
static void
keep_replies(const struct sayings *sayings)
{
	struct replies *replies = replies_new(KEPT_COUNT, KEPT_SIZE);
	static const struct raft_sid session;
	const uint8_t *at = sayings->all.bytes;
	uint64_t last = 0;

	for (size_t i = 0; i < sayings->count; i++) {
		enum reply_kind kind = (enum reply_kind)bytes_get_u32(at);
		uint64_t number = bytes_get_u64(at + 4);
		uint32_t size = bytes_get_u32(at + 12);

		at += 16;
		if (kind == REPLY_DURABLE || kind == REPLY_READY) {
			replies_forget(replies, number);
			last = number < last ? number : last;
			continue;
		}
		struct kept kept = {.index = last + 1, .serial = last + 1, .size = size};
		replies_add(replies, &kept, at);
		last++;
		const struct kept *found = replies_find(replies, &session, last, last);
		must(found == replies_find(replies, &session, last, 0));
		must((found == NULL) == (size > KEPT_SIZE));
		must(found == NULL || replies_data(replies, found).size == size);
		must(found == NULL || size == 0 ||
		     memcmp(replies_data(replies, found).bytes, at, size) == 0);
		must(replies_count(replies) <= KEPT_COUNT);
		at += size;
	}
	replies_free(replies);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 3)
		return 0;
	bool netstring = bytes[0] % 2;
	size_t size_max = 24 + bytes[1];
	struct sayings whole = hear(netstring, size_max, bytes + 3, size - 3, size);
	struct sayings pieces = hear(netstring, size_max, bytes + 3, size - 3, 1 + bytes[2] % 16);
	same(&whole, &pieces);
	must(whole.wrong == pieces.wrong);
	/* A blank is added where there was none. */
	struct sayings back =
	    hear(netstring, size_max + 1, whole.again.bytes, whole.again.size, size + 1);
	must(!back.wrong);
	same(&whole, &back);
	keep_replies(&whole);
	drop(&whole);
	drop(&pieces);
	drop(&back);
	return 0;
}

static void
seeds(void)
{
	static const char lines[] = "\0\100\3ready 0\nok\nok a b\nrefused no\ndurable 7\nok \n";
	static const char netstrings[] = "\1\100\3"
					 "7:ready 3,2:ok,6:ok a\nb,9:refused x,9:durable 1,";
	static const char wrong[] = "\0\2\1ready 1\nok x\nwhat?\nok\n";
	static const char cut[] = "\1\2\1"
				  "7:ready 1,4:ok \0,99:ok";

	static const char long_line[] =
	    "\0\0\3ready 0\nok 012345678901234567890123456789\nok a\0b\nok\n";
	static const char long_netstring[] = "\1\0\3"
					     "7:ready 0,30:refused 0123456789012345678901,2:ok,";

	fuzz_seed(long_line, sizeof long_line - 1);
	fuzz_seed(long_netstring, sizeof long_netstring - 1);
	fuzz_seed(lines, sizeof lines - 1);
	fuzz_seed(netstrings, sizeof netstrings - 1);
	fuzz_seed(wrong, sizeof wrong - 1);
	fuzz_seed(cut, sizeof cut - 1);
}
