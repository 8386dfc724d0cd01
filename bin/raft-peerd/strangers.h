/* SPDX-License-Identifier: ISC */
/* Connections that have not shown who they are: how many there may be. */
#ifndef PEERD_STRANGERS_H
#define PEERD_STRANGERS_H

#include "connection.h"

/*
 * Whether one more may come in.  Each host has a few places; when they are taken, its oldest
 * connection is closed for the new one.  There is a limit for all hosts together, and places above
 * it that are for the addresses of members only.
 */
bool strangers_admit(struct peerd *peerd, const struct stream *stream);

#endif
