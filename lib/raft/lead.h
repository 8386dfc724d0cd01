/* SPDX-License-Identifier: ISC */
/* Grants: what the core keeps for them (lead.c).  A part of core.h. */
#ifndef RAFT_LEAD_H
#define RAFT_LEAD_H

#include "array.h"

struct raft;
struct raft_append;
struct raft_peer;

/* A round of heartbeats, and when it began. */
struct raft_lead_round {
	uint64_t number;
	uint64_t boot_ms;
};

struct raft_lead {
	struct raft_lead_times {
		uint64_t timeout; /* election timeout, milliseconds */
		uint64_t grace;
	} heard,            /* the largest in appends of leaders since this core began */
	    reported;       /* the largest in the replies to this candidate */
	uint64_t begins_ms; /* leader: nothing is granted before */
	RAFT_QUEUE(struct raft_lead_round) rounds; /* leader: those that may be acknowledged */
};

/* What a voter reports; zero below level 3. */
struct raft_lead_times raft_lead_report(const struct raft *raft);
/* An append is sent: with this leader's times, if the peer can read them. */
void raft_lead_append(
    const struct raft *raft, const struct raft_peer *peer, struct raft_append *append);
/* The peer has reported its level. */
void raft_lead_peer(const struct raft *raft, struct raft_peer *peer);
void raft_lead_heard(struct raft_lead_times *times, uint64_t timeout, uint64_t grace);
/* This node was elected. */
void raft_lead_begin(struct raft *raft);
/* A round begins. */
void raft_lead_round(struct raft *raft);

#endif
