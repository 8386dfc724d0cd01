/* SPDX-License-Identifier: ISC */
/*
 * Random runs of a whole cluster: messages lost, doubled and reordered, disks
 * slow, nodes killed, and after every step what must always hold.
 *
 * The simulator does this in depth; this is the short one that every `make unit`
 * runs.  RAFT_SEED and RAFT_RUNS choose others.
 */
#include "raft_cluster.h"

enum { POOL_MAX = 400, HISTORY_MAX = 100000 };

struct world {
	struct net net;
	uint64_t random;
	struct rig_message pool[POOL_MAX];
	size_t pool_count;
	bool lossy;
	uint64_t calm; /* faults come once in so many chances */
	uint64_t stride_ms;
	/* what must hold across nodes and time */
	struct raft_id leaders[4096];          /* by term */
	uint64_t committed_terms[HISTORY_MAX]; /* by index; 0: not yet */
	uint64_t committed_serials[HISTORY_MAX];
	uint64_t committed_max;
	uint64_t serial; /* the client's: one session, one proposal at a time */
	uint64_t pending;
	uint64_t acknowledged;
	int asked; /* node at which it is pending */
	uint64_t ticket;
	uint64_t reads_min[256]; /* by ticket % 256 */
	uint64_t read_ticket;
};

static uint64_t
rnd(struct world *world, uint64_t below)
{
	uint64_t x = world->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return x % below;
}

static void
pool_drop(struct world *world, size_t i)
{
	struct rig one = {0};

	RIG_PUSH(one.sent, one.sent_count, world->pool[i]);
	rig_sent_clear(&one);
	world->pool[i] = world->pool[--world->pool_count];
}

/* ------------------------------------------------------------- checks */

static void
check_leader(struct world *world, const struct raft_status *status)
{
	if (status->role != RAFT_LEADER || status->term >= 4096)
		return;
	if (raft_id_none(&world->leaders[status->term]))
		world->leaders[status->term] = status->id;
	CHECK(raft_id_equal(&world->leaders[status->term], &status->id));
}

static void
check_commit(struct world *world, struct rig *rig, uint64_t from)
{
	for (uint64_t i = from + 1; i <= rig->commit && i < HISTORY_MAX; i++) {
		const struct raft_entry *entry = raft_entry_at(rig->raft, i);
		uint64_t term = 0;

		raft_term_at(rig->raft, i, &term);
		if (world->committed_terms[i] == 0) {
			world->committed_terms[i] = term;
			world->committed_serials[i] = entry == NULL ? 0 : entry->serial;
			if (i > world->committed_max)
				world->committed_max = i;
		}
		CHECK(world->committed_terms[i] == term);
	}
}

static void
check_logs(struct world *world)
{
	for (int a = 0; a < world->net.count; a++) {
		for (int b = 0; b < a; b++) {
			const struct rig_disk *x = &world->net.rigs[a].disk;
			const struct rig_disk *y = &world->net.rigs[b].disk;
			size_t i = x->count < y->count ? x->count : y->count;

			while (i > 0 && x->entries[i - 1].term != y->entries[i - 1].term)
				i--;
			for (; i > 0; i--)
				CHECK(x->entries[i - 1].term == y->entries[i - 1].term &&
				      x->entries[i - 1].serial == y->entries[i - 1].serial);
		}
	}
}

/* Every serial is in the committed history once, in order. */
static void
check_history(const struct world *world)
{
	uint64_t next = 1;

	for (uint64_t i = 1; i <= world->committed_max; i++) {
		if (world->committed_serials[i] == 0)
			continue;
		CHECK(world->committed_serials[i] == next);
		next++;
	}
	CHECK(world->acknowledged < next);
}

/* ------------------------------------------------------------- client */

