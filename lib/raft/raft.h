/* SPDX-License-Identifier: ISC */
/*
 * lib/raft: the pure core of Raft.
 *
 * No I/O, no clock, no stdio, no globals, no errno: one function takes an event
 * and says what is to be done.  Time comes with each event, randomness from a
 * seed, and the disk is asynchronous: the core numbers its writes, the caller
 * performs them in order and reports each number once it is durable.  Nothing
 * that depends on a write leaves the core before that report (§3.8, §10.2.1):
 * the caller may send every message of an update at once, before, while or
 * after it writes.
 *
 * Ownership: what an event points to is the caller's and is copied (chunks:
 * referenced) by the core; what an update points to is the core's and is valid
 * until the next call of raft_step or raft_free.
 *
 * Errors: the core never fails on input.  A malformed or impossible message is
 * dropped and counted.  Memory: raft_new returns NULL; later on a failed
 * allocation ends the process through raft_must_fail, since a half-made change
 * is worse than a restart.
 */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "contract.h"
#include "fields.def"
#include "reason.h"
#include "session.h"
#include "types.h"

struct raft;

#define RAFT_ROLES(R)                                                                              \
	R(FOLLOWER, "follower")                                                                    \
	R(PRE_CANDIDATE, "pre-candidate")                                                          \
	R(CANDIDATE, "candidate")                                                                  \
	R(LEADER, "leader")
enum raft_role {
#define R(NAME, text) RAFT_##NAME,
	RAFT_ROLES(R)
#undef R
	    RAFT_ROLES_COUNT
};
const char *raft_role_name(enum raft_role role);

/* Limits and times, from raft.yaml; all must be set.  Sizes are bytes of records. */
struct raft_settings {
	struct raft_id id;
	uint64_t seed;
	uint64_t election_timeout_ms; /* E: randomised in [E, 2E) */
	uint64_t heartbeat_ms;
	uint64_t lead_grace_ms; /* a command that only the leader runs has this long to end */
	/* How long a commit index may wait for an append to be sent with; 0: it does not wait. */
	uint64_t commit_wait_ms;
	uint64_t store_timeout_ms;     /* a leader whose disk is silent for longer steps down */
	uint64_t message_size_max;     /* records in one append message */
	uint64_t window_size_max;      /* records in flight to one peer */
	uint32_t window_messages_max;  /* messages in flight to one peer */
	uint64_t uncommitted_size_max; /* beyond it proposals are refused as BUSY */
	uint64_t tail_size_max;        /* committed records kept in memory for slow peers */
	uint64_t entry_size_max;       /* data of one entry */
	uint64_t level_max;            /* reported and brought about; RAFT_LEVEL_MAX but in tests */
	/*
	 * Addresses to put into the log once (the first configuration has none): a
	 * leader whose configuration lacks addresses appends one with those given here for
	 * the members of the same id and key.  count 0: nothing to add.
	 */
	struct raft_config addresses;
};

/* A configuration and the index of its entry. */
struct raft_config_at {
	uint64_t index;
	struct raft_config config;
};

/* Where a run of one term begins; the run ends where the next begins. */
struct raft_term_start {
	uint64_t index;
	uint64_t term;
};

/*
 * What a node's log says at start, as raft-logd tells it.  All of it is durable.
 * Pointers are copied.
 */
struct raft_start {
	uint64_t term;
	struct raft_id vote;
	uint64_t start_number; /* random and new at each start; never 0 */
	struct raft_pos
	    before; /* the place before the first entry: (0, 0) or the snapshot's last */
	struct raft_pos last;
	struct raft_pos commit; /* known committed; at least `before` */
	/* Terms of all entries in (before, last]; the first run begins at before.index + 1. */
	const struct raft_term_start *terms;
	size_t terms_count;
	/* The last configuration at or below commit, then all above it; at least one, rising. */
	const struct raft_config_at *configs;
	size_t configs_count;
	/* The session table at commit. Taken over by the core, also when raft_new fails. */
	struct raft_sessions *sessions;
	uint64_t level;                   /* in force at commit; 1 at the least */
	uint64_t time;                    /* in the last stamp at or below commit; 0: none */
	struct raft_contract_at contract; /* in force at commit */
	/* Entries (commit, last], all of them. */
	const struct raft_entry *entries;
	size_t entries_count;
	/*
	 * The log went backwards (damage, an old copy): until it equals a leader's log
	 * again this node neither votes nor stands.  mark_valid false: not even its former
	 * term and vote are known (mark_term is 0 then).
	 */
	bool recovering;
	bool mark_valid;
	uint64_t mark_term;
	bool full; /* the disk takes no entries now */
};

