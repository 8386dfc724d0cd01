/* SPDX-License-Identifier: ISC */
/*
 * Fault profiles: what a run may suffer, how often, and how its cluster is set.
 *
 * A profile's name and a seed give all numbers; "mixed" lets the seed choose the profile too.
 */
#ifndef SIM_PROFILE_H
#define SIM_PROFILE_H

#include "rng.h"

#include <stddef.h>

#define FAULTS(F)                                                                                  \
	F(SPLIT, "split")         /* the nodes fall into two groups */                             \
	F(ISOLATE, "isolate")     /* one node is cut off, often the leader */                      \
	F(PARTIAL, "partial")     /* some links are cut */                                         \
	F(ONE_WAY, "one_way")     /* some links are cut in one direction */                        \
	F(FLAP, "flap")           /* a node's links come and go */                                 \
	F(HEAL, "heal")           /* all links work again */                                       \
	F(CRASH, "crash")         /* a whole node */                                               \
	F(CRASH_ALL, "crash_all") /* all nodes at once */                                          \
	F(ELECTOR, "elector")     /* restart of raft-elect alone */                                \
	F(LOGD, "logd")           /* restart of raft-logd, and so of what the core knows */        \
	F(PEERD, "peerd")         /* restart of raft-peerd: what is in flight is lost */           \
	F(PAUSE, "pause")         /* the elector stops, the clock and the disk go on */            \
	F(FREEZE, "freeze")       /* the whole node stops, its clock too */                        \
	F(CLOCK, "clock")         /* a node's clock runs at another rate */                        \
	F(STALL, "stall")         /* a disk completes nothing for a while */                       \
	F(FULL, "full")           /* a disk takes no entries for a while */                        \
	F(LOSE_TAIL, "lose_tail") /* crash; an older state is on disk, the mark tells */           \
	F(LOSE_MARK, "lose_mark") /* crash; an older state is on disk, the mark is gone */         \
	F(WIPE, "wipe")           /* crash; nothing is on disk but who the node is */              \
	F(AMNESIA, "amnesia")     /* a plot, see plot.c */                                         \
	F(LATE_VOTE, "late_vote") /* a plot, see plot_vote.c */                                    \
	F(DAMAGE, "damage")       /* crash; a stored entry is unreadable */
enum fault {
#define F(NAME, text) FAULT_##NAME,
	FAULTS(F)
#undef F
	    FAULTS_COUNT
};
const char *fault_name(enum fault fault);

struct profile {
	const char *name;
	size_t nodes;
	size_t learners; /* of the nodes */
	size_t joiners;  /* beside them: not in the first configuration */
	/* network */
	uint64_t delay_min_us, delay_max_us;
	uint32_t loss_ppm, duplicate_ppm, overtake_ppm, unreachable_ppm;
	/* disks */
	uint64_t write_min_us, write_max_us;
	uint32_t slow_write_ppm;
	uint32_t lone_write_ppm; /* one write a transaction, without company */
	/* nodes */
	uint32_t gather_ppm; /* events gather before the core is asked for an update */
	uint64_t election_timeout_ms, heartbeat_ms, store_timeout_ms, commit_wait_ms;
	uint64_t message_size_max, window_size_max, uncommitted_size_max, tail_size_max;
	uint32_t window_messages_max;
	bool levels;        /* some programs support level 1 only, until they are upgraded */
	uint64_t level_max; /* that the others support */
	int addresses;      /* the leader puts them into the log */
	/* clients */
	size_t clients;
	size_t consumers; /* beside them */
	uint64_t client_pause_us;
	uint64_t client_window, client_batch;
	uint32_t payload_max;
	/* what administrators and raft-logd do */
	uint64_t admin_pause_us; /* 0: there is no administrator */
	uint32_t transfer_ppm, change_ppm;
	uint32_t compact_ppm; /* a transaction */
	unsigned chunks_max;  /* of a snapshot */
	/* faults */
	uint64_t fault_pause_us;
	uint32_t weights[FAULTS_COUNT];
};

enum { SIM_NODES_MAX = 9, SIM_ENTRY_SIZE_MAX = 400 };

/* False when there is no such profile. */
bool profile_draw(struct profile *profile, const char *name, struct rng *rng);
/* The i-th name, NULL behind the last. */
const char *profile_name(size_t i);

#endif
