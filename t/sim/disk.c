/* SPDX-License-Identifier: ISC */
/*
 * The disk at work: the queue of writes, transactions, the commit mark.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

void
disk_init(struct disk *disk)
{
	memset(disk, 0, sizeof *disk);
	slog_init(&disk->rows);
	disk->vote = disk->before.vote = DISK_NOBODY;
	disk->sessions = raft_sessions_new();
	must(disk->sessions != NULL);
	disk->size = 8;
	disk->queue = calloc(disk->size, sizeof *disk->queue);
	must(disk->queue != NULL);
}

void
disk_free(struct disk *disk)
{
	for (size_t i = 0; i < disk->size; i++) {
		free(disk->queue[i].rows);
		raft_sessions_free(disk->queue[i].install.sessions);
	}
	snap_forget_ready(disk);
	raft_sessions_free(disk->snap.sessions);
	free(disk->queue);
	free(disk->terms);
	free(disk->configs);
	free(disk->entries);
	slog_free(&disk->rows);
	raft_sessions_free(disk->sessions);
	raft_sessions_free(disk->base);
}

static struct tnode *
disk_tail(const struct disk *disk)
{
	return disk->rows.last == 0 ? NULL : slog_at(&disk->rows, disk->rows.last);
}

static struct disk_write *
queue_at(struct disk *disk, size_t i)
{
	return &disk->queue[(disk->head + i) & (disk->size - 1)];
}

static void
queue_grow(struct disk *disk)
{
	struct disk_write *queue = calloc(2 * disk->size, sizeof *queue);

	must(queue != NULL);
	for (size_t i = 0; i < disk->size; i++)
		queue[i] = *queue_at(disk, i);
	free(disk->queue);
	disk->queue = queue;
	disk->head = 0;
	disk->size *= 2;
}

/* A cleared write at the end of the queue; it keeps its old array of rows. */
static struct disk_write *
queue_push(struct disk *disk)
{
	struct disk_write *write;
	struct tnode **rows;
	size_t size;

	if (disk->count == disk->size)
		queue_grow(disk);
	write = queue_at(disk, disk->count++);
	rows = write->rows;
	size = write->size;
	raft_sessions_free(write->install.sessions);
	*write = (struct disk_write){.rows = rows, .size = size, .after = UINT64_MAX};
	return write;
}

static void
write_rows(struct disk_write *write, struct tnode **rows, size_t count)
{
	if (count > write->size) {
		write->size = 2 * count;
		write->rows = realloc(write->rows, write->size * sizeof(struct tnode *));
		must(write->rows != NULL);
	}
	if (count > 0)
		memcpy(write->rows, rows, count * sizeof(struct tnode *));
	write->count = count;
}

void
disk_write(struct sim *sim, struct node *node, const struct raft_write *asked, struct tnode **rows)
{
	struct disk_write *write = queue_push(&node->disk);

	write->number = asked->number;
	write->term = asked->term;
	write->vote = sim_number(&asked->vote);
	write->recovered = asked->recovered;
	write->incarnation = node->incarnation;
	if (asked->truncate)
		write->after = asked->truncate_after;
	write_rows(write, rows, asked->entries_count);
	if (asked->install)
		write->install = snap_take_ready(sim, node, asked->install_pos);
	trace_add(sim, node->number, -1, "write", "number last term", asked->number,
	    node->issued.last, asked->term);
	disk_kick(sim, node);
}

void
disk_tell_commit(struct sim *sim, struct node *node, struct raft_pos commit)
{
	queue_push(&node->disk)->commit = commit;
	disk_kick(sim, node);
}

/* Ignored unless the log holds that very entry. */
static void
commit_learn(struct sim *sim, struct node *node, struct raft_pos commit)
{
	struct disk *disk = &node->disk;

	if (commit.index > disk->rows.last || commit.index <= disk->commit ||
	    slog_at(&disk->rows, commit.index)->entry.term != commit.term)
		return;
	while (disk->commit < commit.index) {
		disk->commit++;
		raft_sessions_apply(
		    disk->sessions, disk->commit, &slog_at(&disk->rows, disk->commit)->entry);
	}
	if (disk->commit_timer)
		return;
	disk->commit_timer = true;
	world_post(&sim->world, (struct world_event){.at_us = sim->world.now_us + 1000000,
				    .kind = WORLD_IDLE_COMMIT,
				    .node = node->number,
				    .incarnation = disk->generation});
}

