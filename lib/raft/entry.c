/* SPDX-License-Identifier: ISC */
/*
 * Entry records: the bytes that are on disk and on the wire.
 *
 * term u64, kind u8, session 16 bytes, serial u64, data size u32, the stamp if bit 7 of the kind
 * is set (time u64, uid u32, node 32 bytes), data.
 */
#include "bytes.h"
#include "contract.h"

#include <string.h>

enum {
	RECORD_TERM = 0,
	RECORD_KIND = 8,
	RECORD_SESSION = 9,
	RECORD_SERIAL = 25,
	RECORD_DATA_SIZE = 33,
	RECORD_STAMP = RAFT_ENTRY_HEADER_SIZE,
	STAMP_TIME = 0,
	STAMP_UID = 8,
	STAMP_NODE = 12,
	LEVEL_SIZE = 8 /* the data of a LEVEL entry */
};
_Static_assert(
    (int)STAMP_NODE + (int)RAFT_ID_SIZE == (int)RAFT_STAMP_SIZE, "stamp offsets and size agree");

/* The kind of a record, without the bit for the stamp. */
#define KIND_OF(bytes) ((bytes)[RECORD_KIND] & ~RAFT_ENTRY_STAMPED)

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

uint64_t
raft_kind_level(enum raft_kind kind)
{
	if (kind == RAFT_CURSOR_OPEN || kind == RAFT_ACK)
		return RAFT_LEVEL_CURSORS;
	return kind == RAFT_CONTRACT ? RAFT_LEVEL_CONTRACT : 1;
}

bool
raft_kind_opens(enum raft_kind kind)
{
	return kind == RAFT_SESSION_OPEN || kind == RAFT_CURSOR_OPEN;
}

bool
raft_entry_stamped(const struct raft_entry *entry)
{
	return (entry->bytes[RECORD_KIND] & RAFT_ENTRY_STAMPED) != 0;
}

uint32_t
raft_entry_header_size(const struct raft_entry *entry)
{
	return RAFT_ENTRY_HEADER_SIZE + (raft_entry_stamped(entry) ? RAFT_STAMP_SIZE : 0);
}

bool
raft_entry_stamp(const struct raft_entry *entry, struct raft_stamp *stamp)
{
	const uint8_t *at = entry->bytes + RECORD_STAMP;

	*stamp = (struct raft_stamp){.uid = RAFT_UID_NONE};
	if (!raft_entry_stamped(entry))
		return false;
	stamp->time = bytes_get_u64(at + STAMP_TIME);
	stamp->uid = bytes_get_u32(at + STAMP_UID);
	memcpy(stamp->node.s, at + STAMP_NODE, RAFT_ID_SIZE);
	return true;
}

uint64_t
raft_entry_time(const struct raft_entry *entry)
{
	if (!raft_entry_stamped(entry))
		return 0;
	return bytes_get_u64(entry->bytes + RECORD_STAMP + STAMP_TIME);
}

const uint8_t *
raft_entry_data(const struct raft_entry *entry)
{
	return entry->bytes + raft_entry_header_size(entry);
}

