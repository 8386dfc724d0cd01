/* SPDX-License-Identifier: ISC */
/* Who the peers are: the members of the newest configuration, with an address each. */
#ifndef PEERD_ROSTER_H
#define PEERD_ROSTER_H

#include "peerd.h"

/* From raft-elect: peers come, go, move.  False: the bytes are no configuration. */
bool roster_take(struct peerd *peerd, const struct msg_peer_config *message);
/* NULL when the id is no peer. */
struct peer *roster_find(const struct peerd *peerd, const struct raft_id *id);
/* A build without cipher: ends the process unless the address is loopback's. */
void roster_check_clear(const char *address);

#endif
