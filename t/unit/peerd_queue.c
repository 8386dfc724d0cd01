/* SPDX-License-Identifier: ISC */
/* raft-peerd's queue: FIFO or dropped, heartbeats replaced, bounded. */
#include "../../bin/raft-peerd/queue.c"

#include <stdlib.h>

#include "check.h"

enum { LIMIT = 10000 };

static struct queue queue;
static uint64_t limit = LIMIT;

/* Frees the frame. */
static bool
put_frame(struct wire_buf *buf)
{
	struct wire_frame frame;
	CHECK(frame_whole((struct wire_bytes){buf->bytes, buf->size}, FRAME_SIZE_MAX, &frame));
	bool ok = queue_put(&queue, &frame, limit);
	wire_buf_free(buf);
	return ok;
}

static bool
put_append(uint64_t n, size_t size)
{
	struct wire_buf frame = {0};
	uint8_t *records = calloc(1, size + 1);
	struct msg_raft_append m = {.term = n, .count = size > 0, .entries = {records, size}};
	msg_raft_append_put(&frame, &m);
	bool ok = put_frame(&frame);
	free(records);
	return ok;
}

static bool
put_vote(uint64_t n)
{
	struct wire_buf frame = {0};
	struct msg_raft_vote m = {.term = n};
	msg_raft_vote_put(&frame, &m);
	return put_frame(&frame);
}

/* The size of the first frame. */
static size_t
first_size(void)
{
	const uint8_t *bytes;
	CHECK(queue_peek(&queue, 4, &bytes) == 4);
	return 4 + (size_t)bytes_get_u32(bytes);
}

/* The number of the first frame, which goes; 0: none. */
static uint64_t
take(void)
{
	const uint8_t *bytes;
	if (queue_size(&queue) == 0)
		return 0;
	size_t size = first_size(), count = queue.count;
	CHECK(queue_peek(&queue, size, &bytes) == size);
	uint64_t n = bytes_get_u64(bytes + FRAME_HEADER_SIZE);
	queue_drop(&queue, size);
	CHECK(queue.count == count - 1);
	return n;
}

static void
test_fifo(void)
{
	for (uint64_t n = 1; n <= 50; n++)
		CHECK(n % 3 ? put_append(n, 20) : put_vote(n));
	CHECK(queue.count == 50);
	for (uint64_t n = 1; n <= 50; n++)
		CHECK(take() == n);
	CHECK(take() == 0);
	CHECK(queue_size(&queue) == 0 && queue.count == 0);
}

static void
test_heartbeats(void)
{
	put_append(1, 10);
	put_append(2, 0);
	put_append(3, 0);
	put_vote(4);
	put_append(5, 0);
	put_append(6, 0);
	CHECK(queue.count == 4);
	CHECK(take() == 1);
	CHECK(take() == 3);
	CHECK(take() == 4);
	/* One that is being sent is not called back: the one after it is new. */
	CHECK(take() == 6);
	put_append(7, 0);
	CHECK(take() == 7);
	CHECK(take() == 0);
}

static void
test_limit(void)
{
	uint64_t n = 1;
	while (put_append(n, 1000))
		n++;
	CHECK(queue_size(&queue) <= LIMIT);
	CHECK(!put_append(n, 1000));
	/* What is no append still finds room, up to the reserve. */
	CHECK(put_vote(500));
	CHECK(put_append(501, 0));
	uint64_t votes = 0;
	while (put_vote(1000))
		votes++;
	CHECK(votes > 1000);
	CHECK(queue_size(&queue) <= LIMIT + QUEUE_RESERVE);
	for (uint64_t i = 1; i < n; i++)
		CHECK(take() == i);
	CHECK(take() == 500);
	CHECK(queue_clear(&queue) == votes + 1);
	CHECK(put_append(1, 1000));
	CHECK(take() == 1);
}

static void
test_batch(void)
{
	const uint8_t *bytes;
	put_append(1, 100);
	size_t one = queue_size(&queue);
	for (uint64_t n = 2; n <= 10; n++)
		put_append(n, 100);
	CHECK(queue_peek_frames(&queue, one, &bytes) == one);
	CHECK(queue_peek_frames(&queue, 3 * one, &bytes) == 3 * one);
	CHECK(queue_peek_frames(&queue, 4 * one - 1, &bytes) == 3 * one);
	queue_drop(&queue, one);
	CHECK(queue_peek_frames(&queue, SIZE_MAX, &bytes) == 9 * one);
	CHECK(bytes_get_u64(bytes + FRAME_HEADER_SIZE) == 2);
	CHECK(queue_clear(&queue) == 9);
	CHECK(queue_peek_frames(&queue, SIZE_MAX, &bytes) == 0);
}

