/* SPDX-License-Identifier: ISC */
/* raft-peerd's queue: FIFO or dropped, heartbeats replaced, bounded. */
#include "../../bin/raft-peerd/queue.c"

#include <stdlib.h>

#include "check.h"

enum { LIMIT = 10000 };

static struct queue queue;

/* Frees the frame. */
static bool
put_frame(struct wire_buf *buf)
{
	struct wire_frame frame;
	CHECK(frame_whole((struct wire_bytes){buf->bytes, buf->size}, FRAME_SIZE_MAX, &frame));
	bool ok = queue_put(&queue, &frame, LIMIT);
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

/* The number of the first frame, which goes; 0: none. */
static uint64_t
take(void)
{
	const uint8_t *bytes;
	size_t count;
	size_t size = queue_peek(&queue, 1, &bytes, &count);
	if (count == 0)
		return 0;
	CHECK(count == 1);
	uint64_t n = bytes_get_u64(bytes + FRAME_HEADER_SIZE);
	queue_drop(&queue, size, count);
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
	size_t count, one;
	put_append(1, 100);
	one = queue_size(&queue);
	for (uint64_t n = 2; n <= 10; n++)
		put_append(n, 100);
	CHECK(queue_peek(&queue, 3 * one, &bytes, &count) == 3 * one && count == 3);
	CHECK(queue_peek(&queue, 3 * one + 1, &bytes, &count) == 3 * one && count == 3);
	CHECK(queue_peek(&queue, one - 1, &bytes, &count) == one && count == 1);
	CHECK(queue_peek(&queue, SIZE_MAX, &bytes, &count) == 10 * one && count == 10);
	queue_clear(&queue);
	CHECK(queue_peek(&queue, SIZE_MAX, &bytes, &count) == 0 && count == 0);
}

int
main(void)
{
	queue_init(&queue);
	check_run("queue: frames come out in the order they went in", test_fifo);
	check_run("queue: a heartbeat takes the place of the one before it, and of no other",
	    test_heartbeats);
	check_run("queue: above the limit appends are dropped, newest first", test_limit);
	check_run("queue: a batch is as many whole frames as fit, and at least one", test_batch);
	queue_free(&queue);
	return check_done();
}
