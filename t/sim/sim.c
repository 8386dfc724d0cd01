/* SPDX-License-Identifier: ISC */
/*
 * A run: set-up, the loop over events, and how it ends.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim *current; /* for raft_must_fail, which is told nothing */

void
sim_set_current(struct sim *sim)
{
	current = sim;
}

struct raft_id
sim_id(size_t number)
{
	struct raft_id id = {{'n', (char)('1' + number)}};

	return id;
}

int
sim_number(const struct raft_id *id)
{
	return id->s[0] == 'n' ? id->s[1] - '1' : DISK_NOBODY;
}

void
sim_config(const struct sim *sim, struct raft_config *config, bool addresses)
{
	memset(config, 0, sizeof *config);
	config->count = sim->profile.nodes;
	for (size_t i = 0; i < config->count; i++) {
		struct raft_member *member = &config->members[i];

		member->id = sim_id(i);
		member->role = (sim->first.voters >> i & 1) != 0 ? RAFT_VOTER : RAFT_LEARNER;
		member->key[0] = (uint8_t)(i + 1);
		if (addresses)
			snprintf(member->address, sizeof member->address, "tcp://10.0.0.%zu:7101",
			    i + 1);
	}
}

size_t
sim_voters(const struct sim *sim)
{
	return members_count(members_now(sim)->voters);
}

struct node *
sim_leader(struct sim *sim)
{
	struct node *leader = NULL;

	for (size_t i = 0; i < sim->nodes_count; i++) {
		struct node *node = &sim->nodes[i];

		if (node->core != NULL && node->role == RAFT_LEADER &&
		    (leader == NULL || node->term > leader->term))
			leader = node;
	}
	return leader;
}

struct fetched *
sim_fetched_new(struct sim *sim)
{
	size_t slot = 0;

	while (slot < sim->fetched_count && sim->fetched[slot].used)
		slot++;
	if (slot == sim->fetched_size) {
		sim->fetched_size = slot == 0 ? 16 : 2 * slot;
		sim->fetched = realloc(sim->fetched, sim->fetched_size * sizeof *sim->fetched);
		must(sim->fetched != NULL);
	}
	if (slot == sim->fetched_count)
		sim->fetched[sim->fetched_count++] = (struct fetched){.entries = NULL};
	sim->fetched[slot].used = true;
	sim->fetched[slot].count = 0;
	return &sim->fetched[slot];
}

/* The tree keeps every entry's bytes as long as the run lasts. */
void
sim_fetched_add(struct fetched *fetched, const struct raft_entry *entry)
{
	if (fetched->count == fetched->size) {
		fetched->size = fetched->size == 0 ? 16 : 2 * fetched->size;
		fetched->entries =
		    realloc(fetched->entries, fetched->size * sizeof *fetched->entries);
		must(fetched->entries != NULL);
	}
	fetched->entries[fetched->count++] = *entry;
}

/* ---------------------------------------------------------------- failure */

static void
print_peers(const struct raft_status *status)
{
	for (size_t i = 0; i < status->peers_count; i++) {
		const struct raft_peer_status *peer = &status->peers[i];

		fprintf(stderr,
		    "   %s %s match=%" PRIu64 " next=%" PRIu64 " in_flight=%" PRIu64 "%s\n",
		    peer->id.s, peer->state, peer->match, peer->next, peer->in_flight,
		    peer->recovering ? " recovering" : "");
	}
}

void
sim_print_nodes(struct sim *sim)
{
	for (size_t i = 0; i < sim->nodes_count; i++) {
		const struct node *node = &sim->nodes[i];
		const struct disk *disk = &node->disk;

		fprintf(stderr,
		    "n%zu %s%s role=%s term=%" PRIu64 " commit=%" PRIu64 " last=%" PRIu64
		    " disk: term=%" PRIu64 " vote=%d last=%" PRIu64 " commit=%" PRIu64 "%s%s%s\n",
		    i + 1,
		    node->dead           ? "dead"
		    : node->core == NULL ? "down"
		    : node->paused       ? "paused"
					 : "up",
		    (members_of(sim, node)->voters >> i & 1) != 0 ? "" : " no voter",
		    raft_role_name(node->role), node->term, node->commit, node->issued.last,
		    disk->term, disk->vote + 1, disk->rows.last, disk->commit,
		    disk->recovering ? disk->mark_valid ? " recovering" : " recovering-without-mark"
				     : "",
		    disk->full ? " full" : "", disk->stalled ? " stalled" : "");
		if (node->core != NULL && node->role == RAFT_LEADER)
			print_peers(&node->status);
	}
}

static void
say_how_to_replay(const struct sim *sim)
{
	if (sim->scenario != NULL)
		fprintf(stderr, "%s:%u: replay with: sim --scenario %s --trace\n", sim->scenario,
		    sim->line, sim->scenario);
	else
		fprintf(stderr,
		    "replay with: sim --seed %" PRIu64 " --profile %s --steps %" PRIu64
		    " --trace\n",
		    sim->seed, sim->profile_asked, sim->steps_max);
}