void
disk_idle_commit(struct sim *sim, struct node *node)
{
	(void)sim;
	node->disk.commit_timer = false;
	if (!node->disk.full)
		node->disk.commit_stored = node->disk.commit;
}

/* What is told in memory needs no transaction. */
static void
queue_tell_commits(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;

	while (disk->count > 0 && queue_at(disk, 0)->number == 0) {
		commit_learn(sim, node, queue_at(disk, 0)->commit);
		disk->head = (disk->head + 1) & (disk->size - 1);
		disk->count--;
	}
}

/* A full disk takes no entries, and nothing that comes after them. */
static size_t
queue_ready(struct sim *sim, struct disk *disk)
{
	size_t ready = 0;
	size_t limit = rng_chance(&sim->rng, sim->profile.lone_write_ppm) ? 1 : disk->count;

	while (ready < limit && !(disk->full && (queue_at(disk, ready)->count > 0 ||
						    queue_at(disk, ready)->install.at != NULL)))
		ready++;
	return ready;
}

static uint64_t
transaction_us(struct sim *sim, struct disk *disk)
{
	uint64_t us = rng_range(&sim->rng, sim->profile.write_min_us, sim->profile.write_max_us);

	for (size_t i = 0; i < disk->taken; i++)
		if (queue_at(disk, i)->install.at != NULL) /* a long one */
			us += rng_below(&sim->rng, 500 * sim->profile.election_timeout_ms);
	if (!sim->faults_over && rng_chance(&sim->rng, sim->profile.slow_write_ppm))
		us += rng_below(&sim->rng, 300 * sim->profile.election_timeout_ms);
	return us;
}

void
disk_kick(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;

	if (disk->busy)
		return;
	queue_tell_commits(sim, node);
	if (disk->stalled || disk->count == 0)
		return;
	disk->taken = queue_ready(sim, disk);
	if (disk->taken == 0)
		return;
	disk->busy = true;
	world_post(&sim->world,
	    (struct world_event){.at_us = sim->world.now_us + transaction_us(sim, disk),
		.kind = WORLD_TRANSACTION,
		.node = node->number,
		.incarnation = disk->generation});
}

static void
past_add(struct disk *disk)
{
	struct disk_past *past = &disk->past[disk->transactions++ % DISK_PAST];

	past->term = disk->term;
	past->vote = disk->vote;
	past->tail = disk->rows.last == 0 ? NULL : slog_at(&disk->rows, disk->rows.last);
	past->commit = disk->commit_stored;
}

static void
recovering_end(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;

	check_recovered(sim, node);
	sim->counters[COUNT_RECOVERIES_CLEARED]++;
	if (!disk->mark_valid)
		sim->counters[COUNT_RECOVERIES_CLEARED_NO_MARK]++;
	trace_add(sim, node->number, -1, "recovered", "last term", disk->rows.last, disk->term, 0);
	disk->recovering = false;
	disk->lost_tail = NULL;
}

static void
write_apply(struct sim *sim, struct node *node, struct disk_write *write)
{
	struct disk *disk = &node->disk;
	struct disk_past before;

	if (write->number == 0) {
		commit_learn(sim, node, write->commit);
		return;
	}
	before = (struct disk_past){disk->term, disk->vote, disk_tail(disk), disk->commit_stored};
	if (write->install.at != NULL)
		snap_install(sim, node, &write->install);
	if (write->after != UINT64_MAX && write->after < disk->rows.last)
		disk->rows.last = write->after;
	for (size_t i = 0; i < write->count; i++) {
		if (write->rows[i]->index != disk->rows.last + 1)
			sim_fail(sim, "n%d writes entry %" PRIu64 " behind the last row %" PRIu64,
			    node->number + 1, write->rows[i]->index, disk->rows.last);
		slog_push(&disk->rows, write->rows[i]);
	}
	if (disk->commit > disk->rows.last)
		sim_fail(sim, "n%d cuts its log to %" PRIu64 ", below its commit index %" PRIu64,
		    node->number + 1, disk->rows.last, disk->commit);
	if (write->term > disk->term)
		disk->before = before;
	disk->term = write->term;
	disk->vote = write->vote;
	if (disk->vote != DISK_NOBODY)
		check_promise(sim, node, disk->term, disk->vote);
	if (write->recovered)
		recovering_end(sim, node);
}

