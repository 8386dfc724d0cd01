/* SPDX-License-Identifier: ISC */
/*
 * One node of a cluster: a core, its elector's incarnations, its clock, its disk.
 *
 * Plays the part of raft-elect: hands events to the core, performs its updates,
 * and lets check.c look at every one of them first.
 */
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "raft/raft.h"
#include "disk.h"
#include "tree.h"
#include "world.h"

struct sim;

enum { CLOCK_TRUE = 1000000 };
struct clock {
	uint64_t base_us; /* at this time of the world it showed base_ms */
	uint64_t base_ms;
	uint64_t rate_ppm;
};

/* CLOCK_BOOTTIME, which is not stopped. */
struct boot_clock {
	uint64_t base_ms;
	uint64_t rate_ppm;
};

/* What a fetch will bring, as it was read. */
struct fetched {
	uint64_t request;
	uint64_t first_index;
	struct raft_entry *entries;
	size_t count, size;
	bool used;
};

struct node {
	uint8_t number;
	struct raft_id id;
	struct raft *core; /* NULL: no elector runs */
	uint32_t incarnation;
	bool dead; /* for ever */
	bool paused, frozen;
	bool up_waits; /* for its raft-logd, whose transaction has not ended */
	struct clock clock;
	struct boot_clock boot;
	uint64_t timeout_ms;   /* its election timeout; 0: that of the profile */
	uint64_t granted_ms;   /* what it has granted, at the most, by its boot clock */
	uint64_t level_max;    /* of its program */
	uint64_t wall_base_ms; /* its wall clock when the world began */
	struct disk disk;

	/* What its core has said so far. */
	struct slog issued;          /* the log, durable or not */
	struct tnode **session_last; /* by number: the session's last entry in it */
	struct raft_status status;
	enum raft_role role;
	uint64_t term, commit;
	const struct tnode *config_seen;     /* its configuration when that was last compared */
	struct membership before_write;      /* its configuration before the last write */
	uint64_t match[SIM_NODES_MAX];       /* as leader */
	uint64_t heard_start[SIM_NODES_MAX]; /* the start number in a peer's last append reply */
	bool reborn[SIM_NODES_MAX];          /* another one since its match was last looked at */
	uint64_t write_number, write_term;   /* of its last write */
	int write_vote;

	bool gathered; /* the update at hand is of several events */
	bool flush_pending;
	bool turn;             /* all that comes before the FLUSH is one turn of its loop */
	uint64_t wake_us;      /* when its timer is due; UINT64_MAX: not at all */
	uint64_t posted_us;    /* the WAKE on the heap that will see to it; UINT64_MAX: none */
	uint64_t silent_steps; /* updates since time moved */
	struct mono_ms silent_since;
	struct world_event *backlog;
	size_t backlog_count, backlog_size;
};

void node_init(struct sim *sim, size_t number);
void node_free(struct node *node);
struct mono_ms node_now(const struct sim *sim, const struct node *node);
void node_set_rate(struct sim *sim, struct node *node, uint64_t rate_ppm);
/* An elector connects to its raft-logd and starts. */
void node_up(struct sim *sim, struct node *node);
/* It is gone, with all that it knew. */
void node_elector_down(struct sim *sim, struct node *node);
/* Posts its return. */
void node_up_after(struct sim *sim, struct node *node, uint64_t after_us);
void node_pause(struct sim *sim, struct node *node, bool frozen, uint64_t for_us);
void node_resume(struct sim *sim, struct node *node);
/* Its clock was moved: it looks at it. */
void node_wake_now(struct sim *sim, struct node *node);
/* Its disk is no longer stalled. */
void node_run_again(struct sim *sim, struct node *node);
/* An event of the world that concerns this node. */
void node_world_event(struct sim *sim, struct node *node, const struct world_event *event);
/* Whether a client could reach it. */
bool node_serves(const struct node *node);
/* Hands an event to its core. Before: it has one. */
void node_event(struct sim *sim, struct node *node, struct raft_event *event);
/* Notes what its log holds of each session above `from`. */
void node_session_rows(struct node *node, uint64_t from);
void node_propose(struct sim *sim, struct node *node, const struct raft_proposal *proposal);
void node_read(struct sim *sim, struct node *node, uint64_t ticket);

#endif
