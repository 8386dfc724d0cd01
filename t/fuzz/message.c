/* SPDX-License-Identifier: ISC */
/*
 * Frames, and in them every message between processes: what is decoded encodes to the same bytes.
 */
#include "wire/message.h"
#include "fuzz.h"

static void
same(const struct wire_buf *made, const uint8_t *frame, size_t size)
{
	must(made->size == size);
	must(memcmp(made->bytes, frame, size) == 0);
}

#define M(number, NAME, name)                                                                      \
	static void try_##name(                                                                    \
	    const uint8_t *frame, size_t frame_size, const uint8_t *body, size_t size)             \
	{                                                                                          \
		struct msg_##name m;                                                               \
		struct wire_buf made = {0};                                                        \
		if (!msg_##name##_get(&m, body, size))                                             \
			return;                                                                    \
		msg_##name##_put(&made, &m);                                                       \
		same(&made, frame, frame_size);                                                    \
		wire_buf_free(&made);                                                              \
	}
MESSAGES(M)
#undef M

static void
try_body(uint16_t number, const uint8_t *frame, size_t frame_size, const uint8_t *body, size_t size)
{
	switch (number) {
#define M(n, NAME, name)                                                                           \
	case n:                                                                                    \
		try_##name(frame, frame_size, body, size);                                         \
		break;
		MESSAGES(M)
#undef M
	default:
		must(strcmp(msg_name(number), "unknown") == 0);
	}
}

/* A frame that is there is none before its last byte has come. */
static void
try_short(const uint8_t *bytes, size_t frame_size, size_t size_max)
{
	uint16_t number;
	const uint8_t *body;
	size_t body_size, size;

	must(frame_get(bytes, frame_size - 1, size_max, &number, &body, &body_size, &size) == 0);
	must(frame_get(bytes, frame_size, frame_size, &number, &body, &body_size, &size) == 1);
	must(frame_get(bytes, frame_size, frame_size - 1, &number, &body, &body_size, &size) == -1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	enum { SIZE_MAX_HERE = 4096 };

	for (;;) {
		uint16_t number;
		const uint8_t *body;
		size_t body_size, frame_size;

		if (frame_get(
			bytes, size, SIZE_MAX_HERE, &number, &body, &body_size, &frame_size) != 1)
			return 0;
		must(frame_size <= size);
		must(frame_size <= SIZE_MAX_HERE);
		must(body == bytes + FRAME_HEADER_SIZE);
		must(body_size + FRAME_HEADER_SIZE == frame_size);
		try_short(bytes, frame_size, SIZE_MAX_HERE);
		try_body(number, bytes, frame_size, body, body_size);
		bytes += frame_size;
		size -= frame_size;
	}
}

static void
seeds(void)
{
#define M(number, NAME, name)                                                                      \
	{                                                                                          \
		struct msg_##name m = {0};                                                         \
		struct wire_buf made = {0};                                                        \
		msg_##name##_put(&made, &m);                                                       \
		fuzz_seed(made.bytes, made.size);                                                  \
		wire_buf_free(&made);                                                              \
	}
	MESSAGES(M)
#undef M
}
