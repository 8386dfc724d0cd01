/* SPDX-License-Identifier: ISC */
/*
 * Clients that run a command only while this node leads (raft-lead): until when they may.
 *
 * A deadline that was sent stays valid when the client goes: its watchdog may let the command run
 * until then.  So a client that comes afterwards gets no grant before that time, or two commands
 * could run at this node.
 */
#ifndef ELECT_GRANTS_H
#define ELECT_GRANTS_H

#include "clients.h"

/* At the end of a turn: sends what is new.  When the next turn is due; UINT64_MAX: for this, never.
 */
uint64_t grants_turn(struct elect_clients *clients);
/* The client's connection has ended. */
void grants_closed(struct elect_clients *clients, struct elect_client *client);

#endif
