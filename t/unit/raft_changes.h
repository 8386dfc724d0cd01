/* SPDX-License-Identifier: ISC */
/*
 * What the tests of membership change share: changes, configurations as text, a leader and a net.
 */
#ifndef RAFT_CHANGES_H
#define RAFT_CHANGES_H

#include "raft_cluster.h"

/* A change of member nN; of what an addition needs, address and key are those of `like`. */
static inline struct raft_change
make_change(enum raft_change_op op, int number, int like)
{
	struct raft_change change = {.op = op, .member = {.id = rig_id(number)}};

	if (op == RAFT_CHANGE_ADD || op == RAFT_CHANGE_ADDRESS) {
		memcpy(change.member.address, "tcp://h0:1", 11);
		change.member.address[7] = (char)('0' + like);
	}
	if (op == RAFT_CHANGE_ADD || op == RAFT_CHANGE_KEY_ADD || op == RAFT_CHANGE_KEY_DROP)
		change.member.key[0] = (uint8_t)like;
	return change;
}

/* Asks for it; what has been answered so far is forgotten. */
static inline void
ask(struct rig *rig, enum raft_change_op op, int number, int like)
{
	struct raft_change change = make_change(op, number, like);

	rig->answers_count = 0;
	rig_change(rig, 1, &change);
}

/* Every member has all of the log of this leader. */
static inline void
all_accept(struct rig *rig)
{
	struct raft_config config = *raft_config_now(rig->raft);
	struct raft_status status = rig_status(rig);

	for (size_t i = 0; i < config.count && rig_status(rig).role == RAFT_LEADER; i++)
		if (!raft_id_equal(&config.members[i].id, &rig->id))
			rig_accept(rig, config.members[i].id.s[1] - '0', status.last.index);
}

/* Asks, and lets it be committed; why it was refused, or NONE. */
static inline enum raft_reason
change_now(struct rig *rig, enum raft_change_op op, int number, int like)
{
	ask(rig, op, number, like);
	all_accept(rig);
	CHECK(rig->answers_count == 1);
	if (rig->answers_count != 1)
		return RAFT_REASONS_COUNT;
	CHECK((rig->answers[0].answer.reason == RAFT_REASON_NONE) ==
	      (rig->answers[0].answer.verdict == RAFT_COMMITTED));
	return rig->answers[0].answer.reason;
}

/* The answer given so far; REASONS_COUNT: none. */
static inline enum raft_reason
answered(const struct rig *rig)
{
	return rig->answers_count == 0 ? RAFT_REASONS_COUNT : rig->answers[0].answer.reason;
}

/* "1v 2l -3": members with their roles, then the ids that were removed. */
static inline const char *
config_text(const struct raft_config *config)
{
	static char text[256];
	size_t size = 0;

	text[0] = '\0';
	for (size_t i = 0; i < config->count; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, "%s%c%c",
		    size > 0 ? " " : "", config->members[i].id.s[1],
		    config->members[i].role == RAFT_VOTER ? 'v' : 'l');
	for (size_t i = 0; i < config->retired_count; i++)
		size += (size_t)snprintf(
		    text + size, sizeof text - size, " -%c", config->retired[i].s[1]);
	return text;
}

static inline bool
config_is(const struct rig *rig, const char *text)
{
	bool same = strcmp(config_text(raft_config_now(rig->raft)), text) == 0;

	if (!same)
		printf("# %.31s has %s, not %s\n", rig->id.s,
		    config_text(raft_config_now(rig->raft)), text);
	return same;
}

/* A leader of so many, whose no-op is committed. */
static inline void
leader_new(struct rig *rig, int members)
{
	rig_init(rig, 1, members);
	rig->settings.commit_wait_ms = RIG_COMMIT_WAIT;
	rig_start(rig);
	rig_elect(rig);
	all_accept(rig);
	CHECK(rig_status(rig).commit.index == 1);
	rig_clear(rig);
}

/* An append of one configuration entry. */
static inline void
append_config(struct rig *rig, int from, uint64_t term, struct raft_pos prev,
    const struct raft_config *config)
{
	uint8_t data[RAFT_CONFIG_SIZE_MAX];
	struct raft_message message = rig_make(RAFT_MSG_APPEND, from, rig->id.s[1] - '0', term);
	struct raft_entry entry =
	    rig_entry(term, RAFT_CONFIG, NULL, 0, data, raft_config_encode(config, data));

	message.append.prev = prev;
	message.append.round = ++rig->round;
	message.append.last = prev.index + 1;
	message.append.entries = &entry;
	message.append.entries_count = 1;
	rig_message(rig, &message);
	raft_chunk_unref(entry.chunk);
}

/* Five rigs, of which the first `members` make the cluster; the others are down. */
static inline void
net_part(struct net *net, int members)
{
	net_new(net, 5, 0);
	for (int i = 0; i < 5; i++) {
		net->rigs[i].config = rig_config(members, 0, false);
		rig_start(&net->rigs[i]);
		net->down[i] = i >= members;
	}
	CHECK(net_elect(net) >= 0);
}

/* Asks the leader of the net and runs until it has answered. */
static inline enum raft_reason
net_change(struct net *net, enum raft_change_op op, int number)
{
	int leader = net_leader(net);
	struct rig *rig = &net->rigs[leader < 0 ? 0 : leader];

	ask(rig, op, number, number);
	for (int i = 0; i < 50 && rig->answers_count == 0; i++)
		net_run(net, 100);
	CHECK(rig->answers_count == 1);
	return answered(rig);
}

#endif
