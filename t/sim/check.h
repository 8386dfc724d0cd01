/* SPDX-License-Identifier: ISC */
/*
 * The invariants, checked at every update of every core, against all the others.
 *
 * A core is believed nothing: its writes rebuild its log here, its messages are
 * held against what is on its disk at that moment, its commit index against a
 * count over all disks.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "raft/raft.h"
#include "profile.h"
#include "tree.h"

struct sim;
struct node;

struct check_term {
	int leader; /* number + 1; 0: nobody yet */
	uint32_t incarnation;
	int promised[SIM_NODES_MAX]; /* whom each node has voted for: number + 1 */
	uint16_t
	    barred; /* who had votes that were forgotten since, and can't be elected any more */
};

struct check_commit {
	struct tnode *tnode;
	uint64_t term;   /* of the leader that committed it */
	uint64_t digest; /* of the session table at it */
};

struct check {
	struct check_term *terms;
	size_t terms_size;
	struct check_commit *commits; /* by index - 1 */
	uint64_t committed;
	size_t commits_size;
	struct raft_sessions *oracle; /* the session table at `committed` */
	uint64_t *session_digests;    /* by number: its part of the oracle's digest */
	uint64_t digest;
	struct tnode **rows; /* of the write at hand */
	size_t rows_size;
};

void check_init(struct check *check);
void check_free(struct check *check);
/* A core has started. */
void check_start(struct sim *sim, struct node *node, const struct raft_start *start);
/* Before anything of an update is performed: role and term. */
void check_role(struct sim *sim, struct node *node, const struct raft_update *update);
/* The write's entries as nodes of the tree; node->issued follows it. Valid until the next call. */
struct tnode **check_write(struct sim *sim, struct node *node, const struct raft_write *write);
/* After the write: commit index, leadership, progress. */
void check_update(struct sim *sim, struct node *node, const struct raft_update *update);
/* A message leaves. */
void check_send(struct sim *sim, struct node *node, const struct raft_message *message);
/* A node votes, on disk or in a message. */
void check_promise(struct sim *sim, struct node *node, uint64_t term, int candidate);
/* A disk stores that its log is whole again. */
void check_recovered(struct sim *sim, struct node *node);
/* Sets back node->session_last for a log that is about to be cut. */
void check_log_cut(struct node *node, uint64_t after);
/* Everything, slowly. */
void check_deep(struct sim *sim, struct node *node);
/* NULL when the index is not committed. */
struct tnode *check_committed(const struct sim *sim, uint64_t index);
struct check_term *check_term(struct sim *sim, uint64_t term);
void check_sessions(struct sim *sim, struct node *node);

#endif
