/* SPDX-License-Identifier: ISC */
/* Connections that have not shown who they are: how many there may be. */
#ifndef PEERD_STRANGERS_H
#define PEERD_STRANGERS_H

#include "connection.h"

/*
 * Whether one more may come in.  Each host has a few places, of which the newest connections keep
 * theirs: whoever holds connections open and says nothing, keeps nobody out at another address, and
 * not for long at its own.  Some places are for the members' addresses only.
 */
bool strangers_admit(struct peerd *peerd, const struct stream *stream);

#endif
