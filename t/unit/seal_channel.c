/* SPDX-License-Identifier: ISC */
/* The channel: which peers get in, what is refused, and that decoders accept any bytes. */
#include <stdlib.h>
#include <string.h>

#include "raft/bytes.h"
#include "seal/channel.h"
#include "check.h"

/* a dials b. */
struct ends {
	struct seal_pair a, b;
	struct raft_hash cluster;
	struct channel_hello clear;
	struct noise pending;
	uint8_t hello[CHANNEL_HELLO_SIZE], reply[CHANNEL_REPLY_SIZE];
	struct channel at_a, at_b;
};

static const struct channel_offer offered = {.start = 11, .id = 22, .seen = 33};
static const struct channel_answer answered = {.version = CHANNEL_VERSION_HIGH, .start = 99};

/* Points of low order on Curve25519 and its twist: RFC 7748, section 6.1, has all of them refused.
 */
static const uint8_t low_order[][SEAL_KEY_SIZE] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
	0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8,
	0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
	0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11,
	0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x7f},
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x7f},
};
enum { LOW_ORDER_COUNT = sizeof low_order / sizeof low_order[0] };

static void
flip(uint8_t *bytes, size_t bit)
{
	bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static struct channel_hello
clear_of(const struct raft_hash *cluster)
{
	struct channel_hello clear = {.low = CHANNEL_VERSION_LOW, .high = CHANNEL_VERSION_HIGH};
	raft_id_parse(&clear.from, "a");
	raft_id_parse(&clear.to, "b");
	memcpy(clear.tag, cluster->b, sizeof clear.tag);
	return clear;
}

/* a's hello is made. */
static void
prepare(struct ends *e)
{
	memset(e, 0, sizeof *e);
	seal_pair_new(&e->a);
	seal_pair_new(&e->b);
	memset(&e->cluster, 5, sizeof e->cluster);
	e->clear = clear_of(&e->cluster);
	channel_hello_put(e->hello, &e->clear);
	CHECK(channel_dial(&e->pending, &e->cluster, &e->a, e->b.public, &offered, e->hello));
}

/* b accepts the hello of a. */
static bool
accept_hello(struct ends *e, const uint8_t hello[CHANNEL_HELLO_SIZE])
{
	struct channel_offer offer = {0};
	bool ok = channel_accept(
	    &e->at_b, &e->cluster, &e->b, e->a.public, hello, &offer, &answered, e->reply);
	CHECK(!ok || memcmp(&offer, &offered, sizeof offer) == 0);
	return ok;
}

/* a takes the reply; its pending handshake stays, for the next attempt. */
static bool
finish(struct ends *e, const uint8_t reply[CHANNEL_REPLY_SIZE])
{
	struct noise copy = e->pending;
	struct channel_answer answer = {0};
	bool ok = channel_finish(&copy, reply, &e->at_a, &answer);
	CHECK(!ok || (answer.version == answered.version && answer.start == answered.start));
	return ok;
}

static void
shake(struct ends *e)
{
	prepare(e);
	CHECK(accept_hello(e, e->hello));
	CHECK(finish(e, e->reply));
}

/* ------- records ------------------------------------------------------------------ */

enum { KIND = 2, PLAIN_SIZE = 5, SEALED_SIZE = PLAIN_SIZE + CHANNEL_RECORD_EXTRA };

static void
seal(struct noise_cipher *tx, uint8_t out[SEALED_SIZE])
{
	CHECK(channel_seal(tx, KIND, "hello", PLAIN_SIZE, out) == SEALED_SIZE);
}

static bool
opens(struct noise_cipher *rx, const uint8_t record[SEALED_SIZE])
{
	uint8_t copy[SEALED_SIZE];
	memcpy(copy, record, sizeof copy);
	bool ok = channel_open(rx, copy, sizeof copy);
	CHECK(!ok || memcmp(copy + CHANNEL_HEAD_SIZE, "hello", PLAIN_SIZE) == 0);
	return ok;
}

/* A record goes from one to the other. */
static bool
passes(struct noise_cipher *tx, struct noise_cipher *rx)
{
	uint8_t record[SEALED_SIZE];
	seal(tx, record);
	return opens(rx, record);
}

static void
test_handshake(void)
{
	struct ends e;
	shake(&e);
	CHECK(memcmp(e.at_a.binding, e.at_b.binding, sizeof e.at_a.binding) == 0);
	CHECK(memcmp(e.at_a.tx.k, e.at_a.rx.k, SEAL_KEY_SIZE) != 0);
	for (int i = 0; i < 3; i++) {
		CHECK(passes(&e.at_a.tx, &e.at_b.rx));
		CHECK(passes(&e.at_b.tx, &e.at_a.rx));
	}
}

static void
test_order(void)
{
	struct ends e;
	uint8_t m[4][SEALED_SIZE];
	shake(&e);
	for (int i = 0; i < 4; i++)
		seal(&e.at_a.tx, m[i]);
	CHECK(memcmp(m[0] + CHANNEL_HEAD_SIZE, m[1] + CHANNEL_HEAD_SIZE, PLAIN_SIZE) != 0);
	CHECK(!opens(&e.at_b.rx, m[1]));
	CHECK(opens(&e.at_b.rx, m[0]));
	CHECK(!opens(&e.at_b.rx, m[0]));
	CHECK(!opens(&e.at_b.rx, m[2]));
	CHECK(!opens(&e.at_a.rx, m[1]));
	/* What was refused has moved nothing. */
	for (int i = 1; i < 4; i++)
		CHECK(opens(&e.at_b.rx, m[i]));
	CHECK(!opens(&e.at_b.rx, m[3]));
}

static void
test_alteration(void)
{
	struct ends e;
	uint8_t m[SEALED_SIZE];
	shake(&e);
	seal(&e.at_a.tx, m);
	for (size_t bit = 0; bit < 8 * SEALED_SIZE; bit++) {
		flip(m, bit);
		CHECK(!opens(&e.at_b.rx, m));
		flip(m, bit);
	}
	CHECK(opens(&e.at_b.rx, m));
}

static void
test_sizes(void)
{
	struct ends e;
	static uint8_t plain[CHANNEL_PLAIN_MAX], record[CHANNEL_RECORD_MAX];
	shake(&e);
	for (size_t size = 0; size < CHANNEL_RECORD_EXTRA; size++)
		CHECK(!channel_open(&e.at_b.rx, record, size));
	/* Too few bytes, and too many, for one that is right otherwise. */
	size_t whole = channel_seal(&e.at_a.tx, KIND, plain, 100, record);
	for (size_t size = CHANNEL_RECORD_EXTRA; size < whole + 20; size++) {
		uint8_t copy[100 + CHANNEL_RECORD_EXTRA + 20] = {0};
		memcpy(copy, record, whole);
		CHECK(channel_open(&e.at_b.rx, copy, size) == (size == whole));
	}
	for (size_t size = 0; size <= CHANNEL_PLAIN_MAX; size += CHANNEL_PLAIN_MAX / 2) {
		memset(plain, 7, size);
		whole = channel_seal(&e.at_a.tx, KIND, plain, size, record);
		CHECK(whole == size + CHANNEL_RECORD_EXTRA && record[0] == KIND);
		CHECK(channel_record_size(record) == whole);
		CHECK(channel_open(&e.at_b.rx, record, whole));
		CHECK(memcmp(record + CHANNEL_HEAD_SIZE, plain, size) == 0);
	}
}

static void
test_impossible_sizes(void)
{
	static const uint32_t sizes[] = {CHANNEL_PLAIN_MAX + 1, 1 << 20, 0xffffff};
	uint8_t head[CHANNEL_HEAD_SIZE];
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		bytes_put_u32(head, (uint32_t)KIND << 24 | sizes[i]);
		CHECK(channel_record_size(head) == 0);
	}
	bytes_put_u32(head, (uint32_t)255 << 24 | CHANNEL_PLAIN_MAX);
	CHECK(channel_record_size(head) == CHANNEL_RECORD_MAX);
}