/* Everything taken becomes durable at once. */
static uint64_t
transaction_apply(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;
	uint64_t number = 0;

	for (size_t i = 0; i < disk->taken; i++) {
		struct disk_write *write = queue_at(disk, i);

		write_apply(sim, node, write);
		if (write->number != 0 && write->incarnation == node->incarnation)
			number = write->number;
	}
	disk->head = (disk->head + disk->taken) & (disk->size - 1);
	disk->count -= disk->taken;
	disk->taken = 0;
	disk->commit_stored = disk->commit;
	past_add(disk);
	return number;
}

void
disk_report(struct sim *sim, struct node *node, uint8_t kind, uint64_t value)
{
	struct disk *disk = &node->disk;
	uint64_t at = sim->world.now_us + rng_range(&sim->rng, 5, 200);

	disk->stored_us = at > disk->stored_us ? at : disk->stored_us;
	world_post(&sim->world, (struct world_event){.at_us = disk->stored_us,
				    .kind = kind,
				    .node = node->number,
				    .incarnation = node->incarnation,
				    .value = value});
}

void
disk_transaction_done(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;
	uint64_t number;

	disk->hung = disk->stalled;
	if (disk->stalled)
		return;
	disk->busy = false;
	number = transaction_apply(sim, node);
	trace_add(sim, node->number, -1, "durable", "number last term", number, disk->rows.last,
	    disk->term);
	if (number != 0)
		disk_report(sim, node, WORLD_STORED, number);
	snap_compact_some(sim, node);
	disk_kick(sim, node);
}

void
disk_discard(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;

	sim->counters[COUNT_STALE_WRITES] += disk->count - disk->taken;
	disk->count = disk->taken;
}

/* From the table that the last restart left, as far as that reaches. */
static void
sessions_rebuild(struct disk *disk)
{
	if (disk->base == NULL || disk->base_index > disk->commit) {
		raft_sessions_free(disk->base);
		disk->base =
		    disk->cut > 0 ? raft_sessions_dup(disk->snap.sessions) : raft_sessions_new();
		disk->base_index = disk->cut;
		must(disk->base != NULL);
	}
	while (disk->base_index < disk->commit) {
		disk->base_index++;
		raft_sessions_apply(
		    disk->base, disk->base_index, &slog_at(&disk->rows, disk->base_index)->entry);
	}
	raft_sessions_free(disk->sessions);
	disk->sessions = raft_sessions_dup(disk->base);
	must(disk->sessions != NULL);
}

static void
commit_reload(struct disk *disk, uint64_t commit)
{
	if (commit < disk->cut)
		commit = disk->cut;
	disk->commit_stored = commit < disk->rows.last ? commit : disk->rows.last;
	disk->commit = disk->commit_stored;
	sessions_rebuild(disk);
}

void
disk_crash(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;

	for (size_t i = 0; i < disk->count; i++)
		sim->counters[COUNT_INSTALLS_LOST] += queue_at(disk, i)->install.at != NULL;
	disk_discard(sim, node);
	if (disk->busy && rng_chance(&sim->rng, 500000)) {
		sim->counters[COUNT_HALF_DONE]++;
		transaction_apply(sim, node);
	}
	disk->count = disk->taken = 0;
	disk->busy = disk->hung = false;
	disk->commit_timer = false;
	disk->generation++;
	commit_reload(disk, disk->commit_stored);
	trace_add(sim, node->number, -1, "disk-crash", "last term commit", disk->rows.last,
	    disk->term, disk->commit);
}

static void
recovering_begin(struct sim *sim, struct node *node, struct tnode *before, bool mark_valid)
{
	struct disk *disk = &node->disk;

	disk->lost_tail = before;
	disk->recovering = true;
	disk->mark_valid = mark_valid;
	trace_add(sim, node->number, -1, "loss", "last term mark_valid", disk->rows.last,
	    disk->term, mark_valid);
}

/* A state from before the snapshot can't come back without it. */
static bool
past_reaches(const struct disk_past *past, const struct tnode *at)
{
	const struct tnode *tnode = past->tail;

	if (at == NULL)
		return true;
	while (tnode != NULL && tnode->index > at->index)
		tnode = tnode->parent;
	return tnode == at;
}

