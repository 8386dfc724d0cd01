/* SPDX-License-Identifier: ISC */
/*
 * mode: machine, shared by its files.  Each calls those above it in this list, never one below; so
 * what has to follow an event, as sending what can be sent now, is done by the caller.
 *
 *   machine_terms.c    the delivery contracts of the log
 *   machine_put.c      one request out
 *   machine_breach.c   --try: what was expected in the place of a fault
 *   machine_end.c      which phase may follow which; an incarnation is brought to its end
 *   machine_snap.c     snapshots: when, and how far
 *   machine_agree.c    does the contract agree with the configuration?
 *   machine_ahead.c    one whose state is ahead of this node's log: late, or of another history?
 *   machine_chain.c    is the program's state of this log?  the chain where its entries begin
 *   machine_restore.c  where an incarnation begins: ready, restore, gaps
 *   machine_ask.c      what clients ask
 *   machine_try.c      --try: what is asked in their place
 *   machine_feed.c     requests out, replies in, the deadline
 *   machine_life.c     incarnations: start, end, poison
 *   machine.c          the mode: start, stop, orders, events
 */
#ifndef FSM_MACHINE_H
#define FSM_MACHINE_H

#include "ask.h"
#include "unix/backoff.h"
#include "unix/timer.h"
#include "wire/origin.h"
#include "contracts.h"
#include "feed.h"
#include "offer.h"
#include "pending.h"
#include "program.h"
#include "source.h"
#include "replies.h"
#include "reply.h"
#include "trial.h"

enum { MACHINE_WHY_SIZE = 512 };

/* Of the incarnation. */
enum machine_phase {
	PHASE_DOWN,
	PHASE_HELLO,     /* runs, has not said ready */
	PHASE_FINDING,   /* is ready; raft-logd is asked for a snapshot, and for the contracts */
	PHASE_AHEAD,     /* is ready with entries that this node does not know to be committed */
	PHASE_RESTORING, /* has been told to restore */
	PHASE_CHAIN,     /* raft-logd is asked for the chain where it begins */
	PHASE_FEEDING,
	PHASE_ENDING /* its input is closed, or it is being killed */
};

enum snap_step {
	SNAP_IDLE,
	SNAP_PATH,    /* raft-logd is asked for a place */
	SNAP_READY,   /* there is one: the program is told at the next chance */
	SNAP_WRITING, /* the program has been told */
	SNAP_STORING  /* raft-logd makes it durable */
};
#define SNAP_STEPS                                                                                 \
	{                                                                                          \
		"idle", "asking", "ready", "writing", "storing"                                    \
	}

/* Of --try: what comes next. */
enum trial_step { TRIAL_ENTRIES, TRIAL_QUERIES, TRIAL_ANSWERS, TRIAL_END };

/* Entries and their bytes. */
struct amount {
	uint64_t entries;
	uint64_t bytes;
};

struct machine_snap {
	enum snap_step step;
	char *path;          /* from raft-logd, until it is stored or given up */
	uint64_t index;      /* of the newest one known; 0: none */
	uint64_t label;      /* of the one being made */
	struct amount since; /* answered or sent, since the last one */
	struct amount saved; /* what since was before this one */
	struct backoff backoff;
	struct mono_ms retry_at;    /* not by policy before */
	char why[MACHINE_WHY_SIZE]; /* the last one failed; "" */
	struct asks now, next;      /* orders that wait for this one; for the one after it */
};

/* The delivery contract. */
struct machine_terms {
	struct raft_contract own; /* what the configuration says */
	uint64_t level;           /* of the cluster, as far as it is known */
	struct contracts known;
	bool waiting;               /* nothing is given before the log has one */
	char why[MACHINE_WHY_SIZE]; /* nothing is given any longer, when all is answered it is held;
				       "" */
	uint64_t unfit_at;          /* an entry that it cannot be given; 0: none */
	struct offer *offer;        /* NULL: none is proposed */
	struct timer *again;
	struct backoff pause;
};
enum { FIELDS_SIZE_MAX = 21 + WIRE_ORIGIN_SIZE + 1 + 2 * REPLY_CHAIN_BYTES + 1 };

/* The newest snapshot, as raft-logd said last. */
struct found {
	bool known;           /* it is the answer to the last question */
	uint64_t index, size; /* 0: none */
	char *format, *path;
};

struct output {
	uv_poll_t poll;
	struct machine *machine; /* NULL: no longer of interest */
	int fd;
};

struct machine {
	struct fsm *fsm;
	bool netstring;
	struct feed *feed;     /* NULL: its input is closed */
	struct output *output; /* NULL: its output is closed */
	struct reply_reader in;
	struct batch batch;

