/* SPDX-License-Identifier: ISC */
/*
 * Clients: producers with anonymous and named sessions, consumers, barriers, readers.
 *
 * They behave as raft-append does: number their entries, keep some in flight,
 * go back to the first unanswered one when something went wrong, move to other
 * nodes, die and are started again.  What they are told is checked against
 * what is committed.
 */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "raft/raft.h"
#include "tree.h"

struct sim;
struct node;

enum {
	SIM_CLIENTS_MAX = 16,
	SIM_SESSIONS_MAX = 4096,
	SIM_NAMED = 3,
	SIM_CURSORS = 2,
	ATTEMPT_ENTRIES_MAX = 4
};

enum client_kind {
	CLIENT_ANONYMOUS,
	CLIENT_NAMED,
	CLIENT_CONSUMER,
	CLIENT_BARRIER,
	CLIENT_READER,
	CLIENT_ADMIN
};
enum { ATTEMPT_TRANSFER = 255 }; /* among kinds of entries */

struct client {
	enum client_kind kind;
	uint32_t number;
	size_t node;  /* connected to */
	uint32_t run; /* of this producer; a killed one's answers concern nobody */
	uint32_t session;
	uint64_t seen;    /* what its session was opened with */
	uint64_t highest; /* index that it was ever told of */
	bool opened;
	uint64_t epoch;
	uint8_t run_id[RAFT_RUN_SIZE];
	uint64_t replaces;
	uint64_t next;   /* serial to be sent */
	uint64_t acked;  /* all up to here are committed */
	uint64_t length; /* serials of this session before a new one begins */
	unsigned open;   /* attempts not answered */
	bool rests;      /* the last answer was no good: it waits longer */
	bool back;       /* something failed: go back to acked + 1 */
	bool refresh;    /* named: the epoch it replaces is to be read again */
	uint64_t progress_us;
	/* consumers */
	bool located;      /* its node's table has the opening */
	bool sets;         /* an administrator's run: one ACK of any position */
	uint64_t floor;    /* of its cursor, what was acknowledged before the run began */
	uint64_t position; /* all up to here is acknowledged */
	uint64_t target;   /* of the ACK that is not answered yet */
};

/* One try of some serials, or of one entry without a serial. */
struct attempt {
	uint32_t client, run, session;
	uint32_t incarnation;
	uint8_t node;
	uint8_t kind;
	uint8_t count;
	uint8_t answered, refused; /* bits by entry */
	uint8_t op;                /* of a change */
	int8_t target;             /* of a change or transfer; -1: nobody */
	uint64_t serial, epoch, fence;
	uint64_t position; /* of an ACK */
	uint64_t at_us;
	struct tnode *placed[ATTEMPT_ENTRIES_MAX]; /* where a log took it */
	struct raft_answer answer;                 /* the last one */
};

struct client_read {
	uint64_t floor; /* committed anywhere before it began */
	uint64_t at_us;
	uint32_t client;
	uint8_t node;
	bool answered, ok;
	uint64_t index;
	uint32_t incarnation;
};

struct session_info {
	struct raft_sid sid;
	char name[16];  /* "": anonymous */
	uint32_t drops; /* committed or not: serials may then start again */
	bool cursor;
	uint64_t acked_index; /* cursors: of the newest ACK that was called committed */
};

struct clients {
	struct client at[SIM_CLIENTS_MAX];
	size_t count;
	struct attempt *attempts; /* [0] is none */
	size_t attempts_count, attempts_size;
	struct client_read *reads;
	size_t reads_count, reads_size;
	struct session_info *sessions; /* [0] is none */
	uint32_t sessions_count;
	uint64_t acknowledged; /* serials */
	bool stopping;         /* nothing new begins */
};

void client_init(struct sim *sim);
void client_free(struct clients *clients);
void client_act(struct sim *sim, size_t number);
void client_answer(struct sim *sim, struct node *node, const struct raft_ticket_answer *ticket);
void client_read_answer(struct sim *sim, struct node *node, const struct raft_read_answer *answer);
/* What readers asked of an elector while it was stopped. */
void client_waited(struct sim *sim, struct node *node);
/* An elector is gone: nobody will answer what it had. */
void client_node_lost(struct sim *sim, size_t node);
/* Fails when a living core still owes an answer older than `us`. */
void client_check_answered(struct sim *sim, uint64_t us);
/* A new attempt of that client, and its way to the core (data NULL: what clients make up). */
struct attempt *attempt_new(struct sim *sim, struct client *client);
void attempt_send(
    struct sim *sim, const struct attempt *attempt, uint64_t seen, const void *data, size_t size);
/*
 * The data of a client's entry begins with the number of its attempt: eight bytes, none of which is
 * a newline or zero.
 */
enum { ATTEMPT_LABEL_SIZE = 8 };
uint64_t attempt_label(const uint8_t label[ATTEMPT_LABEL_SIZE]);
/* Scenarios: one attempt, as told. */
struct attempt_wish {
	size_t node;
	enum raft_kind kind;
	uint32_t session;
	uint64_t serial, count, epoch, fence;
	uint64_t position; /* of an ACK */
};
void client_try(struct sim *sim, const struct attempt_wish *wish);
void client_try_read(struct sim *sim, size_t node);
/* A new anonymous session. */
uint32_t client_session(struct sim *sim);
/* A new cursor: of `a`, `b`, … */
uint32_t client_cursor(struct sim *sim, char letter);
/* The registry's number of a session; 0: none. */
uint32_t session_number(const struct raft_sid *sid);

#endif