static void
client_answers(struct world *world, int at)
{
	struct rig *rig = &world->net.rigs[at];

	for (size_t i = 0; i < rig->answers_count; i++) {
		const struct raft_ticket_answer *answer = &rig->answers[i];

		if (world->pending == 0 || answer->ticket != world->ticket)
			continue;
		if (answer->answer.verdict == RAFT_COMMITTED) {
			uint64_t index = answer->answer.pos.index;

			world->acknowledged = world->pending;
			world->serial = world->pending + 1;
			if (index != 0 && index < HISTORY_MAX)
				CHECK(world->committed_terms[index] == 0 ||
				      world->committed_serials[index] == world->pending);
		}
		world->pending = 0;
	}
	rig->answers_count = 0;
	for (size_t i = 0; i < rig->reads_count; i++)
		if (rig->reads[i].ok)
			CHECK(rig->reads[i].index >= world->reads_min[rig->reads[i].ticket % 256]);
	rig->reads_count = 0;
}

static void
client_propose(struct world *world, int at)
{
	struct raft_sid sid = rig_sid(7, false);

	if (world->net.down[at])
		return;
	world->pending = world->serial;
	world->asked = at;
	world->ticket++;
	rig_propose_serials(
	    &world->net.rigs[at], world->ticket, &sid, world->serial, 1, (struct raft_proposal){0});
}

static void
client_read(struct world *world, int at)
{
	if (world->net.down[at])
		return;
	/* Whatever was committed before the read began must be visible to it. */
	world->reads_min[++world->read_ticket % 256] = world->committed_max;
	rig_read(&world->net.rigs[at], world->read_ticket);
}

/* -------------------------------------------------------------- steps */

static void
collect(struct world *world, int at)
{
	struct rig *rig = &world->net.rigs[at];

	for (size_t i = 0; i < rig->sent_count; i++) {
		if (world->pool_count == POOL_MAX)
			pool_drop(world, rnd(world, POOL_MAX));
		world->pool[world->pool_count++] = rig->sent[i];
	}
	rig->sent_count = 0;
	while (rig->fetches_count > 0) {
		struct raft_fetch fetch = rig->fetches[--rig->fetches_count];

		net_fetch(rig, &fetch);
	}
}

static void
after(struct world *world, int at, uint64_t commit)
{
	struct raft_status status = rig_status(&world->net.rigs[at]);

	collect(world, at);
	check_leader(world, &status);
	check_commit(world, &world->net.rigs[at], commit);
	client_answers(world, at);
}

static void
step_deliver(struct world *world)
{
	size_t i = world->lossy ? rnd(world, world->pool_count) : 0;
	int from = world->pool[i].m.from.s[1] - '1';
	int to = world->pool[i].m.to.s[1] - '1';
	bool lost = world->net.cut[from][to] || world->net.down[to] ||
		    (world->lossy && rnd(world, 20) == 0);
	uint64_t commit = world->net.rigs[to].commit;

	if (!lost) {
		rig_message(&world->net.rigs[to], &world->pool[i].m);
		after(world, to, commit);
	}
	if (!world->lossy) {
		/* In order: the first one goes, the others move down. */
		struct rig_message first = world->pool[0];

		memmove(
		    world->pool, world->pool + 1, (world->pool_count - 1) * sizeof *world->pool);
		world->pool[world->pool_count - 1] = first;
		pool_drop(world, world->pool_count - 1);
	} else if (rnd(world, 10) != 0) {
		pool_drop(world, i); /* else it comes again */
	}
}

