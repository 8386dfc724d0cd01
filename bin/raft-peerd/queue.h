/* SPDX-License-Identifier: ISC */
/*
 * Frames that wait for one peer: FIFO, or dropped.
 *
 * A heartbeat (an append without entries) that is the newest frame is replaced by a newer one.
 * Above the limit appends are dropped, the newest first: the one that comes.
 */
#ifndef PEERD_QUEUE_H
#define PEERD_QUEUE_H

#include "wire/message.h"

struct queue {
	struct wire_buf buf;
	size_t at;    /* bytes before it are gone */
	size_t left;  /* bytes of a frame whose beginning is gone */
	size_t count; /* frames that wait, that one too */
	size_t beat;  /* where the newest frame begins when it is a heartbeat; else QUEUE_NO_BEAT */
};
#define QUEUE_NO_BEAT SIZE_MAX

/* What may wait beyond the limit of things that are not appends: small, and answers to somebody. */
enum { QUEUE_RESERVE = 1 << 20 };

void queue_init(struct queue *queue);
void queue_free(struct queue *queue);
size_t queue_size(const struct queue *queue);
/* False: dropped. */
bool queue_put(struct queue *queue, const struct wire_frame *frame, uint64_t limit);
/* The first bytes, at most size_max; valid until the next call.  A frame may be cut. */
size_t queue_peek(const struct queue *queue, size_t size_max, const uint8_t **bytes);
/* As many whole frames as fit, where only whole frames have been dropped and each fits. */
size_t queue_peek_frames(const struct queue *queue, size_t size_max, const uint8_t **bytes);
/* Drops the first bytes. */
void queue_drop(struct queue *queue, size_t size);
/* Returns how many frames were dropped. */
size_t queue_clear(struct queue *queue);

#endif
