/* SPDX-License-Identifier: ISC */
/* Cutting batches. */
#include "batch.h"

#include <stdlib.h>

bool
batch_fill(struct each_batch *batch, const struct msg_log_entries *entries)
{
	struct raft_entry *view;
	if (!wire_entries_view(entries->entries, entries->count, &view))
		return false;
	free(view);
	batch->records.size = 0;
	wire_buf_put(&batch->records, entries->entries.bytes, entries->entries.size);
	batch->at = 0;
	batch->next = entries->first_index;
	batch->end = entries->first_index + entries->count;
	batch->count = 0;
	return true;
}

bool
batch_left(const struct each_batch *batch)
{
	return batch->next < batch->end;
}

static void
batch_put(struct each_batch *batch, enum framing framing, const struct raft_entry *entry)
{
	framing_put(&batch->data, framing, batch->next, entry);
	batch->first = batch->count ? batch->first : batch->next;
	batch->last = batch->next;
	batch->count++;
}

void
batch_cut(struct each_batch *batch, const struct batch_limits *limits)
{
	wire_buf_free(&batch->data);
	batch->count = 0;
	batch->begin = batch->at;
	batch->begin_index = batch->next;
	while (batch_left(batch) && batch->next <= limits->last) {
		struct raft_entry entry;
		must(raft_entry_decode(&entry, NULL, batch->records.bytes + batch->at,
		    batch->records.size - batch->at));
		if (entry.kind == RAFT_CLIENT && batch->count == limits->count)
			return;
		if (entry.kind == RAFT_CLIENT)
			batch_put(batch, limits->framing, &entry);
		batch->at += entry.size;
		batch->next++;
	}
}

void
batch_undo(struct each_batch *batch)
{
	batch->at = batch->begin;
	batch->next = batch->begin_index;
}
