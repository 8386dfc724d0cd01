/* SPDX-License-Identifier: ISC */
/*
 * Arrays that grow, and queues: arrays that lose items at the front, too.
 *
 * The items of both lie side by side, so that a part of one is a slice.  Room doubles, and is kept.
 * A failed allocation ends the process through raft_must_fail.
 */
#ifndef RAFT_ARRAY_H
#define RAFT_ARRAY_H

#include "types.h"

/* The array with room for count_wanted items or more, perhaps moved; *size is that room. */
void *raft_grow(void *array, size_t *size, size_t count_wanted, size_t item_size);
/* Assigns it: array and size are lvalues. */
#define RAFT_GROW(array, size, count_wanted)                                                       \
	((array) = raft_grow((array), &(size), (count_wanted), sizeof *(array)))

/* Its items are at[head] to at[head + count - 1].  All zero: empty.  The owner frees at. */
#define RAFT_QUEUE(type)                                                                           \
	struct {                                                                                   \
		type *at;                                                                          \
		size_t head, count, size;                                                          \
	}
/* The oldest item; the others follow it. */
#define RAFT_QUEUE_FIRST(queue) ((queue)->at + (queue)->head)
/* Counts one more item in, at the end: where it goes. */
#define RAFT_QUEUE_PUSH(queue)                                                                     \
	((queue)->at = raft_queue_grow(                                                            \
	     (queue)->at, &(queue)->head, &(queue)->count, &(queue)->size, sizeof *(queue)->at),   \
	    RAFT_QUEUE_FIRST(queue) + (queue)->count - 1)
/* Removes the oldest n items.  Before: there are n. */
#define RAFT_QUEUE_DROP(queue, n) raft_queue_drop(&(queue)->head, &(queue)->count, (n))

/* What the macros call. */
void *raft_queue_grow(void *array, size_t *head, size_t *count, size_t *size, size_t item_size);
void raft_queue_drop(size_t *head, size_t *count, size_t n);

#endif
