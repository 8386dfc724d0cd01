/* SPDX-License-Identifier: ISC */
/*
 * What the files of the trace in etcd's form share: the specification's view of a run.
 */
#ifndef SIM_ETCD_INSIDE_H
#define SIM_ETCD_INSIDE_H

#include "etcd_line.h"
#include "sim.h"

struct etcd_node {
	bool begun;
	struct etcd_state now;    /* after its last event */
	struct etcd_state stored; /* at its last Ready */
	bool dirty;               /* there is something for a Ready to send */
	bool tell_self;           /* its log grew: it acknowledges that to itself */
	uint64_t durable;
	uint64_t term_first;                 /* as leader: the first index of its term */
	uint64_t match[SIM_NODES_MAX];       /* as leader, to the specification */
	uint16_t voters_next, learners_next; /* of its last configuration, committed or not */
};

struct etcd {
	struct etcd_line line;
	struct etcd_node nodes[SIM_NODES_MAX];
	struct etcd_message *messages; /* under way, lost ones too: nobody takes those out */
	size_t count, size;
	bool beyond; /* said already */
};

struct etcd_node *etcd_of(struct sim *sim, const struct node *node);
/*
 * What a node has ever known to be committed.  The specification stores that with all else; a
 * raft-logd in its own time, so that a core that was started again may know less for a while.
 */
uint64_t etcd_commit(const struct etcd_node *self, const struct raft_status *status);
/* From here on the specification can't follow. */
void etcd_beyond(struct sim *sim, const struct node *node, const char *why);

/* etcd_messages.c */
void etcd_put(struct etcd *etcd, const struct etcd_message *message);
/* Takes out the newest that is like this one, `sent` and what it leaves open (index 0 of a reply)
 * apart. */
bool etcd_take(struct etcd *etcd, const struct etcd_message *message);
/* What a message that arrives is to the specification; told with the state before it. */
void etcd_received(struct sim *sim, struct node *node, const struct raft_message *message,
    const struct raft_status *status);
void etcd_installed(
    struct sim *sim, struct node *node, uint64_t index, const struct raft_status *status);
/* A leader's own disk acknowledges. */
void etcd_received_self(struct sim *sim, struct node *node, const struct raft_status *status);
void etcd_received_own_vote(struct sim *sim, struct node *node);
void etcd_sent(struct sim *sim, struct node *node, const struct raft_message *message);
void etcd_sent_self(struct sim *sim, struct node *node, enum etcd_type type);

#endif