	enum machine_phase phase;
	uint64_t base;        /* it began behind this one */
	uint64_t sent;        /* all up to here has been put, or was nothing to deliver */
	uint64_t last_client; /* the last client entry in its state, once it has answered all */
	uint64_t durable;     /* as it says */
	char said[REPLY_CHAIN_SIZE]; /* the chain that it said with ready; "" */
	struct raft_hash chain;      /* of the log at sent; only where it is a field */
	bool
	    unverified; /* whether its state is of this history is not known: it must be restored */
	uint64_t gap_first; /* the first entry left, when what it needs is gone; 0: not so */
	bool restored;      /* this incarnation was */
	bool restore_refused;
	struct pending pending;
	struct replies *replies;

	struct timer *deadline;
	uint64_t armed_ms;    /* the patience that it was set for */
	struct mono_ms moved; /* when the oldest request became the oldest */

	char fault[MACHINE_WHY_SIZE]; /* of this incarnation; "" */
	struct read_index
	    *read_index; /* what the cluster has committed is asked there; NULL: was never needed */
	const char *closed;  /* which end of its own it closed first; NULL: none */
	bool restart;        /* at the end of this incarnation, at once */
	bool greeted;        /* it has said ready */
	bool stopping, held; /* held: stopped until fsm restart */

	/* Entries that are fed singly, because one of them ended an incarnation. */
	uint64_t single_from, single_to;
	uint64_t suspect; /* the first unanswered one when it died */
	unsigned deaths;  /* at it, fed singly */

	struct machine_terms terms;
	struct found found;
	struct machine_snap snap;
	struct asks queries, waits; /* waits: for replies */

	enum trial_step trial_step; /* of --try */
	size_t trial_query;         /* the next one to put */
	uint64_t trial_asked;       /* the queries have been asked after this entry */
	bool trial_snapped;         /* the snapshot has been asked for */
	bool trial_cut;             /* the request without its end has been put */
	bool trial_over;            /* it has been killed, as was wanted */
};

/* machine_terms.c */
/* The contract that governs this entry; without one what the configuration says. */
const struct raft_contract *machine_terms_at(const struct machine *m, uint64_t index);
/* Whether the chain is a field. */
bool machine_terms_chain(const struct machine *m);
/* An answer of raft-logd.  False: it is malformed. */
bool machine_terms_take(struct machine *m, uint64_t level, struct wire_bytes records);
/* Whether the newest contract is not what the configuration says; then why says so. */
bool machine_terms_differ(const struct machine *m, char why[MACHINE_WHY_SIZE]);
/* Whether the log has no contract, and must have one. */
bool machine_terms_none(const struct machine *m);
/* An entry of no client goes by. */
void machine_terms_met(struct machine *m, uint64_t index, const struct raft_entry *entry);
/* False, and machine_terms_stop: the program cannot be given this entry, and not do without it. */
bool machine_terms_deliverable(struct machine *m, uint64_t index, const struct raft_entry *entry);
/* Whether it is given no entry now. */
bool machine_terms_stop(const struct machine *m);
/* The fields of an entry, a blank after each.  Bytes written. */
size_t machine_terms_fields(const struct machine *m, char out[FIELDS_SIZE_MAX], uint64_t index,
    const struct raft_entry *entry);

/* machine_put.c */
/* All up to here is answered. */
uint64_t machine_answered(const struct machine *m);
/* Puts a query, or a request whose data fits; returns it. */
struct pending_one *machine_put(
    struct machine *m, enum request_kind kind, const void *data, size_t size);
void machine_put_entry(struct machine *m, uint64_t index, const struct raft_entry *entry);

/* machine_breach.c */
/* Ends --try with the sentence, and with what was expected. */
_Noreturn void machine_breach(struct machine *m, const char *sentence);
/* Likewise, where what was expected is no answer. */
_Noreturn void machine_breach_of(
    struct machine *m, enum trial_breach of, const char *sentence, const char *expected);

