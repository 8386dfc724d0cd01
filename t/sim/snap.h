/* SPDX-License-Identifier: ISC */
/*
 * Snapshots: what raft-logd keeps as the beginning of a log, and its slow way to
 * another node.
 *
 * Logs here hold rows from index 1 on in any case, for the checks; `cut` says which of them
 * a disk could still read.  The session table is the only content of a snapshot that matters to
 * a core: it travels with it, and is not made anew from the rows.
 */
#ifndef SIM_SNAP_H
#define SIM_SNAP_H

#include "raft/raft.h"
#include "tree.h"

struct sim;
struct node;
struct disk;

struct snap {
	struct tnode *at; /* the last entry that is in it; NULL: there is none */
	struct raft_sessions *sessions;
};
enum { SNAPS_READY = 8, COURIERS_MAX = 64 };

/* One sending, chunk by chunk. */
struct courier {
	bool used;
	uint8_t from, to;
	uint32_t incarnation; /* of the sender */
	uint32_t epoch;       /* of the pair's transport */
	unsigned left;        /* chunks */
	bool ok;              /* how it ended */
	struct snap snap;
};

/* A core asks for a snapshot to be sent. */
void snap_send(struct sim *sim, struct node *node, size_t to);
/* The next chunk of a sending. */
void snap_chunk(struct sim *sim, size_t courier);
/* The sender's core hears of the end. */
void snap_sent(struct sim *sim, struct node *node, size_t courier);
/* The receiver's core hears that it is there. */
void snap_ready(struct sim *sim, struct node *node, size_t slot);
/* For a write that installs; fails when it is not there. */
struct snap snap_take_ready(struct sim *sim, struct node *node, struct raft_pos pos);
/* The disk does; takes *snap. */
void snap_install(struct sim *sim, struct node *node, struct snap *snap);
/* raft-logd may compact now. */
void snap_compact_some(struct sim *sim, struct node *node);
/* A new elector is not told of what came for the old one.  How many that were. */
size_t snap_forget_ready(struct disk *disk);
void snap_free(struct sim *sim);

#endif
