/* SPDX-License-Identifier: ISC */
/*
 * The handshake and the sealed messages: the input is laid over genuine bytes (exclusive or).
 * What was altered anywhere is refused, and what was not is taken, once.
 */
#include "seal/channel.h"
#include "fuzz.h"

static struct seal_pair a, b;
static struct channel_names names = {.initiator = {"a"}, .responder = {"b"}};
static const struct channel_reply wanted = {.session = 77, .start = 99};

enum { PLAIN_SIZE = 24, HEAD_SIZE = 8, SEALED_SIZE = PLAIN_SIZE + CHANNEL_TAG_SIZE };

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

static bool
shake(struct fuzz_input *in, struct channel_tx *tx, struct channel_rx *rx)
{
	struct channel_pending pending;
	struct channel_reply got;
	uint8_t hello[CHANNEL_HELLO_SIZE], reply[CHANNEL_REPLY_SIZE], altered[CHANNEL_REPLY_SIZE];

	must(channel_hello(&pending, &names, &a, b.public, hello));
	if (fuzz_u8(in) & 1) {
		bool changed = alter(in, hello, sizeof hello);
		bool taken = channel_answer(&names, &b, a.public, hello, &wanted, reply, rx);

		must(taken == !changed);
		if (!taken)
			return false;
	} else {
		must(channel_answer(&names, &b, a.public, hello, &wanted, reply, rx));
	}
	memcpy(altered, reply, sizeof reply);
	if (alter(in, altered, sizeof altered))
		must(!channel_finish(&pending, altered, &got, tx));
	/* What was forged before has not ended the handshake. */
	must(channel_finish(&pending, reply, &got, tx));
	must(got.session == wanted.session);
	must(got.start == wanted.start);
	return true;
}

static void
try_message(struct fuzz_input *in, struct channel_tx *tx, struct channel_rx *rx, uint64_t *next)
{
	uint8_t head[HEAD_SIZE] = {1}, sealed[SEALED_SIZE] = {2};
	uint64_t counter = channel_counter(tx);
	uint64_t said = counter;
	bool altered;
	enum channel_verdict verdict;

	channel_seal(tx, head, sizeof head, sealed, PLAIN_SIZE);
	if (fuzz_u8(in) & 1)
		said = fuzz_u64(in);
	altered = alter(in, head, sizeof head);
	altered |= alter(in, sealed, sizeof sealed);
	verdict = channel_open(rx, said, head, sizeof head, sealed, sizeof sealed);
	must((verdict == CHANNEL_OPENED) == (said == counter && counter >= *next && !altered));
	must(verdict != CHANNEL_OLD || said < *next);
	if (verdict == CHANNEL_OPENED)
		*next = counter + 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static bool ready;
	struct fuzz_input in = {bytes, size};
	struct channel_tx tx;
	struct channel_rx rx;
	uint64_t next = 0;

	if (!ready) {
		seal_init();
		seal_pair_new(&a);
		seal_pair_new(&b);
		ready = true;
	}
	if (!shake(&in, &tx, &rx))
		return 0;
	for (int i = 0; i < 8 && in.left > 0; i++)
		try_message(&in, &tx, &rx, &next);
	return 0;
}

static void
seeds(void)
{
	static const uint8_t
	    nothing_altered[1 + CHANNEL_REPLY_SIZE + 3 * (1 + HEAD_SIZE + SEALED_SIZE)];

	fuzz_seed(nothing_altered, sizeof nothing_altered);
}