/* machine_end.c */
/* The one place where the phase changes. */
void machine_enter(struct machine *m, enum machine_phase phase);
/* An error of this incarnation: said, the group killed, a new one after a back-off. */
void machine_fault(struct machine *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Its input ends after what has been begun; then it has stop_timeout. */
void machine_end(struct machine *m);
/* Likewise, and the next one follows at once. */
void machine_again(struct machine *m, const char *why);
/* No further incarnation until fsm restart. */
void machine_hold(struct machine *m, enum fsm_state state, const char *why);
/* Closes its input, now or when what has been begun is written. */
void machine_close_input(struct machine *m);
/* Closes its output. */
void machine_deaf(struct machine *m);
/* No answer will come: refuses all that waits. */
void machine_refuse_all(struct machine *m, const char *why);

/* machine_snap.c */
/* The phase is FINDING: asks for the newest one, and then for the contracts. */
void machine_snap_find(struct machine *m);
/* Begins one if it is time. */
void machine_snap_policy(struct machine *m);
void machine_snap_order(struct machine *m, struct ask *ask);
/* A place for one, or why there is none. */
void machine_snap_path(struct machine *m, const char *path, const char *why);
/* Lets it write a snapshot to this file, at the next chance. */
void machine_snap_to(struct machine *m, const char *path);
/* Puts the request, when there is a place and the program is fed. */
void machine_snap_put(struct machine *m);
void machine_snap_written(struct machine *m, bool ok, struct wire_bytes why);
/* A source call. */
void machine_snap_added(bool ok, uint64_t index, const char *why, void *arg);
/* The program died, or is ended. */
void machine_snap_lost(struct machine *m, const char *why);

/* machine_agree.c */
void machine_agree_start(struct machine *m);
/* Whether the program may be given entries.  If not now: it is held, or raft-logd is asked again.
 */
bool machine_agree(struct machine *m);
/* Likewise of one that is held; it stays so, or may be started again. */
bool machine_agree_again(struct machine *m);
/* It stops for this reason, when all before is answered. */
void machine_agree_hold(struct machine *m, const char *why);

/* machine_ahead.c */
/* Before: raft-logd has just answered, and base is above the commit index that it last told. */
void machine_ahead(struct machine *m);
/* More is committed here; only in PHASE_AHEAD. */
void machine_ahead_heard(struct machine *m);

/* machine_chain.c */
/* Entries follow after index, as soon as the chain there is known and agrees with the program's. */
void machine_feed_from(struct machine *m, uint64_t index);
/* Whether it says no chain of an entry that was given with one. */
bool machine_chain_missing(const struct machine *m);
/* It is unverified, and no snapshot helps, for this reason. */
void machine_chain_hold(struct machine *m, const char *none);
/* A source call's. */
void machine_chain_found(struct machine *m, bool found, const struct raft_hash *hash);

/* machine_restore.c */
/* It has said ready. */
void machine_greeted(struct machine *m, const struct reply *ready);
void machine_snap_found(struct machine *m, const struct source_snapshot *found);
/* The contracts are known, and agree: where does it begin? */
void machine_begin(struct machine *m);
/* Puts the request to restore this file, whose state is that after the entry index. */
void machine_restore(struct machine *m, const char *path, uint64_t index);
void machine_restored(struct machine *m, bool ok, struct wire_bytes why);
/* A source call. */
void machine_gap(uint64_t wanted, uint64_t first_available, void *arg);

/* machine_ask.c */
void machine_ask(struct machine *m, struct ask *ask);
/* Answers those whose time has come. */
void machine_serve(struct machine *m);
/* Puts queries whose time has come. */
void machine_put_queries(struct machine *m);

/* machine_try.c: only with --try */
/* It has said ready. */
void machine_try_ready(struct machine *m, const struct reply *ready);
/* The log of the trial has this chain where entries follow. */
void machine_try_chain(struct machine *m, const struct raft_hash *hash);
void machine_try_restored(struct machine *m);
/* There are no more lines. */
void machine_try_no_more(struct machine *m);
/* Whether queries or a snapshot come before the next entry. */
bool machine_try_due(const struct machine *m);
/* Puts what comes between the lines and after them.  True when something was put. */
bool machine_try_fill(struct machine *m);
/* It says that all up to here is durable, which may be wrong. */
void machine_try_durable(struct machine *m, uint64_t index);
/* Prints an answer as a client would get it, or records it.  Before: its request is the oldest. */
void machine_try_answer(struct machine *m, enum wire_reply_state state, struct wire_bytes data);
/* Ends it when all is answered. */
void machine_try_end(struct machine *m);
/* It has ended. */
_Noreturn void machine_try_over(struct machine *m, const char *how);
/* It does not end. */
_Noreturn void machine_try_late(struct machine *m);

/* machine_feed.c */
/* Sends what can be sent, and watches the oldest request. */
void machine_pump(struct machine *m);
/* Takes the program's output over. */
void machine_listen(struct machine *m, int fd);
/* Takes what is there. */
void machine_hear(struct machine *m);
/* Watches the oldest request; machine_on_deadline is the timer's. */
void machine_watch(struct machine *m);
void machine_on_deadline(void *arg);

/* machine_life.c */
extern const struct program_calls machine_program_calls;

#endif
