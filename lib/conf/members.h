/* SPDX-License-Identifier: ISC */
/* A list of members: read from a tree node, printed one flow mapping a line. */
#ifndef CONF_MEMBERS_H
#define CONF_MEMBERS_H

#include <stdio.h>

#include "conf.h"
#include "tree.h"

/* False with one sentence in why; the members come out sorted by id. */
bool members_read(struct raft_config *members, struct conf_cluster_id *id, const struct tree *tree,
    const struct tree_node *list, char *why);
/* Each line begins with `indent`. */
void members_print(FILE *out, const struct raft_config *members, const struct conf_cluster_id *id,
    const char *indent);

#endif