static void
test_last_counter(void)
{
	struct ends e;
	uint8_t m[SEALED_SIZE];
	shake(&e);
	e.at_a.tx.n = e.at_b.rx.n = UINT64_MAX - 2;
	CHECK(passes(&e.at_a.tx, &e.at_b.rx));
	seal(&(struct noise_cipher){.n = 0}, m);
	CHECK(!opens(&e.at_b.rx, m));
	CHECK(e.at_b.rx.n == UINT64_MAX - 1);
}

/* ------- handshake --------------------------------------------------------------- */

/* Another clear part, under an unaltered message 1. */
static bool
accepts_clear(struct ends *e, const struct channel_hello *clear)
{
	uint8_t hello[CHANNEL_HELLO_SIZE];
	memcpy(hello, e->hello, sizeof hello);
	channel_hello_put(hello, clear);
	return accept_hello(e, hello);
}

/* Everything that must be equal at both ends, unequal once each. */
static void
test_names(void)
{
	struct ends e, wrong;
	prepare(&e);
	for (size_t bit = 0; bit < 8 * RAFT_HASH_SIZE; bit++) {
		wrong = e;
		flip(wrong.cluster.b, bit);
		CHECK(!accept_hello(&wrong, e.hello));
	}
	struct channel_hello clear = e.clear;
	raft_id_parse(&clear.from, "c");
	CHECK(!accepts_clear(&e, &clear));
	clear = e.clear;
	raft_id_parse(&clear.to, "c");
	CHECK(!accepts_clear(&e, &clear));
	clear = e.clear;
	clear.class = 1;
	CHECK(!accepts_clear(&e, &clear));
	clear = e.clear;
	clear.high++;
	CHECK(!accepts_clear(&e, &clear));
	wrong = e;
	seal_pair_new(&wrong.a);
	CHECK(!accept_hello(&wrong, e.hello));
	wrong = e;
	seal_pair_new(&wrong.b);
	CHECK(!accept_hello(&wrong, e.hello));
	CHECK(accept_hello(&e, e.hello));
}

