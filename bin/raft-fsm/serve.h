/* SPDX-License-Identifier: ISC */
/* The socket run/fsm: who asks for the status gets one line. */
#ifndef FSM_SERVE_H
#define FSM_SERVE_H

#include "fsm.h"

struct fsm_server;

/* Listens; ends the process with a sentence when it can't. */
struct fsm_server *serve_new(struct fsm *fsm);
/* Takes NULL. */
void serve_free(struct fsm_server *status);

#endif
