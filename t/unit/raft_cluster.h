/* SPDX-License-Identifier: ISC */
/*
 * A small net of rigs, with links that can be cut and nodes that can be killed.
 */
#ifndef RAFT_CLUSTER_H
#define RAFT_CLUSTER_H

#include "raft_rig.h"

struct net {
	struct rig rigs[RIG_MAX];
	int count;
	bool cut[RIG_MAX][RIG_MAX]; /* from, to */
	bool down[RIG_MAX];
	uint64_t delivered;
};

static inline void
net_new(struct net *net, int count, int learners)
{
	memset(net, 0, sizeof *net);
	net->count = count;
	for (int i = 0; i < count; i++) {
		rig_init(&net->rigs[i], i + 1, count);
		net->rigs[i].config = rig_config(count, learners, false);
		rig_start(&net->rigs[i]);
	}
}

static inline void
net_free(struct net *net)
{
	for (int i = 0; i < net->count; i++)
		rig_free(&net->rigs[i]);
}

static inline void
net_cut(struct net *net, int a, int b, bool cut)
{
	net->cut[a][b] = cut;
	net->cut[b][a] = cut;
}

static inline void
net_isolate(struct net *net, int a, bool cut)
{
	for (int i = 0; i < net->count; i++)
		net_cut(net, a, i, cut);
}

/* Reads back what a leader asked for from its own disk. */
static inline void
net_fetch(struct rig *rig, const struct raft_fetch *fetch)
{
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	bool there = fetch->first_index > rig->disk.before.index;
	size_t first =
	    there ? (size_t)(fetch->first_index - rig->disk.before.index - 1) : rig->disk.count;
	uint64_t size = 0;
	size_t count = 0;

	while (first + count < rig->disk.count &&
	       (count == 0 || size + rig->disk.entries[first + count].size <= fetch->size_max))
		size += rig->disk.entries[first + count++].size;
	event.fetched.request = fetch->request;
	event.fetched.first_index = fetch->first_index;
	event.fetched.entries = rig->disk.entries + first;
	event.fetched.entries_count = count;
	rig_event(rig, &event);
}

/* The leader's newest snapshot is brought to the peer whole, if it can be reached. */
static inline void
net_snapshot(struct net *net, int from, const struct raft_id *to_id)
{
	struct rig *rig = &net->rigs[from];
	int to = to_id->s[1] - '1';
	bool ok = !net->cut[from][to] && !net->cut[to][from] && !net->down[to];

	must(rig->disk.before.index > 0);
	if (ok)
		rig_snapshot_ready(&net->rigs[to], rig->disk.before, &rig->disk.config,
		    raft_sessions_dup(rig->disk.sessions));
	rig_snapshot_sent(rig, to + 1, ok, rig->disk.before.index);
}

/* Delivers what is there, once; false when nothing was. */
static inline bool
net_deliver(struct net *net)
{
	bool any = false;

	for (int i = 0; i < net->count; i++) {
		struct rig *rig = &net->rigs[i];
		struct rig_message *sent = rig->sent;
		size_t count = rig->sent_count;
		struct raft_fetch *fetches = rig->fetches;
		size_t fetches_count = rig->fetches_count;

		rig->sent = NULL;
		rig->sent_count = 0;
		rig->fetches = NULL;
		rig->fetches_count = 0;
		for (size_t j = 0; j < fetches_count; j++)
			net_fetch(rig, &fetches[j]);
		free(fetches);
		while (rig->snapshots_count > 0) {
			struct raft_snapshot_send send = rig->snapshots[--rig->snapshots_count];

			net_snapshot(net, i, &send.peer);
		}
		for (size_t j = 0; j < count; j++) {
			int to = sent[j].m.to.s[1] - '1';

			if (!net->cut[i][to] && !net->down[to] && !net->down[i]) {
				rig_message(&net->rigs[to], &sent[j].m);
				net->delivered++;
				any = true;
			}
		}
		/* Freed by the one way there is. */
		{
			struct rig old = {.sent = sent, .sent_count = count};

			rig_sent_clear(&old);
		}
	}
	return any;
}

static inline void
net_settle(struct net *net)
{
	for (int i = 0; i < 10000 && net_deliver(net); i++)
		;
}

static inline void
net_run(struct net *net, uint64_t ms)
{
	for (uint64_t at = 0; at < ms; at += 10) {
		for (int i = 0; i < net->count; i++) {
			net->rigs[i].now += 10;
			if (!net->down[i] && net->rigs[i].wake_at <= net->rigs[i].now)
				rig_time(&net->rigs[i], 0);
		}
		net_settle(net);
	}
}

/* The one leader of the highest term, or -1. */
static inline int
net_leader(const struct net *net)
{
	int leader = -1;
	uint64_t term = 0;

	for (int i = 0; i < net->count; i++) {
		struct raft_status status;

		if (net->down[i])
			continue;
		status = rig_status(&net->rigs[i]);
		if (status.role == RAFT_LEADER && status.term > term) {
			leader = i;
			term = status.term;
		}
	}
	return leader;
}

static inline int
net_elect(struct net *net)
{
	for (int i = 0; i < 100 && net_leader(net) < 0; i++)
		net_run(net, 100);
	net_run(net, 300);
	return net_leader(net);
}

/* All disks hold the same log. */
static inline bool
net_equal(const struct net *net)
{
	for (int i = 1; i < net->count; i++) {
		const struct rig_disk *a = &net->rigs[0].disk;
		const struct rig_disk *b = &net->rigs[i].disk;

		uint64_t last = a->before.index + a->count;
		uint64_t first =
		    a->before.index > b->before.index ? a->before.index : b->before.index;

		if (last != b->before.index + b->count)
			return false;
		for (uint64_t j = first; j < last; j++) {
			const struct raft_entry *x = &a->entries[j - a->before.index];
			const struct raft_entry *y = &b->entries[j - b->before.index];

			if (x->size != y->size || memcmp(x->bytes, y->bytes, x->size) != 0)
				return false;
		}
	}
	return true;
}

/* The node goes away at once, with what its disk had not confirmed. */
static inline void
net_crash(struct net *net, int at)
{
	net->down[at] = true;
	rig_clear(&net->rigs[at]);
	rig_writes_clear(&net->rigs[at]);
}

static inline void
net_restart(struct net *net, int at)
{
	net->down[at] = false;
	rig_start(&net->rigs[at]);
	net->rigs[at].wake_at = 0;
}

#endif