/* ------------------------------------------------------------ messages */

#define RAFT_MESSAGES(M)                                                                           \
	M(VOTE, vote, "vote")                                                                      \
	M(VOTE_REPLY, vote_reply, "vote_reply")                                                    \
	M(APPEND, append, "append")                                                                \
	M(APPEND_REPLY, append_reply, "append_reply")                                              \
	M(PROPOSE, propose, "propose")                                                             \
	M(ANSWER, answer, "answer")                                                                \
	M(READ, read, "read")                                                                      \
	M(READ_REPLY, read_reply, "read_reply")                                                    \
	M(TIMEOUT_NOW, timeout_now,                                                                \
	    "timeout_now") /* stand at once (§3.10); nothing but the term */                      \
	M(TRANSFER, transfer, "transfer")
enum raft_message_type {
#define M(NAME, name, text) RAFT_MSG_##NAME,
	RAFT_MESSAGES(M)
#undef M
	    RAFT_MESSAGES_COUNT
};
const char *raft_message_name(enum raft_message_type type);

/* A struct for each message, of the fields in fields.def; timeout_now has none. */
#define RAFT_C_u64(field) uint64_t field;
#define RAFT_C_opt(field) uint64_t field;
#define RAFT_C_flag(field) bool field;
#define RAFT_C_pos(field) struct raft_pos field;
#define RAFT_C_id(field) struct raft_id field;
#define RAFT_C_verdict(field) enum raft_verdict field;
#define RAFT_C_reason(field) enum raft_reason field;
#define RAFT_C_entries(field)                                                                      \
	const struct raft_entry *field;                                                            \
	size_t field##_count;
#define X(F, type, field) RAFT_C_##type(field)
struct raft_vote {
	RAFT_FIELDS_vote(X, )
};
struct raft_vote_reply {
	RAFT_FIELDS_vote_reply(X, )
};
/* Of either form: below level 3 timeout and grace are 0, and are not sent. */
struct raft_append {
	RAFT_FIELDS_append_lead(X, )
};
struct raft_append_reply {
	RAFT_FIELDS_append_reply(X, )
};
struct raft_propose {
	RAFT_FIELDS_propose(X, )
};
struct raft_answer {
	RAFT_FIELDS_answer(X, )
};
struct raft_read {
	RAFT_FIELDS_read(X, )
};
struct raft_read_reply {
	RAFT_FIELDS_read_reply(X, )
};
struct raft_transfer {
	RAFT_FIELDS_transfer(X, )
};
struct raft_timeout_now {
	char nothing;
};
#undef X

struct raft_message {
	enum raft_message_type type;
	struct raft_id from;
	struct raft_id to;
	uint64_t term;
	union {
#define M(NAME, name, text) struct raft_##name name;
		RAFT_MESSAGES(M)
#undef M
	};
};

/* -------------------------------------------------------------- events */

#define RAFT_EVENTS(E)                                                                             \
	E(TIME, "time")               /* nothing but the clock; also: flush what has gathered */   \
	E(MESSAGE, "message")         /* from a peer */                                            \
	E(STORED, "stored")           /* all writes up to `number` are durable */                  \
	E(DISK, "disk")               /* the disk became full, or has room again */                \
	E(FETCHED, "fetched")         /* entries asked for in an update were read back */          \
	E(PROPOSE, "propose")         /* from a client of this node */                             \
	E(READ, "read")               /* from a client of this node */                             \
	E(UNREACHABLE, "unreachable") /* what was sent to a peer may be lost */                    \
	E(TRANSFER, "transfer")       /* leadership is to go to another node (§3.10) */           \
	E(COMPACTED, "compacted")     /* the beginning of the own log was cut */                   \
	E(SNAPSHOT_READY, "snapshot_ready") /* a leader's snapshot is on this node's disk */       \
	E(SNAPSHOT_SENT, "snapshot_sent")   /* the end of a sending that an update asked for */
