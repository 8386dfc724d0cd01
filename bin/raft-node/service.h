/* SPDX-License-Identifier: ISC */
/*
 * One daemon of the node: started, watched, started again with back-off, stopped.
 *
 * Each runs in a session of its own, so that Ctrl-C in a terminal reaches
 * raft-node alone and the order of stopping holds.
 */
#ifndef NODE_SERVICE_H
#define NODE_SERVICE_H

#include "unix/backoff.h"
#include "unix/child.h"
#include "unix/exit.h"
#include "unix/loop.h"

#define SERVICE_STATES(S)                                                                          \
	S(DOWN, "down")         /* not wanted */                                                   \
	S(STARTING, "starting") /* runs, and has not said that it is ready */                      \
	S(READY, "ready")                                                                          \
	S(WAITING, "waiting")   /* is started again after a while */                               \
	S(STOPPING, "stopping") /* has been asked to end */
enum service_state {
#define S(NAME, text) SERVICE_##NAME,
	SERVICE_STATES(S)
#undef S
	    SERVICE_STATES_COUNT
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
	int parent_fd;        /* passed on as descriptor CHILD_PARENT_FD_TEXT */
	bool verbose, log_time;
	const struct service_calls *calls;
	void *arg;
};
#define CHILD_READY_FD_TEXT "3"
#define CHILD_PARENT_FD_TEXT "4"

struct service {
	const char *name;
	bool has_output; /* its stdout is raft-node's */
	bool has_run;
	const struct service_setting *setting;
	enum service_state state;
	struct child *child;
	struct timer *again; /* the next start */
	struct backoff backoff;
	uv_pipe_t ready;
	char ready_byte;
};

void service_init(struct service *service, const char *name, const struct service_setting *setting);
void service_start(struct service *service);
/* TERM, and KILL when that does not help in time; then stopped is called, at once when it is not
 * running. */
void service_stop(struct service *service);
/* KILL, and nothing more: raft-node leaves. */
void service_kill(struct service *service);

#endif
