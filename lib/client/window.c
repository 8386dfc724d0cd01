/* SPDX-License-Identifier: ISC */
/* Unacknowledged entries: records in one buffer, what is known of each in a ring. */
#include "window.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that have been acknowledged are dropped in pieces of at least so many. */
enum { DROP_MIN = 1 << 20 };

static struct window_slot *
slot_at(const struct window *window, size_t slot)
{
	return &window->slots[(window->first + slot) & window->mask];
}

void
window_init(struct window *window, size_t count_max, enum raft_kind kind,
    const struct raft_sid *session, uint64_t last_serial)
{
	size_t room = 1;
	while (room < count_max)
		room *= 2;
	*window = (struct window){.mask = room - 1,
	    .number = 1,
	    .serial = last_serial + 1,
	    .session = *session,
	    .kind = kind};
	window->slots = calloc(room, sizeof *window->slots);
	must(window->slots != NULL);
}

void
window_free(struct window *window)
{
	free(window->slots);
	wire_buf_free(&window->records);
	*window = (struct window){0};
}

size_t
window_size(const struct window *window)
{
	return window->records.size - window->records_at;
}

bool
window_full(const struct window *window)
{
	return window->count > window->mask;
}

static void
drop_acknowledged(struct window *window)
{
	if (window->records_at < DROP_MIN || window->records_at < window->records.size / 2)
		return;
	wire_buf_drop(&window->records, window->records_at);
	window->unsent_at -= window->records_at;
	window->records_at = 0;
}

void
window_take(struct window *window, const void *data, size_t size)
{
	must(!window_full(window));
	must(size <= UINT32_MAX - RAFT_ENTRY_HEADER_SIZE);
	drop_acknowledged(window);
	uint32_t record_size = (uint32_t)size + RAFT_ENTRY_HEADER_SIZE;
	uint8_t *record = wire_buf_add(&window->records, record_size);
	raft_entry_header(record, 0, window->kind, &window->session, window->serial + window->count,
	    (uint32_t)size);
	if (size > 0)
		memcpy(record + RAFT_ENTRY_HEADER_SIZE, data, size);
	*slot_at(window, window->count++) = (struct window_slot){.size = record_size};
}

size_t
window_next(const struct window *window, size_t count_max, size_t size_max, size_t *size)
{
	size_t count = 0;
	*size = 0;
	while (window->unsent + count < window->count && count < count_max) {
		size_t more = slot_at(window, window->unsent + count)->size;
		if (count > 0 && *size + more > size_max)
			break;
		*size += more;
		count++;
	}
	return count;
}

void
window_send(
    struct window *window, uint64_t request, size_t count, size_t size, struct wire_buf *out)
{
	must(window->unsent + count <= window->count);
	wire_buf_put(out, window->records.bytes + window->unsent_at, size);
	for (size_t i = 0; i < count; i++) {
		struct window_slot *slot = slot_at(window, window->unsent + i);
		slot->request = request;
		slot->outstanding++;
	}
	window->outstanding += count;
	window->unsent += count;
	window->unsent_at += size;
}

bool
window_meets(const struct window *window, uint64_t serial, uint64_t count, size_t *from, size_t *to)
{
	uint64_t end = serial + count;
	if (end < serial || end <= window->serial || serial >= window->serial + window->count)
		return false;
	*from = serial > window->serial ? (size_t)(serial - window->serial) : 0;
	*to = end - window->serial < window->count ? (size_t)(end - window->serial) : window->count;
	return *from < *to;
}

/* An answer too many from a daemon in confusion changes nothing. */
static void
attempt_ended(struct window *window, struct window_slot *slot)
{
	if (slot->outstanding == 0)
		return;
	slot->outstanding--;
	window->outstanding--;
}

void
window_committed(struct window *window, size_t from, size_t to, struct raft_pos pos)
{
	for (size_t i = from; i < to; i++) {
		struct window_slot *slot = slot_at(window, i);
		attempt_ended(window, slot);
		if (slot->committed && slot->pos.index != 0)
			continue;
		slot->committed = true;
		slot->pos = (struct raft_pos){pos.index ? pos.index + (i - from) : 0, pos.term};
	}
}

bool
window_not_committed(
    struct window *window, uint64_t request, size_t from, size_t to, bool unknown, size_t *first)
{
	bool newest = false;
	for (size_t i = from; i < to; i++) {
		struct window_slot *slot = slot_at(window, i);
		attempt_ended(window, slot);
		slot->doubt = slot->doubt || unknown;
		if (slot->committed || slot->request != request || newest)
			continue;
		newest = true;
		*first = i;
	}
	return newest;
}

void
window_rewind(struct window *window, size_t slot)
{
	if (slot >= window->unsent)
		return;
	window->unsent = slot;
	window->unsent_at = window->records_at;
	for (size_t i = 0; i < slot; i++)
		window->unsent_at += slot_at(window, i)->size;
}

void
window_lost(struct window *window)
{
	for (size_t i = 0; i < window->count; i++) {
		struct window_slot *slot = slot_at(window, i);
		slot->doubt = slot->doubt || slot->outstanding > 0;
		slot->outstanding = 0;
	}
	window->outstanding = 0;
	window_rewind(window, 0);
}

void
window_renew(struct window *window, const struct raft_sid *session)
{
	uint8_t *record = window->records.bytes + window->records_at;
	must(window->outstanding == 0);
	window->session = *session;
	window->serial = 1;
	for (size_t i = 0; i < window->count; i++) {
		struct window_slot *slot = slot_at(window, i);
		must(!slot->doubt);
		raft_entry_header(
		    record, 0, RAFT_CLIENT, session, 1 + i, slot->size - RAFT_ENTRY_HEADER_SIZE);
		slot->request = 0;
		record += slot->size;
	}
	window_rewind(window, 0);
}

size_t
window_pop(struct window *window, uint64_t *number, struct raft_pos *pos)
{
	size_t count = 0, size = 0;
	*number = window->number;
	for (; count < window->count; count++) {
		const struct window_slot *slot = slot_at(window, count);
		if (!slot->committed)
			break;
		if (count == 0)
			*pos = slot->pos;
		else if (slot->pos.term != pos->term ||
			 slot->pos.index != (pos->index ? pos->index + count : 0))
			break;
		size += slot->size;
		window->outstanding -= slot->outstanding;
	}
	window->first = (window->first + count) & window->mask;
	window->count -= count;
	window->number += count;
	window->serial += count;
	window->records_at += size;
	if (window->unsent < count) {
		window->unsent = 0;
		window->unsent_at = window->records_at;
	} else {
		window->unsent -= count;
	}
	if (window->count == 0)
		window->records.size = window->records_at = window->unsent_at = 0;
	return count;
}

size_t
window_committed_count(const struct window *window)
{
	size_t count = window->count;
	while (count > 0 && !slot_at(window, count - 1)->committed)
		count--;
	return count;
}

size_t
window_doubt_end(const struct window *window)
{
	size_t from = window_committed_count(window), end = window->count;
	while (end > from && !slot_at(window, end - 1)->doubt &&
	       slot_at(window, end - 1)->outstanding == 0)
		end--;
	return end > from ? end : 0;
}

bool
window_in_doubt(const struct window *window)
{
	return window_doubt_end(window) > 0;
}
