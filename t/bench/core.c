/* SPDX-License-Identifier: ISC */
/*
 * How fast the core is by itself: a leader and two followers in one process,
 * disks that are done at once, no encoding.  All three cores' work is on one
 * CPU, so an entry's time here is that of the leader and of both followers.
 *
 *     core [ENTRIES [BATCH [SIZE]]]
 */
#include "entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 3 };

struct queue {
	struct raft_message *at;
	size_t count;
	size_t size;
};

struct node {
	struct raft *raft;
	struct queue inbox;
	uint64_t stored;
	uint64_t answered;
	double seconds;
};

static struct node nodes[NODES];
static uint64_t now_ms = 1000;

static double
clock_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
node_new(int i)
{
	struct raft_settings settings;
	struct raft_start start;
	struct raft_config_at config;

	memset(&settings, 0, sizeof settings);
	memset(&start, 0, sizeof start);
	memset(&config, 0, sizeof config);
	for (int j = 0; j < NODES; j++) {
		struct raft_member *member = &config.config.members[config.config.count++];

		member->id.s[0] = (char)('a' + j);
		member->role = RAFT_VOTER;
		member->key[0] = (uint8_t)(j + 1);
	}
	settings.id.s[0] = (char)('a' + i);
	settings.election_timeout_ms = 1000;
	settings.heartbeat_ms = 100;
	settings.store_timeout_ms = 2000;
	settings.message_size_max = 1 << 20;
	settings.window_size_max = 8 << 20;
	settings.window_messages_max = 64;
	settings.uncommitted_size_max = 64 << 20;
	settings.tail_size_max = 16 << 20;
	settings.entry_size_max = 1 << 20;
	settings.level_max = RAFT_LEVEL_MAX;
	start.level = 1;
	start.start_number = (uint64_t)i + 1;
	start.configs = &config;
	start.configs_count = 1;
	start.sessions = raft_sessions_new();
	nodes[i].raft = raft_new(&settings, &start, (struct mono_ms){now_ms});
}

static void
send_all(const struct raft_update *update)
{
	for (size_t i = 0; i < update->messages_count; i++) {
		struct queue *inbox = &nodes[update->messages[i].to.s[0] - 'a'].inbox;

		if (inbox->count == inbox->size) {
			inbox->size = inbox->size * 2 + 16;
			inbox->at = realloc(inbox->at, inbox->size * sizeof *inbox->at);
		}
		inbox->at[inbox->count++] = update->messages[i];
		/* Entries belong to the sender's update; a wire would carry copies. */
		if (update->messages[i].type == RAFT_MSG_APPEND &&
		    update->messages[i].append.entries_count > 0) {
			struct raft_append *append = &inbox->at[inbox->count - 1].append;
			struct raft_entry *copy = malloc(append->entries_count * sizeof *copy);

			memcpy(copy, append->entries, append->entries_count * sizeof *copy);
			for (size_t j = 0; j < append->entries_count; j++)
				raft_chunk_ref(copy[j].chunk);
			append->entries = copy;
		}
	}
}

static void
step(int i, struct raft_event *event)
{
	struct raft_update update;
	double began = clock_seconds();

	event->now.ms = now_ms;
	raft_step(nodes[i].raft, event, &update);
	nodes[i].seconds += clock_seconds() - began;
	send_all(&update);
	for (size_t j = 0; j < update.answers_count; j++)
		if (update.answers[j].answer.verdict == RAFT_COMMITTED)
			nodes[i].answered += update.answers[j].answer.count;
	while (update.write.number > nodes[i].stored) {
		struct raft_event stored = {.type = RAFT_EVENT_STORED};

		nodes[i].stored = stored.stored_number = update.write.number;
		stored.now.ms = now_ms;
		began = clock_seconds();
		raft_step(nodes[i].raft, &stored, &update);
		nodes[i].seconds += clock_seconds() - began;
		send_all(&update);
		for (size_t j = 0; j < update.answers_count; j++)
			if (update.answers[j].answer.verdict == RAFT_COMMITTED)
				nodes[i].answered += update.answers[j].answer.count;
	}
}

static bool
deliver(void)
{
	bool any = false;

	for (int i = 0; i < NODES; i++) {
		struct queue inbox = nodes[i].inbox;

		memset(&nodes[i].inbox, 0, sizeof nodes[i].inbox);
		for (size_t j = 0; j < inbox.count; j++) {
			struct raft_event event = {.type = RAFT_EVENT_MESSAGE};

			event.message = &inbox.at[j];
			step(i, &event);
			any = true;
			if (inbox.at[j].type == RAFT_MSG_APPEND &&
			    inbox.at[j].append.entries_count > 0) {
				struct raft_entry *entries =
				    (struct raft_entry *)(uintptr_t)inbox.at[j].append.entries;

				for (size_t k = 0; k < inbox.at[j].append.entries_count; k++)
					raft_chunk_unref(entries[k].chunk);
				free(entries);
			}
		}
		free(inbox.at);
	}
	return any;
}

static int
elect(void)
{
	for (;;) {
		now_ms += 100;
		for (int i = 0; i < NODES; i++) {
			struct raft_event event = {.type = RAFT_EVENT_TIME};
			struct raft_status status;

			step(i, &event);
			while (deliver())
				;
			raft_status(nodes[i].raft, (struct mono_ms){now_ms}, &status);
			if (status.role == RAFT_LEADER)
				return i;
		}
	}
}

int
main(int argc, char **argv)
{
	uint64_t total = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	size_t batch = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 64;
	uint32_t size = argc > 3 ? (uint32_t)strtoull(argv[3], NULL, 10) : 256;
	struct raft_entry *entries = calloc(batch, sizeof *entries);
	double began;
	double wall;
	int leader;

	for (int i = 0; i < NODES; i++)
		node_new(i);
	leader = elect();
	for (int i = 0; i < NODES; i++)
		nodes[i].seconds = 0;
	began = clock_seconds();
	for (uint64_t serial = 1; serial <= total; serial += batch) {
		struct raft_chunk *chunk = bench_entries(entries, batch, size, serial);
		struct raft_proposal proposal = {
		    .ticket = 1, .entries = entries, .entries_count = batch};
		struct raft_event event = {.type = RAFT_EVENT_PROPOSE};

		event.proposal = &proposal;
		step(leader, &event);
		raft_chunk_unref(chunk);
		while (deliver())
			;
	}
	wall = clock_seconds() - began;
	printf(
	    "entries=%llu batch=%zu size=%u entries_per_s=%.0f leader_ns=%.1f follower_ns=%.1f\n",
	    (unsigned long long)nodes[leader].answered, batch, size, (double)total / wall,
	    nodes[leader].seconds / (double)total * 1e9,
	    nodes[(leader + 1) % NODES].seconds / (double)total * 1e9);
	for (int i = 0; i < NODES; i++)
		raft_free(nodes[i].raft);
	free(entries);
	return nodes[leader].answered < total;
}