/* Messages that come back to the one who made them. */
static void
test_swapped_roles(void)
{
	struct ends e;
	uint8_t reply[CHANNEL_REPLY_SIZE] = {CHANNEL_VERSION_HIGH};
	struct channel_offer offer;
	struct channel channel;
	prepare(&e);
	CHECK(!channel_accept(
	    &channel, &e.cluster, &e.a, e.b.public, e.hello, &offer, &answered, reply));
	memset(reply, 0, sizeof reply);
	reply[0] = CHANNEL_VERSION_HIGH;
	memcpy(reply + 2, e.hello + CHANNEL_CLEAR_SIZE, CHANNEL_REPLY_SIZE - 2);
	CHECK(!finish(&e, reply));
}

static void
test_forged_handshake(void)
{
	struct ends e;
	prepare(&e);
	for (size_t bit = 0; bit < 8 * CHANNEL_HELLO_SIZE; bit++) {
		uint8_t hello[CHANNEL_HELLO_SIZE];
		memcpy(hello, e.hello, sizeof hello);
		/* The topmost bit of a public key is not used by X25519, but it is hashed. */
		flip(hello, bit);
		CHECK(!accept_hello(&e, hello));
	}
	CHECK(accept_hello(&e, e.hello));
	for (size_t bit = 0; bit < 8 * CHANNEL_REPLY_SIZE; bit++) {
		uint8_t reply[CHANNEL_REPLY_SIZE];
		memcpy(reply, e.reply, sizeof reply);
		flip(reply, bit);
		CHECK(!finish(&e, reply));
	}
	CHECK(finish(&e, e.reply));
}

static bool
is_zero(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	while (size > 0 && *at == 0)
		at++, size--;
	return size == 0;
}

/* One attempt for each hello: the secrets of it are gone after either outcome. */
static void
test_wiped(void)
{
	struct ends e;
	struct channel_answer answer;
	prepare(&e);
	CHECK(accept_hello(&e, e.hello));
	struct noise again = e.pending;
	CHECK(channel_finish(&e.pending, e.reply, &e.at_a, &answer));
	CHECK(is_zero(&e.pending, sizeof e.pending));
	e.reply[CHANNEL_REPLY_SIZE - 1] ^= 1;
	CHECK(!channel_finish(&again, e.reply, &e.at_a, &answer));
	CHECK(is_zero(&again, sizeof again));
	CHECK(!channel_dial(&e.pending, &e.cluster, &e.a, low_order[0], &offered, e.hello));
	CHECK(is_zero(&e.pending, sizeof e.pending));
}

static void
test_versions_of_reply(void)
{
	struct ends e;
	static const uint8_t versions[] = {1, CHANNEL_VERSION_HIGH + 1, 255};
	for (size_t i = 0; i < sizeof versions; i++) {
		struct channel_answer strange = {.version = versions[i], .start = 99};
		struct channel_offer offer;
		prepare(&e);
		CHECK(channel_accept(
		    &e.at_b, &e.cluster, &e.b, e.a.public, e.hello, &offer, &strange, e.reply));
		CHECK(!finish(&e, e.reply));
	}
}