enum raft_event_type {
#define E(NAME, text) RAFT_EVENT_##NAME,
	RAFT_EVENTS(E)
#undef E
	    RAFT_EVENTS_COUNT
};

/*
 * A client's proposal: entries of one session with consecutive serials, all CLIENT;
 * or one NOOP (a barrier), SESSION_OPEN, CURSOR_OPEN, SESSION_DROP, ACK with its serial, CONTRACT,
 * or CONFIG, whose data is then a change (raft_change_encode) that the leader makes a configuration
 * of.  `ticket` names it in the answers: one or more, which together cover each serial once.
 */
struct raft_proposal {
	uint64_t ticket;
	uint64_t fence; /* refuse unless the leader's term is this; 0: any */
	uint64_t epoch; /* named session or cursor: its epoch; CONTRACT: the index of the one it
			   replaces */
	uint64_t
	    seen; /* anonymous session: the highest index its client had seen when it was made */
	uint32_t uid; /* the client's, for the origin of its entries; RAFT_UID_NONE: not known */
	const struct raft_entry *entries;
	size_t entries_count;
};

/*
 * A whole snapshot of another node, durable here but not yet this log's beginning.  config, level,
 * time, contract and sessions are those at its place.
 */
struct raft_snapshot {
	struct raft_pos pos;
	uint64_t level;
	uint64_t time;
	struct raft_contract_at contract;
	const struct raft_config *config;
	struct raft_sessions *sessions; /* taken over by the core, in any case */
};

struct raft_event {
	enum raft_event_type type;
	struct mono_ms now; /* never goes back */
	uint64_t wall_ms;   /* milliseconds since the epoch, UTC, at most RAFT_TIME_MAX: may leap */
	uint64_t boot_ms;   /* as now, but time in suspend counts: CLOCK_BOOTTIME; for grants */
	union {
		const struct raft_message *message;
		uint64_t stored_number;
		bool disk_full;
		struct {
			uint64_t request;
			uint64_t first_index;
			const struct raft_entry *entries;
			size_t entries_count; /* 0: they can't be had */
		} fetched;
		const struct raft_proposal *proposal;
		uint64_t read_ticket;
		struct raft_id unreachable;
		/*
		 * Answered once, as one entry without serial.  COMMITTED: the target has stood for
		 * pos.term and deposed this leader.
		 */
		struct {
			uint64_t ticket;
			struct raft_id target; /* nobody: the best one */
		} transfer;
		struct raft_pos compacted; /* the place before the first entry now; durable */
		const struct raft_snapshot *snapshot;
		struct {
			struct raft_id peer;
			bool ok;        /* its disk has it */
			uint64_t index; /* the snapshot's */
		} sent;
	};
};

/* -------------------------------------------------------------- update */

/*
 * One write: to be made durable whole or not at all, in order of number.  The
 * order inside: truncate, then append, with term and vote, in one transaction.
 */
struct raft_write {
	uint64_t number; /* 0: there is nothing to write */
	uint64_t term;
	struct raft_id vote;
	bool truncate; /* first remove all entries above truncate_after */
	uint64_t truncate_after;
	uint64_t first_index;
	const struct raft_entry *entries;
	size_t entries_count;
	bool recovered; /* clears `recovering`, in this very transaction */
	/* First of all the log is replaced by the snapshot of this place, which was reported as
	 * ready. */
	bool install;
	struct raft_pos install_pos;
};

/* The answer to a local proposal; start_number and request in it mean nothing. */
struct raft_ticket_answer {
	uint64_t ticket;
	struct raft_answer answer;
};

struct raft_read_answer {
	uint64_t ticket;
	bool ok;
	uint64_t index; /* ok: a state machine that has applied up to it may answer */
	enum raft_reason reason;
};

/* Entries wanted back from the disk, for a slow peer. */
struct raft_fetch {
	uint64_t request;
	uint64_t first_index;
	uint64_t size_max; /* at least one entry, whatever its size */
};

/* A peer needs a snapshot: the newest one there is; SNAPSHOT_SENT ends it. */
struct raft_snapshot_send {
	struct raft_id peer;
};

