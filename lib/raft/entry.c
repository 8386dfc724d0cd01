/* SPDX-License-Identifier: ISC */
/*
 * Entry records: the bytes that are on disk and on the wire.
 *
 * term u64, kind u8, session 16 bytes, serial u64, data size u32, data.
 */
#include "bytes.h"
#include "types.h"

#include <string.h>

enum {
	RECORD_TERM = 0,
	RECORD_KIND = 8,
	RECORD_SESSION = 9,
	RECORD_SERIAL = 25,
	RECORD_DATA_SIZE = 33,
	RECORD_DATA = 37
};
_Static_assert(
    (int)RECORD_DATA == (int)RAFT_ENTRY_HEADER_SIZE, "record offsets and header size agree");

const char *
raft_kind_name(enum raft_kind kind)
{
	static const char *const names[] = {
#define K(number, NAME, text) [number] = text,
	    RAFT_KINDS(K)
#undef K
	};
	_Static_assert(sizeof names / sizeof names[0] == RAFT_KINDS_COUNT, "a name for each kind");

	return (unsigned)kind < RAFT_KINDS_COUNT ? names[kind] : "unknown";
}

const uint8_t *
raft_entry_data(const struct raft_entry *entry)
{
	return entry->bytes + RAFT_ENTRY_HEADER_SIZE;
}

uint32_t
raft_entry_data_size(const struct raft_entry *entry)
{
	must(entry->size >= RAFT_ENTRY_HEADER_SIZE);
	return entry->size - RAFT_ENTRY_HEADER_SIZE;
}

void
raft_entry_header(uint8_t *out, uint64_t term, enum raft_kind kind, const struct raft_sid *session,
    uint64_t serial, uint32_t data_size)
{
	bytes_put_u64(out + RECORD_TERM, term);
	out[RECORD_KIND] = (uint8_t)kind;
	memcpy(out + RECORD_SESSION, session->b, sizeof session->b);
	bytes_put_u64(out + RECORD_SERIAL, serial);
	bytes_put_u32(out + RECORD_DATA_SIZE, data_size);
}

bool
raft_entry_decode(
    struct raft_entry *entry, struct raft_chunk *chunk, const uint8_t *bytes, size_t size)
{
	uint32_t data_size;

	if (size < RAFT_ENTRY_HEADER_SIZE || bytes[RECORD_KIND] >= RAFT_KINDS_COUNT)
		return false;
	data_size = bytes_get_u32(bytes + RECORD_DATA_SIZE);
	if (data_size > size - RAFT_ENTRY_HEADER_SIZE ||
	    data_size > UINT32_MAX - RAFT_ENTRY_HEADER_SIZE)
		return false;
	entry->term = bytes_get_u64(bytes + RECORD_TERM);
	entry->serial = bytes_get_u64(bytes + RECORD_SERIAL);
	memcpy(entry->session.b, bytes + RECORD_SESSION, sizeof entry->session.b);
	entry->bytes = bytes;
	entry->chunk = chunk;
	entry->size = RAFT_ENTRY_HEADER_SIZE + data_size;
	entry->kind = (enum raft_kind)bytes[RECORD_KIND];
	must(entry->size <= size);
	return true;
}

uint8_t
raft_entry_newer(const uint8_t *bytes, size_t size)
{
	bool newer = size >= RAFT_ENTRY_HEADER_SIZE && bytes[RECORD_KIND] >= RAFT_KINDS_COUNT;

	return newer ? bytes[RECORD_KIND] : 0;
}