static void
test_pieces(void)
{
	for (size_t piece = 1; piece < 400; piece += 13) {
		uint8_t copy[4096];
		const uint8_t *bytes;
		for (uint64_t n = 1; n <= 10; n++)
			put_append(n, 10 * n);
		size_t all = queue_size(&queue), at = 0, count = 0;
		CHECK(queue_peek(&queue, SIZE_MAX, &bytes) == all && all <= sizeof copy);
		memcpy(copy, bytes, all);
		/* Where each frame ends, as counted before it goes. */
		for (size_t end = 0; queue_size(&queue) > 0;) {
			size_t size = queue_peek(&queue, piece, &bytes);
			CHECK(size == (all - at < piece ? all - at : piece));
			CHECK(memcmp(bytes, copy + at, size) == 0);
			queue_drop(&queue, size);
			at += size;
			while (end < at && end + 4 + bytes_get_u32(copy + end) <= at) {
				end += 4 + bytes_get_u32(copy + end);
				count++;
			}
			CHECK(queue.count == 10 - count);
			CHECK(queue_size(&queue) == all - at);
		}
		CHECK(at == all && count == 10);
		CHECK(queue_peek(&queue, 1, &bytes) == 0 && bytes == NULL);
	}
}

static void
test_heartbeat_begun(void)
{
	put_append(1, 0);
	size_t size = first_size();
	for (size_t gone = 1; gone < size; gone++) {
		queue_drop(&queue, gone);
		/* What has begun to go stays, and the new one is behind it. */
		put_append(2, 0);
		CHECK(queue.count == 2 && queue_size(&queue) == 2 * size - gone);
		/* That one has not begun. */
		put_append(1, 0);
		CHECK(queue.count == 2 && queue_size(&queue) == 2 * size - gone);
		queue_drop(&queue, size - gone);
		CHECK(queue.count == 1);
		put_append(1, 0);
		CHECK(queue.count == 1);
	}
	CHECK(take() == 1);
	CHECK(take() == 0);
}

/* Cleared with a frame of which a part has gone, as when a connection ends. */
static void
test_clear(void)
{
	const uint8_t *bytes;
	put_append(1, 100);
	put_append(2, 100);
	queue_drop(&queue, 50);
	CHECK(queue_clear(&queue) == 2);
	CHECK(queue_clear(&queue) == 0);
	put_append(3, 100);
	CHECK(queue_peek_frames(&queue, SIZE_MAX, &bytes) == first_size());
	CHECK(take() == 3);
}

/* What waits is moved to the front of the memory: a heartbeat is replaced in its new place, too. */
static void
test_large(void)
{
	enum { LARGE = 1 << 20, COUNT = 20, WAIT = 3 };
	limit = (WAIT + 2) * LARGE;
	for (uint64_t n = 1; n <= COUNT; n++) {
		CHECK(put_append(n, LARGE));
		CHECK(put_append(100 + n, 0));
		if (n > WAIT) {
			CHECK(take() == n - WAIT);
			CHECK(take() == 200 + n - WAIT);
		}
		CHECK(put_append(200 + n, 0));
		CHECK(queue.buf.size <= 2 * (WAIT + 1) * (size_t)LARGE);
	}
	CHECK(queue_clear(&queue) == 2 * WAIT);
	limit = LIMIT;
	CHECK(queue.buf.room <= KEEP_ROOM);
}

int
main(void)
{
	queue_init(&queue);
	check_run("queue: frames come out in the order they went in", test_fifo);
	check_run("queue: a heartbeat takes the place of the one before it, and of no other",
	    test_heartbeats);
	check_run(
	    "queue: a heartbeat of which a part has gone is not replaced", test_heartbeat_begun);
	check_run("queue: above the limit appends are dropped, newest first", test_limit);
	check_run("queue: a batch is as many whole frames as fit", test_batch);
	check_run("queue: bytes go in pieces of any size, and a frame counts until its last byte",
	    test_pieces);
	check_run("queue: nothing is left of a frame that was cut when the queue was cleared",
	    test_clear);
	check_run("queue: the memory of frames that are gone is used again", test_large);
	queue_free(&queue);
	return check_done();
}