struct raft_update {
	struct raft_write write;
	bool commit_changed;
	struct raft_pos commit;
	const struct raft_message *messages; /* in order, per peer */
	size_t messages_count;
	const struct raft_ticket_answer *answers;
	size_t answers_count;
	const struct raft_read_answer *reads;
	size_t reads_count;
	const struct raft_fetch *fetches;
	size_t fetches_count;
	const struct raft_snapshot_send *snapshots;
	size_t snapshots_count;
	bool state_changed;     /* role, term or leader */
	const char *why;        /* of the last change of role, one line without newline; "" */
	enum raft_role was;     /* role before that change */
	bool config_changed;    /* the configuration in force: raft_config_now() */
	struct mono_ms wake_at; /* send a TIME event then, at the latest */
};

/*
 * A node that has just started.  Source: §3.4, §3.8.
 * Before: start comes from a durable log.  Errors: NULL when there is no memory.
 */
struct raft *raft_new(
    const struct raft_settings *settings, const struct raft_start *start, struct mono_ms now);
void raft_free(struct raft *raft);

/*
 * Takes one event.  With update NULL more events follow at once: what is to be
 * done gathers, and the next call that has an update tells it all, so that a
 * loop turn makes one write and one message a peer.
 */
void raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update);

/* Whether a command that only the leader may run, may run here. */
enum raft_grant_state {
	RAFT_GRANT_NONE,  /* this node does not lead */
	RAFT_GRANT_WAIT,  /* it leads, and grants nothing now */
	RAFT_GRANT_LEVEL, /* it would, but the cluster is below RAFT_LEVEL_LEAD */
	RAFT_GRANT_GIVEN
};
struct raft_grant {
	enum raft_grant_state state;
	uint64_t term;
	uint64_t until_ms; /* GIVEN: it must have ended by then, in terms of boot_ms; may be past */
};
/* As of the last step.  lead.c has the rule. */
struct raft_grant raft_grant_now(const struct raft *raft);

/*
 * Whether proposals should be held back at their source: half of uncommitted_size_max is waiting.
 */
bool raft_congested(const struct raft *raft);

/* -------------------------------------------------------- observation */

struct raft_peer_status {
	struct raft_id id;
	enum raft_member_role role;
	const char *state; /* "probe", "pipeline", "fetch", "snapshot", "self" */
	uint64_t match;
	uint64_t next;
	uint64_t in_flight;
	uint64_t heard_ms; /* since its last reply; UINT64_MAX: never */
	uint64_t level;    /* the highest one that it supports; 0: not known */
	uint64_t clock;    /* in its last reply; 0: not known */
	uint64_t first;    /* likewise: the first index that its log still has */
	bool recovering;
};
struct raft_status {
	struct raft_id id;
	enum raft_role role;
	uint64_t term;
	struct raft_id vote;
	struct raft_id leader; /* nobody: none is known */
	struct raft_pos before, last, commit;
	uint64_t durable; /* own log is durable up to here */
	uint64_t uncommitted_size;
	uint64_t tail_size;
	uint64_t elections; /* begun since start */
	uint64_t dropped;   /* messages that made no sense */
	bool recovering;
	bool full;
	struct raft_id transfer; /* the target of a transfer under way; nobody: none is */
	bool stalled;            /* the disk has been silent for longer than store_timeout_ms */
	uint64_t level;          /* in force at commit */
	uint64_t level_min;      /* leader: the lowest level of all members; 0: not known */
	uint64_t time;           /* in the last stamp of the log; 0: none */
	uint64_t contract;       /* index of the one in force at commit; 0: none */
	size_t peers_count;
	struct raft_peer_status peers[RAFT_MEMBERS_MAX];
};
void raft_status(const struct raft *raft, struct mono_ms now, struct raft_status *status);
const struct raft_config *raft_config_now(const struct raft *raft);
/* The index of the last configuration that is known committed; 0: the beginning.  That in force may
 * be newer. */
uint64_t raft_config_index(const struct raft *raft);
/* That index if this node's id is among those removed, which are never used again; else 0. */
uint64_t raft_removed(const struct raft *raft);
/* The term of the entry at index; false when it is not in [before.index, last.index]. */
bool raft_term_at(const struct raft *raft, uint64_t index, uint64_t *term);
/* NULL when the entry is not in memory.  Valid until the next step. */
const struct raft_entry *raft_entry_at(const struct raft *raft, uint64_t index);
/* The session table at the commit index: for tests and the simulator. */
struct raft_sessions *raft_sessions_committed(struct raft *raft);

#endif