/* Each hello, also the same one again, makes a session of its own. */
static void
test_replayed_hello(void)
{
	struct ends e;
	shake(&e);
	struct ends again = e;
	CHECK(accept_hello(&again, e.hello));
	CHECK(!passes(&e.at_a.tx, &again.at_b.rx));
	e.at_a.tx.n = 0;
	CHECK(passes(&e.at_a.tx, &e.at_b.rx));
	CHECK(!passes(&again.at_b.tx, &e.at_a.rx));
}

/* A reply to another hello of the same dialer. */
static void
test_foreign_reply(void)
{
	struct ends e, other;
	shake(&e);
	other = e;
	channel_hello_put(other.hello, &other.clear);
	CHECK(channel_dial(
	    &other.pending, &other.cluster, &other.a, other.b.public, &offered, other.hello));
	CHECK(!finish(&other, e.reply));
	CHECK(accept_hello(&other, other.hello));
	CHECK(finish(&other, other.reply));
}

static void
test_low_order(void)
{
	struct ends e;
	uint8_t reply[CHANNEL_REPLY_SIZE], hello[CHANNEL_HELLO_SIZE];
	shake(&e);
	for (size_t i = 0; i < LOW_ORDER_COUNT; i++) {
		struct noise pending;
		memcpy(hello, e.hello, sizeof hello);
		CHECK(!channel_dial(&pending, &e.cluster, &e.a, low_order[i], &offered, hello));
		memcpy(hello, e.hello, sizeof hello);
		memcpy(hello + CHANNEL_CLEAR_SIZE, low_order[i], SEAL_KEY_SIZE);
		CHECK(!accept_hello(&e, hello));
		memcpy(reply, e.reply, sizeof reply);
		memcpy(reply + 2, low_order[i], SEAL_KEY_SIZE);
		CHECK(!finish(&e, reply));
	}
}

/* ------- the clear part of a hello ------------------------------------------------ */

static enum channel_error
get_with(size_t at, uint8_t byte)
{
	struct ends e;
	struct channel_hello got;
	prepare(&e);
	e.hello[at] = byte;
	return channel_hello_get(&got, e.hello);
}

static void
test_hello(void)
{
	struct ends e;
	struct channel_hello got;
	prepare(&e);
	for (uint8_t class = 0; class < 2; class ++) {
		e.clear.class = class;
		channel_hello_put(e.hello, &e.clear);
		CHECK(channel_hello_get(&got, e.hello) == CHANNEL_OK);
		CHECK(got.low == e.clear.low && got.high == e.clear.high && got.class == class);
		CHECK(raft_id_equal(&got.from, &e.clear.from));
		CHECK(raft_id_equal(&got.to, &e.clear.to));
		CHECK(memcmp(got.tag, e.clear.tag, sizeof got.tag) == 0);
	}
	for (size_t bit = 0; bit < 8 * 8; bit++) {
		flip(e.hello, bit);
		CHECK(channel_hello_get(&got, e.hello) == CHANNEL_FORM);
		flip(e.hello, bit);
	}
	CHECK(get_with(11, 2) == CHANNEL_CLASS && get_with(11, 255) == CHANNEL_CLASS);
}

static void
test_versions(void)
{
	/* An older raft-peerd has its version, 1, where the hello has its own. */
	for (int version = 0; version < 256; version++)
		CHECK((get_with(8, (uint8_t)version) == CHANNEL_OK) == (version == 2));
	for (int low = 0; low < 6; low++)
		for (int high = 0; high < 6; high++) {
			struct ends e;
			struct channel_hello got;
			bool common = low <= high && low <= CHANNEL_VERSION_HIGH &&
				      high >= CHANNEL_VERSION_LOW;
			prepare(&e);
			e.hello[9] = (uint8_t)low;
			e.hello[10] = (uint8_t)high;
			CHECK(channel_hello_get(&got, e.hello) ==
			      (common ? CHANNEL_OK : CHANNEL_VERSION));
		}
}

static void
test_ids(void)
{
	/* Of both ids: a character that none has, none, no end, and bytes after the end. */
	for (size_t at = 12; at < 12 + 2 * RAFT_ID_SIZE; at += RAFT_ID_SIZE) {
		struct ends e;
		struct channel_hello got;
		CHECK(get_with(at, '/') == CHANNEL_ID);
		CHECK(get_with(at, 0) == CHANNEL_ID);
		CHECK(get_with(at + 2, 'x') == CHANNEL_ID);
		prepare(&e);
		memset(e.hello + at, 'x', RAFT_ID_SIZE);
		CHECK(channel_hello_get(&got, e.hello) == CHANNEL_ID);
		e.hello[at + RAFT_ID_SIZE - 1] = 0;
		CHECK(channel_hello_get(&got, e.hello) == CHANNEL_OK);
	}
}

