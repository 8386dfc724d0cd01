/* SPDX-License-Identifier: ISC */
/*
 * The incoming connections.  One says nothing about who is there until a message opens
 * under a session: until then it is a stranger, and there are few, for a short time.
 */
#ifndef PEERD_PIPES_H
#define PEERD_PIPES_H

#include "peer.h"

struct pipe {
	uint32_t id;
	struct peer *peer; /* NULL: a stranger */
	enum wire_class class;
	struct mono_ms since;
	struct mono_ms hello_next; /* a hello costs four multiplications: not too many of them */
	uint64_t hello_delay_ms;
	uint64_t handshake; /* of the last hello that was good */
	unsigned hellos;    /* good ones that came to nothing */
	unsigned refusals;
	bool closing; /* what still comes from it is not looked at */
};

struct pipes *pipes_new(void);
size_t pipes_count(const struct pipes *pipes);
/* Made when it is not known yet. */
struct pipe *pipes_find(struct pipes *pipes, uint32_t id);
void pipes_drop(struct pipes *pipes, uint32_t id);
void pipe_close(struct pipe *pipe);
/* The peer is behind this pipe; an older one of the same class is closed. */
void pipes_own(struct pipes *pipes, struct pipe *pipe, struct peer *peer, enum wire_class class);
/* The pipe that the peer is behind; NULL: none. */
const struct pipe *pipes_of(
    const struct pipes *pipes, const struct peer *peer, enum wire_class class);
/* The peer is no longer a member: its pipes are closed. */
void pipes_forget(struct pipes *pipes, const struct peer *peer);
/* Closes strangers that are too many, or have been there for too long while they could prove who
 * they are. */
void pipes_tick(struct pipes *pipes, struct mono_ms now, bool can_prove);

#endif
