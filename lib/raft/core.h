/* SPDX-License-Identifier: ISC */
/*
 * The inside of the core: what its files share, and nobody else includes.
 *
 * One file a role or RPC.  Each part below names its file.  The dispatcher and
 * the update are in step.c.  All allocation goes through raft_grow or ends in
 * raft_must_fail; nothing here fails half-way.
 *
 * must() states what holds before and after a function of substance, mostly in pairs: where
 * a value is written and where it is read again (a write and its confirmation, an entry that is
 * admitted and its session, what is sent and what is in flight).  It is on in every build, so
 * it costs a comparison or two, never a walk over the log.  It says what this code makes true,
 * never what others say: a message, a client's request, an answer of the disk is checked and
 * dropped before anything rests on it.  Before you add one, ask which peer, client or damaged
 * file could make it false.
 */
#ifndef RAFT_CORE_H
#define RAFT_CORE_H

#include "array.h"
#include "lead.h"
#include "raft.h"
#include "rlog.h"

/* A term that rises by more than this in one message is absurd, and the message is dropped. */
#define RAFT_TERM_JUMP_MAX (UINT64_C(1) << 32)
/* No log is longer: a disk counts with 63 bits. */
#define RAFT_INDEX_MAX (UINT64_C(1) << 62)
/* Nobody stands for a term beyond this: it can't come about, and it can't overflow. */
#define RAFT_TERM_MAX (UINT64_MAX - 1)

enum {
	CORE_WHY_SIZE = 128,
	CORE_PENDING_MAX = 65536,        /* answers that wait for a commit */
	CORE_READS_MAX = 65536,          /* reads that wait for their round */
	CORE_FORWARDS_MAX = 65536,       /* proposals and reads at the leader */
	CORE_DUPLICATE_SCAN_MAX = 65536, /* entries looked at to find the index of a duplicate */
	CORE_OLD_STARTS = 4              /* earlier incarnations of a peer that are remembered */
};

/* -------------------------------------------------------------- store.c */

struct raft_store_write {
	uint64_t number;
	uint64_t base; /* entries above it are its own, or of later writes */
	bool truncates;
	struct mono_ms issued;
};

/*
 * What the disk has been asked for and what it has confirmed.  An entry is
 * durable only when the write that last wrote its index is confirmed.
 */
struct raft_store {
	uint64_t number;      /* of the last write issued */
	uint64_t stored;      /* all up to here are durable */
	uint64_t written;     /* entries up to here are in writes that were issued */
	uint64_t durable;     /* entries up to here are durable */
	bool truncate;        /* pending: the next write first removes all above `written` */
	bool hard_dirty;      /* term or vote changed since the last write */
	uint64_t hard_number; /* the write that holds the present term and vote */
	bool recovered_wanted;
	uint64_t recovered_number;
	bool install; /* pending: the next write replaces the log by the snapshot at install_pos */
	struct raft_pos install_pos;
	uint64_t install_number;                    /* the last write that did */
	RAFT_QUEUE(struct raft_store_write) writes; /* issued, not confirmed */
	size_t truncates_count;                     /* of those */
};

/* The number of the write with which the present term and vote are durable. */
uint64_t raft_store_hard_number(const struct raft_store *store);
bool raft_store_hard_durable(const struct raft_store *store);
void raft_store_truncated(struct raft_store *store, uint64_t after);
/* The whole log is that of a snapshot. */
void raft_store_install(struct raft_store *store, struct raft_pos pos);
void raft_store_take(struct raft *raft, struct raft_write *write);
/* False when no such write is outstanding. */
bool raft_store_confirm(struct raft *raft, uint64_t number);
bool raft_store_stalled(const struct raft *raft, struct mono_ms now);
/* How long the oldest unconfirmed write has been under way; 0: there is none. */
uint64_t raft_store_silence_ms(const struct raft *raft, struct mono_ms now);

/* ---------------------------------------------------------------- out.c */

/*
 * What leaves with the next update.  Messages that rest on a term or vote that
 * is not yet durable wait here, in order.
 */
