/* SPDX-License-Identifier: ISC */
/*
 * Configurations (§4): who the members are, and their encoding in an entry.
 *
 * Encoded: count u32, then for each member id (32 bytes, NUL padded), role u8,
 * key 32 bytes, if the role has bit 7 a second key, address size u16, address.
 * Members strictly rise by id, so that equal configurations have equal bytes.  Then, only
 * when there are any: count u32 and the ids of the removed members, oldest first.
 */
#include "bytes.h"
#include "types.h"

#include <string.h>

enum { MEMBER_FIXED_SIZE = RAFT_ID_SIZE + 1 + RAFT_KEY_SIZE + 2, MEMBER_TWO_KEYS = 0x80 };

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
		must(place == 0 || id_compare(&config->members[place - 1].id, &member.id) <= 0);
	}
}

bool
raft_member_two_keys(const struct raft_member *member)
{
	static const uint8_t none[RAFT_KEY_SIZE];

	return memcmp(member->key_next, none, sizeof none) != 0;
}

/* Whether the key is one of the member's. */
static bool
member_has_key(const struct raft_member *member, const uint8_t *key)
{
	return memcmp(member->key, key, RAFT_KEY_SIZE) == 0 ||
	       (raft_member_two_keys(member) && memcmp(member->key_next, key, RAFT_KEY_SIZE) == 0);
}

static bool
config_keys_differ(const struct raft_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		const struct raft_member *member = &config->members[i];

		if (raft_member_two_keys(member) &&
		    memcmp(member->key, member->key_next, RAFT_KEY_SIZE) == 0)
			return false;
		for (size_t j = 0; j < config->count; j++)
			if (j != i &&
			    (member_has_key(&config->members[j], member->key) ||
				(raft_member_two_keys(member) &&
				    member_has_key(&config->members[j], member->key_next))))
				return false;
	}
	return true;
}

bool
raft_config_retired(const struct raft_config *config, const struct raft_id *id)
{
	for (size_t i = 0; i < config->retired_count; i++)
		if (raft_id_equal(&config->retired[i], id))
			return true;
	return false;
}

static bool
config_retired_valid(const struct raft_config *config)
{
	for (size_t i = 0; i < config->retired_count; i++) {
		const struct raft_id *id = &config->retired[i];

		if (!raft_id_valid(id) || raft_id_none(id) || raft_config_find(config, id) != NULL)
			return false;
		for (size_t j = 0; j < i; j++)
			if (raft_id_equal(&config->retired[j], id))
				return false;
	}
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
	       config_retired_valid(config) && raft_config_voters(config) > 0;
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
	*p++ = (uint8_t)(member->role | (raft_member_two_keys(member) ? MEMBER_TWO_KEYS : 0));
	memcpy(p, member->key, RAFT_KEY_SIZE);
	p += RAFT_KEY_SIZE;
	if (raft_member_two_keys(member)) {
		memcpy(p, member->key_next, RAFT_KEY_SIZE);
		p += RAFT_KEY_SIZE;
	}
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
	if (config->retired_count > 0) {
		must(config->retired_count <= RAFT_RETIRED_MAX);
		bytes_put_u32(out + size, (uint32_t)config->retired_count);
		size += 4;
		memcpy(out + size, config->retired, config->retired_count * RAFT_ID_SIZE);
		size += config->retired_count * RAFT_ID_SIZE;
	}
	must(size <= RAFT_CONFIG_SIZE_MAX);
	return size;
}

/* The keys behind the role, one or two; the bytes they took, 0: cut short. */
static size_t
keys_decode(struct raft_member *member, bool two, const uint8_t *bytes, size_t size)
{
	size_t took = two ? 2 * RAFT_KEY_SIZE : RAFT_KEY_SIZE;

	if (size < took)
		return 0;
	memcpy(member->key, bytes, RAFT_KEY_SIZE);
	if (two)
		memcpy(member->key_next, bytes + RAFT_KEY_SIZE, RAFT_KEY_SIZE);
	return two && !raft_member_two_keys(member) ? 0 : took;
}

/* The bytes it took; 0: no valid member stands there.  role_none: a role of 0 is one. */
static size_t
member_decode(struct raft_member *member, bool role_none, const uint8_t *bytes, size_t size)
{
	const uint8_t *p = bytes;
	const uint8_t *end = bytes + size;
	uint8_t role;
	size_t took;
	size_t text;

	memset(member, 0, sizeof *member);
	if (size < MEMBER_FIXED_SIZE)
		return 0;
	memcpy(member->id.s, p, RAFT_ID_SIZE);
	p += RAFT_ID_SIZE;
	if (!raft_id_valid(&member->id) || raft_id_none(&member->id))
		return 0;
	role = *p & (uint8_t)~MEMBER_TWO_KEYS;
	if (role != RAFT_VOTER && role != RAFT_LEARNER && !(role_none && role == 0))
		return 0;
	member->role = (enum raft_member_role)role;
	took = keys_decode(member, (*p & MEMBER_TWO_KEYS) != 0, p + 1, (size_t)(end - p) - 1);
	p += 1 + took;
	if (took == 0 || end - p < 2)
		return 0;
	text = (size_t)p[0] << 8 | p[1];
	p += 2;
	if (text >= RAFT_ADDRESS_SIZE || text > (size_t)(end - p))
		return 0;
	memcpy(member->address, p, text);
	if (address_size(member->address) != text)
		return 0;
	return (size_t)(p - bytes) + text;
}

/* What is left after the members: nothing, or the removed ids. */
static bool
retired_decode(struct raft_config *config, const uint8_t *bytes, size_t size)
{
	uint32_t count;

	if (size == 0)
		return true;
	if (size < 4)
		return false;
	count = bytes_get_u32(bytes);
	if (count == 0 || count > RAFT_RETIRED_MAX || size - 4 != (size_t)count * RAFT_ID_SIZE)
		return false;
	memcpy(config->retired, bytes + 4, size - 4);
	config->retired_count = count;
	return true;
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
		size_t took = member_decode(&config->members[i], false, bytes + at, size - at);

		if (took == 0)
			return false;
		at += took;
	}
	must(at <= size);
	config->count = count;
	return retired_decode(config, bytes + at, size - at) && config_valid(config);
}

/* ------------------------------------------------------------- changes */

const char *
raft_change_name(enum raft_change_op op)
{
	switch (op) {
#define C(number, NAME, text)                                                                      \
	case RAFT_CHANGE_##NAME:                                                                   \
		return text;
		RAFT_CHANGES(C)
#undef C
	}
	return "unknown";
}

size_t
raft_change_encode(const struct raft_change *change, uint8_t *out)
{
	must(change->op >= RAFT_CHANGE_ADD && change->op <= RAFT_CHANGE_KEY_DROP);
	out[0] = (uint8_t)change->op;
	return 1 + member_encode(&change->member, out + 1);
}

bool
raft_change_decode(struct raft_change *change, const uint8_t *bytes, size_t size)
{
	memset(change, 0, sizeof *change);
	if (size < 2 || bytes[0] < RAFT_CHANGE_ADD || bytes[0] > RAFT_CHANGE_KEY_DROP)
		return false;
	change->op = (enum raft_change_op)bytes[0];
	return member_decode(&change->member, true, bytes + 1, size - 1) == size - 1;
}
