/* SPDX-License-Identifier: ISC */
/* A ring of requests. */
#include "pending.h"

bool
pending_room(const struct pending *pending)
{
	return pending->count < PENDING_MAX && pending->bytes < PENDING_BYTES_MAX;
}

struct pending_one *
pending_put(struct pending *pending, enum request_kind kind, size_t size)
{
	struct pending_one *one = &pending->ring[(pending->first + pending->count) % PENDING_MAX];
	must(pending->count < PENDING_MAX);
	pending->count++;
	pending->bytes += size;
	*one = (struct pending_one){.kind = kind, .size = (uint32_t)size};
	return one;
}

struct pending_one *
pending_first(struct pending *pending)
{
	return pending->count ? &pending->ring[pending->first] : NULL;
}

void
pending_drop_first(struct pending *pending)
{
	must(pending->count > 0);
	pending->bytes -= pending->ring[pending->first].size;
	pending->first = (pending->first + 1) % PENDING_MAX;
	pending->count--;
}
