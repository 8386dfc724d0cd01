/* SPDX-License-Identifier: ISC */
/* The raft-lead that runs this program, if one does: it may be asked to pass leadership on. */
#ifndef EACH_LEAD_H
#define EACH_LEAD_H

#include "raft/types.h"

/* First of all: the pipe to it is not for the command. */
void lead_begin(void);
/* This member is to lead, once this program has exited with 75.  False: no raft-lead hears it. */
bool lead_wish(const struct raft_id *member);

#endif
