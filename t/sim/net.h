/* SPDX-License-Identifier: ISC */
/*
 * The network between nodes: delays, loses, doubles, reorders, and has links that are cut.
 *
 * Worse than raft-peerd, which promises "in order or lost" for each peer and
 * class of messages: the core must not care.  But for one thing: an elector never
 * gets a proposal that an earlier life of it has had, since then "refused" would be a lie.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "raft/raft.h"
#include "profile.h"

struct sim;

struct packet {
	struct raft_message message;
	struct raft_entry *entries; /* with a reference each */
	size_t size;
	uint32_t next_free;
	bool doubled; /* a proposal of which there are two: only for the elector that may have the
			 other */
	uint32_t incarnation;
	uint32_t epoch; /* of the pair's transport: a restart loses what is in flight */
};

/* Scenarios: messages that match wait until they are let go, or are thrown away. */
enum { NET_HOLDS_MAX = 16, NET_HELD_MAX = 1024, NET_ANY = -1 };
struct net_hold {
	int type, from, to; /* or NET_ANY */
};

struct net {
	uint64_t delay_min_us, delay_max_us;
	uint32_t loss_ppm, duplicate_ppm, overtake_ppm, unreachable_ppm;
	bool cut[SIM_NODES_MAX][SIM_NODES_MAX];         /* from, to */
	bool told[SIM_NODES_MAX][SIM_NODES_MAX];        /* an UNREACHABLE is on its way */
	uint64_t last_us[SIM_NODES_MAX][SIM_NODES_MAX]; /* when the last packet arrives */
	uint32_t epochs[SIM_NODES_MAX];
	int flapping; /* the node whose links come and go; -1: none */
	uint64_t flap_us;
	unsigned flaps_left;
	struct net_hold holds[NET_HOLDS_MAX];
	size_t holds_count;
	uint32_t held[NET_HELD_MAX]; /* packets */
	size_t held_count;
	struct packet *packets;
	uint32_t packets_count, packets_size, first_free; /* first_free: UINT32_MAX when none */
};

void net_init(struct sim *sim);
void net_free(struct net *net);
/* Takes a copy, references chunks (of a proposal: copies them, since a leader writes into them). */
void net_send(struct sim *sim, const struct raft_message *message);
/* The packet that arrives, or NULL when it is lost on its way; give it back after use. */
struct packet *net_arrive(struct sim *sim, uint32_t slot);
void net_release(struct net *net, uint32_t slot);
/* Cuts or mends a link in one direction. */
void net_cut(struct sim *sim, size_t from, size_t to, bool cut);
void net_heal(struct sim *sim);
/* raft-peerd of a node starts anew. */
void net_restart(struct sim *sim, size_t node);
/* Lets the links of a node come and go, `times` times. */
void net_flap(struct sim *sim, size_t node, uint64_t every_us, unsigned times);
void net_flap_step(struct sim *sim);
/* Faults end: fast, in order, nothing lost. */
void net_calm(struct sim *sim);
/* Scenarios: holds what matches from now on; ends all holds. */
void net_hold(struct sim *sim, struct net_hold hold);
void net_let_go(struct sim *sim, bool deliver);

#endif
