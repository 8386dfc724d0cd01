/* SPDX-License-Identifier: ISC */
/* Requests into the feed and onto the list of those that have no answer. */
#include "machine.h"

uint64_t
machine_answered(const struct machine *m)
{
	return m->pending.count ? m->pending.ring[m->pending.first].before : m->sent;
}

/* What the framing cannot hold has its place among the requests, too: it is refused in its turn. */
static struct pending_one *
machine_put_one(
    struct machine *m, enum request_kind kind, uint64_t index, const void *data, size_t size)
{
	if (m->pending.count == 0)
		m->moved = mono_now();
	struct pending_one *one = pending_put(&m->pending, kind, size);
	one->unfit = request_unfit(m->netstring, (struct wire_bytes){data, size});
	if (one->unfit == NULL)
		request_put(feed_buf(m->feed), m->netstring, kind, index, data, size);
	return one;
}

struct pending_one *
machine_put(struct machine *m, enum request_kind kind, const void *data, size_t size)
{
	struct pending_one *one = machine_put_one(m, kind, 0, data, size);
	one->before = m->sent;
	feed_mark(m->feed, m->sent);
	return one;
}

void
machine_put_entry(struct machine *m, uint64_t index, const struct raft_entry *entry)
{
	if (entry->kind == RAFT_CLIENT) {
		uint32_t size = raft_entry_data_size(entry);
		struct pending_one *one =
		    machine_put_one(m, REQUEST_ENTRY, index, raft_entry_data(entry), size);
		one->before = index - 1;
		one->index = index;
		one->serial = entry->serial;
		one->session = entry->session;
		m->last_client = index;
		m->snap.since.entries++;
		m->snap.since.bytes += size;
	}
	m->sent = index;
	feed_mark(m->feed, index);
}
