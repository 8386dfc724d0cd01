/* SPDX-License-Identifier: ISC */
/*
 * The leader's side of a snapshot's way to a peer (§5.3): reads it from raft-logd piece by piece,
 * and sends the pieces in class bulk, a small window ahead of what the peer has acknowledged.
 *
 * A transfer goes on at the place that the peer names, whatever broke before.  It is given up when
 * nothing has moved for a while, and dropped when this node leads no more.  All transfers share the
 * one snapshot that raft-logd keeps open for this connection; who needs a newer one waits until
 * they are over.
 */
#ifndef ELECT_SNAP_SEND_H
#define ELECT_SNAP_SEND_H

#include "raft/raft.h"
#include "wire/message.h"

struct node;

enum { COURIER_PIECE_SIZE = 256 << 10, COURIER_WINDOW = 4, COURIER_AT_ONCE = 4 };

struct snap_transfer {
	bool used;
	bool running; /* else it waits for its turn, or for raft-logd */
	struct raft_id peer;
	uint64_t acked;          /* the peer has so much */
	uint64_t sent;           /* so much was sent, or is being read */
	bool asked;              /* what the peer wants has been asked, and not yet been answered */
	uint64_t reading;        /* number of the read under way; 0: none */
	uint64_t pace_ms;        /* between the last two moves */
	struct mono_ms moved_at; /* when the peer's answer last moved it on */
	struct mono_ms asked_at;
	struct mono_ms began_at;
};

struct snap_send {
	struct node *node;
	struct snap_transfer transfers[RAFT_MEMBERS_MAX];
	bool opening; /* raft-logd has been asked */
	bool opened;
	uint64_t open_request;
	struct raft_pos pos; /* of the one that is open */
	uint64_t size;
	struct raft_hash hash;
	uint64_t requests;
};

/* The core wants this peer to have a snapshot. */
void snap_send_begin(struct snap_send *snap_send, const struct raft_id *peer);
/* raft-logd's answers. */
void snap_send_opened(struct snap_send *snap_send, const struct msg_snap_opened *opened);
void snap_send_data(struct snap_send *snap_send, const struct msg_snap_data *data);
/* The peer's answer. */
void snap_send_ack(
    struct snap_send *snap_send, const struct raft_id *from, const struct msg_raft_snap_ack *ack);
/* At the end of a turn; when it wants the next one, UINT64_MAX: never. */
uint64_t snap_send_turn(struct snap_send *snap_send, struct mono_ms now);
/* Nothing is sent any more: the core is gone, or leads no more. */
void snap_send_clear(struct snap_send *snap_send);
/* A line for each transfer. */
void snap_send_status(const struct snap_send *snap_send, struct wire_buf *text);

#endif
