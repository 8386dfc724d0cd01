/* SPDX-License-Identifier: ISC */
/*
 * The leader's side of a snapshot's way to a peer (§5.3): reads it from raft-logd piece by piece, and sends the
 * pieces in class bulk, a small window ahead of what the peer has acknowledged.
 *
 * A transfer goes on at the place that the peer names, whatever broke before.  It is given up when nothing has moved
 * for a while, and dropped when this node leads no more.  All transfers share the one snapshot that raft-logd
 * keeps open for this connection; who needs a newer one waits until they are over.
 */
#ifndef ELECT_COURIER_H
#define ELECT_COURIER_H

#include "../../lib/raft/raft.h"
#include "../../lib/wire/message.h"

struct node;

enum { COURIER_PIECE_SIZE = 256 << 10, COURIER_WINDOW = 4, COURIER_AT_ONCE = 4 };

struct transfer {
	bool used;
	bool running; /* else it waits for its turn, or for raft-logd */
	struct raft_id peer;
	uint64_t acked;   /* the peer has so much */
	uint64_t sent;    /* so much was sent, or is being read */
	bool asked;       /* what the peer wants has been asked, and not yet been answered */
	uint64_t reading; /* number of the read under way; 0: none */
	uint64_t pace_ms;        /* between the last two moves */
	struct mono_ms moved_at; /* when the peer's answer last moved it on */
	struct mono_ms asked_at;
	struct mono_ms began_at;
};

struct courier {
	struct node *node;
	struct transfer transfers[RAFT_MEMBERS_MAX];
	bool opening; /* raft-logd has been asked */
	bool opened;
	uint64_t open_request;
	struct raft_pos pos; /* of the one that is open */
	uint64_t size;
	struct wire_hash hash;
	uint64_t requests;
};

/* The core wants this peer to have a snapshot. */
void courier_begin(struct courier *courier, const struct raft_id *peer);
/* raft-logd's answers. */
void courier_opened(struct courier *courier, const struct msg_snap_opened *opened);
void courier_data(struct courier *courier, const struct msg_snap_data *data);
/* The peer's answer. */
void courier_ack(struct courier *courier, const struct raft_id *from, const struct msg_raft_snap_ack *ack);
/* At the end of a turn; when it wants the next one, UINT64_MAX: never. */
uint64_t courier_turn(struct courier *courier, struct mono_ms now);
/* Nothing is sent any more: the core is gone, or leads no more. */
void courier_clear(struct courier *courier);
/* A line for each transfer. */
void courier_status(const struct courier *courier, struct wire_buf *text);

#endif
