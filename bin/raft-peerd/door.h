/* SPDX-License-Identifier: ISC */
/*
 * run/peer: the one raft-elect of this node, and whoever asks for the status.
 *
 * A newer raft-elect takes the place of the older one.  While there is none, what peers send is
 * dropped and counted.  While it does not read, nothing is taken from the network.
 */
#ifndef PEERD_DOOR_H
#define PEERD_DOOR_H

#include "peerd.h"

/* NULL with one sentence in why (1 KiB). */
struct door *door_new(struct peerd *peerd, char *why);
void door_free(struct door *door);
bool door_has_elector(const struct door *door);
/* A whole raft_* frame from a peer. */
void door_deliver(struct door *door, const struct raft_id *from, const uint8_t *frame, size_t size);
void door_lost(struct door *door, const struct raft_id *peer);
/* Whether the number is that of a message between raft-elects. */
bool door_is_raft(uint16_t number);

#endif
