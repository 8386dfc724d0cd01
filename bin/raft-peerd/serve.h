/* SPDX-License-Identifier: ISC */
/*
 * run/peer: the one raft-elect of this node, and whoever asks for the status.
 *
 * A newer raft-elect takes the place of the older one.  While there is none, what peers send is
 * dropped and counted.  While it does not read, nothing is taken from the network.
 */
#ifndef PEERD_SERVE_H
#define PEERD_SERVE_H

#include "peerd.h"

/* NULL with errno and one sentence in why (SOCK_WHY_SIZE). */
struct peerd_server *peerd_serve_new(struct peerd *peerd, char *why);
/* raft-peerd stops: server_yield. */
void peerd_serve_yield(struct peerd_server *server);
void peerd_serve_free(struct peerd_server *server);
bool peerd_serve_has_elector(const struct peerd_server *server);
/* A raft_* frame from a peer. */
void peerd_serve_deliver(
    struct peerd_server *server, const struct raft_id *from, const struct wire_frame *frame);
void peerd_serve_lost(struct peerd_server *server, const struct raft_id *peer);

#endif
