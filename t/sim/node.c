/* SPDX-License-Identifier: ISC */
/*
 * Steps of a core and what follows from them.
 */
#include "etcd.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

void
node_init(struct sim *sim, size_t number)
{
	struct node *node = &sim->nodes[number];

	memset(node, 0, sizeof *node);
	node->number = (uint8_t)number;
	node->id = sim_id(number);
	node->clock =
	    (struct clock){.base_ms = rng_below(&sim->rng, 100000), .rate_ppm = CLOCK_TRUE};
	node->posted_us = UINT64_MAX;
	disk_init(&node->disk);
	slog_init(&node->issued);
	node->session_last = calloc(SIM_SESSIONS_MAX, sizeof(struct tnode *));
	must(node->session_last != NULL);
}

void
node_free(struct node *node)
{
	raft_free(node->core);
	disk_free(&node->disk);
	slog_free(&node->issued);
	free(node->session_last);
	free(node->backlog);
}

struct mono_ms
node_now(const struct sim *sim, const struct node *node)
{
	const struct clock *clock = &node->clock;
	uint64_t us = sim->world.now_us - clock->base_us;

	return (struct mono_ms){clock->base_ms + us / 1000 * clock->rate_ppm / CLOCK_TRUE};
}

static void
clock_rebase(struct sim *sim, struct node *node)
{
	node->clock.base_ms = node_now(sim, node).ms;
	node->clock.base_us = sim->world.now_us;
}

void
node_set_rate(struct sim *sim, struct node *node, uint64_t rate_ppm)
{
	if (node->frozen)
		return;
	clock_rebase(sim, node);
	node->clock.rate_ppm = rate_ppm;
}

/* The world's time at which the node's clock shows `ms`. */
static uint64_t
clock_us(const struct node *node, uint64_t ms)
{
	const struct clock *clock = &node->clock;

	if (ms <= clock->base_ms)
		return clock->base_us;
	if (ms - clock->base_ms > UINT64_MAX / CLOCK_TRUE / 1000)
		return UINT64_MAX;
	return clock->base_us + ((ms - clock->base_ms) * CLOCK_TRUE / clock->rate_ppm + 1) * 1000;
}

/* A timer that moves to a later time is found to be early when it fires, and posted again. */
static void
node_post_wake(struct sim *sim, struct node *node)
{
	if (node->wake_us >= node->posted_us)
		return;
	node->posted_us = node->wake_us;
	world_post(&sim->world, (struct world_event){.at_us = node->wake_us,
				    .kind = WORLD_WAKE,
				    .node = node->number,
				    .incarnation = node->incarnation});
}

static void
node_wake_at(struct sim *sim, struct node *node, struct mono_ms at)
{
	uint64_t late = rng_below(&sim->rng, 500);

	node->wake_us = clock_us(node, at.ms);
	if (node->wake_us == UINT64_MAX)
		return;
	if (node->wake_us <= sim->world.now_us)
		node->wake_us = sim->world.now_us + 10;
	node->wake_us += late;
	node_post_wake(sim, node);
}

static void
node_issue(struct sim *sim, struct node *node, const struct raft_update *update)
{
	const struct raft_write *write = &update->write;
	struct tnode **rows;

	if (write->number == 0)
		return;
	rows = check_write(sim, node, write);
	disk_write(sim, node, write, rows);
}

static void
node_fetch(struct sim *sim, struct node *node, const struct raft_fetch *fetch)
{
	struct fetched *fetched = sim_fetched_new(sim);
	uint64_t size = 0;

	sim->counters[COUNT_FETCHES]++;
	fetched->request = fetch->request;
	fetched->first_index = fetch->first_index;
	if (fetch->first_index <= node->disk.cut)
		sim->counters[COUNT_FETCHES_GONE]++;
	for (uint64_t i = fetch->first_index; i > node->disk.cut && i <= node->disk.rows.last;
	     i++) {
		const struct raft_entry *entry = &slog_at(&node->disk.rows, i)->entry;

		size += entry->size;
		if (fetched->count > 0 && size > fetch->size_max)
			break;
		sim_fetched_add(fetched, entry);
	}
	world_post(&sim->world,
	    (struct world_event){.at_us = sim->world.now_us + rng_range(&sim->rng, 50, 5000),
		.kind = WORLD_FETCHED,
		.node = node->number,
		.incarnation = node->incarnation,
		.value = (uint64_t)(fetched - sim->fetched)});
}

