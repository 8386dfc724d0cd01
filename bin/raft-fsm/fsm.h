/* SPDX-License-Identifier: ISC */
/*
 * raft-fsm as a whole: what its parts share, and what a mode is.
 *
 * main.c makes the one struct fsm, the source and the status socket, and hands
 * over to a mode (sink.c, batch.c, machine.c).  A mode takes committed entries from the source and
 * brings them to a program.  try.c does the same with a source that reads standard input.
 */
#ifndef FSM_FSM_H
#define FSM_FSM_H

#include "local/server.h"
#include "prog/daemon.h"

struct ask;
struct program;
struct trial;
struct server;
struct source;
struct timer;
struct wire_buf;

/* What the program is doing: NAME, text, level of the line that says so. */
#define FSM_STATES(S)                                                                              \
	S(STARTING, "starting", LOG_INFO) /* not started yet */                                    \
	S(RUNNING, "running", LOG_INFO)                                                            \
	S(BACKOFF, "backoff", LOG_WARN)    /* it ended, or cannot be run: started again soon */    \
	S(AHEAD, "ahead", LOG_WARN)        /* it holds entries that this node does not know to be  \
					      committed: they are waited for */                    \
	S(FOREIGN, "foreign", LOG_ERROR)   /* it holds entries that the cluster has not committed: \
					      until fsm restart */                                 \
	S(CONTRACT, "contract", LOG_ERROR) /* it is not what the contract of the log is for */     \
	S(GAP, "gap", LOG_ERROR)           /* what it needs is compacted away: for good */         \
	S(POISON, "poison", LOG_ERROR)     /* it dies at one entry: until fsm restart        */    \
	S(STOPPING, "stopping", LOG_INFO)
enum fsm_state {
#define S(NAME, text, level) FSM_##NAME,
	FSM_STATES(S)
#undef S
	    FSM_STATES_COUNT
};

struct fsm;

struct mode {
	const char *name;
	/* Begins; the reader is there, not linked yet. */
	void (*start)(struct fsm *fsm);
	/* Ends the program in an orderly way, then calls fsm_done. */
	void (*stop)(struct fsm *fsm);
	/* Index up to which the program has everything, for the status. */
	uint64_t (*delivered)(const struct fsm *fsm);
	/* More keys for the status, each with a blank before it; may be NULL. */
	void (*status)(const struct fsm *fsm, struct wire_buf *out);
	/* Starts a stopped program again, or a running one anew. */
	void (*restart)(struct fsm *fsm);
	/* Takes over a query, a question for replies, or "snapshot"; NULL: this mode has none of
	 * that. */
	void (*ask)(struct fsm *fsm, struct ask *ask);
};

extern const struct mode sink_mode, batch_mode, machine_mode;
const struct mode *fsm_mode(enum conf_mode mode);

struct fsm {
	struct daemon daemon;
	const struct trial *trial; /* of --try; NULL: a daemon */
	const struct conf *conf;
	struct loop *loop;
	char **command;  /* NULL: entries go to our stdout */
	bool foreground; /* no program from the YAML: what can't work ends raft-fsm */
	struct source *source;
	struct server *server;
	struct timer *status_wait; /* for raft-logd, while the status is asked for */
	struct program *program;   /* the mode's; NULL: our own stdout */
	int pid;                   /* of the program; 0: none runs */
	uint64_t restarts;         /* of the program */
	const struct mode *mode;
	void *mode_arg; /* the mode's own */
	enum fsm_state state;
	char why[512]; /* of the state; "" when there is nothing to say */
	enum exit_status exit_status;
};

/* The one place where the state changes: kept for the status, and logged. */
void fsm_state(struct fsm *fsm, enum fsm_state state, const char *why);
/* Reports the state to the clients that watch. */
void fsm_notice(struct fsm *fsm);
/* As on TERM; arg is the struct fsm. */
void fsm_stop(void *arg);
/* Stops as on TERM, then exits with the status; why was said before. */
void fsm_fail(struct fsm *fsm, enum exit_status status);
/* The mode has ended everything: leave the loop. */
void fsm_done(struct fsm *fsm);
/* --try is over, with this sentence unless format is NULL. */
_Noreturn void fsm_verdict(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The line that answers "status", as a new string. */
char *fsm_status_line(const struct fsm *fsm);

#endif