struct raft_out {
	struct raft_message *messages;
	uint64_t *after;           /* the write that must be durable before it leaves */
	struct raft_entry **owned; /* copies of entries that it carries, or NULL */
	size_t messages_count;
	size_t messages_size;
	size_t after_size;
	size_t owned_size;
	size_t messages_ready; /* told in the last update */
	struct raft_ticket_answer *answers;
	size_t answers_count, answers_size;
	struct raft_read_answer *reads;
	size_t reads_count, reads_size;
	struct raft_fetch *fetches;
	size_t fetches_count, fetches_size;
	struct raft_snapshot_send *snapshots;
	size_t snapshots_count, snapshots_size;
	bool taken; /* by the caller: goes away at the next step */
};

/* A zeroed message with type, from, to and the present term; fill it in before the next push. */
struct raft_message *raft_out_message(
    struct raft *raft, enum raft_message_type type, const struct raft_id *to);
/* The last message carries these entries, which raft_stamp_copy made, and frees them. */
void raft_out_own_entries(
    struct raft *raft, struct raft_propose *propose, struct raft_entry *copy, size_t count);
void raft_out_answer(struct raft *raft, uint64_t ticket, const struct raft_answer *answer);
void raft_out_read(struct raft *raft, const struct raft_read_answer *answer);
void raft_out_fetch(struct raft *raft, const struct raft_fetch *fetch);
void raft_out_snapshot(struct raft *raft, const struct raft_id *peer);
void raft_out_take(struct raft *raft, struct raft_update *update);
void raft_out_release(struct raft *raft);
void raft_out_free(struct raft *raft);

/* ---------------------------------------------------------------- why.c */

void raft_why_start(struct raft *raft, const char *text);
void raft_why_text(struct raft *raft, const char *text);
void raft_why_number(struct raft *raft, uint64_t number);
void raft_why_id(struct raft *raft, const struct raft_id *id);

/* ----------------------------------------------------- election.c, role.c */

/* Term, role and leader change only here. why: said before with why_*. */
void raft_role_follow(struct raft *raft, uint64_t term, const struct raft_id *leader);
void raft_role_set(struct raft *raft, enum raft_role role, const struct raft_id *leader);
/* A higher term in a message ends whatever this node was. */
void raft_role_higher_term(
    struct raft *raft, const struct raft_message *message, const struct raft_id *leader);

void raft_election_timer_start(struct raft *raft);
void raft_election_timer_reset(struct raft *raft);
void raft_election_timer_shorten(struct raft *raft);
void raft_election_tick(struct raft *raft);
/* §3.10: the leader wants this node to lead. */
void raft_election_at_once(struct raft *raft, const struct raft_id *leader);
void raft_election_vote(struct raft *raft, const struct raft_message *message);
void raft_election_vote_reply(struct raft *raft, const struct raft_message *message);
/* The own vote counts once it is durable. */
void raft_election_stored(struct raft *raft);

/* ------------------------------------------------- append.c: the follower */

void raft_append_receive(struct raft *raft, const struct raft_message *message);
/* The reply that is due, if any; called once an update. */
void raft_append_acknowledge(struct raft *raft);
/* A new leader or term: nothing is verified yet. */
void raft_append_reset(struct raft *raft);

/* --------------------------------------------- progress.c, replicate.c */

enum raft_progress_state { PROGRESS_PROBE, PROGRESS_PIPELINE, PROGRESS_SNAPSHOT };

struct raft_flight {
	uint64_t last;
	uint64_t size;
	uint64_t before; /* bytes in flight before it */
	struct mono_ms sent_at;
};

/* Of a peer that is no member any more. */
#define RAFT_LEAVING ((enum raft_member_role)0)

