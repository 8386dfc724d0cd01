/* SPDX-License-Identifier: ISC */
/* raft-fsm's machine protocol: requests as bytes, sayings from bytes, kept replies. */
#include "../../bin/raft-fsm/reply.c"
#include "../../bin/raft-fsm/replies.c"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

/* Feeds the text in pieces of `step` bytes; says what comes out as "kind:data " words. */
static void
hear(char *out, size_t size, bool netstring, const char *text, size_t step)
{
	static const char *const names[] = {"more", "ready", "durable", "ok", "refused", "wrong"};
	struct reply_reader reader;
	size_t length = strlen(text), used = 0;
	reply_init(&reader, netstring, 20);
	out[0] = '\0';
	for (size_t from = 0; from < length; from += step) {
		size_t piece = length - from < step ? length - from : step;
		memcpy(reply_room(&reader, 64), text + from, piece);
		reply_added(&reader, 64, piece);
		struct reply reply;
		while ((reply = reply_next(&reader)).kind != REPLY_MORE) {
			if (reply.lost)
				used += (size_t)snprintf(out + used, size - used, "lost ");
			bool numbered = reply.kind == REPLY_READY || reply.kind == REPLY_DURABLE;
			used += (size_t)snprintf(out + used, size - used, "%s:", names[reply.kind]);
			if (numbered)
				used += (size_t)snprintf(
				    out + used, size - used, "%d ", (int)reply.index);
			else /* what was wrong is as much of it as had come */
				used += (size_t)snprintf(out + used, size - used, "%.*s ",
				    reply.kind == REPLY_WRONG ? 0 : (int)reply.data.size,
				    reply.data.size ? (const char *)reply.data.bytes : "");
			if (reply.kind == REPLY_WRONG)
				break;
		}
		if (reader.wrong)
			break;
	}
	reply_free(&reader);
}

static bool
heard(bool netstring, const char *text, const char *wanted)
{
	char out[512];
	bool all = true;
	for (size_t step = 1; step <= 16; step++) {
		hear(out, sizeof out, netstring, text, step);
		if (strcmp(out, wanted) != 0) {
			printf(
			    "# %s: got \"%s\", want \"%s\" (step %zu)\n", text, out, wanted, step);
			all = false;
		}
	}
	return all;
}

static void
sayings(void)
{
	CHECK(heard(false, "ready 0\nok\nok a b\nrefused no\ndurable 7\nok \n",
	    "ready:0 ok: ok:a b refused:no durable:7 ok: "));
	CHECK(
	    heard(true, "7:ready 3,2:ok,6:ok a\nb,9:refused x,", "ready:3 ok: ok:a\nb refused:x "));
	CHECK(heard(false, "hello\nok\n", "wrong: "));
	CHECK(heard(false, "okay\n", "wrong: "));
	CHECK(heard(false, "ready\n", "wrong: "));
	CHECK(heard(false, "ready x\n", "wrong: "));
	CHECK(heard(false, "ready 99999999999999999999\n", "wrong: "));
	CHECK(heard(false, "ready 00000000000000000001\n", "wrong: "));
	CHECK(heard(false, "okay 01234567890123456789 and no newline", "wrong: "));
	CHECK(heard(false, "\n", "wrong: "));
	CHECK(heard(true, "2:okx", "wrong: "));
	CHECK(heard(true, "9999999999:", "wrong: "));
	CHECK(heard(true, ":ok,", "wrong: "));
	CHECK(heard(true, "ok\n", "wrong: "));
}

/* An answer that cannot be passed on is an answer all the same, and what follows is read. */
static void
lost_answers(void)
{
	CHECK(heard(false, "ok 012345678901234567890\nok a\n", "lost ok: ok:a "));
	CHECK(heard(false, "refused 5678901234567890\n\n", "lost refused: wrong: "));
	CHECK(heard(false, "ok 012345678901234567890 and no newline", ""));
	CHECK(heard(true, "21:ok 567890123456789012,4:ok a,", "lost ok: ok:a "));
	CHECK(heard(true, "24:refused \n01234567\n012345,2:ok,", "lost refused: ok: "));
	CHECK(heard(true, "21:ok 5678901234567890123", "wrong: "));
	CHECK(heard(true, "21:okay67890123456789012,", "wrong: "));
	CHECK(heard(true, "21:", ""));
	struct reply_reader reader;
	reply_init(&reader, false, 20);
	memcpy(reply_room(&reader, 10), "ok a\0\nok b", 10);
	reply_added(&reader, 10, 10);
	struct reply reply = reply_next(&reader);
	CHECK(reply.kind == REPLY_OK && reply.lost && strstr(reply.lost, "NUL") &&
	      reply.data.size == 0);
	CHECK(reply_next(&reader).kind == REPLY_MORE && reply_begun(&reader));
	reply_free(&reader);
}

