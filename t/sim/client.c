/* SPDX-License-Identifier: ISC */
/*
 * What clients do.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t
session_number(const struct raft_sid *sid)
{
	return (uint32_t)sid->b[12] << 24 | (uint32_t)sid->b[13] << 16 | (uint32_t)sid->b[14] << 8 |
	       sid->b[15];
}

/* A new number; 0 when there are enough. */
static uint32_t
session_new(struct sim *sim, const char *name)
{
	struct clients *clients = &sim->clients;
	uint32_t number = clients->sessions_count;
	uint64_t random = rng_next(&sim->rng);
	struct session_info *info;

	if (number == SIM_SESSIONS_MAX)
		return 0;
	info = &clients->sessions[clients->sessions_count++];
	memcpy(info->sid.b, &random, sizeof random);
	info->sid.b[0] &= (uint8_t)~RAFT_SID_NAMED;
	for (int i = 0; i < 4; i++)
		info->sid.b[12 + i] = (uint8_t)(number >> (24 - 8 * i));
	if (name[0] != '\0')
		info->sid.b[0] |= RAFT_SID_NAMED;
	snprintf(info->name, sizeof info->name, "%s", name);
	return number;
}

uint32_t
client_cursor(struct sim *sim, char letter)
{
	uint32_t number;
	char name[16];

	snprintf(name, sizeof name, "%c-cursor", letter);
	number = session_new(sim, name);
	sim->clients.sessions[number].cursor = true;
	return number;
}

static enum client_kind
client_kind(const struct sim *sim, size_t number)
{
	static const enum client_kind kinds[] = {CLIENT_ANONYMOUS, CLIENT_NAMED, CLIENT_READER,
	    CLIENT_ANONYMOUS, CLIENT_BARRIER, CLIENT_NAMED, CLIENT_READER};

	if (number >= sim->profile.clients)
		return CLIENT_CONSUMER;
	return kinds[number % (sizeof kinds / sizeof kinds[0])];
}

static void
client_post(struct sim *sim, const struct client *client, uint64_t after_us)
{
	world_post(&sim->world, (struct world_event){.at_us = sim->world.now_us + after_us,
				    .kind = WORLD_CLIENT,
				    .value = client->number});
}

void
client_init(struct sim *sim)
{
	struct clients *clients = &sim->clients;
	char name[16];

	memset(clients, 0, sizeof *clients);
	clients->sessions = calloc(SIM_SESSIONS_MAX, sizeof *clients->sessions);
	must(clients->sessions != NULL);
	clients->sessions_count = 1;
	clients->attempts_count = 1;
	clients->reads_count = 1;
	for (int i = 0; i < SIM_NAMED; i++) {
		snprintf(name, sizeof name, "%c-name", 'a' + i);
		session_new(sim, name);
	}
	for (int i = 0; i < SIM_CURSORS && sim->profile.consumers > 0; i++)
		client_cursor(sim, (char)('a' + i));
	clients->count = sim->profile.clients + sim->profile.consumers;
	for (size_t i = 0; i < clients->count; i++) {
		struct client *client = &clients->at[i];

		client->number = (uint32_t)i;
		client->kind = client_kind(sim, i);
		client->node = (size_t)rng_below(&sim->rng, sim->nodes_count);
		client_post(sim, client, rng_below(&sim->rng, 1000000));
	}
	admin_init(sim);
}

void
client_free(struct clients *clients)
{
	free(clients->attempts);
	free(clients->reads);
	free(clients->sessions);
}

struct attempt *
attempt_new(struct sim *sim, struct client *client)
{
	struct clients *clients = &sim->clients;
	struct attempt *attempt;
	const struct node *node = &sim->nodes[client->node];

	if (clients->attempts_count >= clients->attempts_size) {
		clients->attempts_size =
		    clients->attempts_size == 0 ? 1024 : 2 * clients->attempts_size;
		clients->attempts =
		    realloc(clients->attempts, clients->attempts_size * sizeof *attempt);
		must(clients->attempts != NULL);
	}
	attempt = &clients->attempts[clients->attempts_count++];
	*attempt = (struct attempt){.client = client->number,
	    .run = client->run,
	    .session = client->session,
	    .node = (uint8_t)client->node,
	    .incarnation = node->incarnation,
	    .at_us = sim->world.now_us,
	    .count = 1};
	client->open++;
	return attempt;
}

