/* SPDX-License-Identifier: ISC */
/*
 * One daemon of the node: started, watched, started again with back-off, stopped.
 *
 * Each runs in a session of its own, so that Ctrl-C in a terminal reaches
 * raft-node alone and the order of stopping holds.
 */
#ifndef NODE_SERVICE_H
#define NODE_SERVICE_H

#include "unix/exit.h"
#include "unix/loop.h"

#define CHILD_STATES(S)                                                                            \
	S(DOWN, "down")         /* not wanted */                                                   \
	S(STARTING, "starting") /* runs, and has not said that it is ready */                      \
	S(READY, "ready")                                                                          \
	S(WAITING, "waiting")   /* is started again after a while */                               \
	S(STOPPING, "stopping") /* has been asked to end */
enum service_state {
#define S(NAME, text) CHILD_##NAME,
	CHILD_STATES(S)
#undef S
	    CHILD_STATES_COUNT
};

struct service;
struct service_calls {
	/* It answers on its socket. */
	void (*ready)(struct service *service, void *arg);
	/* It is gone as it was asked to. */
	void (*stopped)(struct service *service, void *arg);
	/* To start it again is of no use; it is down.  status: what raft-node should exit with. */
	void (*hopeless)(struct service *service, enum exit_status status, void *arg);
};

/* What all children have in common. */
struct service_setting {
	struct loop *loop;
	const char *programs; /* folder of the executables */
	const char *config;   /* absolute path of raft.yaml */
	char **environment;
	int parent_fd; /* passed on as CHILD_PARENT_FD */
	bool verbose, log_time;
	const struct service_calls *calls;
	void *arg;
};
enum { CHILD_READY_FD = 3, CHILD_PARENT_FD = 4 };

struct service {
	const char *name;
	bool has_output; /* its stdout is raft-node's */
	bool has_run;
	const struct service_setting *setting;
	enum service_state state;
	uint64_t wait_ms; /* before the next start */
	struct mono_ms started;
	uv_process_t process;
	uv_pipe_t ready;
	char ready_byte;
	uv_timer_t timer;   /* of WAITING and STOPPING */
	int status, signal; /* of its end, between its exit and the closing of the handle */
};

void service_init(struct service *service, const char *name, const struct service_setting *setting);
void service_start(struct service *service);
/* TERM, and KILL when that does not help in time; then stopped is called, at once when it is not
 * running. */
void service_stop(struct service *service);
/* KILL, and nothing more: raft-node leaves. */
void service_kill(struct service *service);

#endif