/* What the core does not say twice is said by its clock: time must move between many updates. */
static void
node_watch_silence(struct sim *sim, struct node *node)
{
	struct mono_ms now = node_now(sim, node);

	if (now.ms != node->silent_since.ms)
		node->silent_steps = 0;
	node->silent_since = now;
	if (++node->silent_steps > 5000)
		sim_fail(
		    sim, "n%d asks to be woken for ever without time moving", node->number + 1);
}

static void
node_perform(struct sim *sim, struct node *node, const struct raft_update *update)
{
	raft_status(node->core, node_now(sim, node), &node->status);
	etcd_update(sim, node, update);
	check_role(sim, node, update);
	node_issue(sim, node, update);
	check_update(sim, node, update);
	lead_check(sim, node);
	if (update->commit_changed)
		disk_tell_commit(sim, node, update->commit);
	for (size_t i = 0; i < update->messages_count; i++) {
		check_send(sim, node, &update->messages[i]);
		net_send(sim, &update->messages[i]);
	}
	for (size_t i = 0; i < update->answers_count; i++)
		client_answer(sim, node, &update->answers[i]);
	for (size_t i = 0; i < update->reads_count; i++)
		client_read_answer(sim, node, &update->reads[i]);
	for (size_t i = 0; i < update->fetches_count; i++)
		node_fetch(sim, node, &update->fetches[i]);
	for (size_t i = 0; i < update->snapshots_count; i++)
		snap_send(sim, node, (size_t)sim_number(&update->snapshots[i].peer));
	node->gathered = false;
	node_wake_at(sim, node, update->wake_at);
	node_watch_silence(sim, node);
}

static void
node_post_flush(struct sim *sim, struct node *node, uint64_t after_us)
{
	node->flush_pending = true;
	world_post(&sim->world, (struct world_event){.at_us = sim->world.now_us + after_us,
				    .kind = WORLD_FLUSH,
				    .node = node->number,
				    .incarnation = node->incarnation});
}

/* As a loop turn of raft-elect: what comes together is answered together. */
static void
node_gather(struct sim *sim, struct node *node, struct raft_event *event)
{
	raft_step(node->core, event, NULL);
	etcd_step(sim, node, event);
	node->gathered = true;
	if (!node->flush_pending && !node->turn)
		node_post_flush(sim, node, rng_below(&sim->rng, 3000));
}

static void
node_step(struct sim *sim, struct node *node, struct raft_event *event)
{
	struct raft_update update;

	event->now = node_now(sim, node);
	event->wall_ms = levels_wall_ms(sim, node);
	event->boot_ms = lead_boot_ms(sim, node);
	sim->counters[COUNT_STEPS]++;
	if (node->turn ||
	    (event->type != RAFT_EVENT_TIME && rng_chance(&sim->rng, sim->profile.gather_ppm))) {
		node_gather(sim, node, event);
		return;
	}
	raft_step(node->core, event, &update);
	etcd_step(sim, node, event);
	node_perform(sim, node, &update);
}

void
node_event(struct sim *sim, struct node *node, struct raft_event *event)
{
	node_step(sim, node, event);
}

void
node_session_rows(struct node *node, uint64_t from)
{
	for (uint64_t i = from + 1; i <= node->issued.last; i++) {
		struct tnode *tnode = slog_at(&node->issued, i);

		node->session_last[tnode->session] = tnode;
	}
}

/* The issued log falls back to what is durable. */
static void
node_issued_reset(struct node *node)
{
	const struct slog *rows = &node->disk.rows;
	struct slog *issued = &node->issued;

	check_log_cut(node, slog_common(issued, rows));
	slog_set(issued, rows->last == 0 ? NULL : slog_at(rows, rows->last));
}

