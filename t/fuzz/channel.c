/* SPDX-License-Identifier: ISC */
/*
 * The handshake, the records and a renewal: the input is laid over genuine bytes (exclusive or).
 * What was altered anywhere is refused, and what was not is accepted, once.
 */
#include "seal/channel.h"
#include "fuzz.h"

static struct seal_pair a, b;
static struct raft_hash cluster;

enum { PLAIN_SIZE = 24, RECORD_SIZE = PLAIN_SIZE + CHANNEL_RECORD_EXTRA };

/* True when the bytes are no longer what they were. */
static bool
alter(struct fuzz_input *in, uint8_t *bytes, size_t size)
{
	const uint8_t *mask;
	bool altered = false;

	size = fuzz_bytes(in, &mask, size);
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= mask[i];
		altered |= mask[i] != 0;
	}
	return altered;
}

/* The decoder of the clear part, which takes any bytes. */
static void
try_hello(const uint8_t hello[CHANNEL_HELLO_SIZE])
{
	struct channel_hello got;
	uint8_t back[CHANNEL_HELLO_SIZE];
	enum channel_error error = channel_hello_get(&got, hello);

	must(strlen(channel_error_text(error)) > 0);
	must(raft_id_valid(&got.from) && raft_id_valid(&got.to));
	if (error != CHANNEL_OK)
		return;
	must(got.class < 2 && !raft_id_none(&got.from) && !raft_id_none(&got.to));
	channel_hello_put(back, &got);
	must(memcmp(back, hello, CHANNEL_CLEAR_SIZE) == 0);
}

static bool
try_reply(struct fuzz_input *in, const struct noise *pending, const uint8_t *reply,
    struct channel *channel)
{
	struct noise copy = *pending;
	struct channel_answer answer;
	uint8_t altered[CHANNEL_REPLY_SIZE];
	unsigned reason;

	memcpy(altered, reply, sizeof altered);
	bool changed = alter(in, altered, sizeof altered);
	must(strlen(channel_reason_text(altered[1])) > 0);
	must(channel_refused(altered, &reason) == (altered[0] == 0));
	must(channel_finish(&copy, altered, channel, &answer) == !changed);
	must(changed || (answer.version == CHANNEL_VERSION_HIGH && answer.start == 99));
	return !changed;
}

static bool
shake(struct fuzz_input *in, struct channel *at_a, struct channel *at_b)
{
	struct channel_hello clear = {
	    .low = CHANNEL_VERSION_LOW, .high = CHANNEL_VERSION_HIGH, .from = {"a"}, .to = {"b"}};
	struct channel_offer offer = {1, 2, 3}, got;
	struct channel_answer answer = {CHANNEL_VERSION_HIGH, 99};
	struct noise pending;
	uint8_t hello[CHANNEL_HELLO_SIZE], reply[CHANNEL_REPLY_SIZE];

	channel_hello_put(hello, &clear);
	must(channel_dial(&pending, &cluster, &a, b.public, &offer, hello));
	bool changed = alter(in, hello, sizeof hello);
	try_hello(hello);
	must(channel_accept(at_b, &cluster, &b, a.public, hello, &got, &answer, reply) == !changed);
	must(changed || (got.start == 1 && got.id == 2 && got.seen == 3));
	return !changed && try_reply(in, &pending, reply, at_a);
}

/* Genuine, altered, or any other bytes; what is refused changes nothing. */
static void
try_record(struct fuzz_input *in, struct noise_cipher *tx, struct noise_cipher *rx)
{
	uint8_t plain[PLAIN_SIZE] = {2}, record[RECORD_SIZE], altered[RECORD_SIZE];
	uint64_t n = rx->n;

	channel_seal(tx, fuzz_u8(in), plain, sizeof plain, record);
	memcpy(altered, record, sizeof altered);
	size_t size = fuzz_u8(in) % (RECORD_SIZE + 1);
	bool changed = alter(in, altered, sizeof altered);
	must(channel_record_size(altered) <= CHANNEL_RECORD_MAX);
	if (size != RECORD_SIZE) {
		uint8_t cut[RECORD_SIZE];
		memcpy(cut, record, sizeof cut);
		must(!channel_open(rx, cut, size));
	}
	must(channel_open(rx, altered, sizeof altered) == !changed);
	must(rx->n == n + !changed);
	must(!changed || channel_open(rx, record, sizeof record));
	must(!channel_open(rx, record, sizeof record));
}

static void
try_renewal(struct fuzz_input *in, struct channel *at_a, struct channel *at_b)
{
	struct noise pending;
	struct channel fresh_a, fresh_b;
	uint8_t first[CHANNEL_RENEWAL_SIZE], second[CHANNEL_RENEWAL_SIZE];

	must(channel_renew(&pending, at_a, &a, b.public, first));
	bool changed = alter(in, first, sizeof first);
	must(channel_renew_answer(&fresh_b, at_b, &b, a.public, first, second) == !changed);
	if (changed)
		return;
	changed = alter(in, second, sizeof second);
	must(channel_renew_finish(&pending, second, &fresh_a) == !changed);
	if (changed)
		return;
	must(memcmp(fresh_a.binding, at_a->binding, sizeof fresh_a.binding) != 0);
	*at_a = fresh_a;
	*at_b = fresh_b;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static bool ready;
	struct fuzz_input in = {bytes, size};
	struct channel at_a, at_b;

	if (!ready) {
		seal_init();
		seal_pair_new(&a);
		seal_pair_new(&b);
		ready = true;
	}
	if (!shake(&in, &at_a, &at_b))
		return 0;
	for (int i = 0; i < 8 && in.left > 0; i++) {
		uint8_t step = fuzz_u8(&in);
		if (step % 4 == 0)
			try_renewal(&in, &at_a, &at_b);
		else if (step % 4 == 1)
			try_record(&in, &at_a.tx, &at_b.rx);
		else
			try_record(&in, &at_b.tx, &at_a.rx);
	}
	return 0;
}

static void
seeds(void)
{
	enum { HANDSHAKE = CHANNEL_HELLO_SIZE + CHANNEL_REPLY_SIZE };
	uint8_t bytes[HANDSHAKE + 1024] = {0};
	size_t at = HANDSHAKE;

	fuzz_seed(bytes, CHANNEL_HELLO_SIZE);
	/* A record each way, a renewal, and a record each way. */
	for (int i = 0; i < 2; i++) {
		bytes[at] = 1;
		bytes[at + 2] = RECORD_SIZE;
		at += 3 + RECORD_SIZE;
		bytes[at] = 2;
		at += 3 + RECORD_SIZE;
		if (i == 0)
			at += 1 + 2 * CHANNEL_RENEWAL_SIZE;
	}
	fuzz_seed(bytes, at);
	bytes[HANDSHAKE + 3 + 5] = 1;
	fuzz_seed(bytes, at);
	bytes[CHANNEL_HELLO_SIZE + 1] = 1;
	fuzz_seed(bytes, HANDSHAKE);
	bytes[0] = 1;
	fuzz_seed(bytes, CHANNEL_HELLO_SIZE);
}