/* A member other than this node, and what a leader knows of it. */
struct raft_peer {
	struct raft_id id;
	enum raft_member_role role; /* RAFT_LEAVING: removed, and to be told so */
	uint64_t leaving_index;     /* the configuration without it */
	struct mono_ms leaving_until;
	/* this election */
	bool vote_granted;
	/* replication (§3.5, §10.2.1) */
	enum raft_progress_state state;
	uint64_t match;              /* durable there, for certain */
	uint64_t accepted;           /* matched there, durable or not; at least match */
	uint64_t next;               /* the first entry not yet sent; in PROBE: to be tried */
	bool paused;                 /* PROBE: a message is under way, or nobody answers */
	bool snapshot_asked;         /* SNAPSHOT: one is being sent */
	struct mono_ms snapshot_at;  /* SNAPSHOT: not before */
	uint64_t probe_last;         /* PROBE: accepted at or above it ends the probe */
	struct raft_flight *flights; /* PIPELINE: a ring of window_messages_max */
	size_t flights_head;
	size_t flights_count;
	uint64_t flights_size; /* bytes */
	/* How much may be in flight is found out, up to the setting. */
	uint64_t window_size;
	uint64_t quickest_ms;     /* of a small message that went alone, or any quicker one */
	struct mono_ms slowed_at; /* what was sent before it says nothing of the present window */
	/* Loss is found by a round: what was sent before the round and is not accepted after it. */
	uint64_t check_round; /* 0: none under way */
	uint64_t check_last;
	uint64_t round_acked;
	bool round_due;
	uint64_t commit_sent;
	struct mono_ms commit_at; /* a newer one is sent then, if not before; 0: there is none */
	bool commit_wanted;       /* a newer one does not wait */
	bool heard;
	struct mono_ms heard_at;
	/* reading back */
	uint64_t fetch_request;     /* 0: none under way */
	struct raft_entry *fetched; /* from index `next` on, until sent */
	size_t fetched_count;
	bool fetched_sent;
	/* incarnation and recovery */
	uint64_t start_number;
	uint64_t level;      /* as reported to this leader; 0: not yet */
	uint64_t lead_round; /* what it acknowledges from here on carried the times; 0: nothing */
	uint64_t clock;      /* likewise: its wall clock in its last reply */
	uint64_t first;      /* likewise: the first index that its log has */
	uint64_t old_starts[CORE_OLD_STARTS];
	bool recovering;
	bool mark_valid;
	uint64_t contact_last;  /* own last index when it was heard to recover */
	uint64_t contact_round; /* rounds from here on carry its number; 0: no contact */
	bool contact_noop;      /* the no-op of this contact is appended */
	uint64_t clean_commit;
	/* forwarded proposals are taken once, in order */
	uint64_t propose_start;
	uint64_t propose_request;
};

struct raft_peer *raft_peer_find(struct raft *raft, const struct raft_id *id);
/* The leader heard it within an election timeout; and its log is whole. */
bool raft_peer_near(const struct raft *raft, const struct raft_peer *peer);
bool raft_peer_well(const struct raft *raft, const struct raft_peer *peer);
/* After any change of configuration: keeps those who stay. */
void raft_peers_update(struct raft *raft);
void raft_peers_free(struct raft *raft);
/* Forgets removed members that have heard of it, or all of them. */
void raft_peers_leave(struct raft *raft, bool all);

void raft_progress_reset(struct raft *raft, struct raft_peer *peer);
void raft_progress_probe(struct raft *raft, struct raft_peer *peer, uint64_t next);
/* What it needs is compacted away. */
void raft_progress_snapshot(struct raft_peer *peer);
void raft_progress_pause(struct raft *raft, struct raft_peer *peer);
void raft_progress_check(struct raft *raft, struct raft_peer *peer);
void raft_progress_sent(struct raft *raft, struct raft_peer *peer, uint64_t last, uint64_t size);
bool raft_progress_window_open(const struct raft *raft, const struct raft_peer *peer);
/* Records in one message: a quarter of what may be in flight, at most the setting. */
uint64_t raft_progress_message_max(const struct raft *raft, const struct raft_peer *peer);
void raft_progress_accepted(
    struct raft *raft, struct raft_peer *peer, uint64_t match, uint64_t accepted, uint64_t round);
void raft_progress_refused(
    struct raft *raft, struct raft_peer *peer, uint64_t refused, struct raft_pos hint);
void raft_progress_fetch_forget(struct raft_peer *peer);
const char *raft_progress_name(const struct raft *raft, const struct raft_peer *peer);

void raft_replicate_reply(struct raft *raft, const struct raft_message *message);
void raft_replicate_fetched(struct raft *raft, const struct raft_event *event);
void raft_replicate_unreachable(struct raft *raft, const struct raft_id *id);
/* An answer goes to the peer, whose own state machine may be asked next: so does the commit index.
 */