static void
test_any_hello(void)
{
	uint8_t bytes[CHANNEL_HELLO_SIZE], back[CHANNEL_HELLO_SIZE];
	struct ends e;
	struct channel_hello got;
	size_t good = 0;
	prepare(&e);
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		memcpy(bytes, e.hello, sizeof bytes);
		for (int n = 0; n < i % 5; n++)
			bytes[random() % CHANNEL_CLEAR_SIZE] = (uint8_t)(random() % 4);
		enum channel_error error = channel_hello_get(&got, bytes);
		CHECK(strlen(channel_error_text(error)) > 0);
		CHECK(raft_id_valid(&got.from) && raft_id_valid(&got.to));
		if (error != CHANNEL_OK)
			continue;
		good++;
		channel_hello_put(back, &got);
		CHECK(memcmp(back, bytes, CHANNEL_CLEAR_SIZE) == 0);
	}
	CHECK(good >= 20000 && good < 90000);
}

static void
test_refusals(void)
{
	struct ends e;
	uint8_t reply[CHANNEL_REPLY_SIZE];
	unsigned reason;
	for (unsigned r = 0; r < CHANNEL_REASONS_COUNT; r++) {
		memset(reply, 0xaa, sizeof reply);
		channel_refusal_put(reply, (enum channel_reason)r);
		CHECK(channel_refused(reply, &reason) && reason == r);
		CHECK(is_zero(reply + 2, sizeof reply - 2));
		for (unsigned other = 0; other < r; other++)
			CHECK(strcmp(channel_reason_text(r), channel_reason_text(other)) != 0);
	}
	for (unsigned r = CHANNEL_REASONS_COUNT; r < 256; r++)
		CHECK(channel_reason_text(r) == channel_reason_text(CHANNEL_REASON_NONE));
	shake(&e);
	CHECK(!channel_refused(e.reply, &reason));
	CHECK(!finish(&e, reply));
}

/* ------- renewal ------------------------------------------------------------------ */

struct renewal {
	struct noise pending;
	uint8_t first[CHANNEL_RENEWAL_SIZE], second[CHANNEL_RENEWAL_SIZE];
	struct channel at_a, at_b;
};

static bool
answers(const struct ends *e, const struct channel *channel, struct renewal *r)
{
	return channel_renew_answer(&r->at_b, channel, &e->b, e->a.public, r->first, r->second);
}

/* Its pending handshake stays, for the next attempt. */
static bool
ends_renewal(struct renewal *r, const uint8_t message[CHANNEL_RENEWAL_SIZE])
{
	struct noise copy = r->pending;
	bool ok = channel_renew_finish(&copy, message, &r->at_a);
	CHECK(is_zero(&copy, sizeof copy));
	return ok;
}

static void
begin_renewal(struct ends *e, struct renewal *r)
{
	memset(r, 0, sizeof *r);
	CHECK(channel_renew(&r->pending, &e->at_a, &e->a, e->b.public, r->first));
}

static void
test_renewal(void)
{
	struct ends e;
	struct renewal r;
	shake(&e);
	for (int times = 0; times < 3; times++) {
		struct ends before = e;
		begin_renewal(&e, &r);
		CHECK(answers(&e, &e.at_b, &r));
		CHECK(ends_renewal(&r, r.second));
		/* Until the keys are changed, those in use are as they were. */
		CHECK(memcmp(&before.at_a, &e.at_a, sizeof e.at_a) == 0);
		CHECK(memcmp(&before.at_b, &e.at_b, sizeof e.at_b) == 0);
		CHECK(passes(&e.at_a.tx, &e.at_b.rx));
		CHECK(memcmp(r.at_a.binding, r.at_b.binding, sizeof r.at_a.binding) == 0);
		CHECK(memcmp(r.at_a.binding, e.at_a.binding, sizeof r.at_a.binding) != 0);
		/* One direction, then the other; a record under the other key is refused. */
		e.at_b.tx = r.at_b.tx;
		CHECK(!passes(&e.at_b.tx, &e.at_a.rx));
		e.at_b.tx = r.at_b.tx;
		e.at_a.rx = r.at_a.rx;
		CHECK(passes(&e.at_b.tx, &e.at_a.rx));
		e.at_b.rx = r.at_b.rx;
		CHECK(!passes(&e.at_a.tx, &e.at_b.rx));
		e.at_a.tx = r.at_a.tx;
		CHECK(passes(&e.at_a.tx, &e.at_b.rx));
		e.at_a = r.at_a;
		e.at_b = r.at_b;
	}
}