static void
entry_make(struct sim *sim, struct raft_entry *entry, enum raft_kind kind, uint32_t session,
    uint64_t serial, const void *data, size_t size)
{
	const struct raft_sid *sid = &sim->clients.sessions[session].sid;
	struct raft_chunk *chunk = raft_chunk_new(RAFT_ENTRY_HEADER_SIZE + size);

	must(chunk != NULL);
	raft_entry_header(chunk->bytes, 0, kind, sid, serial, (uint32_t)size);
	memcpy(chunk->bytes + RAFT_ENTRY_HEADER_SIZE, data, size);
	must(raft_entry_decode(entry, chunk, chunk->bytes, chunk->size));
}

static uint64_t
attempt_number(const struct sim *sim, const struct attempt *attempt)
{
	return (uint64_t)(attempt - sim->clients.attempts);
}

static void
label_put(uint8_t label[ATTEMPT_LABEL_SIZE], uint64_t number)
{
	for (int i = 0; i < ATTEMPT_LABEL_SIZE; i++, number >>= 7)
		label[i] = (uint8_t)(0x80 | (number & 0x7f));
}

uint64_t
attempt_label(const uint8_t label[ATTEMPT_LABEL_SIZE])
{
	uint64_t number = 0;

	for (int i = ATTEMPT_LABEL_SIZE - 1; i >= 0; i--)
		number = number << 7 | (label[i] & 0x7f);
	return number;
}

/* What follows the label is of one byte; with a few of them it is no line. */
static size_t
payload(struct sim *sim, const struct attempt *attempt, uint8_t *data)
{
	uint64_t number = attempt_number(sim, attempt);
	size_t size;

	if (attempt->kind == RAFT_NOOP)
		return 0;
	size = ATTEMPT_LABEL_SIZE +
	       rng_below(&sim->rng, sim->profile.payload_max - ATTEMPT_LABEL_SIZE + 1);

	if (rng_chance(&sim->rng, 2000))
		size = SIM_ENTRY_SIZE_MAX + 1;
	memset(data, (int)(number & 0xff), size);
	label_put(data, number);
	return size;
}

/* The core may answer at once, and the attempt move: nothing of it is used afterwards. */
void
attempt_send(
    struct sim *sim, const struct attempt *attempt, uint64_t seen, const void *data, size_t size)
{
	struct raft_entry entries[ATTEMPT_ENTRIES_MAX];
	struct raft_proposal proposal = {.ticket = attempt_number(sim, attempt),
	    .fence = attempt->fence,
	    .epoch = attempt->epoch,
	    .seen = seen,
	    .uid = levels_uid(&sim->nodes[attempt->node]),
	    .entries = entries,
	    .entries_count = attempt->count};
	uint8_t bytes[SIM_ENTRY_SIZE_MAX + 1];
	size_t count = attempt->count;

	trace_add(sim, attempt->node, -1, "propose", "attempt session serial", proposal.ticket,
	    attempt->session, attempt->serial);
	for (size_t i = 0; i < count; i++) {
		if (data == NULL)
			entry_make(sim, &entries[i], attempt->kind, attempt->session,
			    attempt->kind == RAFT_CLIENT ? attempt->serial + i : 0, bytes,
			    payload(sim, attempt, bytes));
		else
			entry_make(sim, &entries[i], attempt->kind, attempt->session,
			    attempt->serial, data, size);
	}
	node_propose(sim, &sim->nodes[attempt->node], &proposal);
	for (size_t i = 0; i < count; i++)
		raft_chunk_unref(entries[i].chunk);
}

static uint64_t
fence(struct sim *sim, const struct client *client)
{
	uint64_t term = sim->nodes[client->node].status.term;

	if (!rng_chance(&sim->rng, 30000))
		return 0;
	return term > 1 && rng_chance(&sim->rng, 300000) ? term - 1 : term;
}

static void
client_propose(struct sim *sim, struct client *client)
{
	uint64_t left = client->length - client->next + 1;
	uint64_t count = rng_range(&sim->rng, 1, sim->profile.client_batch);
	struct attempt *attempt = attempt_new(sim, client);

	attempt->kind = RAFT_CLIENT;
	attempt->serial = client->next;
	attempt->count = (uint8_t)(count < left ? count : left);
	attempt->epoch = client->epoch;
	attempt->fence = fence(sim, client);
	client->next += attempt->count;
	attempt_send(sim, attempt, client->seen, NULL, 0);
}

static void
client_barrier(struct sim *sim, struct client *client)
{
	struct attempt *attempt = attempt_new(sim, client);

	attempt->kind = RAFT_NOOP;
	attempt_send(sim, attempt, 0, NULL, 0);
}