void raft_replicate_hasten(struct raft *raft, const struct raft_id *id);
/* Sends what is due to each peer; called once an update. */
void raft_replicate_flush(struct raft *raft);
/* Frees what the last update pointed to. */
void raft_replicate_release(struct raft *raft);

/* Who asked: a client here, or one at another node. */
struct raft_origin {
	bool local;
	uint64_t ticket;
	struct raft_id from;
	uint64_t start_number;
	uint64_t request;
	uint32_t uid; /* of that client; RAFT_UID_NONE: not known */
};

/* ------------------------------------------------------------- stamp.c */

/* Whether what is appended or forwarded now carries stamps. */
bool raft_stamps_wanted(const struct raft *raft);
/* origin NULL: the entry is of the leader's own making. */
struct raft_stamp raft_stamp_now(const struct raft *raft, const struct raft_origin *origin);
/*
 * The entries with this term and stamp, or without one (NULL), in a new array and a chunk of their
 * own, on which each holds a reference: raft_stamp_copy_free.
 */
struct raft_entry *raft_stamp_copy(
    const struct raft_entry *entries, size_t count, uint64_t term, const struct raft_stamp *stamp);
void raft_stamp_copy_free(struct raft_entry *copy, size_t count);
/* The level that all members, learners included, have reported to this leader; 0: not all have. */
uint64_t raft_level_min(const struct raft *raft);
/* Appends a LEVEL entry when all members support more than the log has. */
void raft_level_tick(struct raft *raft);

/* ------------------------------------------------- leader.c, quorum.c */

void raft_leader_begin(struct raft *raft);
void raft_leader_end(struct raft *raft);
/* Steps down when no quorum is heard, or the own disk is silent. */
void raft_leader_check(struct raft *raft);
void raft_leader_tick(struct raft *raft);
/* Appends an entry that the leader makes; origin: who asked for it, NULL: the leader itself. */
void raft_leader_append_own(struct raft *raft, enum raft_kind kind, const uint8_t *data,
    uint32_t data_size, const struct raft_origin *origin);
void raft_leader_append_noop(struct raft *raft);
/* Appends copies of the entries, with the present term and, from level 2 on, a stamp. */
void raft_leader_append_all(struct raft *raft, const struct raft_entry *entries, size_t count,
    const struct raft_origin *origin);
void raft_leader_append_config(
    struct raft *raft, const struct raft_config *config, const struct raft_origin *origin);
void raft_leader_addresses(struct raft *raft);
void raft_leader_disk(struct raft *raft);

/* ------------------------------------------------------------ change.c */

/* The configuration after the change; refused: config is then worth nothing. */
enum raft_reason raft_change_apply(struct raft_config *config, const struct raft_change *change);
/* Before: the shape is right, and this node leads. */
void raft_change_admit(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal);
void raft_change_tick(struct raft *raft);
/* A leader that is no voter any more steps down once that is committed; after all has been sent. */
bool raft_change_leaves(const struct raft *raft); /* it does so with this update */
void raft_change_leave(struct raft *raft);

bool raft_quorum_sole_voter(const struct raft *raft);
bool raft_quorum_self_votes(const struct raft *raft);
/*
 * §4.2.2: votes, or was removed or demoted by an entry that is not known to be committed: until
 * that is, nobody else may have a log that is good enough to lead.
 */
bool raft_quorum_self_needed(const struct raft *raft);
size_t raft_quorum_size(const struct raft *raft);
/* The largest value that a majority of voters reaches; value(NULL) is the own one. */
uint64_t raft_quorum_value(const struct raft *raft,
    uint64_t (*value)(const struct raft *raft, const struct raft_peer *peer),
    const struct raft_peer *without);
void raft_quorum_commit(struct raft *raft);
uint64_t raft_quorum_match_without(const struct raft *raft, const struct raft_peer *without);
uint64_t raft_quorum_round(const struct raft *raft);
/* The same of appends that carried this leader's times (lead.c). */
uint64_t raft_quorum_lead_round(const struct raft *raft);
struct mono_ms raft_quorum_heard(const struct raft *raft);
/* Commit rises to index: sessions, answers, configurations. */
void raft_commit_advance(struct raft *raft, uint64_t index);
/* The own term has a committed entry. */
bool raft_commit_own_term(const struct raft *raft);

