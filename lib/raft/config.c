/* SPDX-License-Identifier: ISC */
/*
 * Configurations (§4): who the members are, and their encoding in an entry.
 *
 * Encoded: count u32, then for each member id (32 bytes, NUL padded), role u8,
 * key 32 bytes, address size u16, address.  Members strictly rise by id, so
 * that equal configurations have equal bytes.
 */
#include "bytes.h"
#include "types.h"

#include <string.h>

enum { MEMBER_FIXED_SIZE = RAFT_ID_SIZE + 1 + RAFT_KEY_SIZE + 2 };

static int
id_compare(const struct raft_id *a, const struct raft_id *b)
{
	return memcmp(a->s, b->s, sizeof a->s);
}

/* The size of an address, or RAFT_ADDRESS_SIZE when it has no end. */
static size_t
address_size(const char *address)
{
	size_t size = 0;

	while (size < RAFT_ADDRESS_SIZE && address[size] != '\0')
		size++;
	return size;
}

const struct raft_member *
raft_config_find(const struct raft_config *config, const struct raft_id *id)
{
	for (size_t i = 0; i < config->count; i++)
		if (raft_id_equal(&config->members[i].id, id))
			return &config->members[i];
	return NULL;
}

size_t
raft_config_voters(const struct raft_config *config)
{
	size_t voters = 0;

	for (size_t i = 0; i < config->count; i++)
		voters += config->members[i].role == RAFT_VOTER;
	return voters;
}

/* Insertion sort: there are at most RAFT_MEMBERS_MAX. */
static void
config_sort(struct raft_config *config)
{
	for (size_t i = 1; i < config->count; i++) {
		struct raft_member member = config->members[i];
		size_t place = i;

		while (place > 0 && id_compare(&config->members[place - 1].id, &member.id) > 0) {
			config->members[place] = config->members[place - 1];
			place--;
		}
		config->members[place] = member;
	}
}

static bool
config_keys_differ(const struct raft_config *config)
{
	for (size_t i = 0; i < config->count; i++)
		for (size_t j = i + 1; j < config->count; j++)
			if (memcmp(config->members[i].key, config->members[j].key, RAFT_KEY_SIZE) ==
			    0)
				return false;
	return true;
}

static bool
config_ids_rise(const struct raft_config *config)
{
	for (size_t i = 1; i < config->count; i++)
		if (id_compare(&config->members[i - 1].id, &config->members[i].id) >= 0)
			return false;
	return true;
}

static bool
config_valid(const struct raft_config *config)
{
	return config_ids_rise(config) && config_keys_differ(config) &&
	       raft_config_voters(config) > 0;
}

bool
raft_config_normalise(struct raft_config *config)
{
	must(config->count <= RAFT_MEMBERS_MAX);
	config_sort(config);
	return config_valid(config);
}

static size_t
member_encode(const struct raft_member *member, uint8_t *out)
{
	size_t size = address_size(member->address);
	uint8_t *p = out;

	must(size < RAFT_ADDRESS_SIZE);
	memcpy(p, member->id.s, RAFT_ID_SIZE);
	p += RAFT_ID_SIZE;
	*p++ = (uint8_t)member->role;
	memcpy(p, member->key, RAFT_KEY_SIZE);
	p += RAFT_KEY_SIZE;
	*p++ = (uint8_t)(size >> 8);
	*p++ = (uint8_t)size;
	memcpy(p, member->address, size);
	return (size_t)(p - out) + size;
}

size_t
raft_config_encode(const struct raft_config *config, uint8_t *out)
{
	size_t size = 4;

	must(config->count <= RAFT_MEMBERS_MAX);
	bytes_put_u32(out, (uint32_t)config->count);
	for (size_t i = 0; i < config->count; i++)
		size += member_encode(&config->members[i], out + size);
	must(size <= RAFT_CONFIG_SIZE_MAX);
	return size;
}

/* The bytes it took; 0: no valid member stands there. */
static size_t
member_decode(struct raft_member *member, const uint8_t *bytes, size_t size)
{
	const uint8_t *p = bytes;
	size_t text;

	memset(member, 0, sizeof *member);
	if (size < MEMBER_FIXED_SIZE)
		return 0;
	memcpy(member->id.s, p, RAFT_ID_SIZE);
	p += RAFT_ID_SIZE;
	if (!raft_id_valid(&member->id) || raft_id_none(&member->id))
		return 0;
	if (*p != RAFT_VOTER && *p != RAFT_LEARNER)
		return 0;
	member->role = (enum raft_member_role) * p++;
	memcpy(member->key, p, RAFT_KEY_SIZE);
	p += RAFT_KEY_SIZE;
	text = (size_t)p[0] << 8 | p[1];
	p += 2;
	if (text >= RAFT_ADDRESS_SIZE || text > size - MEMBER_FIXED_SIZE)
		return 0;
	memcpy(member->address, p, text);
	if (address_size(member->address) != text)
		return 0;
	return MEMBER_FIXED_SIZE + text;
}

bool
raft_config_decode(struct raft_config *config, const uint8_t *bytes, size_t size)
{
	size_t at = 4;
	uint32_t count;

	memset(config, 0, sizeof *config);
	if (size < 4)
		return false;
	count = bytes_get_u32(bytes);
	if (count > RAFT_MEMBERS_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		size_t took = member_decode(&config->members[i], bytes + at, size - at);

		if (took == 0)
			return false;
		at += took;
	}
	config->count = count;
	return at == size && config_valid(config);
}
