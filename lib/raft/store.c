/* SPDX-License-Identifier: ISC */
/*
 * The writes: what the next one holds, which are under way, what is durable.
 *
 * An entry is durable only when the write that last wrote its index is
 * confirmed.  A confirmation by (index, term) is not enough: entries of term 1
 * being written, overwritten by those of term 2, then by the same of term 1
 * again; the first write's late confirmation would match (§10.2.1, ours).
 */
#include "core.h"

#include <string.h>

uint64_t
raft_store_hard_number(const struct raft_store *store)
{
	return store->hard_dirty ? store->number + 1 : store->hard_number;
}

bool
raft_store_hard_durable(const struct raft_store *store)
{
	return raft_store_hard_number(store) <= store->stored;
}

void
raft_store_truncated(struct raft_store *store, uint64_t after)
{
	if (store->written <= after)
		return; /* what went was never handed to the disk */
	store->truncate = true;
	store->written = after;
	if (store->durable > after)
		store->durable = after;
	must(store->durable <= store->written);
}

void
raft_store_install(struct raft_store *store, struct raft_pos pos)
{
	must(!store->install);
	must(pos.index > 0);
	/* What it replaces is gone with it, on the disk, too. */
	store->truncate = false;
	store->install = true;
	store->install_pos = pos;
	store->written = pos.index;
	store->durable = 0;
}

static struct raft_store_write *
store_oldest(const struct raft_store *store)
{
	return store->writes.count == 0 ? NULL : RAFT_QUEUE_FIRST(&store->writes);
}

static void
writes_push(struct raft_store *store, const struct raft_store_write *write)
{
	*RAFT_QUEUE_PUSH(&store->writes) = *write;
	store->truncates_count += write->truncates;
	must(store->writes.count == store->number - store->stored);
	must(store->truncates_count <= store->writes.count);
}

/* The entries that the next write holds. */
static void
store_take_entries(struct raft *raft, struct raft_write *write)
{
	struct raft_store *store = &raft->store;

	write->first_index = store->written + 1;
	write->entries_count = raft->log.last - store->written;
	if (write->entries_count == 0)
		return;
	write->entries = raft_rlog_entry(&raft->log, write->first_index);
	must(write->entries != NULL);
	must(write->entries[write->entries_count - 1].term == raft_rlog_last(&raft->log).term);
}

void
raft_store_take(struct raft *raft, struct raft_write *write)
{
	struct raft_store *store = &raft->store;
	struct raft_store_write issued = {0};

	memset(write, 0, sizeof *write);
	must(store->written <= raft->log.last);
	if (!store->hard_dirty && !store->truncate && !store->recovered_wanted && !store->install &&
	    store->written == raft->log.last)
		return;
	issued.number = ++store->number;
	issued.base = store->install ? 0 : store->written;
	issued.truncates = store->truncate || store->install;
	issued.issued = raft->now;
	writes_push(store, &issued);

	write->number = store->number;
	write->term = raft->term;
	write->vote = raft->vote;
	write->truncate = store->truncate;
	write->truncate_after = store->truncate ? store->written : 0;
	write->recovered = store->recovered_wanted;
	write->install = store->install;
	write->install_pos = store->install_pos;
	store_take_entries(raft, write);

	if (store->hard_dirty)
		store->hard_number = store->number;
	if (store->recovered_wanted)
		store->recovered_number = store->number;
	if (store->install)
		store->install_number = store->number;
	store->hard_dirty = false;
	store->install = false;
	store->truncate = false;
	store->recovered_wanted = false;
	store->written = raft->log.last;
	must(write->first_index + write->entries_count == store->written + 1);
	must(!write->truncate || write->truncate_after >= raft->log.before.index);
	must(!write->install || !write->truncate);
	must(raft_store_hard_number(store) <= store->number);
}

/*
 * Durable is what lies below every write under way.  Bases rise from write to
 * write but for those that truncate, so the oldest and these few decide.
 */
static uint64_t
store_durable(const struct raft_store *store)
{
	uint64_t durable = store->install ? 0 : store->written;

	if (store->writes.count > 0 && store_oldest(store)->base < durable)
		durable = store_oldest(store)->base;
	for (size_t i = 0; store->truncates_count > 0 && i < store->writes.count; i++)
		if (store_oldest(store)[i].base < durable)
			durable = store_oldest(store)[i].base;
	return durable;
}

bool
raft_store_confirm(struct raft *raft, uint64_t number)
{
	struct raft_store *store = &raft->store;
	uint64_t durable = store->durable;

	if (number <= store->stored || number > store->number)
		return false;
	must(store_oldest(store) != NULL);
	must(store_oldest(store)->number == store->stored + 1);
	while (store->writes.count > 0 && store_oldest(store)->number <= number) {
		store->truncates_count -= store_oldest(store)->truncates;
		RAFT_QUEUE_DROP(&store->writes, 1);
	}
	store->stored = number;
	store->durable = store_durable(store);
	must(store->durable >= durable);
	must(store->durable <= raft->log.last);
	must(store->writes.count == store->number - store->stored);
	must(store->writes.count > 0 || store->truncates_count == 0);
	return true;
}

uint64_t
raft_store_silence_ms(const struct raft *raft, struct mono_ms now)
{
	const struct raft_store_write *oldest = store_oldest(&raft->store);

	return oldest == NULL || oldest->issued.ms > now.ms ? 0 : now.ms - oldest->issued.ms;
}

bool
raft_store_stalled(const struct raft *raft, struct mono_ms now)
{
	return raft_store_silence_ms(raft, now) > raft->settings.store_timeout_ms;
}