uint32_t
raft_entry_data_size(const struct raft_entry *entry)
{
	must(entry->size >= raft_entry_header_size(entry));
	return entry->size - raft_entry_header_size(entry);
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

void
raft_entry_header_stamp(uint8_t *header, const struct raft_stamp *stamp)
{
	uint8_t *at = header + RECORD_STAMP;

	header[RECORD_KIND] |= RAFT_ENTRY_STAMPED;
	bytes_put_u64(at + STAMP_TIME, stamp->time);
	bytes_put_u32(at + STAMP_UID, stamp->uid);
	memcpy(at + STAMP_NODE, stamp->node.s, RAFT_ID_SIZE);
}

size_t
raft_entry_size_with(const struct raft_entry *entry, bool stamped)
{
	return (size_t)raft_entry_data_size(entry) + RAFT_ENTRY_HEADER_SIZE +
	       (stamped ? RAFT_STAMP_SIZE : 0);
}

size_t
raft_entry_put(uint8_t *out, const struct raft_entry *entry, const struct raft_stamp *stamp)
{
	uint32_t size = raft_entry_data_size(entry);
	size_t header = RAFT_ENTRY_HEADER_SIZE;

	memcpy(out, entry->bytes, RAFT_ENTRY_HEADER_SIZE);
	out[RECORD_KIND] = (uint8_t)entry->kind;
	if (stamp != NULL) {
		raft_entry_header_stamp(out, stamp);
		header += RAFT_STAMP_SIZE;
	}
	memcpy(out + header, raft_entry_data(entry), size);
	return header + size;
}

/* From outside: a time that no log can have, or a name that is none. */
static bool
stamp_sane(const struct raft_entry *entry)
{
	const uint8_t *node = entry->bytes + RECORD_STAMP + STAMP_NODE;

	return !raft_entry_stamped(entry) || (raft_entry_time(entry) <= RAFT_TIME_MAX &&
						 raft_id_valid((const struct raft_id *)node));
}

bool
raft_entry_data_valid(const struct raft_entry *entry)
{
	struct raft_contract contract;

	if (entry->kind == RAFT_ACK)
		return raft_entry_data_size(entry) == RAFT_ACK_SIZE;
	if (entry->kind == RAFT_CONTRACT)
		return raft_contract_decode(
		    &contract, raft_entry_data(entry), raft_entry_data_size(entry));
	if (entry->kind != RAFT_LEVEL)
		return true;
	return raft_entry_data_size(entry) == LEVEL_SIZE && raft_entry_level(entry) > 1 &&
	       raft_entry_level(entry) <= RAFT_LEVEL_MAX;
}

uint64_t
raft_entry_level(const struct raft_entry *entry)
{
	return bytes_get_u64(raft_entry_data(entry));
}

uint64_t
raft_entry_position(const struct raft_entry *entry)
{
	return bytes_get_u64(raft_entry_data(entry));
}

bool
raft_entry_decode(
    struct raft_entry *entry, struct raft_chunk *chunk, const uint8_t *bytes, size_t size)
{
	uint32_t data_size;
	uint32_t header;

	if (size < RAFT_ENTRY_HEADER_SIZE || KIND_OF(bytes) >= RAFT_KINDS_COUNT)
		return false;
	entry->bytes = bytes;
	header = raft_entry_header_size(entry);
	data_size = bytes_get_u32(bytes + RECORD_DATA_SIZE);
	if (size < header || data_size > size - header || data_size > UINT32_MAX - header)
		return false;
	entry->term = bytes_get_u64(bytes + RECORD_TERM);
	entry->serial = bytes_get_u64(bytes + RECORD_SERIAL);
	memcpy(entry->session.b, bytes + RECORD_SESSION, sizeof entry->session.b);
	entry->chunk = chunk;
	entry->size = header + data_size;
	entry->kind = (enum raft_kind)KIND_OF(bytes);
	must(entry->size <= size);
	return stamp_sane(entry) && raft_entry_data_valid(entry);
}

uint8_t
raft_entry_newer(const uint8_t *bytes, size_t size, uint64_t *level)
{
	struct raft_entry entry = {.bytes = bytes};

	*level = 0;
	if (size < RAFT_ENTRY_HEADER_SIZE)
		return 0;
	if (KIND_OF(bytes) >= RAFT_KINDS_COUNT)
		return bytes[RECORD_KIND];
	if (KIND_OF(bytes) != RAFT_LEVEL || bytes_get_u32(bytes + RECORD_DATA_SIZE) != LEVEL_SIZE ||
	    size < raft_entry_header_size(&entry) + LEVEL_SIZE)
		return 0;
	*level = raft_entry_level(&entry);
	return *level > RAFT_LEVEL_MAX ? bytes[RECORD_KIND] : 0;
}