_Noreturn static void
fail_end(struct sim *sim)
{
	fflush(stdout);
	trace_tail(sim, sim->trace.print ? 0 : 60);
	sim_print_nodes(sim);
	fprintf(stderr,
	    "sim: seed %" PRIu64 " (%s, %zu nodes), step %" PRIu64 ": FAILED, see above\n",
	    sim->seed, sim->profile.name == NULL ? "scenario" : sim->profile.name, sim->nodes_count,
	    sim->step);
	say_how_to_replay(sim);
	exit(1);
}

_Noreturn void
sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "sim: seed %" PRIu64 ", step %" PRIu64 ": ", sim->seed, sim->step);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	fail_end(sim);
}

_Noreturn void
raft_must_fail(const char *cond, const char *file, int line)
{
	if (current != NULL)
		sim_fail(current, "must(%s) fails at %s:%d", cond, file, line);
	fprintf(stderr, "sim: must(%s) fails at %s:%d\n", cond, file, line);
	exit(70);
}

/* -------------------------------------------------------------------- run */

void
sim_begin(struct sim *sim)
{
	sim->nodes_count = sim->profile.nodes + sim->profile.joiners;
	must(sim->nodes_count <= SIM_NODES_MAX);
	sim->first.members = (uint16_t)((1u << sim->profile.nodes) - 1);
	sim->first.voters = (uint16_t)((1u << (sim->profile.nodes - sim->profile.learners)) - 1);
	world_init(&sim->world);
	tree_init(&sim->tree);
	net_init(sim);
	check_init(&sim->check);
	for (size_t i = 0; i < sim->nodes_count; i++)
		node_init(sim, i);
	levels_init(sim);
	lead_init(sim);
	client_init(sim);
	for (size_t i = 0; i < sim->nodes_count; i++)
		node_up_after(sim, &sim->nodes[i], rng_below(&sim->rng, 100000));
	world_post(&sim->world,
	    (struct world_event){.at_us = sim->profile.fault_pause_us, .kind = WORLD_FAULT});
}

void
sim_end(struct sim *sim)
{
	for (size_t i = 0; i < sim->nodes_count; i++)
		node_free(&sim->nodes[i]);
	for (size_t i = 0; i < sim->fetched_count; i++)
		free(sim->fetched[i].entries);
	free(sim->fetched);
	snap_free(sim);
	net_free(&sim->net);
	client_free(&sim->clients);
	check_free(&sim->check);
	tree_free(&sim->tree);
	world_free(&sim->world);
}

bool
sim_event(struct sim *sim, uint64_t until_us)
{
	struct world_event event;

	if (sim->world.count == 0 || sim->world.heap[0].at_us > until_us) {
		sim->world.now_us = until_us;
		return false;
	}
	event = world_next(&sim->world);
	sim->step++;
	sim->counters[COUNT_EVENTS]++;
	if (event.kind == WORLD_CLIENT)
		client_act(sim, (size_t)event.value);
	else if (event.kind == WORLD_FAULT)
		fault_strike(sim);
	else if (event.kind == WORLD_PLOT)
		plot_act(sim);
	else if (event.kind == WORLD_CHUNK)
		snap_chunk(sim, (size_t)event.value);
	else if (event.kind == WORLD_LINKS)
		net_flap_step(sim);
	else
		node_world_event(sim, &sim->nodes[event.node], &event);
	return true;
}

static void
check_not_vacuous(struct sim *sim)
{
	uint64_t wanted = sim->steps_max / 2000;

	if (sim->counters[COUNT_COMMITS] < wanted || sim->clients.acknowledged < wanted / 2)
		sim_fail(sim,
		    "a vacuous run: only %" PRIu64 " entries were committed and %" PRIu64
		    " acknowledged",
		    sim->counters[COUNT_COMMITS], sim->clients.acknowledged);
}

/* Nothing happened that a leader may step down for. */
static void
check_calm(struct sim *sim)
{
	if (sim->profile.fault_pause_us == 0 && sim->counters[COUNT_STEP_DOWNS] > 0)
		sim_fail(sim, "a leader steps down, though nothing is wrong");
}

void
sim_run(struct sim *sim)
{
	sim_set_current(sim);
	rng_seed(&sim->rng, sim->seed);
	must(profile_draw(&sim->profile, sim->profile_asked, &sim->rng));
	sim_begin(sim);
	while (sim->step < sim->steps_max)
		must(sim_event(sim, UINT64_MAX));
	fault_end_all(sim);
	converge(sim);
	check_not_vacuous(sim);
	check_calm(sim);
	sim_end(sim);
	sim_set_current(NULL);
}