/* ------------------------- propose.c, admit.c, answer.c, forward.c, read.c */

/* An answer that waits for its last entry to be committed. */
struct raft_pending {
	struct raft_origin origin;
	struct raft_answer answer;
	uint64_t wait; /* an index */
};

void raft_propose_local(struct raft *raft, const struct raft_proposal *proposal);
void raft_propose_message(struct raft *raft, const struct raft_message *message);
void raft_propose_refuse(struct raft *raft, const struct raft_origin *origin,
    const struct raft_proposal *proposal, enum raft_reason reason);
/* Before: the shape is right, and this node leads. */
void raft_admit(
    struct raft *raft, const struct raft_origin *origin, const struct raft_proposal *proposal);

void raft_answer_give(
    struct raft *raft, const struct raft_origin *origin, const struct raft_answer *answer);
void raft_answer_refuse(struct raft *raft, const struct raft_origin *origin, uint64_t serial,
    uint64_t count, enum raft_reason reason);
void raft_answer_later(struct raft *raft, const struct raft_origin *origin,
    const struct raft_answer *answer, uint64_t wait);
void raft_answer_committed(struct raft *raft);
void raft_answer_stepped_down(struct raft *raft);
bool raft_answer_room(const struct raft *raft);

/* Serials of a proposal at the leader, not yet answered. */
struct raft_forward {
	uint64_t request;
	uint64_t ticket;
	uint64_t serial;
	uint64_t count;
	uint64_t size;
	struct mono_ms deadline;
};
struct raft_forwards {
	RAFT_QUEUE(struct raft_forward) queue; /* request rises */
	uint64_t bytes;
	uint64_t answered; /* the newest request of which something is committed */
	struct mono_ms answered_at;
};
void raft_forward_propose(struct raft *raft, const struct raft_proposal *proposal);
void raft_forward_answer(struct raft *raft, const struct raft_message *message);
void raft_forward_fail(struct raft *raft, enum raft_reason reason);
void raft_forward_tick(struct raft *raft);
/* When it has to be called next; there must be some. */
uint64_t raft_forward_deadline(const struct raft *raft);

void raft_forward_transfer(struct raft *raft, uint64_t ticket, const struct raft_id *target);

/* ---------------------------------------------------------- transfer.c */

struct raft_transfer_state {
	bool active; /* no proposals are admitted meanwhile */
	bool sent;   /* the target has been told to stand */
	struct raft_id target;
	struct raft_origin origin;
	struct mono_ms deadline;
};
void raft_transfer_local(struct raft *raft, uint64_t ticket, const struct raft_id *target);
void raft_transfer_message(struct raft *raft, const struct raft_message *message);
void raft_transfer_timeout_now(struct raft *raft, const struct raft_message *message);
void raft_transfer_tick(struct raft *raft);
/* A leader that goes tells one that has its whole log to stand at once, if there is one. */
void raft_transfer_nudge(struct raft *raft);
/* A request for votes with a higher term is about to end this leader's term. */
void raft_transfer_deposed(struct raft *raft, const struct raft_message *message);
/* The leader is none any more. */
void raft_transfer_end(struct raft *raft);

/* A read at the leader. */
struct raft_read_wait {
	struct raft_origin origin;
	uint64_t index;
	uint64_t round;
};
/* A read that went to the leader. */
struct raft_read_forward {
	uint64_t request;
	uint64_t ticket;
	struct mono_ms deadline;
};
struct raft_reads {
	struct raft_read_wait *waits;
	size_t waits_count, waits_size;
	struct raft_read_forward *forwards;
	size_t forwards_count, forwards_size;
};
void raft_read_local(struct raft *raft, uint64_t ticket);
void raft_read_message(struct raft *raft, const struct raft_message *message);
void raft_read_reply(struct raft *raft, const struct raft_message *message);
void raft_read_confirm(struct raft *raft);
void raft_read_stepped_down(struct raft *raft);
void raft_read_forwards_fail(struct raft *raft, enum raft_reason reason);
void raft_read_tick(struct raft *raft);