/* As raft-append -S and raft-each: what its node knows of the session is what it replaces. */
static void
client_open(struct sim *sim, struct client *client)
{
	struct raft_session_open open = {.replaces = client->replaces};
	uint8_t data[RAFT_SESSION_OPEN_SIZE_MAX];
	struct raft_sessions *table = raft_sessions_committed(sim->nodes[client->node].core);
	const struct session_info *info = &sim->clients.sessions[client->session];
	struct attempt *attempt;

	if (client->refresh) {
		const struct raft_session *known = raft_sessions_find(table, &info->sid);

		client->replaces = open.replaces = known == NULL ? 0 : known->epoch;
		client->refresh = false;
	}
	memcpy(open.run, client->run_id, sizeof open.run);
	memcpy(open.name, info->name, sizeof info->name);
	attempt = attempt_new(sim, client);
	attempt->kind = info->cursor ? RAFT_CURSOR_OPEN : RAFT_SESSION_OPEN;
	attempt_send(sim, attempt, 0, data, raft_session_open_encode(&open, data));
}

/* An administrator drops the session; nobody waits for the answer. */
static void
client_drop(struct sim *sim, struct client *client)
{
	const struct session_info *info = &sim->clients.sessions[client->session];
	struct attempt *attempt = attempt_new(sim, client);

	attempt->kind = RAFT_SESSION_DROP;
	sim->clients.sessions[client->session].drops++;
	attempt_send(sim, attempt, 0, info->name, strlen(info->name));
}

static void
client_read(struct sim *sim, struct client *client)
{
	struct clients *clients = &sim->clients;
	uint64_t ticket = clients->reads_count;

	if (clients->reads_count >= clients->reads_size) {
		clients->reads_size = clients->reads_size == 0 ? 1024 : 2 * clients->reads_size;
		clients->reads =
		    realloc(clients->reads, clients->reads_size * sizeof *clients->reads);
		must(clients->reads != NULL);
	}
	clients->reads[clients->reads_count++] = (struct client_read){.floor = sim->check.committed,
	    .at_us = sim->world.now_us,
	    .client = client->number,
	    .node = (uint8_t)client->node,
	    .incarnation = sim->nodes[client->node].incarnation};
	trace_add(sim, (int)client->node, -1, "read", "ticket committed", ticket,
	    sim->check.committed, 0);
	node_read(sim, &sim->nodes[client->node], ticket);
}

void
client_waited(struct sim *sim, struct node *node)
{
	for (size_t i = 0; i < sim->clients.count && !sim->clients.stopping; i++) {
		struct client *client = &sim->clients.at[i];

		if (client->kind != CLIENT_READER || rng_chance(&sim->rng, 500000))
			continue;
		client->node = node->number;
		client_read(sim, client);
	}
}

/* A new producer: with a new session, or the same named one. */
static void
client_new_run(struct sim *sim, struct client *client)
{
	uint64_t random = rng_next(&sim->rng);

	client->run++;
	client->open = 0;
	client->back = false;
	client->next = 1;
	client->acked = 0;
	client->epoch = 0;
	client->length = rng_range(&sim->rng, 1, 60);
	client->opened = client->kind == CLIENT_ANONYMOUS;
	client->refresh = true;
	client->progress_us = sim->world.now_us;
	if (client->kind == CLIENT_ANONYMOUS) {
		client->session = session_new(sim, "");
		client->seen = sim->nodes[client->node].status.commit.index;
		if (client->seen < client->highest)
			client->seen = client->highest;
		return;
	}
	memset(client->run_id, 0, sizeof client->run_id);
	memcpy(client->run_id, &random, sizeof random);
	memcpy(client->run_id + sizeof random, &client->number, sizeof client->number);
	if (client->kind == CLIENT_CONSUMER)
		cursors_run(sim, client);
	else
		client->session = 1 + (uint32_t)rng_below(&sim->rng, SIM_NAMED);
}

static void
client_move(struct sim *sim, struct client *client)
{
	/* Mostly to those that are known as members. */
	for (int i = 0; i < 4; i++) {
		client->node = (size_t)rng_below(&sim->rng, sim->nodes_count);
		if (members_is(sim, client->node))
			break;
	}
}

/* Nothing came of it for too long: elsewhere, from the first unanswered serial on. */
static void
client_lose_patience(struct sim *sim, struct client *client)
{
	uint64_t patience = 1000 * sim->profile.election_timeout_ms * rng_range(&sim->rng, 2, 6);

	if (client->open == 0 || sim->world.now_us - client->progress_us < patience)
		return;
	client->run++; /* what is under way concerns nobody any more */
	client->open = 0;
	client->back = true;
	client->progress_us = sim->world.now_us;
	client_move(sim, client);
}

