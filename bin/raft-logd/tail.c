/* SPDX-License-Identifier: ISC */
/* The in-memory tail: an array that slides. */
#include "tail.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 1024 };

void
tail_init(struct tail *tail, size_t size_max)
{
	*tail = (struct tail){.size_max = size_max};
}

/*
 * Room for `count` more behind the last: slides to the front when half of the array is free there.
 */
static void
make_room(struct tail *tail, size_t count)
{
	size_t need = tail->count + count;
	if (tail->at + need <= tail->room)
		return;
	size_t room = tail->room ? tail->room : ROOM_MIN;
	while (room / 2 < need)
		room *= 2;
	if (room != tail->room) {
		struct raft_entry *entries = realloc(tail->entries, room * sizeof *entries);
		must(entries != NULL);
		tail->entries = entries;
		tail->room = room;
	}
	memmove(tail->entries, tail->entries + tail->at, tail->count * sizeof *tail->entries);
	tail->at = 0;
}

static void
tail_drop_first(struct tail *tail)
{
	struct raft_entry *entry = &tail->entries[tail->at];
	tail->size -= entry->size;
	raft_chunk_unref(entry->chunk);
	tail->at++;
	tail->count--;
	tail->first_index++;
}

void
tail_put(struct tail *tail, uint64_t first_index, const struct raft_entry *entries, size_t count)
{
	if (count == 0)
		return;
	if (tail->count == 0)
		tail->first_index = first_index;
	must(tail->first_index + tail->count == first_index);
	make_room(tail, count);
	struct raft_entry *at = tail->entries + tail->at + tail->count;
	for (size_t i = 0; i < count; i++) {
		at[i] = entries[i];
		raft_chunk_ref(entries[i].chunk);
		tail->size += entries[i].size;
	}
	tail->count += count;
	while (tail->size > tail->size_max)
		tail_drop_first(tail);
}

void
tail_cut(struct tail *tail, uint64_t index)
{
	while (tail->count > 0 && tail->first_index + tail->count - 1 > index) {
		struct raft_entry *entry = &tail->entries[tail->at + tail->count - 1];
		tail->size -= entry->size;
		raft_chunk_unref(entry->chunk);
		tail->count--;
	}
}

const struct raft_entry *
tail_from(const struct tail *tail, uint64_t index, size_t *count)
{
	if (tail->count == 0 || index < tail->first_index ||
	    index >= tail->first_index + tail->count)
		return NULL;
	size_t skip = (size_t)(index - tail->first_index);
	*count = tail->count - skip;
	return tail->entries + tail->at + skip;
}
