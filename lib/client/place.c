/* SPDX-License-Identifier: ISC */
/* One question to raft-elect, until it is answered. */
#include "place.h"

#include <stdlib.h>

#include "link.h"

enum { PAUSE_MS = 100 };

struct place {
	struct link *link;
	uv_timer_t pause;
	uint64_t request;
	bool wanted;
	void (*found)(uint64_t index, void *arg);
	void *arg;
};

static void
ask(struct place *place)
{
	if (place->wanted && link_up(place->link) && !uv_is_active((uv_handle_t *)&place->pause))
		msg_read_index_put(link_out(place->link), &(struct msg_read_index){++place->request});
}

static void
on_pause_over(uv_timer_t *timer)
{
	ask(timer->data);
}

static void
on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct place *place = arg;
	struct msg_read_index_reply reply;
	if (number != MSG_READ_INDEX_REPLY || !msg_read_index_reply_get(&reply, body, size)) {
		link_break(link, "raft-elect sends what cannot be read");
	} else if (place->wanted && reply.request == place->request && reply.ok && reply.index > 0) {
		place->wanted = false;
		place->found(reply.index, place->arg);
	} else if (place->wanted && reply.request == place->request) {
		uv_timer_start(&place->pause, on_pause_over, PAUSE_MS, 0);
	}
}

static void
on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	(void)link, (void)hello;
	ask(arg);
}

/* The link comes back by itself; who waits for the reply gives up when that takes too long. */
static void
on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	(void)link, (void)was_up, (void)why, (void)arg;
}

/* The appender says so, of the same raft-elect. */
static void
on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	(void)link, (void)status, (void)why, (void)arg;
}

static const struct link_calls link_calls = {on_up, on_frame, on_down, on_hopeless, NULL};

struct place *
place_new(struct loop *loop, const char *path, const char *program, void (*found)(uint64_t index, void *arg), void *arg)
{
	struct place *place = calloc(1, sizeof *place);
	must(place != NULL);
	place->found = found;
	place->arg = arg;
	uv_timer_init(loop_uv(loop), &place->pause);
	place->pause.data = place;
	place->link = link_new(loop, path, WIRE_CLIENT, program, &link_calls, place);
	return place;
}

void
place_ask(struct place *place)
{
	place->wanted = true;
	ask(place);
}