static void
step_node(struct world *world, int at)
{
	struct rig *rig = &world->net.rigs[at];
	uint64_t commit = rig->commit;

	if (world->net.down[at]) {
		if (rnd(world, 30) == 0) {
			uint64_t kept =
			    rig->commit < rig->disk.count ? rig->commit : rig->disk.count;

			world->net.down[at] = false;
			rig_start_commit(rig, rnd(world, kept + 1));
		}
		return;
	}
	switch (rnd(world, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		rig_store(rig, rnd(world, rig->writes_count + 1));
		break;
	case 4:
		if (world->pending == 0 || rnd(world, 8) == 0)
			client_propose(world, at);
		break;
	case 5:
		client_read(world, at);
		break;
	case 6:
		if (world->lossy && rnd(world, world->calm) == 0) {
			/* Part of what was under way may have reached the disk. */
			rig->hold_writes = true;
			rig_store(rig, rnd(world, rig->writes_count + 1));
			collect(world, at);
			client_answers(world, at);
			check_commit(world, rig, commit);
			net_crash(&world->net, at);
			if (world->pending != 0 && world->asked == at)
				world->pending = 0;
			return;
		}
		break;
	case 7:
		if (world->lossy && rnd(world, 40) == 0)
			rig_unreachable(rig, 1 + (int)rnd(world, (uint64_t)world->net.count));
		break;
	default:
		rig_time(rig, rnd(world, world->lossy ? world->stride_ms : 40));
		break;
	}
	after(world, at, commit);
}

static void
world_step(struct world *world)
{
	if (world->lossy && rnd(world, world->calm * 10) == 0) {
		int a = (int)rnd(world, (uint64_t)world->net.count);
		int b = (int)rnd(world, (uint64_t)world->net.count);

		world->net.cut[a][b] = !world->net.cut[a][b];
	}
	if (world->pool_count > 0 && rnd(world, 3) != 0)
		step_deliver(world);
	else
		step_node(world, (int)rnd(world, (uint64_t)world->net.count));
}

static void
world_run(uint64_t seed, size_t steps)
{
	struct world *world = calloc(1, sizeof *world);
	int count;

	must(world != NULL);
	world->random = seed;
	count = 3 + (int)rnd(world, 3);
	net_new(&world->net, count, count > 3 && rnd(world, 2) == 0);
	for (int i = 0; i < count; i++) {
		world->net.rigs[i].hold_writes = true;
		world->net.rigs[i].settings.seed = seed;
		world->net.rigs[i].settings.tail_size_max = 200;
		world->net.rigs[i].settings.message_size_max = 150;
		world->net.rigs[i].settings.window_size_max = 600;
		rig_start(&world->net.rigs[i]);
	}
	world->serial = 1;
	world->calm = 4 + rnd(world, 60);
	world->stride_ms = 20 + rnd(world, 400);
	world->lossy = true;
	for (size_t i = 0; i < steps; i++)
		world_step(world);
	check_logs(world);

	/* The faults end: a leader, and one log. */
	memset(world->net.cut, 0, sizeof world->net.cut);
	world->lossy = false;
	for (int i = 0; i < count; i++) {
		if (world->net.down[i]) {
			world->net.down[i] = false;
			rig_start(&world->net.rigs[i]);
		}
	}
	for (size_t i = 0; i < 60000; i++)
		world_step(world);
	CHECK(net_leader(&world->net) >= 0);
	for (int i = 0; i < count; i++) {
		world->net.rigs[i].hold_writes = false;
		rig_store_all(&world->net.rigs[i]);
		collect(world, i);
	}
	while (world->pool_count > 0)
		pool_drop(world, 0);
	for (int i = 0; i < count; i++)
		for (int j = 0; j < count; j++)
			if (net_leader(&world->net) >= 0 &&
			    world->net.rigs[j].now < world->net.rigs[i].now)
				world->net.rigs[j].now = world->net.rigs[i].now;
	net_run(&world->net, 5000);
	for (int i = 0; i < count; i++) {
		uint64_t commit = 0;

		check_commit(world, &world->net.rigs[i], commit);
	}
	CHECK(net_leader(&world->net) >= 0);
	CHECK(net_equal(&world->net));
	check_logs(world);
	check_history(world);
	CHECK(world->acknowledged > 0);
	if (check_failures > 0 || getenv("RAFT_VERBOSE") != NULL)
		printf("# seed %llu: %d nodes, %llu acknowledged, committed %llu, term %llu\n",
		    (unsigned long long)seed, count, (unsigned long long)world->acknowledged,
		    (unsigned long long)world->committed_max,
		    (unsigned long long)world->net.rigs[0].disk.term);
	net_free(&world->net);
	while (world->pool_count > 0)
		pool_drop(world, 0);
	free(world);
}

static void
test_random(void)
{
	const char *seed_text = getenv("RAFT_SEED");
	const char *runs_text = getenv("RAFT_RUNS");
	uint64_t seed = seed_text == NULL ? 1 : strtoull(seed_text, NULL, 10);
	uint64_t runs = runs_text == NULL ? 15 : strtoull(runs_text, NULL, 10);

	for (uint64_t i = 0; i < runs && check_failures == 0; i++)
		world_run(seed + i, 30000);
}

int
main(void)
{
	check_run("under random faults nothing that was committed changes, and after them all logs "
		  "become equal",
	    test_random);
	return check_done();
}
