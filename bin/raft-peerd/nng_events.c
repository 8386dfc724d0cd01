/* SPDX-License-Identifier: ISC */
/* A list under a mutex, and uv_async_send. */
#include "nng_events.h"

#include <stdlib.h>

struct note {
	note_call *call; /* NULL: forgotten */
	void *arg;
	uint32_t pipe;
	bool come;
};

struct note_list {
	struct note *events;
	size_t count;
	size_t room;
};

struct nng_events {
	uv_mutex_t mutex;
	uv_async_t async;
	struct note_list list;    /* under the mutex */
	struct note_list telling; /* the loop's */
	size_t told;
};

static void
on_async(uv_async_t *async)
{
	struct nng_events *events = async->data;
	struct note_list empty = events->telling;
	empty.count = 0;
	uv_mutex_lock(&events->mutex);
	events->telling = events->list;
	events->list = empty;
	uv_mutex_unlock(&events->mutex);
	for (events->told = 0; events->told < events->telling.count;) {
		struct note note = events->telling.events[events->told++];
		if (note.call)
			note.call(note.pipe, note.come, note.arg);
	}
	events->telling.count = events->told = 0;
}

struct nng_events *
nng_events_new(struct loop *loop)
{
	struct nng_events *events = calloc(1, sizeof *events);
	must(events != NULL);
	must(uv_mutex_init(&events->mutex) == 0);
	must(uv_async_init(loop_uv(loop), &events->async, on_async) == 0);
	events->async.data = events;
	return events;
}

void
nng_events_put(struct nng_events *events, note_call *call, void *arg, uint32_t pipe, bool come)
{
	uv_mutex_lock(&events->mutex);
	struct note_list *list = &events->list;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct note *more = realloc(list->events, room * sizeof *more);
		must(more != NULL);
		list->events = more;
		list->room = room;
	}
	list->events[list->count++] = (struct note){call, arg, pipe, come};
	uv_mutex_unlock(&events->mutex);
	uv_async_send(&events->async);
}

static void
nng_events_drop(struct note_list *list, const void *arg)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->events[i].arg == arg)
			list->events[i].call = NULL;
}

void
nng_events_forget(struct nng_events *events, const void *arg)
{
	uv_mutex_lock(&events->mutex);
	nng_events_drop(&events->list, arg);
	uv_mutex_unlock(&events->mutex);
	nng_events_drop(&events->telling, arg);
}