/* The chain that ready says, or NULL for a breach of the contract. */
static const char *
chain_of(const char *line)
{
	static char chain[REPLY_CHAIN_SIZE];
	struct reply_reader reader;
	size_t size = strlen(line);
	reply_init(&reader, false, 100);
	memcpy(reply_room(&reader, 100), line, size);
	reply_added(&reader, 100, size);
	struct reply reply = reply_next(&reader);
	memcpy(chain, reply.chain, sizeof chain);
	reply_free(&reader);
	return reply.kind == REPLY_READY && reply.index == 7 ? chain : NULL;
}

static void
ready_chains(void)
{
	static const char digits[] = "0123456789abcdef0123456789abcdef";
	CHECK(strcmp(chain_of("ready 7\n"), "") == 0);
	CHECK(strcmp(chain_of("ready 7 -\n"), "-") == 0);
	CHECK(strcmp(chain_of("ready 7 0123456789abcdef0123456789abcdef\n"), digits) == 0);
	CHECK(chain_of("ready 7 0123456789abcdef0123456789abcde\n") == NULL);
	CHECK(chain_of("ready 7 0123456789abcdef0123456789abcdef0\n") == NULL);
	CHECK(chain_of("ready 7 0123456789ABCDEF0123456789ABCDEF\n") == NULL);
	CHECK(chain_of("ready 7 \n") == NULL);
	CHECK(chain_of("ready 7 - \n") == NULL);
	CHECK(chain_of("ready  7\n") == NULL);
	CHECK(chain_of("durable 7 -\n") == NULL);
}

/* However long an answer is, no more than a read of it is held. */
static void
long_answer(void)
{
	struct reply_reader reader;
	for (int netstring = 0; netstring < 2; netstring++) {
		reply_init(&reader, netstring, 20);
		memcpy(
		    reply_room(&reader, 15), netstring ? "999999999:ok xy" : "ok 012345678901", 15);
		reply_added(&reader, 15, 15);
		for (int i = 0; i < 1000; i++) {
			memset(reply_room(&reader, 4096), 'x', 4096);
			reply_added(&reader, 4096, 4096);
			CHECK(reply_next(&reader).kind == REPLY_MORE && reply_begun(&reader));
			CHECK(reader.buf.size <= 4096 + 16);
		}
		reply_free(&reader);
	}
}

static void
add(struct replies *replies, uint64_t index, const char *text)
{
	struct kept kept = {.index = index, .serial = index, .size = (uint32_t)strlen(text)};
	replies_add(replies, &kept, (const uint8_t *)text);
}

static bool
has(struct replies *replies, uint64_t index, const char *text)
{
	static const struct raft_sid session;
	const struct kept *kept = replies_find(replies, &session, index, index);
	const struct kept *searched = replies_find(replies, &session, index, 0);
	if (kept != searched)
		return false;
	if (kept == NULL || text == NULL)
		return kept == NULL && text == NULL;
	struct wire_bytes data = replies_data(replies, kept);
	return data.size == strlen(text) && memcmp(data.bytes, text, data.size) == 0;
}

static void
keeping(void)
{
	struct replies *replies = replies_new(4, 10);
	add(replies, 2, "two");
	add(replies, 5, "five");
	add(replies, 5, "other");
	add(replies, 3, "older");
	CHECK(has(replies, 2, "two"));
	CHECK(has(replies, 5, "five"));
	CHECK(has(replies, 3, NULL));
	add(replies, 6, "sixsix"); /* does not fit behind them: the ring begins anew */
	CHECK(has(replies, 2, NULL));
	CHECK(has(replies, 6, "sixsix"));
	for (uint64_t i = 7; i < 12; i++)
		add(replies, i, "");
	CHECK(replies_count(replies) == 4);
	CHECK(has(replies, 11, ""));
	add(replies, 12, "much too large");
	CHECK(has(replies, 12, NULL));
	replies_forget(replies, 9);
	CHECK(has(replies, 10, NULL));
	CHECK(has(replies, 9, ""));
	add(replies, 10, "again");
	CHECK(has(replies, 10, "again"));
	replies_free(replies);
}

int
main(void)
{
	check_run(
	    "reply: sayings come out of the stream whatever the pieces, and nothing else does",
	    sayings);
	check_run("reply: an answer that cannot be passed on is one, and what follows is read",
	    lost_answers);
	check_run(
	    "reply: ready has a chain of 32 digits, a minus sign, or nothing after its number",
	    ready_chains);
	check_run("reply: of an answer without end no more than a read is held", long_answer);
	check_run(
	    "replies: the newest are kept, by index or by serial, within their bounds", keeping);
	return check_done();
}
