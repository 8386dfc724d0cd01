/* SPDX-License-Identifier: ISC */
/*
 * The node: the pure core, and its life cycle.
 *
 * While raft-logd is not there, there is no core.  Once raft-logd has told its log the core
 * is made from it; when raft-logd goes, what was proposed and not answered is answered unknown, the
 * core is thrown away, and all begins anew from what raft-logd says then.
 *
 * Everything that happens in a turn of the loop becomes a step of the core; at the end of the turn
 * one update says what is to be done, and perform.c does it.
 */
#ifndef ELECT_NODE_H
#define ELECT_NODE_H

#include "conf/conf.h"
#include "raft/raft.h"
#include "clients.h"
#include "snap_send.h"
#include "snap_receive.h"
#include "session_open.h"
#include "peerd.h"
#include "logd.h"
#include "tickets.h"

struct node {
	const struct conf *conf;
	struct loop *loop;
	struct raft *raft;        /* NULL while raft-logd is not there */
	uint64_t start_number;    /* of this core; 0: none */
	struct raft_hash cluster; /* as raft-logd says; zero until it has */
	struct raft_pos commit;   /* of this core; (0, 0): none */
	uint64_t removed;         /* the entry by which this node was removed; 0: it was not */
	enum raft_role role;      /* of this core, as last said */
	uint64_t term;
	struct raft_id leader;
	struct raft_config noticed; /* by notice_members */
	bool in_turn;               /* the core has been told the time of this turn */
	bool unreachable;           /* messages to peers were lost, and the core is to be told */
	size_t fed;                 /* bytes given to the core since the last update */
	uv_timer_t timer;
	uint64_t timer_ms; /* it fires then, if it is active */
	bool stopping;
	struct mono_ms stop_at;
	struct logd_link logd;
	struct peerd_link peerd;
	struct elect_clients clients;
	struct tickets tickets;
	struct session_opens session_opens;
	struct snap_send snap_send;
	struct snap_receive snap_receive;
};

/*
 * Listens for clients and begins to look for raft-logd and raft-peerd.  Errors: exits with
 * one sentence.
 */
void node_open(struct node *node, const struct conf *conf, struct loop *loop);
/* Takes no more from clients, hands leadership over, gives those that wait a second, then stops the
 * loop. */
void node_stop(struct node *node);

/*
 * A step of the core; nothing without one.  Sets the event's time.  size: bytes that came with it,
 * so that no update grows beyond what fits into a frame.
 */
void node_step(struct node *node, struct raft_event *event, size_t size);

/* raft-logd has told its log: the core begins.  Takes start->sessions over. */
void node_log_ready(
    struct node *node, const struct msg_hello_reply *reply, struct raft_start *start);
/* raft-logd is gone: the core ends. */
void node_log_lost(struct node *node);
/* Messages to all peers may have been lost. */
void node_peers_lost(struct node *node);
/*
 * Looks whether what is committed now removes this node.  True, and logged, the first time that it
 * does.
 */
bool node_now_removed(struct node *node);
/* Says the change of state, to the log and to who watches. */
void node_state_changed(struct node *node, const char *from, const char *why);
/* "voter" or "learner". */
const char *node_member_role(const struct raft_member *member);
/* "none" while there is no core. */
const char *node_role_name(const struct node *node);

#endif
