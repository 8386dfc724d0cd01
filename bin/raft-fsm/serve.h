/* SPDX-License-Identifier: ISC */
/* The socket run/fsm: status, queries, replies and orders. */
#ifndef FSM_SERVE_H
#define FSM_SERVE_H

#include "fsm.h"

/* Makes fsm->server; ends the process with a sentence when that is impossible. */
void fsm_serve_open(struct fsm *fsm);

#endif
