/* SPDX-License-Identifier: ISC */
/* The channel: who gets in, what is refused, and that decoders take anything. */
#include <stdlib.h>
#include <string.h>

#include "seal/envelope.h"
#include "check.h"

struct ends {
	struct seal_pair a, b;
	struct channel_names names;
	struct channel_pending pending;
	uint8_t hello[CHANNEL_HELLO_SIZE], reply[CHANNEL_REPLY_SIZE];
	struct channel_tx tx;
	struct channel_rx rx;
};

static const struct channel_reply wanted = {.session = 77, .start = 99};

static void
prepare(struct ends *e)
{
	seal_pair_new(&e->a);
	seal_pair_new(&e->b);
	memset(&e->names, 0, sizeof e->names);
	memset(&e->names.cluster, 5, sizeof e->names.cluster);
	raft_id_parse(&e->names.initiator, "a");
	raft_id_parse(&e->names.responder, "b");
	CHECK(channel_hello(&e->pending, &e->names, &e->a, e->b.public, e->hello));
}

static void
shake(struct ends *e)
{
	struct channel_reply got;
	prepare(e);
	CHECK(channel_answer(&e->names, &e->b, e->a.public, e->hello, &wanted, e->reply, &e->rx));
	CHECK(channel_finish(&e->pending, e->reply, &got, &e->tx));
	CHECK(got.session == wanted.session && got.start == wanted.start);
}

enum { PLAIN_SIZE = 5, SEALED_SIZE = PLAIN_SIZE + CHANNEL_TAG_SIZE };

static uint64_t
seal(struct ends *e, uint8_t out[SEALED_SIZE])
{
	uint64_t n = channel_counter(&e->tx);
	memcpy(out, "hello", PLAIN_SIZE);
	channel_seal(&e->tx, "head", 4, out, PLAIN_SIZE);
	return n;
}

static enum channel_verdict
open(struct ends *e, uint64_t n, const uint8_t sealed[SEALED_SIZE])
{
	uint8_t copy[SEALED_SIZE];
	memcpy(copy, sealed, SEALED_SIZE);
	enum channel_verdict verdict = channel_open(&e->rx, n, "head", 4, copy, SEALED_SIZE);
	CHECK(verdict != CHANNEL_OPENED || memcmp(copy, "hello", PLAIN_SIZE) == 0);
	return verdict;
}

static void
test_order(void)
{
	struct ends e;
	uint8_t m[4][SEALED_SIZE];
	shake(&e);
	for (uint64_t i = 0; i < 4; i++)
		CHECK(seal(&e, m[i]) == i);
	CHECK(memcmp(m[0], m[1], SEALED_SIZE) != 0);
	CHECK(open(&e, 0, m[0]) == CHANNEL_OPENED);
	CHECK(open(&e, 0, m[0]) == CHANNEL_OLD);
	CHECK(open(&e, 2, m[2]) == CHANNEL_OPENED);
	CHECK(open(&e, 1, m[1]) == CHANNEL_OLD);
	CHECK(open(&e, 4, m[3]) == CHANNEL_FORGED);
	CHECK(open(&e, UINT64_MAX, m[3]) == CHANNEL_FORGED);
	/* What was refused has moved nothing. */
	CHECK(open(&e, 3, m[3]) == CHANNEL_OPENED);
}

