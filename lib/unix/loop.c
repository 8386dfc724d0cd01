/* SPDX-License-Identifier: ISC */
/* The loop, and the end of its turns. */
#include "loop.h"

#include <stdlib.h>
#include <time.h>

#include "conn.h"
#include "conn_private.h"

struct loop {
	uv_loop_t uv;
	uv_prepare_t end; /* before the loop waits: the turn's end */
	uv_idle_t again;  /* active while a conn wants a call before the loop waits */
	void (*turn)(void *arg);
	void *arg;
	struct conn *first;  /* conns with something to do at the end of the turn */
	struct conn *wake;   /* conns with something to do at the start of the next */
	struct conn *waking; /* those being called now */
	bool stopping;
};

static void
end_turn(struct loop *loop)
{
	if (loop->turn)
		loop->turn(loop->arg);
	while (loop->first) {
		struct conn *conn = loop->first;
		loop_flush_never(loop, conn);
		conn_flush(conn);
	}
}

static void
on_prepare(uv_prepare_t *prepare)
{
	end_turn(prepare->data);
}

static void
loop_on_again(uv_idle_t *idle)
{
	struct loop *loop = idle->data;
	uv_idle_stop(idle);
	/* Those that ask again meanwhile are for the turn after this one; any may be freed
	 * meanwhile. */
	loop->waking = loop->wake;
	loop->wake = NULL;
	while (loop->waking) {
		struct conn *conn = loop->waking;
		loop->waking = *conn_wake_link(conn);
		*conn_wake_link(conn) = NULL;
		conn_wake(conn);
	}
}

struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof *loop);
	must(loop != NULL);
	must(uv_loop_init(&loop->uv) == 0);
	uv_prepare_init(&loop->uv, &loop->end);
	uv_idle_init(&loop->uv, &loop->again);
	loop->end.data = loop;
	loop->again.data = loop;
	uv_prepare_start(&loop->end, on_prepare);
	uv_unref((uv_handle_t *)&loop->end);
	return loop;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	uv_close((uv_handle_t *)&loop->end, NULL);
	uv_close((uv_handle_t *)&loop->again, NULL);
	loop->turn = NULL;
	/* Handles of others that are still open keep the struct alive: then it stays until exit. */
	uv_run(&loop->uv, UV_RUN_NOWAIT);
	if (uv_loop_close(&loop->uv) == 0)
		free(loop);
}

uv_loop_t *
loop_uv(struct loop *loop)
{
	return &loop->uv;
}

void
loop_on_turn(struct loop *loop, void (*turn)(void *arg), void *arg)
{
	loop->turn = turn;
	loop->arg = arg;
}

void
loop_run(struct loop *loop)
{
	while (!loop->stopping && uv_run(&loop->uv, UV_RUN_ONCE))
		;
	loop->stopping = false;
	end_turn(loop);
}

void
loop_once(struct loop *loop, bool wait)
{
	uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
	end_turn(loop);
}

void
loop_stop(struct loop *loop)
{
	loop->stopping = true;
	uv_stop(&loop->uv);
}

struct mono_ms
mono_now(void)
{
	/* Not uv_now: that is coarse, and as old as the turn. */
	return (struct mono_ms){uv_hrtime() / 1000000};
}

void
loop_flush_later(struct loop *loop, struct conn *conn)
{
	if (conn_queued(conn))
		return;
	conn_queue(conn, &loop->first);
}

void
loop_flush_never(struct loop *loop, struct conn *conn)
{
	conn_unqueue(conn, &loop->first);
}

static bool
on_list(struct conn *list, const struct conn *conn)
{
	while (list && list != conn)
		list = *conn_wake_link(list);
	return list != NULL;
}

void
loop_wake_later(struct loop *loop, struct conn *conn)
{
	if (on_list(loop->wake, conn) || on_list(loop->waking, conn))
		return;
	*conn_wake_link(conn) = loop->wake;
	loop->wake = conn;
	uv_idle_start(&loop->again, loop_on_again);
}

static void
unlink_wake(struct conn **list, struct conn *conn)
{
	for (struct conn **at = list; *at; at = conn_wake_link(*at))
		if (*at == conn) {
			*at = *conn_wake_link(conn);
			*conn_wake_link(conn) = NULL;
			return;
		}
}

void
loop_wake_never(struct loop *loop, struct conn *conn)
{
	unlink_wake(&loop->wake, conn);
	unlink_wake(&loop->waking, conn);
}
