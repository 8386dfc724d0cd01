/* SPDX-License-Identifier: ISC */
/* Requests into the feed and onto the list of those that have no answer. */
#include "seal/seal.h"
#include "machine.h"

uint64_t
machine_answered(const struct machine *m)
{
	return m->pending.count ? m->pending.ring[m->pending.first].before : m->sent;
}

/* What the contract's framing cannot hold has its place among the requests, too: it is refused in
 * its turn. */
static struct pending_one *
machine_put_one(struct machine *m, enum request_kind kind, const struct raft_contract *contract,
    const struct request_head *head, struct wire_bytes data)
{
	if (m->pending.count == 0)
		m->moved = mono_now();
	struct pending_one *one = pending_put(&m->pending, kind, data.size);
	one->reply_max = contract->reply_max;
	one->unfit = request_unfit(contract->framing == RAFT_CONTRACT_NETSTRING, data);
	if (one->unfit == NULL)
		request_put(feed_buf(m->feed), m->netstring, kind, head, data.bytes, data.size);
	return one;
}

struct pending_one *
machine_put(struct machine *m, enum request_kind kind, const void *data, size_t size)
{
	struct pending_one *one =
	    machine_put_one(m, kind, &m->terms.own, NULL, (struct wire_bytes){data, size});
	one->before = m->sent;
	feed_mark(m->feed, m->sent);
	return one;
}

static void
machine_put_client(struct machine *m, uint64_t index, const struct raft_entry *entry)
{
	char fields[FIELDS_SIZE_MAX];
	struct wire_bytes data = {raft_entry_data(entry), raft_entry_data_size(entry)};
	struct request_head head = {.index = index};
	if (m->terms.own.fields)
		head.fields = (struct wire_bytes){
		    (uint8_t *)fields, machine_terms_fields(m, fields, index, entry)};
	struct pending_one *one =
	    machine_put_one(m, REQUEST_ENTRY, machine_terms_at(m, index), &head, data);
	one->before = index - 1;
	one->index = index;
	one->serial = entry->serial;
	one->session = entry->session;
	m->last_client = index;
	m->snap.since.entries++;
	m->snap.since.bytes += data.size;
}

void
machine_put_entry(struct machine *m, uint64_t index, const struct raft_entry *entry)
{
	if (machine_terms_chain(m))
		m->chain = seal_chain(&m->chain, index, entry);
	if (entry->kind == RAFT_CLIENT)
		machine_put_client(m, index, entry);
	else
		machine_terms_met(m, index, entry);
	m->sent = index;
	feed_mark(m->feed, index);
}
