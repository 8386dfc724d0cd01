/* SPDX-License-Identifier: ISC */
/* What raft-elect tells of itself, as logfmt lines.  raft-elect(8) names the keys. */
#ifndef ELECT_STATUS_H
#define ELECT_STATUS_H

#include "wire/buf.h"

struct node;

/* One line: role, term, leader. */
void status_state(struct wire_buf *text, const struct node *node);
/* Answers to query_text; arg: the struct node. */
/* One line of its own, and one for each member. */
void status_text(void *arg, struct wire_buf *text);
/* The configuration in force, a line per member; nothing while there is no core. */
void status_members(void *arg, struct wire_buf *text);

#endif