/* Whether it has a run whose session is open; else it sees to that. */
static bool
client_runs(struct sim *sim, struct client *client)
{
	bool again = rng_chance(&sim->rng, client->kind == CLIENT_ANONYMOUS ? 2000 : 10000);

	client_lose_patience(sim, client);
	if (!node_serves(&sim->nodes[client->node]) || (!again && cursors_rest(sim, client)))
		return false;
	if (client->run == 0 || again || client->acked == client->length)
		client_new_run(sim, client);
	if (client->session == 0 || raft_congested(sim->nodes[client->node].core))
		return false;
	if (client->opened)
		return true;
	if (client->open == 0)
		client_open(sim, client);
	return false;
}

static void
client_produce(struct sim *sim, struct client *client)
{
	if (!client_runs(sim, client))
		return;
	if (client->open == 0 && client->next > client->acked + 1)
		client->back = true; /* answers came out of order */
	/* Some wait until all is answered before they go back, some do not. */
	if (client->back && (client->open == 0 || rng_chance(&sim->rng, 200000))) {
		client->back = false;
		client->next = client->acked + 1;
		if (rng_chance(&sim->rng, 300000))
			client_move(sim, client);
	}
	while (!client->back && client->next <= client->length &&
	       client->open < sim->profile.client_window && node_serves(&sim->nodes[client->node]))
		client_propose(sim, client);
	if (client->kind == CLIENT_NAMED && node_serves(&sim->nodes[client->node]) &&
	    rng_chance(&sim->rng, 3000))
		client_drop(sim, client);
}

static void
client_consume(struct sim *sim, struct client *client)
{
	if (!client_runs(sim, client))
		return;
	cursors_consume(sim, client);
	if (node_serves(&sim->nodes[client->node]) && rng_chance(&sim->rng, 3000))
		client_drop(sim, client);
}

void
client_act(struct sim *sim, size_t number)
{
	struct client *client = &sim->clients.at[number];
	uint64_t pause_us;

	if (sim->clients.stopping)
		return;
	if (client->kind == CLIENT_ADMIN) {
		client_post(sim, client, rng_range(&sim->rng, 1, 2 * sim->profile.admin_pause_us));
		admin_act(sim, client);
		return;
	}
	pause_us = rng_range(&sim->rng, 1, 2 * sim->profile.client_pause_us);
	pause_us += client->rests * rng_below(&sim->rng, 500 * sim->profile.election_timeout_ms);
	client_post(sim, client, pause_us);
	if (!node_serves(&sim->nodes[client->node]) ||
	    rng_chance(&sim->rng, members_is(sim, client->node) ? 20000 : 300000))
		client_move(sim, client);
	if (!node_serves(&sim->nodes[client->node]))
		return;
	if (contracts_act(sim, client))
		return;
	if (client->kind == CLIENT_READER)
		client_read(sim, client);
	else if (client->kind == CLIENT_BARRIER)
		client_barrier(sim, client);
	else if (client->kind == CLIENT_CONSUMER)
		client_consume(sim, client);
	else
		client_produce(sim, client);
}

/* ------------------------------------------------------------- scenarios */

uint32_t
client_session(struct sim *sim)
{
	return session_new(sim, "");
}

void
client_try(struct sim *sim, const struct attempt_wish *wish)
{
	struct client *client = &sim->clients.at[0];
	struct attempt *attempt;

	client->node = wish->node;
	client->session = wish->session;
	client->epoch = wish->epoch;
	client->replaces = wish->epoch;
	if (wish->kind == RAFT_SESSION_OPEN) {
		client->run_id[0]++;
		client_open(sim, client);
		return;
	}
	if (wish->kind == RAFT_ACK) {
		cursors_ack(sim, client, wish->serial, wish->position);
		return;
	}
	attempt = attempt_new(sim, client);
	attempt->kind = (uint8_t)wish->kind;
	attempt->serial = wish->serial;
	attempt->count = (uint8_t)wish->count;
	attempt->epoch = wish->epoch;
	attempt->fence = wish->fence;
	attempt_send(sim, attempt, 0, NULL, 0);
}

void
client_try_read(struct sim *sim, size_t node)
{
	struct client *client = &sim->clients.at[0];

	client->node = node;
	client_read(sim, client);
}
