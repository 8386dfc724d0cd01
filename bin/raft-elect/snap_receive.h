/* SPDX-License-Identifier: ISC */
/*
 * The follower's side of a snapshot's way: pieces from the present leader go to raft-logd, its
 * answers go back. Once raft-logd has it all, the core decides what becomes of it.
 */
#ifndef ELECT_SNAP_RECEIVE_H
#define ELECT_SNAP_RECEIVE_H

#include "raft/raft.h"
#include "wire/message.h"

struct node;

enum { INBOX_PIECES_MAX = 16 };

struct snap_receive {
	struct node *node;
	/* Pieces that raft-logd has not answered yet, in order. */
	struct {
		uint64_t request;
		struct raft_id from;
		struct raft_pos pos;
		struct raft_hash hash;
	} pieces[INBOX_PIECES_MAX];
	size_t pieces_count;
	uint64_t requests;
	/* Of a complete snapshot, told before the answer that says so; sessions NULL: none. */
	struct raft_pos pos;
	uint64_t level; /* 0: not told, so 1 */
	uint64_t time;
	struct raft_contract_at contract;
	struct raft_config config;
	struct raft_sessions *sessions;
};

/* A piece.  From anybody but the leader of this term it is dropped. */
void snap_receive_chunk(struct snap_receive *snap_receive, const struct raft_id *from,
    const struct msg_raft_snap_chunk *chunk);
/* raft-logd's answers: what is wrong with them, one sentence, or NULL. */
const char *snap_receive_ready(
    struct snap_receive *snap_receive, const struct msg_snap_ready *ready);
const char *snap_receive_level(struct snap_receive *snap_receive, const struct msg_snap_level *m);
const char *snap_receive_contract(
    struct snap_receive *snap_receive, const struct msg_snap_contract *m);
const char *snap_receive_taken(
    struct snap_receive *snap_receive, const struct msg_snap_taken *taken);
/* raft-logd is gone. */
void snap_receive_clear(struct snap_receive *snap_receive);

#endif
