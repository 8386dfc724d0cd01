/* SPDX-License-Identifier: ISC */
/* Who the peers are: the members of the newest configuration, with an address each. */
#ifndef PEERD_PEERS_H
#define PEERD_PEERS_H

#include "peerd.h"

/* From raft-elect: peers come, go, move.  False: the bytes are no configuration. */
bool peers_take(struct peerd *peerd, const struct msg_peer_config *message);
/*
 * From a member: the configuration that it goes by.  Where that is newer than this node's own, it
 * says whom to talk to and where, until the own log is there: a node that was away finds the others
 * again. False: the bytes are no configuration.
 */
bool peers_learn(struct peerd *peerd, const struct msg_peer_members *message);
/* What a peer is told of that, as a frame. */
void peers_tell(const struct peerd *peerd, struct wire_buf *out);
/* NULL when the id is no peer. */
struct peer *peers_find(const struct peerd *peerd, const struct raft_id *id);
/* A build without cipher: ends the process unless the address is loopback's. */
void peers_check_clear(const char *address);

#endif
