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
	struct wire_frame frame;

	must(frame_get(bytes, frame_size - 1, size_max, &frame) == 0);
	must(frame_get(bytes, frame_size, frame_size, &frame) == 1);
	must(frame_get(bytes, frame_size, frame_size - 1, &frame) == -1);
	must(frame_whole((struct wire_bytes){bytes, frame_size}, size_max, &frame));
	must(!frame_whole((struct wire_bytes){bytes, frame_size - 1}, size_max, &frame));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	enum { SIZE_MAX_HERE = 4096 };

	for (;;) {
		struct wire_frame frame;

		if (frame_get(bytes, size, SIZE_MAX_HERE, &frame) != 1)
			return 0;
		must(frame.whole.bytes == bytes);
		must(frame.whole.size <= size);
		must(frame.whole.size <= SIZE_MAX_HERE);
		must(frame.body == bytes + FRAME_HEADER_SIZE);
		must(frame.size + FRAME_HEADER_SIZE == frame.whole.size);
		try_short(bytes, frame.whole.size, SIZE_MAX_HERE);
		must(msg_is_raft(frame.number) ==
		     (strncmp(msg_name(frame.number), "raft_", 5) == 0));
		try_body(frame.number, bytes, frame.whole.size, frame.body, frame.size);
		bytes += frame.whole.size;
		size -= frame.whole.size;
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
