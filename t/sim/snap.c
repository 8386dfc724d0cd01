/* SPDX-License-Identifier: ISC */
/*
 * Compaction, sending and installing of snapshots.
 */
#include "etcd.h"
#include "sim.h"

/* ---------------------------------------------------------- compaction */

void
disk_compact(struct sim *sim, struct node *node, uint64_t index)
{
	struct disk *disk = &node->disk;

	must(index > disk->cut && index <= disk->commit);
	if (disk->snap.sessions == NULL)
		disk->snap.sessions = raft_sessions_new();
	must(disk->snap.sessions != NULL);
	for (uint64_t i = disk->cut + 1; i <= index; i++)
		raft_sessions_apply(disk->snap.sessions, i, &slog_at(&disk->rows, i)->entry);
	sim->counters[COUNT_COMPACTIONS]++;
	if (index == disk->rows.last)
		sim->counters[COUNT_COMPACTIONS_ALL]++;
	disk->cut = index;
	disk->snap.at = slog_at(&disk->rows, index);
	if (disk->commit_stored < index)
		disk->commit_stored = index;
	trace_add(sim, node->number, -1, "compact", "before last commit", index, disk->rows.last,
	    disk->commit);
	disk_report(sim, node, WORLD_COMPACTED, index);
}

/* With a kept tail, or none. */
void
snap_compact_some(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;

	if (sim->profile.compact_ppm == 0 || sim->faults_over || disk->full ||
	    disk->commit <= disk->cut || !rng_chance(&sim->rng, sim->profile.compact_ppm))
		return;
	disk_compact(sim, node,
	    rng_chance(&sim->rng, 500000) ? disk->commit
					  : rng_range(&sim->rng, disk->cut + 1, disk->commit));
}

/* -------------------------------------------------------- installation */

size_t
snap_forget_ready(struct disk *disk)
{
	size_t count = 0;

	for (size_t i = 0; i < SNAPS_READY; i++) {
		count += disk->ready[i].at != NULL;
		raft_sessions_free(disk->ready[i].sessions);
		disk->ready[i] = (struct snap){NULL, NULL};
	}
	return count;
}

struct snap
snap_take_ready(struct sim *sim, struct node *node, struct raft_pos pos)
{
	for (size_t i = 0; i < SNAPS_READY; i++) {
		struct snap *ready = &node->disk.ready[i];
		struct snap snap = *ready;

		if (snap.at == NULL || snap.at->index != pos.index ||
		    snap.at->entry.term != pos.term)
			continue;
		*ready = (struct snap){NULL, NULL};
		return snap;
	}
	sim_fail(sim, "n%d installs a snapshot of entry %" PRIu64 ", which is not on its disk",
	    node->number + 1, pos.index);
}

void
snap_install(struct sim *sim, struct node *node, struct snap *snap)
{
	struct disk *disk = &node->disk;

	sim->counters[COUNT_INSTALLS]++;
	if (snap->at->index <= disk->commit)
		sim_fail(sim,
		    "n%d stores a snapshot of entry %" PRIu64
		    " over a log that is committed to %" PRIu64,
		    node->number + 1, snap->at->index, disk->commit);
	slog_set(&disk->rows, snap->at);
	raft_sessions_free(disk->snap.sessions);
	raft_sessions_free(disk->sessions);
	raft_sessions_free(disk->base);
	disk->snap = *snap;
	*snap = (struct snap){NULL, NULL};
	disk->base = NULL;
	disk->base_index = 0;
	disk->sessions = raft_sessions_dup(disk->snap.sessions);
	must(disk->sessions != NULL);
	disk->cut = disk->snap.at->index;
	disk->commit = disk->commit_stored = disk->cut;
	disk->transactions = 0; /* nothing from before it comes back */
	trace_add(sim, node->number, -1, "installed", "before", disk->cut, 0, 0);
}

void
snap_ready(struct sim *sim, struct node *node, size_t slot)
{
	struct snap *ready = &node->disk.ready[slot];
	struct raft_config config;
	struct raft_snapshot snapshot = {.config = &config};
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_READY, .snapshot = &snapshot};

	if (ready->at == NULL)
		return;
	snapshot.pos = (struct raft_pos){ready->at->index, ready->at->entry.term};
	snapshot.level = ready->at->level_after;
	snapshot.time = ready->at->time_after;
	snapshot.contract = contracts_at(ready->at);
	members_config(sim, ready->at, &config);
	snapshot.sessions = raft_sessions_dup(ready->sessions);
	must(snapshot.sessions != NULL);
	trace_add(sim, node->number, -1, "snapshot-ready", "index term", snapshot.pos.index,
	    snapshot.pos.term, 0);
	node_event(sim, node, &event);
}

/* ------------------------------------------------------------ on the way */

static uint64_t
chunk_us(struct sim *sim)
{
	return rng_range(&sim->rng, 100, 300 * sim->profile.election_timeout_ms);
}

static void
chunk_post(struct sim *sim, size_t number)
{
	world_post(&sim->world,
	    (struct world_event){
		.at_us = sim->world.now_us + chunk_us(sim), .kind = WORLD_CHUNK, .value = number});
}

static void
courier_end(struct sim *sim, size_t number, bool ok)
{
	struct courier *courier = &sim->couriers[number];

	courier->ok = ok;
	world_post(&sim->world, (struct world_event){.at_us = sim->world.now_us + chunk_us(sim),
				    .kind = WORLD_SNAPSHOT_SENT,
				    .node = courier->from,
				    .incarnation = courier->incarnation,
				    .value = number});
}