/* ----------------------------------------------------------- snapshot.c */

void raft_snapshot_compacted(struct raft *raft, const struct raft_pos *before);
/* One is being stored: until that is durable this node does not stand. */
bool raft_snapshot_installing(const struct raft *raft);
void raft_snapshot_ready(struct raft *raft, const struct raft_snapshot *snapshot);
/* The peer needs one: asks for it, once. */
void raft_snapshot_send(struct raft *raft, struct raft_peer *peer);
void raft_snapshot_sent(struct raft *raft, const struct raft_id *id, bool ok, uint64_t index);

/* ------------------------------------------------------------ recover.c */

/* The follower's side, while its log may lack what it once acknowledged. */
struct raft_recover {
	bool active;
	bool mark_valid;
	uint64_t mark_term;
	bool contact; /* with the present leader, in the present term */
	uint64_t target;
	uint64_t clean_commit;
};
void raft_recover_contact(struct raft *raft, const struct raft_append *append);
void raft_recover_check(struct raft *raft);
void raft_recover_reset(struct raft *raft);
void raft_recover_stored(struct raft *raft);
/* The leader's side. */
void raft_recover_peer_reply(
    struct raft *raft, struct raft_peer *peer, const struct raft_append_reply *reply);
void raft_recover_peer_commit(struct raft *raft);

/* ----------------------------------------------------------------- raft */

struct raft {
	struct raft_settings settings;
	struct raft_id id;
	uint64_t start_number;
	struct mono_ms now;
	uint64_t wall_ms;
	uint64_t boot_ms;
	uint64_t random;

	/* Hard state and log. */
	uint64_t term;
	struct raft_id vote;
	struct raft_rlog log;
	struct raft_store store;
	uint64_t commit;
	uint64_t uncommitted_size;
	struct raft_sessions *sessions;   /* at commit */
	uint64_t level;                   /* in force at commit */
	struct raft_contract_at contract; /* likewise */
	bool full;

	/* Role. */
	enum raft_role role;
	struct raft_id leader;
	struct mono_ms election_at; /* the election timer */
	struct mono_ms heard_at;    /* the leader, or since when there is none */
	bool self_granted;
	uint64_t elections;
	uint64_t dropped;
	/* A leader whose disk was silent does not stand again at once (ours). */
	struct mono_ms stalled_at; /* when it stepped down for it */
	uint64_t stall_penalty_ms; /* 0: it never did */

	/* Follower, of the present leader and term. */
	uint64_t verified;    /* the log equals the leader's up to here */
	uint64_t commit_told; /* the leader's commit index, as far as it has sent it */
	uint64_t round_seen;
	uint64_t round_replied;
	uint64_t match_replied;
	bool reply_due;
	struct raft_recover recover;

	/* Members other than this one; as a leader, their progress. */
	struct raft_peer peers[RAFT_MEMBERS_MAX];
	size_t peers_count;

	/* Leader. */
	uint64_t term_first; /* its no-op */
	uint64_t round;
	bool round_wanted;
	struct mono_ms round_at; /* when the last round began */
	struct mono_ms heartbeat_at;
	struct raft_sessions *sessions_last;   /* at the last index */
	uint64_t level_last;                   /* likewise */
	struct raft_contract_at contract_last; /* likewise */
	uint64_t catch_up_last; /* where the log ended an election timeout ago, or longer */
	uint64_t catch_up_next; /* and where it ended at catch_up_at */
	struct mono_ms catch_up_at;
	struct raft_transfer_state transfer;
	struct raft_lead lead;
	RAFT_QUEUE(struct raft_pending) pendings;
	struct raft_reads reads;
	struct raft_forwards forwards;
	uint64_t request; /* the last one given out: forwards and fetches */

	/* The update in the making. */
	struct raft_out out;
	bool commit_changed;
	bool state_changed;
	bool config_changed;
	enum raft_role was;
	char why[CORE_WHY_SIZE];
	size_t why_size;
};

/* A message that made no sense. */
void raft_core_drop(struct raft *raft);
const struct raft_config *raft_core_config(const struct raft *raft);

#endif
