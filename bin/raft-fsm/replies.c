/* SPDX-License-Identifier: ISC */
/* Two rings: what is kept, and its bytes. */
#include "replies.h"

#include <stdlib.h>
#include <string.h>

struct replies {
	struct kept *ring; /* of `room`, a power of two */
	size_t room, first, count;
	uint8_t *bytes; /* of `size`; positions count on, and are taken modulo size */
	size_t size;
	uint64_t head; /* the next byte goes there */
	uint64_t last; /* the highest index that was added */
};

struct replies *
replies_new(size_t count, size_t size)
{
	struct replies *replies = calloc(1, sizeof *replies);
	must(replies != NULL);
	replies->room = count;
	replies->size = size;
	must((count & (count - 1)) == 0);
	must((replies->ring = calloc(count, sizeof *replies->ring)) != NULL);
	/* Its pages are touched only when they are used. */
	must((replies->bytes = malloc(size)) != NULL);
	return replies;
}

void
replies_free(struct replies *replies)
{
	if (replies == NULL)
		return;
	free(replies->ring);
	free(replies->bytes);
	free(replies);
}

static struct kept *
replies_at(const struct replies *replies, size_t i)
{
	return &replies->ring[(replies->first + i) & (replies->room - 1)];
}

static void
replies_drop_first(struct replies *replies)
{
	replies->first++;
	replies->count--;
}

void
replies_add(struct replies *replies, const struct kept *kept, const uint8_t *data)
{
	if (kept->index <= replies->last)
		return;
	replies->last = kept->index;
	if (kept->size > replies->size)
		return;
	if (replies->head % replies->size + kept->size > replies->size)
		replies->head += replies->size - replies->head % replies->size;
	uint64_t end = replies->head + kept->size;
	while (replies->count > 0 && (replies->count == replies->room ||
					 replies_at(replies, 0)->at + replies->size < end))
		replies_drop_first(replies);
	struct kept *new = replies_at(replies, replies->count++);
	*new = *kept;
	new->at = replies->head;
	if (kept->size)
		memcpy(replies->bytes + new->at % replies->size, data, kept->size);
	replies->head = end;
}

void
replies_forget(struct replies *replies, uint64_t index)
{
	while (replies->count > 0 && replies_at(replies, replies->count - 1)->index > index)
		replies->head = replies_at(replies, --replies->count)->at;
	if (replies->last > index)
		replies->last = index;
}

static bool
replies_is(const struct kept *kept, const struct raft_sid *session, uint64_t serial)
{
	return kept->serial == serial && memcmp(&kept->session, session, sizeof *session) == 0;
}

const struct kept *
replies_find(
    const struct replies *replies, const struct raft_sid *session, uint64_t serial, uint64_t index)
{
	size_t low = 0, high = replies->count;
	while (index && low < high) {
		size_t middle = low + (high - low) / 2;
		if (replies_at(replies, middle)->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	if (index)
		return low < replies->count && replies_at(replies, low)->index == index &&
			       replies_is(replies_at(replies, low), session, serial)
			   ? replies_at(replies, low)
			   : NULL;
	for (size_t i = replies->count; i > 0; i--)
		if (replies_is(replies_at(replies, i - 1), session, serial))
			return replies_at(replies, i - 1);
	return NULL;
}

struct wire_bytes
replies_data(const struct replies *replies, const struct kept *kept)
{
	return (struct wire_bytes){replies->bytes + kept->at % replies->size, kept->size};
}

size_t
replies_count(const struct replies *replies)
{
	return replies->count;
}
