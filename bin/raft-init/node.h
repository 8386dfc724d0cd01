/* SPDX-License-Identifier: ISC */
/* The files of one node: raft.yaml, key, data directory, run directory. */
#ifndef INIT_NODE_H
#define INIT_NODE_H

#include "raft/types.h"
#include "seal/seal.h"

struct restore;

struct init_node {
	struct raft_id id;
	char address[RAFT_ADDRESS_SIZE];
	const char *cluster;           /* NULL: the members list names it */
	const struct restore *restore; /* NULL: it begins with nothing */
	bool join;                     /* a running cluster takes it up */
	bool system;                   /* data and run lie in /var/lib and /run */
	char *folder;
	char *yaml, *secret, *data, *run, *members; /* paths */
	struct seal_pair pair;
};

/* All but id, address, cluster, restore, join and system are set: paths below the folder, and a new
 * key pair. */
void node_plan(struct init_node *node, const char *folder);
void node_free(struct init_node *node);
/* What others are told about it. */
struct raft_member node_member(const struct init_node *node);

/* False, with a sentence in why, where a file of this node exists already. */
bool node_check_free(const struct init_node *node, char *why);
/* Makes the files; members NULL: the members file is left to the user. */
bool node_make(const struct init_node *node, const struct raft_config *members, char *why);

#endif
