/* SPDX-License-Identifier: ISC */
/*
 * One run of the simulator: everything that a seed determines.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "raft/raft.h"
#include "admin.h"
#include "check.h"
#include "client.h"
#include "contracts.h"
#include "counters.h"
#include "cursors.h"
#include "disk.h"
#include "ledger.h"
#include "lead.h"
#include "levels.h"
#include "members.h"
#include "net.h"
#include "node.h"
#include "profile.h"
#include "rng.h"
#include "snap.h"
#include "trace.h"
#include "tree.h"
#include "world.h"

#include <inttypes.h>

struct sim {
	uint64_t seed;
	const char *profile_asked;
	uint64_t steps_max;
	uint64_t step; /* events so far */
	bool faults_over;
	struct rng rng;
	struct {
		struct rng rng;
		int wrong; /* the node whose wall clock is wrong; -1: none */
	} levels;
	struct profile profile;
	struct world world;
	struct tree tree;
	struct net net;
	struct node nodes[SIM_NODES_MAX];
	size_t nodes_count;
	struct clients clients;
	struct check check;
	struct trace trace;
	struct membership first; /* the configuration that clusters begin with */
	struct courier couriers[COURIERS_MAX];
	uint64_t chunks; /* of snapshots, that came over */
	struct fetched *fetched;
	size_t fetched_count, fetched_size;
	struct {
		unsigned act; /* 0: none is under way */
		size_t leader;
		unsigned patience;
		size_t candidate, voter, target; /* of the late vote */
		uint64_t term;
	} plot;
	uint64_t leader_timeouts; /* from the end of faults to a leader, in hundredths */
	uint64_t acknowledged_wanted;
	uint64_t counters[COUNTERS_COUNT];
	const char *scenario; /* the file that is being run, or NULL */
	unsigned line;
};

/* One run; ends the process when an invariant is violated. */
void sim_run(struct sim *sim);
/* Their parts, for scenarios. */
void sim_begin(struct sim *sim);
void sim_end(struct sim *sim);
/* The next event; false when there is none before `until_us`. */
bool sim_event(struct sim *sim, uint64_t until_us);
void sim_print_nodes(struct sim *sim);

/* Says what is wrong, how to see it again, and ends the process. */
_Noreturn void sim_fail(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The run that raft_must_fail reports. */
void sim_set_current(struct sim *sim);

struct raft_id sim_id(size_t number);
/* Of n1, n2, …: 0, 1, …; DISK_NOBODY for nobody. */
int sim_number(const struct raft_id *id);
void sim_config(const struct sim *sim, struct raft_config *config, bool addresses);
/* By what is committed. */
size_t sim_voters(const struct sim *sim);
/* NULL: nobody leads, as far as living cores know; else the one of the highest term. */
struct node *sim_leader(struct sim *sim);
struct fetched *sim_fetched_new(struct sim *sim);
void sim_fetched_add(struct fetched *fetched, const struct raft_entry *entry);

/* fault.c: what strikes, and its end. */
void fault_strike(struct sim *sim);
void fault_end_all(struct sim *sim);
void fault_crash(struct sim *sim, struct node *node, uint64_t down_us);
void fault_elector(struct sim *sim, struct node *node, uint64_t down_us);
void fault_logd(struct sim *sim, struct node *node);
bool fault_loss_allowed(const struct sim *sim, const struct node *node);
/* plot.c: several faults that are dangerous together. */
void plot_begin(struct sim *sim);
void plot_act(struct sim *sim);
/* plot_vote.c: its acts. */
enum { PLOT_VOTE_FORGOTTEN = 11, PLOT_VOTE_AGAIN };
void plot_vote_begin(struct sim *sim);
void plot_vote_act(struct sim *sim);
/* converge.c: after the faults, all must be well within a bound. */
void converge(struct sim *sim);
/* A majority of voters lives and follows one leader. */
bool led(struct sim *sim);
/* All living nodes have the same log, stored and committed. */
bool converged(struct sim *sim);

#endif
