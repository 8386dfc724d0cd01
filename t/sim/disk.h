/* SPDX-License-Identifier: ISC */
/*
 * A model of raft-logd and its disk: rows, term and vote, commit mark, sessions.
 *
 * Writes are numbered and run in order, all that is waiting in one transaction.
 * A crash loses what was not complete, whole transactions at a time.  A planted
 * loss brings back an older state, or cuts the log at a damaged entry; then the
 * rules for starting make the node `recovering`.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "raft/raft.h"
#include "profile.h"
#include "snap.h"
#include "tree.h"

struct sim;
struct node;

enum { DISK_PAST = 16, DISK_NOBODY = -1 };

struct disk_write {
	uint64_t number; /* 0: only tells the commit index */
	uint64_t term;
	int vote;
	uint64_t after; /* what remains of the log before its rows; UINT64_MAX: no truncation */
	bool recovered;
	struct raft_pos commit;
	struct snap install; /* first of all the log becomes this; at NULL: no */
	struct tnode **rows;
	size_t count, size;
	uint32_t incarnation; /* of the elector that asked */
};

/* What a completed transaction left: what a lost tail can bring back. */
struct disk_past {
	uint64_t term;
	int vote;
	struct tnode *tail;
	uint64_t commit;
};

struct disk {
	struct slog rows; /* from 1 on, but only those above `cut` can be read */
	struct snap snap; /* the log's beginning, at `cut` */
	uint64_t cut;
	struct snap ready[SNAPS_READY]; /* from leaders, not (yet) installed */
	size_t ready_next;
	const struct tnode *partial; /* what an unfinished transfer left, of which snapshot */
	unsigned partial_left;
	uint64_t term;
	int vote;
	uint64_t commit;                /* as raft-logd knows it */
	uint64_t commit_stored;         /* as it is on disk */
	struct raft_sessions *sessions; /* at commit */
	struct raft_sessions *base;     /* at base_index: what the last restart made; may be NULL */
	uint64_t base_index;
	bool recovering, mark_valid;
	uint64_t mark_term;
	uint64_t forgotten;      /* the highest term whose vote a loss may have taken */
	struct tnode *lost_tail; /* while recovering: what was there before the loss */
	bool full, stalled, busy;
	bool hung; /* its transaction would be over, were it not stalled */
	bool commit_timer;
	size_t taken;             /* writes in the running transaction */
	uint32_t generation;      /* of raft-logd */
	uint64_t stored_us;       /* when the last report arrives: a socket keeps order */
	struct disk_write *queue; /* a ring, size is a power of two */
	size_t head, count, size;
	struct disk_past past[DISK_PAST];
	struct disk_past before; /* the last rise of its term */
	uint64_t transactions;
	/* for raft_start */
	struct raft_term_start *terms;
	struct raft_config_at *configs;
	struct raft_entry *entries;
	size_t terms_size, configs_size, entries_size;
};

void disk_init(struct disk *disk);
void disk_free(struct disk *disk);
/* rows: the entries of the write, as tree nodes. */
void disk_write(
    struct sim *sim, struct node *node, const struct raft_write *write, struct tnode **rows);
void disk_tell_commit(struct sim *sim, struct node *node, struct raft_pos commit);
/* Begins a transaction when there is something to do and nothing in the way. */
void disk_kick(struct sim *sim, struct node *node);
void disk_transaction_done(struct sim *sim, struct node *node);
void disk_idle_commit(struct sim *sim, struct node *node);
/* The elector is gone: what it had asked for and was not begun is discarded unread. */
void disk_discard(struct sim *sim, struct node *node);
/* raft-logd is gone: the running transaction happened or not. */
void disk_crash(struct sim *sim, struct node *node);
/* What raft-logd tells a new elector.  The arrays are the disk's; the sessions are given away. */
struct raft_start disk_start(struct sim *sim, struct node *node, const struct raft_config *first);
/* After a crash: an older state comes back. */
void disk_lose(struct sim *sim, struct node *node, bool mark_valid);
/* After a crash: the state before its term last rose comes back. */
void disk_lose_term(struct sim *sim, struct node *node, bool mark_valid);
/* After a crash: the state of the last transaction that ended at index comes back, or what is now
 * up to there. */
void disk_lose_to(struct sim *sim, struct node *node, uint64_t index, bool mark_valid);
/* After a crash: nothing is left, the snapshot and the mark neither; only who it is. */
void disk_wipe(struct sim *sim, struct node *node);
/* After a crash: the entry at index and all above it can't be read. */
void disk_damage(struct sim *sim, struct node *node, uint64_t index);
void disk_set_full(struct sim *sim, struct node *node, bool full);
/* raft-logd cuts the beginning: after index there is a snapshot.  cut < index <= commit. */
void disk_compact(struct sim *sim, struct node *node, uint64_t index);
/* A report to the elector, in order with all others. */
void disk_report(struct sim *sim, struct node *node, uint8_t kind, uint64_t value);
void disk_run_again(struct sim *sim, struct node *node);
/* Whether the row was durable here, now or before a planted loss that is not yet healed. */
bool disk_held(const struct disk *disk, const struct tnode *tnode);

#endif
