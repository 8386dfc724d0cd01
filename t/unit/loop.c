/* SPDX-License-Identifier: ISC */
/* The loop: work that is put off. */
#include "unix/loop.h"
#include "check.h"

enum { COUNT = 3, PATIENCE_MS = 5000 };

static struct loop *loop;
static struct loop_task tasks[COUNT];
static unsigned runs[COUNT];
static bool waited;

static void
on_patience(uv_timer_t *timer)
{
	(void)timer;
	waited = true;
}

static void
note_run(void *arg)
{
	runs[(struct loop_task *)arg - tasks]++;
}

/* Whichever of them runs first drops the others, and puts itself off again. */
static void
drop_others(void *arg)
{
	note_run(arg);
	for (int i = 0; i < COUNT; i++)
		loop_task_drop(&tasks[i]);
	loop_at_start(loop, arg);
}

static unsigned
runs_total(void)
{
	return runs[0] + runs[1] + runs[2];
}

static void
make_tasks(void (*run)(void *arg))
{
	for (int i = 0; i < COUNT; i++) {
		loop_task_drop(&tasks[i]);
		tasks[i] = (struct loop_task){.run = run, .arg = &tasks[i]};
		runs[i] = 0;
	}
}

static void
test_end(void)
{
	make_tasks(note_run);
	for (int i = 0; i < COUNT; i++)
		loop_at_end(loop, &tasks[i]);
	loop_at_end(loop, &tasks[0]);
	loop_task_drop(&tasks[1]);
	check_is(runs_total() == 0, "what is put off to the end of the turn waits for it");
	loop_once(loop, false);
	check_is(runs[0] == 1 && runs[1] == 0 && runs[2] == 1,
	    "then each runs once, but for the one that was dropped");
	loop_once(loop, false);
	check_is(runs_total() == 2, "and no more");
}

static void
test_start(void)
{
	make_tasks(drop_others);
	for (int i = 0; i < COUNT; i++)
		loop_at_start(loop, &tasks[i]);
	loop_once(loop, true);
	check_is(runs_total() == 1, "a task may drop others that are to run with it");
	loop_once(loop, true);
	check_is(runs_total() == 2 && !waited,
	    "one that puts itself off again runs in the turn after that, which comes at once");
	make_tasks(note_run);
	loop_once(loop, false);
	check_is(runs_total() == 0, "a task that was dropped does not run");
}

static void
test_again(void)
{
	loop_again(loop);
	loop_once(loop, true);
	check_is(!waited, "a turn that is wanted at once waits for nothing");
}

int
main(void)
{
	uv_timer_t patience;
	loop = loop_new();
	uv_timer_init(loop_uv(loop), &patience);
	uv_timer_start(&patience, on_patience, PATIENCE_MS, 0);
	test_end();
	test_start();
	test_again();
	uv_close((uv_handle_t *)&patience, NULL);
	loop_once(loop, false);
	loop_free(loop);
	return check_done();
}
