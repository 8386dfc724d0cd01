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

/* Makes peerd->server; ends the process with a sentence when that is impossible. */
void peerd_serve_open(struct peerd *peerd);

#endif