/* With a mark, term and vote are the newer ones; without, those of the older state. */
static void
past_restore(struct sim *sim, struct node *node, const struct disk_past *past, bool mark_valid)
{
	struct disk *disk = &node->disk;
	struct tnode *before = disk_tail(disk);
	struct tnode *at = disk->cut == 0 ? NULL : slog_at(&disk->rows, disk->cut);
	bool whole = past_reaches(past, at);

	/* The snapshot stays, and what a log must at least know of terms for having it. */
	slog_set(&disk->rows, whole ? past->tail : at);
	commit_reload(disk, past->commit);
	if (!mark_valid) {
		if (disk->term > disk->forgotten)
			disk->forgotten = disk->term;
		disk->term = past->term;
		disk->vote = past->vote;
		if (!whole && at->entry.term > disk->term) {
			disk->term = at->entry.term;
			disk->vote = DISK_NOBODY;
		}
	}
	disk->mark_term = mark_valid ? disk->term : 0;
	disk->transactions = 0;
	recovering_begin(sim, node, before, mark_valid);
}

static uint64_t
past_count(const struct disk *disk)
{
	return disk->transactions < DISK_PAST ? disk->transactions : DISK_PAST;
}

void
disk_lose(struct sim *sim, struct node *node, bool mark_valid)
{
	struct disk *disk = &node->disk;
	struct disk_past past = {disk->term, disk->vote, disk_tail(disk), disk->commit_stored};

	if (past_count(disk) > 0)
		past = disk->past[(disk->transactions - rng_range(&sim->rng, 1, past_count(disk))) %
				  DISK_PAST];
	past_restore(sim, node, &past, mark_valid);
}

void
disk_lose_term(struct sim *sim, struct node *node, bool mark_valid)
{
	struct disk_past past = node->disk.before;

	past_restore(sim, node, &past, mark_valid);
}

void
disk_lose_to(struct sim *sim, struct node *node, uint64_t index, bool mark_valid)
{
	struct disk *disk = &node->disk;
	struct disk_past past = {
	    disk->term, disk->vote, slog_at(&disk->rows, index), disk->commit_stored};

	for (uint64_t i = 1; i <= past_count(disk); i++) {
		const struct disk_past *found = &disk->past[(disk->transactions - i) % DISK_PAST];

		if ((found->tail == NULL ? 0 : found->tail->index) != index)
			continue;
		past = *found;
		break;
	}
	past_restore(sim, node, &past, mark_valid);
}

void
disk_wipe(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;
	struct disk_past nothing = {0, DISK_NOBODY, NULL, 0};
	struct tnode *before = disk_tail(disk);

	raft_sessions_free(disk->snap.sessions);
	raft_sessions_free(disk->base);
	disk->snap = (struct snap){NULL, NULL};
	disk->base = NULL;
	disk->partial = NULL;
	disk->cut = 0;
	snap_forget_ready(disk);
	past_restore(sim, node, &nothing, false);
	disk->before = nothing;
	disk->lost_tail = before;
}

void
disk_damage(struct sim *sim, struct node *node, uint64_t index)
{
	struct disk *disk = &node->disk;
	struct tnode *before = disk_tail(disk);

	disk->rows.last = index - 1;
	commit_reload(disk, disk->commit);
	disk->mark_term = disk->term;
	disk->transactions = 0;
	recovering_begin(sim, node, before, true);
}

void
disk_set_full(struct sim *sim, struct node *node, bool full)
{
	if (node->disk.full == full)
		return;
	node->disk.full = full;
	trace_add(sim, node->number, -1, "disk-full", "full", full, 0, 0);
	world_post(&sim->world, (struct world_event){.at_us = sim->world.now_us + 50,
				    .kind = WORLD_FULL,
				    .node = node->number,
				    .incarnation = node->incarnation,
				    .value = full});
	disk_kick(sim, node);
}

void
disk_run_again(struct sim *sim, struct node *node)
{
	struct disk *disk = &node->disk;

	disk->stalled = false;
	if (disk->hung)
		disk_transaction_done(sim, node);
	else
		disk_kick(sim, node);
}

static bool
tail_holds(const struct tnode *tail, const struct tnode *tnode)
{
	while (tail != NULL && tail->index > tnode->index)
		tail = tail->parent;
	return tail == tnode;
}

bool
disk_held(const struct disk *disk, const struct tnode *tnode)
{
	if (tnode->index <= disk->rows.last && slog_at(&disk->rows, tnode->index) == tnode)
		return true;
	return disk->recovering && tail_holds(disk->lost_tail, tnode);
}
