/* SPDX-License-Identifier: ISC */
/* raft-ctl watch without an operand: what all daemons of this node report. */
#ifndef CTL_CHANGES_H
#define CTL_CHANGES_H

#include "ctl.h"

/* The links are made; lines are printed while the loop runs. */
void changes_begin(struct ctl *ctl);

#endif
