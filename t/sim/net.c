/* SPDX-License-Identifier: ISC */
/*
 * Packets in flight and the fate of each.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

void
net_init(struct sim *sim)
{
	struct net *net = &sim->net;

	memset(net, 0, sizeof *net);
	net->delay_min_us = sim->profile.delay_min_us;
	net->delay_max_us = sim->profile.delay_max_us;
	net->loss_ppm = sim->profile.loss_ppm;
	net->duplicate_ppm = sim->profile.duplicate_ppm;
	net->overtake_ppm = sim->profile.overtake_ppm;
	net->unreachable_ppm = sim->profile.unreachable_ppm;
	net->flapping = -1;
	net->first_free = UINT32_MAX;
}

static size_t
packet_entries(const struct packet *packet)
{
	if (packet->message.type == RAFT_MSG_APPEND)
		return packet->message.append.entries_count;
	return packet->message.type == RAFT_MSG_PROPOSE ? packet->message.propose.entries_count : 0;
}

static void
packet_clear(struct packet *packet)
{
	for (size_t i = packet_entries(packet); i > 0; i--)
		raft_chunk_unref(packet->entries[i - 1].chunk);
	memset(&packet->message, 0, sizeof packet->message);
}

void
net_free(struct net *net)
{
	for (uint32_t i = 0; i < net->packets_count; i++) {
		packet_clear(&net->packets[i]);
		free(net->packets[i].entries);
	}
	free(net->packets);
}

static uint32_t
packet_new(struct net *net)
{
	uint32_t slot = net->first_free;

	if (slot != UINT32_MAX) {
		net->first_free = net->packets[slot].next_free;
		return slot;
	}
	if (net->packets_count == net->packets_size) {
		net->packets_size = net->packets_size == 0 ? 256 : 2 * net->packets_size;
		net->packets = realloc(net->packets, net->packets_size * sizeof *net->packets);
		must(net->packets != NULL);
	}
	memset(&net->packets[net->packets_count], 0, sizeof *net->packets);
	return net->packets_count++;
}

void
net_release(struct net *net, uint32_t slot)
{
	packet_clear(&net->packets[slot]);
	net->packets[slot].next_free = net->first_free;
	net->first_free = slot;
}

/* Two processes never share bytes; where one writes into them, give each its own. */
static void
entry_copy(struct raft_entry *to, const struct raft_entry *from, bool own)
{
	struct raft_chunk *chunk;

	*to = *from;
	if (!own) {
		raft_chunk_ref(to->chunk);
		return;
	}
	chunk = raft_chunk_new(from->size);
	must(chunk != NULL);
	memcpy(chunk->bytes, from->bytes, from->size);
	to->bytes = chunk->bytes;
	to->chunk = chunk;
}

static void
packet_fill(struct packet *packet, const struct raft_message *message)
{
	bool append = message->type == RAFT_MSG_APPEND;
	const struct raft_entry *entries;
	size_t count;

	packet->message = *message;
	count = packet_entries(packet);
	if (count == 0)
		return;
	entries = append ? message->append.entries : message->propose.entries;
	if (count > packet->size) {
		packet->size = 2 * count;
		packet->entries = realloc(packet->entries, packet->size * sizeof *packet->entries);
		must(packet->entries != NULL);
	}
	for (size_t i = 0; i < count; i++)
		entry_copy(&packet->entries[i], &entries[i], !append);
}

/* Packets keep their order unless this one is held up while others overtake it. */
static uint64_t
arrival(struct sim *sim, int from, int to)
{
	struct net *net = &sim->net;
	uint64_t at =
	    sim->world.now_us + rng_range(&sim->rng, net->delay_min_us, net->delay_max_us);

	if (rng_chance(&sim->rng, net->overtake_ppm)) {
		sim->counters[COUNT_MESSAGES_OVERTOOK]++;
		if (rng_chance(&sim->rng, 100000))
			at += rng_below(&sim->rng, 3000 * sim->profile.election_timeout_ms);
		return at + rng_below(&sim->rng, 4 * net->delay_max_us);
	}
	if (at < net->last_us[from][to])
		at = net->last_us[from][to];
	net->last_us[from][to] = at;
	return at;
}

static void
tell_unreachable(struct sim *sim, int from, int to)
{
	struct net *net = &sim->net;
	uint64_t at = sim->world.now_us + rng_range(&sim->rng, 100, 50000);

	if (net->told[from][to] || !rng_chance(&sim->rng, net->unreachable_ppm))
		return;
	net->told[from][to] = true;
	world_post(&sim->world, (struct world_event){.at_us = at,
				    .kind = WORLD_UNREACHABLE,
				    .node = (uint8_t)from,
				    .value = (uint64_t)to});
}

static bool
held(const struct net *net, const struct raft_message *message, int from, int to)
{
	for (size_t i = 0; i < net->holds_count; i++) {
		const struct net_hold *hold = &net->holds[i];

		if ((hold->type == NET_ANY || hold->type == (int)message->type) &&
		    (hold->from == NET_ANY || hold->from == from) &&
		    (hold->to == NET_ANY || hold->to == to))
			return true;
	}
	return false;
}

static void
packet_post_at(struct sim *sim, uint32_t slot, int from, int to)
{
	world_post(&sim->world, (struct world_event){.at_us = arrival(sim, from, to),
				    .kind = WORLD_DELIVER,
				    .node = (uint8_t)to,
				    .value = slot});
}

