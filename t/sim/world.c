/* SPDX-License-Identifier: ISC */
/*
 * The event heap: four children a node, so that a sift touches few cache lines.
 */
#include "world.h"

#include "raft/types.h"

#include <stdbool.h>
#include <stdlib.h>

const char *
world_kind_name(enum world_kind kind)
{
	static const char *const names[] = {
#define W(NAME, text) [WORLD_##NAME] = text,
	    WORLD_KINDS(W)
#undef W
	};
	_Static_assert(sizeof names / sizeof names[0] == WORLD_KINDS_COUNT, "a name for each kind");

	return names[kind];
}

void
world_init(struct world *world)
{
	*world = (struct world){.size = 1024};
	world->heap = malloc(world->size * sizeof *world->heap);
	must(world->heap != NULL);
}

void
world_free(struct world *world)
{
	free(world->heap);
}

static bool
earlier(const struct world_event *a, const struct world_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void
world_grow(struct world *world)
{
	world->size *= 2;
	world->heap = realloc(world->heap, world->size * sizeof *world->heap);
	must(world->heap != NULL);
}

void
world_post(struct world *world, struct world_event event)
{
	size_t at = world->count++;

	if (world->count > world->size)
		world_grow(world);
	if (event.at_us < world->now_us)
		event.at_us = world->now_us;
	event.order = ++world->order;
	while (at > 0 && earlier(&event, &world->heap[(at - 1) / 4])) {
		world->heap[at] = world->heap[(at - 1) / 4];
		at = (at - 1) / 4;
	}
	world->heap[at] = event;
}

static size_t
first_child(const struct world *world, size_t at)
{
	size_t best = at * 4 + 1;
	size_t end = best + 4 < world->count ? best + 4 : world->count;

	for (size_t child = best + 1; child < end; child++)
		if (earlier(&world->heap[child], &world->heap[best]))
			best = child;
	return best;
}

struct world_event
world_next(struct world *world)
{
	struct world_event top;
	struct world_event last;
	size_t at = 0;

	must(world->count > 0);
	top = world->heap[0];
	last = world->heap[--world->count];
	while (at * 4 + 1 < world->count) {
		size_t child = first_child(world, at);

		if (!earlier(&world->heap[child], &last))
			break;
		world->heap[at] = world->heap[child];
		at = child;
	}
	world->heap[at] = last;
	world->now_us = top.at_us;
	return top;
}
