/* SPDX-License-Identifier: ISC */
/*
 * The words of the specification, and a line of its trace.
 */
#ifndef SIM_ETCD_LINE_H
#define SIM_ETCD_LINE_H

#include "profile.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { ETCD_NOBODY = -1 };

#define ETCD_ROLES(R)                                                                              \
	R(FOLLOWER, "StateFollower") R(CANDIDATE, "StateCandidate") R(LEADER, "StateLeader")
enum etcd_role {
#define R(NAME, text) ETCD_##NAME,
	ETCD_ROLES(R)
#undef R
	    ETCD_ROLES_COUNT
};

#define ETCD_EVENTS(E)                                                                             \
	E(INIT, "InitState")                                                                       \
	E(BECOME_FOLLOWER, "BecomeFollower")                                                       \
	E(BECOME_CANDIDATE, "BecomeCandidate")                                                     \
	E(BECOME_LEADER, "BecomeLeader")                                                           \
	E(COMMIT, "Commit")                                                                        \
	E(REPLICATE, "Replicate")                                                                  \
	E(CHANGE_CONF, "ChangeConf")                                                               \
	E(APPLY_CONF, "ApplyConfChange")                                                           \
	E(READY, "Ready")
enum etcd_event {
#define E(NAME, text) ETCD_##NAME,
	ETCD_EVENTS(E)
#undef E
	    ETCD_EVENTS_COUNT
};

/* Type and what its lines are called: "Send" or "Receive", and this. */
#define ETCD_MESSAGES(M)                                                                           \
	M(APP, "MsgApp", "AppendEntriesRequest")                                                   \
	M(APP_RESP, "MsgAppResp", "AppendEntriesResponse")                                         \
	M(VOTE, "MsgVote", "RequestVoteRequest")                                                   \
	M(VOTE_RESP, "MsgVoteResp", "RequestVoteResponse")                                         \
	M(SNAP, "MsgSnap", "AppendEntriesRequest")
enum etcd_type {
#define M(NAME, type, text) ETCD_MSG_##NAME,
	ETCD_MESSAGES(M)
#undef M
	    ETCD_MESSAGES_COUNT
};

/* What a node is to the specification. */
struct etcd_state {
	uint64_t term, commit, last;
	int vote;
	enum etcd_role role;
	uint16_t voters; /* bits by number; of the last configuration that is committed here */
};

struct etcd_message {
	enum etcd_type type;
	int from, to;
	uint64_t term;
	uint64_t entries; /* how many */
	uint64_t log_term, index, commit, hint;
	bool reject;
	bool sent; /* a reply is due from the moment of the request, and leaves later */
};

struct etcd_line {
	FILE *out;
	uint64_t at_us; /* of the last line */
	unsigned same;  /* lines before it at that time */
	uint64_t count;
};

void etcd_line_event(struct etcd_line *line, uint64_t now_us, int node, enum etcd_event event,
    const struct etcd_state *state);
/* op: "AddNewServer", "AddLearner", "RemoveServer". */
void etcd_line_change(struct etcd_line *line, uint64_t now_us, int node,
    const struct etcd_state *state, const char *op, int member);
void etcd_line_apply(struct etcd_line *line, uint64_t now_us, int node,
    const struct etcd_state *state, uint16_t voters);
void etcd_line_received(struct etcd_line *line, uint64_t now_us, const struct etcd_state *state,
    const struct etcd_message *message);
/* next 0: what the leader knows of the peer is not told. */
void etcd_line_sent(struct etcd_line *line, uint64_t now_us, const struct etcd_state *state,
    const struct etcd_message *message, uint64_t match, uint64_t next);
/* Not a line of the form: it has another tag, and the specification skips it. */
void etcd_line_beyond(struct etcd_line *line, uint64_t now_us, int node, const char *why);

#endif
