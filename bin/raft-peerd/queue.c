/* SPDX-License-Identifier: ISC */
/* One buffer of frames, end to end, so that a batch is one run of bytes. */
#include "queue.h"

#include <string.h>

enum { KEEP_ROOM = 1 << 20 };

void
queue_init(struct queue *queue)
{
	*queue = (struct queue){.beat = QUEUE_NO_BEAT};
}

void
queue_free(struct queue *queue)
{
	wire_buf_free(&queue->buf);
}

size_t
queue_size(const struct queue *queue)
{
	return queue->buf.size - queue->at;
}

static bool
is_heartbeat(const struct wire_frame *frame)
{
	struct msg_raft_append_lead m;
	return wire_append_get(&m, frame) && m.count == 0;
}

bool
queue_put(struct queue *queue, const struct wire_frame *frame, uint64_t limit)
{
	bool beat = is_heartbeat(frame);
	if (beat && queue->beat != QUEUE_NO_BEAT) {
		queue->buf.size = queue->beat;
		queue->count--;
	}
	queue->beat = QUEUE_NO_BEAT;
	bool append = wire_append(frame->number) && !beat;
	uint64_t size_max = append ? limit : limit + QUEUE_RESERVE;
	if (queue_size(queue) + frame->whole.size > size_max)
		return false;
	if (beat)
		queue->beat = queue->buf.size;
	wire_buf_put(&queue->buf, frame->whole.bytes, frame->whole.size);
	queue->count++;
	return true;
}

size_t
queue_peek(const struct queue *queue, size_t size_max, const uint8_t **bytes)
{
	size_t all = queue_size(queue);
	*bytes = all > 0 ? queue->buf.bytes + queue->at : NULL;
	return all < size_max ? all : size_max;
}

static size_t
frame_size_at(const struct queue *queue, size_t at)
{
	return 4 + (size_t)bytes_get_u32(queue->buf.bytes + at);
}

size_t
queue_peek_frames(const struct queue *queue, size_t size_max, const uint8_t **bytes)
{
	size_t all = queue_peek(queue, SIZE_MAX, bytes), size = 0;
	must(queue->left == 0);
	while (size < all && size + frame_size_at(queue, queue->at + size) <= size_max)
		size += frame_size_at(queue, queue->at + size);
	must(size > 0 || all == 0);
	return size;
}

void
queue_drop(struct queue *queue, size_t size)
{
	must(size <= queue_size(queue));
	while (size > 0) {
		if (queue->left == 0)
			queue->left = frame_size_at(queue, queue->at);
		size_t some = queue->left < size ? queue->left : size;
		queue->at += some;
		queue->left -= some;
		size -= some;
		if (queue->left == 0)
			queue->count--;
	}
	/* A heartbeat that has begun to go is not replaced. */
	if (queue->beat != QUEUE_NO_BEAT && queue->at > queue->beat)
		queue->beat = QUEUE_NO_BEAT;
	if (queue->at == queue->buf.size) {
		queue_clear(queue);
	} else if (queue->at > KEEP_ROOM && queue->at > queue->buf.size / 2) {
		wire_buf_drop(&queue->buf, queue->at);
		if (queue->beat != QUEUE_NO_BEAT)
			queue->beat -= queue->at;
		queue->at = 0;
	}
}

size_t
queue_clear(struct queue *queue)
{
	size_t count = queue->count;
	queue->at = queue->left = queue->buf.size = queue->count = 0;
	queue->beat = QUEUE_NO_BEAT;
	if (queue->buf.room > KEEP_ROOM)
		wire_buf_free(&queue->buf);
	return count;
}
