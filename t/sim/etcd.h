/* SPDX-License-Identifier: ISC */
/*
 * The trace of a run in the event form of etcd-io/raft, one JSON object a line: what that
 * project's TLA+ specification validates traces with.  README says what stands for what.
 *
 * The writer knows what the specification would make of each line (its messages under way,
 * its leader's match indexes), so that it can leave out what the specification takes for
 * lost, and say where a run goes beyond it.
 */
#ifndef SIM_ETCD_H
#define SIM_ETCD_H

#include "raft/raft.h"

#include <stdio.h>

struct sim;
struct node;
struct etcd;

struct etcd *etcd_new(FILE *out);
/* Takes NULL. */
void etcd_free(struct etcd *etcd);
/* Each does nothing in a run without sim->trace.etcd. */
/* A core was made, and has not had its first event. */
void etcd_start(struct sim *sim, struct node *node);
/* After each event, with an update or without. */
void etcd_step(struct sim *sim, struct node *node, const struct raft_event *event);
/* After etcd_step, where there is an update. */
void etcd_update(struct sim *sim, struct node *node, const struct raft_update *update);
/* A snapshot of the entries up to index begins to leave. */
void etcd_snapshot(struct sim *sim, struct node *node, size_t to, uint64_t index);

#endif