static void
node_forget(struct node *node)
{
	node->role = RAFT_FOLLOWER;
	node->term = node->disk.term;
	node->commit = node->disk.commit;
	memset(node->match, 0, sizeof node->match);
	node->write_number = 0;
	node->write_term = node->disk.term;
	node->write_vote = node->disk.vote;
	node->gathered = false;
	node->flush_pending = false;
	node->turn = false;
	node->posted_us = UINT64_MAX;
	node->silent_steps = 0;
}

static struct raft_settings
node_settings(struct sim *sim, const struct node *node)
{
	const struct profile *profile = &sim->profile;
	struct raft_settings settings = {
	    .id = node->id,
	    .seed = rng_next(&sim->rng),
	    .election_timeout_ms =
		node->timeout_ms != 0 ? node->timeout_ms : profile->election_timeout_ms,
	    .heartbeat_ms = profile->heartbeat_ms,
	    .lead_grace_ms = profile->election_timeout_ms / 4,
	    .commit_wait_ms = profile->commit_wait_ms,
	    .store_timeout_ms = profile->store_timeout_ms,
	    .message_size_max = profile->message_size_max,
	    .window_size_max = profile->window_size_max,
	    .window_messages_max = profile->window_messages_max,
	    .uncommitted_size_max = profile->uncommitted_size_max,
	    .tail_size_max = profile->tail_size_max,
	    .entry_size_max = SIM_ENTRY_SIZE_MAX,
	    .level_max = node->level_max,
	};

	if (profile->addresses)
		sim_config(sim, &settings.addresses, true);
	return settings;
}

static void
node_start(struct sim *sim, struct node *node)
{
	struct raft_config first;
	struct raft_settings settings = node_settings(sim, node);
	struct raft_event event = {.type = RAFT_EVENT_TIME};
	uint64_t kept;
	struct raft_start start;

	sim_config(sim, &first, false);
	sim->counters[COUNT_SNAPSHOTS_UNUSED] += snap_forget_ready(&node->disk);
	start = disk_start(sim, node, &first);
	node->incarnation++;
	kept = slog_common(&node->issued, &node->disk.rows);
	node_issued_reset(node);
	node_session_rows(node, kept);
	node_forget(node);
	node->core = raft_new(&settings, &start, node_now(sim, node));
	must(node->core != NULL);
	trace_add(sim, node->number, -1, "up", "last term commit", node->disk.rows.last,
	    node->disk.term, node->disk.commit);
	check_start(sim, node, &start);
	etcd_start(sim, node);
	node_step(sim, node, &event);
}

void
node_up(struct sim *sim, struct node *node)
{
	if (node->core != NULL || node->dead)
		return;
	node->up_waits = node->disk.busy; /* raft-logd answers once its transaction has ended */
	if (node->up_waits)
		return;
	levels_start(sim, node);
	node_start(sim, node);
}

void
node_up_after(struct sim *sim, struct node *node, uint64_t after_us)
{
	world_post(&sim->world,
	    (struct world_event){
		.at_us = sim->world.now_us + after_us, .kind = WORLD_UP, .node = node->number});
}

void
node_elector_down(struct sim *sim, struct node *node)
{
	if (node->core == NULL)
		return;
	raft_free(node->core);
	node->core = NULL;
	node->incarnation++;
	client_node_lost(sim, node->number);
	trace_add(sim, node->number, -1, "down", "", 0, 0, 0);
}

void
node_pause(struct sim *sim, struct node *node, bool frozen, uint64_t for_us)
{
	if (node->paused)
		return;
	node->paused = true;
	node->frozen = frozen;
	if (frozen) {
		clock_rebase(sim, node);
		node->clock.rate_ppm = 0;
	}
	trace_add(sim, node->number, -1, "pause", "frozen us", frozen, for_us, 0);
	world_post(&sim->world,
	    (struct world_event){
		.at_us = sim->world.now_us + for_us, .kind = WORLD_RESUME, .node = node->number});
}

void
node_wake_now(struct sim *sim, struct node *node)
{
	if (node->core == NULL)
		return;
	node->wake_us = sim->world.now_us;
	node->posted_us = UINT64_MAX;
	node_post_wake(sim, node);
}

