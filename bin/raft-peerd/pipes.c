/* SPDX-License-Identifier: ISC */
/* A list of at most PIPES_MAX, in the order they came. */
#include "pipes.h"

#include <stdlib.h>
#include <string.h>

struct pipes {
	size_t count;
	struct pipe list[PIPES_MAX + 1];
};

struct pipes *
pipes_new(void)
{
	struct pipes *pipes = calloc(1, sizeof *pipes);
	must(pipes != NULL);
	return pipes;
}

size_t
pipes_count(const struct pipes *pipes)
{
	return pipes->count;
}

static void
pipe_remove(struct pipes *pipes, size_t at)
{
	pipes->count--;
	memmove(
	    &pipes->list[at], &pipes->list[at + 1], (pipes->count - at) * sizeof pipes->list[0]);
}

struct pipe *
pipes_find(struct pipes *pipes, uint32_t id)
{
	for (size_t i = 0; i < pipes->count; i++)
		if (pipes->list[i].id == id)
			return &pipes->list[i];
	/* NNG lets in PIPES_MAX, but its news of those that went may be late. */
	if (pipes->count == PIPES_MAX + 1) {
		pipe_close(&pipes->list[0]);
		pipe_remove(pipes, 0);
	}
	struct pipe *pipe = &pipes->list[pipes->count++];
	*pipe = (struct pipe){.id = id, .since = mono_now()};
	return pipe;
}

void
pipe_close(struct pipe *pipe)
{
	if (pipe->closing)
		return;
	pipe->closing = true;
	pull_close(pipe->id);
}

void
pipes_drop(struct pipes *pipes, uint32_t id)
{
	for (size_t i = 0; i < pipes->count; i++)
		if (pipes->list[i].id == id) {
			pipe_remove(pipes, i);
			return;
		}
}

void
pipes_own(struct pipes *pipes, struct pipe *pipe, struct peer *peer, enum wire_class class)
{
	if (pipe->peer == peer && pipe->class == class)
		return;
	for (size_t i = 0; i < pipes->count; i++) {
		struct pipe *other = &pipes->list[i];
		if (other != pipe && other->peer == peer && other->class == class)
			pipe_close(other);
	}
	pipe->peer = peer;
	pipe->class = class;
	pipe->refusals = pipe->hellos = 0;
	pipe->hello_delay_ms = 0;
}

const struct pipe *
pipes_of(const struct pipes *pipes, const struct peer *peer, enum wire_class class)
{
	for (size_t i = 0; i < pipes->count; i++)
		if (pipes->list[i].peer == peer && pipes->list[i].class == class)
			return &pipes->list[i];
	return NULL;
}

void
pipes_forget(struct pipes *pipes, const struct peer *peer)
{
	for (size_t i = 0; i < pipes->count; i++)
		if (pipes->list[i].peer == peer) {
			pipe_close(&pipes->list[i]);
			pipes->list[i].peer = NULL;
		}
}

void
pipes_tick(struct pipes *pipes, struct mono_ms now, bool can_prove)
{
	size_t strangers = 0;
	/* From the newest on: when they are too many, those that have had their time go. */
	for (size_t i = pipes->count; i-- > 0;) {
		struct pipe *pipe = &pipes->list[i];
		if (pipe->peer)
			continue;
		if (++strangers > STRANGERS_MAX ||
		    (can_prove && now.ms - pipe->since.ms > STRANGER_MS))
			pipe_close(pipe);
	}
}
