/* SPDX-License-Identifier: ISC */
/* The loop, and the end of its turns. */
#include "loop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

struct loop {
	uv_loop_t uv;
	uv_prepare_t end; /* before the loop waits: the turn's end */
	uv_idle_t again;  /* active when the next turn comes at once */
	void (*turn)(void *arg);
	void *arg;
	struct loop_task *at_end;
	struct loop_task *at_start;
	struct loop_task *starting; /* those of this turn */
	struct wire_buf buffer;
	bool stopping;
	uint64_t polls;
};

static void
task_put(struct loop_task **list, struct loop_task *task)
{
	if (task->at)
		return;
	task->next = *list;
	task->at = list;
	if (task->next)
		task->next->at = &task->next;
	*list = task;
}

void
loop_task_drop(struct loop_task *task)
{
	if (task->at == NULL)
		return;
	*task->at = task->next;
	if (task->next)
		task->next->at = task->at;
	task->at = NULL;
}

/* Any of them may put off, drop or free any of them. */
static void
tasks_run(struct loop_task **list)
{
	while (*list) {
		struct loop_task *task = *list;
		loop_task_drop(task);
		task->run(task->arg);
	}
}

static void
end_turn(struct loop *loop)
{
	if (loop->turn)
		loop->turn(loop->arg);
	tasks_run(&loop->at_end);
}

static void
on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;
	end_turn(loop);
	loop->polls++;
}

static void
loop_on_again(uv_idle_t *idle)
{
	struct loop *loop = idle->data;
	uv_idle_stop(idle);
	/* Those that are put off again meanwhile are for the turn after this one. */
	loop->starting = loop->at_start;
	loop->at_start = NULL;
	if (loop->starting)
		loop->starting->at = &loop->starting;
	tasks_run(&loop->starting);
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
	wire_buf_free(&loop->buffer);
	uv_close((uv_handle_t *)&loop->end, NULL);
	uv_close((uv_handle_t *)&loop->again, NULL);
	loop->turn = NULL;
	/* Handles of others that are still open keep the struct alive: then it stays until exit. */
	uv_run(&loop->uv, UV_RUN_NOWAIT);
	if (uv_loop_close(&loop->uv) == 0)
		free(loop);
}

void
loop_buffer_take(struct loop *loop, struct wire_buf *buf)
{
	must(buf->room == 0);
	*buf = loop->buffer;
	loop->buffer = (struct wire_buf){0};
}

void
loop_buffer_give(struct loop *loop, struct wire_buf *buf)
{
	must(buf->size == 0);
	if (loop->buffer.room == 0)
		loop->buffer = *buf;
	else
		free(buf->bytes);
	*buf = (struct wire_buf){0};
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

bool
loop_stopping(const struct loop *loop)
{
	return loop->stopping;
}

bool
loop_poll_output(struct loop *loop, uv_poll_t *poll, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (uv_poll_init(loop_uv(loop), poll, fd) < 0)
		return false;
	fcntl(fd, F_SETFL, flags);
	return true;
}

uint64_t
loop_polls(const struct loop *loop)
{
	return loop->polls;
}

struct mono_ms
mono_now(void)
{
	/* Not uv_now: that is coarse, and as old as the turn. */
	return (struct mono_ms){uv_hrtime() / 1000000};
}

uint64_t
wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
loop_again(struct loop *loop)
{
	uv_idle_start(&loop->again, loop_on_again);
}

void
loop_at_end(struct loop *loop, struct loop_task *task)
{
	task_put(&loop->at_end, task);
}

void
loop_at_start(struct loop *loop, struct loop_task *task)
{
	task_put(&loop->at_start, task);
	loop_again(loop);
}

uint64_t
boot_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
