/* SPDX-License-Identifier: ISC */
/* raft-logd --accept-loss: a recovering node takes part again as it is. */
#ifndef LOGD_ACCEPT_H
#define LOGD_ACCEPT_H

struct logd;

/* Ends the process. */
_Noreturn void accept_loss(struct logd *logd);

#endif
