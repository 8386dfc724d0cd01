/* SPDX-License-Identifier: ISC */
/* Configurations, as they stand in entries and come to raft-peerd; and changes, as they are
 * proposed. */
#include "fuzz.h"

static void
try_change(const uint8_t *bytes, size_t size)
{
	struct raft_change change;
	uint8_t made[RAFT_CHANGE_SIZE_MAX];

	if (!raft_change_decode(&change, bytes, size))
		return;
	must(!raft_id_none(&change.member.id) && raft_id_valid(&change.member.id));
	must(strcmp(raft_change_name(change.op), "unknown") != 0);
	must(raft_change_encode(&change, made) == size);
	must(memcmp(made, bytes, size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct raft_config config, sorted;
	static uint8_t made[RAFT_CONFIG_SIZE_MAX];

	try_change(bytes, size);
	if (!raft_config_decode(&config, bytes, size))
		return 0;
	must(config.count > 0);
	must(config.count <= RAFT_MEMBERS_MAX);
	must(raft_config_voters(&config) > 0);
	for (size_t i = 0; i < config.count; i++)
		must(raft_config_find(&config, &config.members[i].id) == &config.members[i]);
	must(raft_config_encode(&config, made) == size);
	must(memcmp(made, bytes, size) == 0);
	sorted = config;
	must(raft_config_normalise(&sorted));
	must(memcmp(&sorted, &config, sizeof config) == 0);
	return 0;
}

static void
seeds(void)
{
	struct raft_config config = {0};
	uint8_t made[RAFT_CONFIG_SIZE_MAX];

	for (int op = RAFT_CHANGE_ADD; op <= RAFT_CHANGE_KEY_DROP; op++) {
		struct raft_change change = {
		    (enum raft_change_op)op, {.id = {"n4"}, .key = {4}, .address = "tcp://h:4"}};

		fuzz_seed(made, raft_change_encode(&change, made));
	}
	for (size_t i = 0; i < 3; i++) {
		struct raft_member *member = &config.members[config.count++];

		member->id.s[0] = 'n';
		member->id.s[1] = (char)('1' + i);
		member->role = i < 2 ? RAFT_VOTER : RAFT_LEARNER;
		member->key[0] = (uint8_t)i;
		if (i > 0)
			snprintf(member->address, sizeof member->address, "tcp://[::1]:%zu", i);
		fuzz_seed(made, raft_config_encode(&config, made));
	}
}