static void
test_alteration(void)
{
	struct ends e;
	uint8_t m[SEALED_SIZE];
	shake(&e);
	uint64_t n = seal(&e, m);
	for (size_t bit = 0; bit < 8 * SEALED_SIZE; bit++) {
		m[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(open(&e, n, m) == CHANNEL_FORGED);
		m[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < SEALED_SIZE; size++)
		CHECK(channel_open(&e.rx, n, "head", 4, (uint8_t[SEALED_SIZE]){0}, size) ==
		      CHANNEL_FORGED);
	uint8_t copy[SEALED_SIZE];
	memcpy(copy, m, sizeof copy);
	CHECK(channel_open(&e.rx, n, "heat", 4, copy, SEALED_SIZE) == CHANNEL_FORGED);
	CHECK(open(&e, n, m) == CHANNEL_OPENED);
}

/* Everything that must be equal at both ends, unequal once each. */
static void
test_names(void)
{
	struct ends e;
	struct channel_names other;
	uint8_t reply[CHANNEL_REPLY_SIZE];
	struct seal_pair stranger;
	prepare(&e);
	seal_pair_new(&stranger);
	other = e.names;
	other.cluster.b[31] ^= 1;
	CHECK(!channel_answer(&other, &e.b, e.a.public, e.hello, &wanted, reply, &e.rx));
	other = e.names;
	raft_id_parse(&other.initiator, "c");
	CHECK(!channel_answer(&other, &e.b, e.a.public, e.hello, &wanted, reply, &e.rx));
	other = e.names;
	raft_id_parse(&other.responder, "c");
	CHECK(!channel_answer(&other, &e.b, e.a.public, e.hello, &wanted, reply, &e.rx));
	other = e.names;
	other.class = 1;
	CHECK(!channel_answer(&other, &e.b, e.a.public, e.hello, &wanted, reply, &e.rx));
	CHECK(!channel_answer(&e.names, &e.b, stranger.public, e.hello, &wanted, reply, &e.rx));
	CHECK(!channel_answer(&e.names, &stranger, e.a.public, e.hello, &wanted, reply, &e.rx));
	/* Sent back to where it came from. */
	CHECK(!channel_answer(&e.names, &e.a, e.b.public, e.hello, &wanted, reply, &e.rx));
	CHECK(channel_answer(&e.names, &e.b, e.a.public, e.hello, &wanted, reply, &e.rx));
}

static void
test_forged_handshake(void)
{
	struct ends e;
	struct channel_reply got;
	prepare(&e);
	for (size_t bit = 0; bit < 8 * CHANNEL_HELLO_SIZE; bit += 7) {
		uint8_t hello[CHANNEL_HELLO_SIZE];
		memcpy(hello, e.hello, sizeof hello);
		hello[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* The topmost bit of a public key is not used by X25519, but it is part of the
		 * hash. */
		CHECK(!channel_answer(&e.names, &e.b, e.a.public, hello, &wanted, e.reply, &e.rx));
	}
	CHECK(channel_answer(&e.names, &e.b, e.a.public, e.hello, &wanted, e.reply, &e.rx));
	for (size_t bit = 0; bit < 8 * CHANNEL_REPLY_SIZE; bit += 7) {
		uint8_t reply[CHANNEL_REPLY_SIZE];
		memcpy(reply, e.reply, sizeof reply);
		reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(!channel_finish(&e.pending, reply, &got, &e.tx));
	}
	/* The true reply still counts. */
	CHECK(channel_finish(&e.pending, e.reply, &got, &e.tx));
}

static void
test_low_order(void)
{
	struct ends e;
	uint8_t zero[SEAL_KEY_SIZE] = {0}, hello[CHANNEL_HELLO_SIZE] = {0};
	prepare(&e);
	CHECK(!channel_hello(&e.pending, &e.names, &e.a, zero, e.hello));
	CHECK(!channel_answer(&e.names, &e.b, e.a.public, hello, &wanted, e.reply, &e.rx));
}

/* Each hello, also the same one again, makes a session of its own. */
static void
test_replayed_hello(void)
{
	struct ends e;
	struct channel_rx again;
	uint8_t reply[CHANNEL_REPLY_SIZE], m[SEALED_SIZE];
	shake(&e);
	CHECK(channel_answer(&e.names, &e.b, e.a.public, e.hello, &wanted, reply, &again));
	uint64_t n = seal(&e, m);
	uint8_t copy[SEALED_SIZE];
	memcpy(copy, m, sizeof copy);
	CHECK(channel_open(&again, n, "head", 4, copy, SEALED_SIZE) == CHANNEL_FORGED);
	CHECK(open(&e, n, m) == CHANNEL_OPENED);
}

static void
test_rekey(void)
{
	struct noise_cipher a = {.k = {1}}, b = {.k = {1}};
	uint8_t first[SEALED_SIZE], second[SEALED_SIZE];
	noise_encrypt(&a, 1, NULL, 0, (const uint8_t *)"hello", PLAIN_SIZE, first);
	noise_rekey(&a);
	noise_encrypt(&a, 1, NULL, 0, (const uint8_t *)"hello", PLAIN_SIZE, second);
	CHECK(memcmp(first, second, sizeof first) != 0);
	CHECK(!noise_decrypt(&b, 1, NULL, 0, second, SEALED_SIZE, first));
	noise_rekey(&b);
	CHECK(noise_decrypt(&b, 1, NULL, 0, second, SEALED_SIZE, first));
}

static struct envelope
envelope_of(enum envelope_kind kind)
{
	struct envelope e = {.kind = kind, .class = 1, .handshake = 1, .session = 2, .counter = 3};
	raft_id_parse(&e.sender, "n1");
	raft_id_parse(&e.receiver, "n2");
	return e;
}

static void
test_envelopes(void)
{
	static const size_t sizes[] = {0, ENVELOPE_HELLO_SIZE, ENVELOPE_REPLY_SIZE,
	    ENVELOPE_HEAD_SIZE + CHANNEL_TAG_SIZE + 9, ENVELOPE_HINT_SIZE};
	for (enum envelope_kind kind = ENVELOPE_HELLO; kind <= ENVELOPE_HINT; kind++) {
		uint8_t bytes[ENVELOPE_REPLY_SIZE + 64] = {0};
		struct envelope e = envelope_of(kind), back;
		size_t head, put = envelope_put(bytes, &e);
		CHECK(envelope_get(&back, bytes, sizes[kind], &head) == ENVELOPE_OK);
		CHECK(head == put);
		CHECK(
		    back.kind == kind && back.class == 1 && raft_id_equal(&back.sender, &e.sender));
		for (size_t size = 0; size < ENVELOPE_HEAD_SIZE && size < sizes[kind]; size++)
			CHECK(envelope_get(&back, bytes, size, &head) == ENVELOPE_SHORT);
		if (kind != ENVELOPE_TRANSPORT)
			CHECK(envelope_get(&back, bytes, sizes[kind] + 1, &head) == ENVELOPE_SHORT);
		bytes[0] = 2;
		CHECK(envelope_get(&back, bytes, sizes[kind], &head) == ENVELOPE_VERSION);
		bytes[0] = 1;
		bytes[2] = 2;
		CHECK(envelope_get(&back, bytes, sizes[kind], &head) == ENVELOPE_KIND);
		bytes[2] = 0;
		bytes[3] = '/';
		CHECK(envelope_get(&back, bytes, sizes[kind], &head) == ENVELOPE_ID);
	}
}

static void
test_noise(void)
{
	uint8_t bytes[256];
	struct envelope e;
	size_t head;
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		size_t size = (size_t)random() % sizeof bytes;
		for (size_t b = 0; b < size; b++)
			bytes[b] = (uint8_t)random();
		bytes[0] = 1;
		bytes[1] = (uint8_t)(random() % 5);
		bytes[2] = (uint8_t)(random() % 2);
		if (i % 2)
			memcpy(bytes + 3,
			    "n1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
		enum envelope_error error = envelope_get(&e, bytes, size, &head);
		CHECK(error != ENVELOPE_OK || head <= size);
		CHECK(envelope_error_text(error) != NULL);
	}
}

int
main(void)
{
	seal_init();
	check_run(
	    "channel: counters strictly rise: a copy or one overtaken is refused", test_order);
	check_run("channel: a message altered in any bit is refused", test_alteration);
	check_run("channel: cluster, ids, class and keys must be equal at both ends", test_names);
	check_run("channel: a forged handshake message is refused, and the true one still counts",
	    test_forged_handshake);
	check_run("channel: keys of low order are refused", test_low_order);
	check_run("channel: a replayed hello makes a session of which nobody has the key",
	    test_replayed_hello);
	check_run("noise: a rekey goes one way and is equal at both ends", test_rekey);
	check_run("envelope: each kind reads back, and no other size, version, class or id does",
	    test_envelopes);
	check_run("envelope: any bytes are decoded or refused", test_noise);
	return check_done();
}
