/* SPDX-License-Identifier: ISC */
/* Entries for the programs in this folder. */
#ifndef BENCH_ENTRIES_H
#define BENCH_ENTRIES_H

#include "raft/raft.h"

/*
 * Fills entries with count client entries of `size` bytes of data each, with serials from
 * first_serial on.  They lie side by side in the chunk that is returned; the caller owns one
 * reference.
 */
static inline struct raft_chunk *
bench_entries(struct raft_entry *entries, size_t count, uint32_t size, uint64_t first_serial)
{
	static const struct raft_sid sid = {.b = {1}};
	size_t record = RAFT_ENTRY_HEADER_SIZE + size;
	struct raft_chunk *chunk = raft_chunk_new(count * record);

	for (size_t i = 0; i < count; i++) {
		uint8_t *bytes = chunk->bytes + i * record;

		raft_entry_header(bytes, 0, RAFT_CLIENT, &sid, first_serial + i, size);
		must(raft_entry_decode(&entries[i], chunk, bytes, record));
	}
	return chunk;
}

#endif