/* In order, but for the end of a turn that is not to be. */
static void
node_post_backlog(struct sim *sim, struct node *node)
{
	for (size_t i = 0; i < node->backlog_count; i++) {
		if (node->turn && node->backlog[i].kind == WORLD_FLUSH)
			continue;
		node->backlog[i].at_us = sim->world.now_us;
		world_post(&sim->world, node->backlog[i]);
	}
	node->backlog_count = 0;
}

/*
 * All that waited comes at once: often in one turn of its loop, and what clients
 * asked in the meantime before what peers sent, since those are other sockets.
 */
void
node_resume(struct sim *sim, struct node *node)
{
	if (!node->paused)
		return;
	if (node->frozen) {
		node->clock.base_us = sim->world.now_us;
		node->clock.rate_ppm = CLOCK_TRUE;
	}
	node->paused = node->frozen = false;
	trace_add(sim, node->number, -1, "resume", "waiting", node->backlog_count, 0, 0);
	node->turn = node->core != NULL && rng_chance(&sim->rng, 500000);
	if (node->turn) {
		node->flush_pending = false;
		client_waited(sim, node);
	}
	node_post_backlog(sim, node);
	if (node->turn)
		node_post_flush(sim, node, 0);
	node_wake_now(sim, node);
}

static void
node_hold(struct node *node, const struct world_event *event)
{
	if (node->backlog_count == node->backlog_size) {
		node->backlog_size = node->backlog_size == 0 ? 64 : 2 * node->backlog_size;
		node->backlog = realloc(node->backlog, node->backlog_size * sizeof *node->backlog);
		must(node->backlog != NULL);
	}
	node->backlog[node->backlog_count++] = *event;
}

static void
node_wake(struct sim *sim, struct node *node, uint64_t at_us)
{
	struct raft_event event = {.type = RAFT_EVENT_TIME};

	if (at_us != node->posted_us)
		return; /* an earlier one was posted since, and sees to it */
	node->posted_us = UINT64_MAX;
	if (sim->world.now_us < node->wake_us) {
		node_post_wake(sim, node);
		return;
	}
	node_step(sim, node, &event);
}

static void
node_flush(struct sim *sim, struct node *node)
{
	struct raft_event event = {.type = RAFT_EVENT_TIME};

	node->flush_pending = false;
	node->turn = false;
	node_step(sim, node, &event);
}

static void
node_hear_start(struct node *node, const struct raft_message *message)
{
	int from = sim_number(&message->from);

	if (message->type != RAFT_MSG_APPEND_REPLY ||
	    node->heard_start[from] == message->append_reply.start_number)
		return;
	node->heard_start[from] = message->append_reply.start_number;
	node->reborn[from] = true;
}

static void
node_deliver(struct sim *sim, struct node *node, uint32_t slot)
{
	struct packet *packet = net_arrive(sim, slot);
	struct raft_event event = {.type = RAFT_EVENT_MESSAGE};

	if (packet != NULL && node->core != NULL) {
		trace_message(sim, "recv", &packet->message);
		node_hear_start(node, &packet->message);
		levels_message(sim, node, &packet->message);
		event.message = &packet->message;
		node_step(sim, node, &event);
	}
	net_release(&sim->net, slot);
}

static void
node_unreachable(struct sim *sim, struct node *node, size_t peer)
{
	struct raft_event event = {.type = RAFT_EVENT_UNREACHABLE};

	sim->net.told[node->number][peer] = false;
	if (node->core == NULL)
		return;
	sim->counters[COUNT_UNREACHABLES]++;
	event.unreachable = sim->nodes[peer].id;
	node_step(sim, node, &event);
}

static void
node_fetched(struct sim *sim, struct node *node, const struct world_event *world_event)
{
	struct fetched *fetched = &sim->fetched[world_event->value];
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};

	if (node->core != NULL && world_event->incarnation == node->incarnation) {
		event.fetched.request = fetched->request;
		event.fetched.first_index = fetched->first_index;
		event.fetched.entries = fetched->entries;
		event.fetched.entries_count = fetched->count;
		if (node->status.role != RAFT_LEADER)
			sim->counters[COUNT_FETCHES_LATE]++;
		node_step(sim, node, &event);
	}
	sim->fetched[world_event->value].used = false;
}