static void
courier_free(struct courier *courier)
{
	raft_sessions_free(courier->snap.sessions);
	*courier = (struct courier){.used = false};
}

void
snap_free(struct sim *sim)
{
	for (size_t i = 0; i < COURIERS_MAX; i++)
		courier_free(&sim->couriers[i]);
}

static size_t
courier_new(struct sim *sim)
{
	size_t number = 0;

	while (number < COURIERS_MAX && sim->couriers[number].used)
		number++;
	must(number < COURIERS_MAX);
	return number;
}

void
snap_send(struct sim *sim, struct node *node, size_t to)
{
	size_t number = courier_new(sim);
	struct courier *courier = &sim->couriers[number];
	struct disk *disk = &node->disk;
	const struct disk *peer = &sim->nodes[to].disk;

	sim->counters[COUNT_SNAPSHOTS]++;
	trace_add(sim, node->number, (int)to, "snapshot-send", "index", disk->cut, 0, 0);
	*courier = (struct courier){.used = true,
	    .from = node->number,
	    .to = (uint8_t)to,
	    .incarnation = node->incarnation,
	    .epoch = sim->net.epochs[node->number] + sim->net.epochs[to],
	    .left = (unsigned)rng_range(&sim->rng, 1, sim->profile.chunks_max)};
	if (disk->snap.at == NULL) { /* what it has is not on its disk yet */
		courier_end(sim, number, false);
		return;
	}
	etcd_snapshot(sim, node, to, disk->cut);
	courier->snap.at = disk->snap.at;
	courier->snap.sessions = raft_sessions_dup(disk->snap.sessions);
	must(courier->snap.sessions != NULL);
	if (peer->partial == disk->snap.at) {
		sim->counters[COUNT_SNAPSHOTS_RESUMED]++;
		courier->left = peer->partial_left;
	}
	chunk_post(sim, number);
}

static void
courier_break(struct sim *sim, size_t number)
{
	sim->counters[COUNT_SNAPSHOTS_BROKEN]++;
	trace_add(sim, sim->couriers[number].from, sim->couriers[number].to, "snapshot-broken",
	    "index left", sim->couriers[number].snap.at->index, sim->couriers[number].left, 0);
	courier_end(sim, number, false);
}

static void
courier_arrive(struct sim *sim, size_t number)
{
	struct courier *courier = &sim->couriers[number];
	struct node *node = &sim->nodes[courier->to];
	struct disk *disk = &node->disk;
	size_t slot = disk->ready_next++ % SNAPS_READY;

	disk->partial = NULL;
	if (!sim->faults_over && rng_chance(&sim->rng, 30000)) {
		/* Its hash is wrong: thrown away, to be fetched again. */
		sim->counters[COUNT_SNAPSHOTS_DAMAGED]++;
		courier_end(sim, number, false);
		return;
	}
	sim->counters[COUNT_SNAPSHOTS_READY]++;
	sim->counters[COUNT_SNAPSHOTS_UNUSED] += disk->ready[slot].at != NULL;
	raft_sessions_free(disk->ready[slot].sessions);
	disk->ready[slot] = courier->snap;
	courier->snap.sessions = NULL;
	disk_report(sim, node, WORLD_SNAPSHOT_READY, slot);
	/* The acknowledgement may be lost. */
	courier_end(sim, number, sim->faults_over || !rng_chance(&sim->rng, 100000));
}

static bool
courier_cut(struct sim *sim, const struct courier *courier)
{
	const struct net *net = &sim->net;

	return net->cut[courier->from][courier->to] || net->cut[courier->to][courier->from] ||
	       courier->epoch != net->epochs[courier->from] + net->epochs[courier->to] ||
	       sim->nodes[courier->to].core == NULL ||
	       (!sim->faults_over && rng_chance(&sim->rng, net->loss_ppm / 2));
}

void
snap_chunk(struct sim *sim, size_t number)
{
	struct courier *courier = &sim->couriers[number];
	const struct node *from = &sim->nodes[courier->from];
	struct node *to = &sim->nodes[courier->to];

	if (from->core == NULL || from->incarnation != courier->incarnation) {
		courier_free(courier);
		return;
	}
	if (courier_cut(sim, courier)) {
		courier_break(sim, number);
		return;
	}
	if (from->paused || to->paused || to->disk.stalled || to->disk.full) {
		chunk_post(sim, number);
		return;
	}
	sim->chunks++;
	to->disk.partial = courier->snap.at;
	to->disk.partial_left = --courier->left;
	if (courier->left > 0)
		chunk_post(sim, number);
	else
		courier_arrive(sim, number);
}

void
snap_sent(struct sim *sim, struct node *node, size_t number)
{
	struct courier *courier = &sim->couriers[number];
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_SENT};
	bool current = node->core != NULL && node->incarnation == courier->incarnation;

	event.sent.peer = sim->nodes[courier->to].id;
	event.sent.ok = courier->ok;
	event.sent.index = courier->snap.at == NULL ? 0 : courier->snap.at->index;
	if (current && courier->ok && event.sent.index < node->disk.cut)
		sim->counters[COUNT_SNAPSHOTS_OUTDATED]++;
	courier_free(courier);
	if (current)
		node_event(sim, node, &event);
}
