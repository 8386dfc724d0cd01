/* SPDX-License-Identifier: ISC */
/* The socket run/fsm: who asks for the status gets one line. */
#ifndef STATUS_H
#define STATUS_H

#include "fsm.h"

struct status;

/* Listens; ends the process with a sentence when it can't. */
struct status *status_new(struct fsm *fsm);
/* Takes NULL. */
void status_free(struct status *status);

#endif