static void
packet_post(struct sim *sim, const struct raft_message *message, int from, int to, bool doubled)
{
	uint32_t slot = packet_new(&sim->net);
	struct packet *packet = &sim->net.packets[slot];

	packet_fill(packet, message);
	packet->epoch = sim->net.epochs[from] + sim->net.epochs[to];
	packet->doubled = doubled && message->type == RAFT_MSG_PROPOSE;
	packet->incarnation = sim->nodes[to].incarnation;
	if (!held(&sim->net, message, from, to)) {
		packet_post_at(sim, slot, from, to);
		return;
	}
	must(sim->net.held_count < NET_HELD_MAX);
	sim->net.held[sim->net.held_count++] = slot;
}

void
net_send(struct sim *sim, const struct raft_message *message)
{
	int from = sim_number(&message->from);
	int to = sim_number(&message->to);
	bool doubled = rng_chance(&sim->rng, sim->net.duplicate_ppm);

	sim->counters[COUNT_MESSAGES]++;
	if (sim->net.cut[from][to] || rng_chance(&sim->rng, sim->net.loss_ppm)) {
		sim->counters[COUNT_MESSAGES_LOST]++;
		trace_message(sim, "lost", message);
		tell_unreachable(sim, from, to);
		return;
	}
	trace_message(sim, "send", message);
	packet_post(sim, message, from, to, doubled);
	if (doubled) {
		sim->counters[COUNT_MESSAGES_DOUBLED]++;
		packet_post(sim, message, from, to, doubled);
	}
}

struct packet *
net_arrive(struct sim *sim, uint32_t slot)
{
	struct packet *packet = &sim->net.packets[slot];
	int from = sim_number(&packet->message.from);
	int to = sim_number(&packet->message.to);

	if (packet->message.type == RAFT_MSG_APPEND)
		packet->message.append.entries = packet->entries;
	if (packet->message.type == RAFT_MSG_PROPOSE)
		packet->message.propose.entries = packet->entries;
	if (sim->net.cut[from][to] ||
	    packet->epoch != sim->net.epochs[from] + sim->net.epochs[to] ||
	    (packet->doubled && packet->incarnation != sim->nodes[to].incarnation)) {
		sim->counters[COUNT_MESSAGES_LOST]++;
		trace_message(sim, "cut", &packet->message);
		tell_unreachable(sim, from, to);
		return NULL;
	}
	return packet;
}

void
net_cut(struct sim *sim, size_t from, size_t to, bool cut)
{
	if (from != to)
		sim->net.cut[from][to] = cut;
}

void
net_heal(struct sim *sim)
{
	memset(sim->net.cut, 0, sizeof sim->net.cut);
	sim->net.flapping = -1;
}

void
net_restart(struct sim *sim, size_t node)
{
	sim->net.epochs[node]++;
	for (size_t peer = 0; peer < sim->nodes_count; peer++) {
		if (peer == node)
			continue;
		tell_unreachable(sim, (int)node, (int)peer);
		tell_unreachable(sim, (int)peer, (int)node);
	}
}

void
net_flap(struct sim *sim, size_t node, uint64_t every_us, unsigned times)
{
	bool running = sim->net.flapping >= 0;

	sim->net.flapping = (int)node;
	sim->net.flap_us = every_us;
	sim->net.flaps_left = times;
	if (!running)
		net_flap_step(sim);
}

void
net_flap_step(struct sim *sim)
{
	struct net *net = &sim->net;

	if (net->flapping < 0)
		return;
	for (size_t peer = 0; peer < sim->nodes_count; peer++) {
		net_cut(sim, (size_t)net->flapping, peer, net->flaps_left % 2 == 1);
		net_cut(sim, peer, (size_t)net->flapping, net->flaps_left % 2 == 1);
	}
	sim->counters[COUNT_FLAPS]++;
	if (net->flaps_left-- == 0) {
		net->flapping = -1;
		return;
	}
	world_post(&sim->world,
	    (struct world_event){.at_us = sim->world.now_us + net->flap_us, .kind = WORLD_LINKS});
}

void
net_calm(struct sim *sim)
{
	net_heal(sim);
	sim->net.loss_ppm = 0;
	sim->net.duplicate_ppm = 0;
	sim->net.overtake_ppm = 0;
	if (sim->net.delay_max_us > 10 * sim->profile.election_timeout_ms)
		sim->net.delay_max_us = 10 * sim->profile.election_timeout_ms;
	if (sim->net.delay_min_us > sim->net.delay_max_us)
		sim->net.delay_min_us = sim->net.delay_max_us;
}

void
net_hold(struct sim *sim, struct net_hold hold)
{
	must(sim->net.holds_count < NET_HOLDS_MAX);
	sim->net.holds[sim->net.holds_count++] = hold;
}

void
net_let_go(struct sim *sim, bool deliver)
{
	for (size_t i = 0; i < sim->net.held_count; i++) {
		uint32_t slot = sim->net.held[i];
		const struct raft_message *message = &sim->net.packets[slot].message;

		if (deliver)
			packet_post_at(
			    sim, slot, sim_number(&message->from), sim_number(&message->to));
		else
			net_release(&sim->net, slot);
	}
	sim->net.held_count = 0;
	sim->net.holds_count = 0;
}