static void
node_disk_event(struct sim *sim, struct node *node, const struct world_event *world_event)
{
	struct raft_event event = {.type = RAFT_EVENT_STORED};

	if (world_event->kind == WORLD_SNAPSHOT_READY) {
		snap_ready(sim, node, (size_t)world_event->value);
		return;
	}
	if (world_event->kind == WORLD_COMPACTED) {
		event.type = RAFT_EVENT_COMPACTED;
		event.compacted.index = world_event->value;
		event.compacted.term = slog_at(&node->disk.rows, world_event->value)->entry.term;
	} else if (world_event->kind == WORLD_FULL) {
		event.type = RAFT_EVENT_DISK;
		event.disk_full = world_event->value != 0;
	} else {
		event.stored_number = world_event->value;
	}
	node_step(sim, node, &event);
}

/* What belongs to the elector's incarnation; the others take care of themselves. */
static void
node_own_event(struct sim *sim, struct node *node, const struct world_event *event)
{
	if (node->core == NULL || event->incarnation != node->incarnation) {
		if (event->kind == WORLD_STORED)
			sim->counters[COUNT_STALE_STORED]++;
		return;
	}
	if (event->kind == WORLD_WAKE)
		node_wake(sim, node, event->at_us);
	else if (event->kind == WORLD_FLUSH)
		node_flush(sim, node);
	else
		node_disk_event(sim, node, event);
}

static bool
node_disk_busy_event(const struct world_event *event)
{
	return event->kind == WORLD_TRANSACTION || event->kind == WORLD_IDLE_COMMIT ||
	       event->kind == WORLD_ROOM || event->kind == WORLD_RUN_AGAIN;
}

static void
node_transaction_done(struct sim *sim, struct node *node)
{
	disk_transaction_done(sim, node);
	if (node->up_waits)
		node_up(sim, node);
}

void
node_run_again(struct sim *sim, struct node *node)
{
	disk_run_again(sim, node);
	if (node->up_waits)
		node_up(sim, node);
}

static void
node_logd_event(struct sim *sim, struct node *node, const struct world_event *event)
{
	bool current = event->incarnation == node->disk.generation;

	if (event->kind == WORLD_TRANSACTION && current)
		node_transaction_done(sim, node);
	else if (event->kind == WORLD_IDLE_COMMIT && current)
		disk_idle_commit(sim, node);
	else if (event->kind == WORLD_ROOM)
		disk_set_full(sim, node, false);
	else if (event->kind == WORLD_RUN_AGAIN)
		node_run_again(sim, node);
}

void
node_world_event(struct sim *sim, struct node *node, const struct world_event *event)
{
	bool disk = node_disk_busy_event(event);

	if (event->kind == WORLD_RESUME)
		node_resume(sim, node);
	else if (node->frozen || (node->paused && !disk))
		node_hold(node, event);
	else if (event->kind == WORLD_UP)
		node_up(sim, node);
	else if (disk)
		node_logd_event(sim, node, event);
	else if (event->kind == WORLD_DELIVER)
		node_deliver(sim, node, (uint32_t)event->value);
	else if (event->kind == WORLD_UNREACHABLE)
		node_unreachable(sim, node, (size_t)event->value);
	else if (event->kind == WORLD_SNAPSHOT_SENT)
		snap_sent(sim, node, (size_t)event->value);
	else if (event->kind == WORLD_FETCHED)
		node_fetched(sim, node, event);
	else
		node_own_event(sim, node, event);
}

bool
node_serves(const struct node *node)
{
	return node->core != NULL && !node->paused;
}

void
node_propose(struct sim *sim, struct node *node, const struct raft_proposal *proposal)
{
	struct raft_event event = {.type = RAFT_EVENT_PROPOSE, .proposal = proposal};

	node_step(sim, node, &event);
}

void
node_read(struct sim *sim, struct node *node, uint64_t ticket)
{
	struct raft_event event = {.type = RAFT_EVENT_READ, .read_ticket = ticket};

	node_step(sim, node, &event);
}
