/* SPDX-License-Identifier: ISC */
/*
 * The beginning of a connection: a hello of the dialer, a reply of the acceptor, as channel.h has
 * them.
 *
 * Each may end the connection.
 */
#ifndef PEERD_HANDSHAKE_H
#define PEERD_HANDSHAKE_H

#include "connection.h"

/* The dial has ended: sends the hello. */
void handshake_dialed(struct connection *connection);
/* More of the other side's part has come. */
void handshake_take(struct connection *connection);
/* The members are known now: hellos that waited for that are looked at. */
void handshakes_members(struct peerd *peerd);

#endif
