/* SPDX-License-Identifier: ISC */
/*
 * One daemon of the node: started, watched, started again with back-off, stopped.
 *
 * Each runs in a session of its own, so that Ctrl-C in a terminal reaches
 * raft-node alone and the order of stopping holds.
 */
#ifndef NODE_CHILD_H
#define NODE_CHILD_H

#include "../../lib/unix/exit.h"
#include "../../lib/unix/loop.h"

#define CHILD_STATES(S)                                                                            \
	S(DOWN, "down")         /* not wanted */                                                   \
	S(STARTING, "starting") /* runs, and has not said that it is ready */                      \
	S(READY, "ready")                                                                          \
	S(WAITING, "waiting")   /* is started again after a while */                               \
	S(STOPPING, "stopping") /* has been asked to end */
enum child_state {
#define S(NAME, text) CHILD_##NAME,
	CHILD_STATES(S)
#undef S
	    CHILD_STATES_COUNT
};

struct child;
struct child_calls {
	/* It answers on its socket. */
	void (*ready)(struct child *child, void *arg);
	/* It is gone as it was asked to. */
	void (*stopped)(struct child *child, void *arg);
	/* To start it again is of no use; it is down.  status: what raft-node should exit with. */
	void (*hopeless)(struct child *child, enum exit_status status, void *arg);
};

/* What all children have in common. */
struct child_setting {
	struct loop *loop;
	const char *programs; /* folder of the executables */
	const char *config;   /* absolute path of raft.yaml */
	char **environment;
	int parent_fd; /* passed on as CHILD_PARENT_FD */
	bool verbose, log_time;
	const struct child_calls *calls;
	void *arg;
};
enum { CHILD_READY_FD = 3, CHILD_PARENT_FD = 4 };

struct child {
	const char *name;
	bool has_output; /* its stdout is raft-node's */
	bool has_run;
	const struct child_setting *setting;
	enum child_state state;
	uint64_t wait_ms; /* before the next start */
	struct mono_ms started;
	uv_process_t process;
	uv_pipe_t ready;
	char ready_byte;
	uv_timer_t timer;   /* of WAITING and STOPPING */
	int status, signal; /* of its end, between its exit and the closing of the handle */
};

void child_init(struct child *child, const char *name, const struct child_setting *setting);
void child_start(struct child *child);
/* TERM, and KILL when that does not help in time; then stopped is called, at once when it is not
 * running. */
void child_stop(struct child *child);
/* KILL, and nothing more: raft-node leaves. */
void child_kill(struct child *child);

#endif
