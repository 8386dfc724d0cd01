/* SPDX-License-Identifier: ISC */
/* A list under a mutex, and uv_async_send. */
#include "notes.h"

#include <stdlib.h>

struct note {
	note_call *call; /* NULL: forgotten */
	void *arg;
	uint32_t pipe;
	bool come;
};

struct note_list {
	struct note *notes;
	size_t count;
	size_t room;
};

struct notes {
	uv_mutex_t mutex;
	uv_async_t async;
	struct note_list list;  /* under the mutex */
	struct note_list telling; /* the loop's */
	size_t told;
};

static void
on_async(uv_async_t *async)
{
	struct notes *notes = async->data;
	struct note_list empty = notes->telling;
	empty.count = 0;
	uv_mutex_lock(&notes->mutex);
	notes->telling = notes->list;
	notes->list = empty;
	uv_mutex_unlock(&notes->mutex);
	for (notes->told = 0; notes->told < notes->telling.count;) {
		struct note note = notes->telling.notes[notes->told++];
		if (note.call)
			note.call(note.pipe, note.come, note.arg);
	}
	notes->telling.count = notes->told = 0;
}

struct notes *
notes_new(struct loop *loop)
{
	struct notes *notes = calloc(1, sizeof *notes);
	must(notes != NULL);
	must(uv_mutex_init(&notes->mutex) == 0);
	must(uv_async_init(loop_uv(loop), &notes->async, on_async) == 0);
	notes->async.data = notes;
	return notes;
}

void
notes_put(struct notes *notes, note_call *call, void *arg, uint32_t pipe, bool come)
{
	uv_mutex_lock(&notes->mutex);
	struct note_list *list = &notes->list;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct note *more = realloc(list->notes, room * sizeof *more);
		must(more != NULL);
		list->notes = more;
		list->room = room;
	}
	list->notes[list->count++] = (struct note){call, arg, pipe, come};
	uv_mutex_unlock(&notes->mutex);
	uv_async_send(&notes->async);
}

static void
forget(struct note_list *list, const void *arg)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->notes[i].arg == arg)
			list->notes[i].call = NULL;
}

void
notes_forget(struct notes *notes, const void *arg)
{
	uv_mutex_lock(&notes->mutex);
	forget(&notes->list, arg);
	uv_mutex_unlock(&notes->mutex);
	forget(&notes->telling, arg);
}
