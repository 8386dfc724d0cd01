/* SPDX-License-Identifier: ISC */
/* One question to raft-elect, until it is answered. */
#include "read_index.h"

#include <stdlib.h>

#include "local/link.h"

enum { PAUSE_MS = 100 };

struct read_index {
	struct link *link;
	uv_timer_t pause;
	uint64_t request;
	bool wanted;
	void (*found)(uint64_t index, void *arg);
	void *arg;
};

static void
read_index_send(struct read_index *read_index)
{
	if (read_index->wanted && link_up(read_index->link) &&
	    !uv_is_active((uv_handle_t *)&read_index->pause))
		msg_read_index_put(
		    link_out(read_index->link), &(struct msg_read_index){++read_index->request});
}

static void
read_index_on_pause_over(uv_timer_t *timer)
{
	read_index_send(timer->data);
}

static const char *
read_index_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct read_index *read_index = arg;
	struct msg_read_index_reply reply;
	if (number != MSG_READ_INDEX_REPLY || !msg_read_index_reply_get(&reply, body, size))
		return "raft-elect sends what cannot be read";
	if (!read_index->wanted || reply.request != read_index->request)
		return NULL;
	if (reply.ok && reply.index > 0) {
		read_index->wanted = false;
		read_index->found(reply.index, read_index->arg);
	} else {
		uv_timer_start(&read_index->pause, read_index_on_pause_over, PAUSE_MS, 0);
	}
	return NULL;
}

static void
read_index_on_up(void *arg)
{
	read_index_send(arg);
}

/* The owner gives up when it takes too long. */
static const struct link_calls link_calls = {.up = read_index_on_up, .frame = read_index_on_frame};

struct read_index *
read_index_new(struct loop *loop, const char *path, const char *program,
    void (*found)(uint64_t index, void *arg), void *arg)
{
	struct read_index *read_index = calloc(1, sizeof *read_index);
	must(read_index != NULL);
	read_index->found = found;
	read_index->arg = arg;
	uv_timer_init(loop_uv(loop), &read_index->pause);
	read_index->pause.data = read_index;
	read_index->link = link_new(loop, path, WIRE_CLIENT, program, &link_calls, read_index);
	return read_index;
}

void
read_index_ask(struct read_index *read_index)
{
	read_index->wanted = true;
	read_index_send(read_index);
}