static void
test_forged_renewal(void)
{
	struct ends e;
	struct renewal r;
	shake(&e);
	begin_renewal(&e, &r);
	for (size_t bit = 0; bit < 8 * CHANNEL_RENEWAL_SIZE; bit++) {
		flip(r.first, bit);
		CHECK(!answers(&e, &e.at_b, &r));
		flip(r.first, bit);
	}
	CHECK(answers(&e, &e.at_b, &r));
	for (size_t bit = 0; bit < 8 * CHANNEL_RENEWAL_SIZE; bit++) {
		flip(r.second, bit);
		CHECK(!ends_renewal(&r, r.second));
		flip(r.second, bit);
	}
	CHECK(!ends_renewal(&r, r.first));
	for (size_t i = 0; i < LOW_ORDER_COUNT; i++) {
		struct renewal bad = r;
		memcpy(bad.first, low_order[i], SEAL_KEY_SIZE);
		CHECK(!answers(&e, &e.at_b, &bad));
		memcpy(bad.second, low_order[i], SEAL_KEY_SIZE);
		CHECK(!ends_renewal(&r, bad.second));
	}
	CHECK(ends_renewal(&r, r.second));
}

/* Messages of renewals of another connection, of an earlier one, and of a peer with another key. */
static void
test_foreign_renewal(void)
{
	struct ends e, other;
	struct renewal r, late;
	shake(&e);
	/* The same two nodes, on a connection of their own. */
	other = e;
	CHECK(channel_dial(
	    &other.pending, &other.cluster, &other.a, other.b.public, &offered, other.hello));
	CHECK(accept_hello(&other, other.hello));
	CHECK(finish(&other, other.reply));
	begin_renewal(&e, &r);
	CHECK(!answers(&other, &other.at_b, &r));
	CHECK(answers(&e, &e.at_b, &r));
	begin_renewal(&e, &late);
	CHECK(!ends_renewal(&late, r.second));
	/* Once the keys are changed, the messages that led to them are of no use. */
	CHECK(ends_renewal(&r, r.second));
	e.at_b = r.at_b;
	CHECK(!answers(&e, &e.at_b, &r));
	begin_renewal(&other, &r);
	seal_pair_new(&other.a);
	CHECK(!answers(&other, &other.at_b, &r));
	CHECK(!channel_renew(&r.pending, &e.at_a, &e.a, low_order[1], r.first));
}

int
main(void)
{
	seal_init();
	check_run("channel: two nodes that know each other's keys come to the same two keys and "
		  "one binding",
	    test_handshake);
	check_run("channel: records open in their order only: a copy, one overtaken, one after a "
		  "gap and one reflected are refused",
	    test_order);
	check_run("channel: a message altered in any bit is refused", test_alteration);
	check_run("channel: a record opens with its own size only", test_sizes);
	check_run("channel: a head with more than 64 KiB is of no record", test_impossible_sizes);
	check_run("channel: the last number of a key seals no record", test_last_counter);
	check_run("channel: cluster, ids, class and keys must be equal at both ends", test_names);
	check_run(
	    "channel: a handshake message is refused by the side that sent it", test_swapped_roles);
	check_run("channel: a hello or reply altered in any bit is refused", test_forged_handshake);
	check_run("channel: the secrets of a dial are wiped with its end", test_wiped);
	check_run("channel: a version that was not offered is refused", test_versions_of_reply);
	check_run("channel: a replayed hello makes a session of which nobody has the key",
	    test_replayed_hello);
	check_run("channel: a reply to another hello is refused", test_foreign_reply);
	check_run("channel: keys of low order are refused", test_low_order);
	check_run("channel: a hello reads back, and no other size or class does", test_hello);
	check_run("channel: versions agree when the ranges overlap, and an older raft-peerd's is "
		  "recognised",
	    test_versions);
	check_run("channel: a hello with a malformed id is refused", test_ids);
	check_run("channel: any bytes of a hello are decoded or refused", test_any_hello);
	check_run("channel: a refusal has a reason, any number of which has a text", test_refusals);
	check_run(
	    "channel: a renewal gives both sides new keys, as often as it is made", test_renewal);
	check_run("channel: a renewal altered in any bit is refused", test_forged_renewal);
	check_run("channel: messages of another renewal, connection or key are refused",
	    test_foreign_renewal);
	return check_done();
}
