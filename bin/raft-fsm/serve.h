/* SPDX-License-Identifier: ISC */
/* The socket run/fsm: who asks for the status gets one line. */
#ifndef FSM_SERVE_H
#define FSM_SERVE_H

#include "fsm.h"

struct fsm_server;

/* Listens; ends the process with a sentence when that is impossible. */
struct fsm_server *serve_new(struct fsm *fsm);
/* raft-fsm stops: server_yield.  Takes NULL. */
void serve_yield(struct fsm_server *server);
/* Takes NULL. */
void serve_free(struct fsm_server *server);

#endif
