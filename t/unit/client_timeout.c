/* SPDX-License-Identifier: ISC */
/* The end of a wait, in a process that was stopped for longer than it. */
#include "client/timeout.h"

#include <unistd.h>

#include "check.h"

enum { LIMIT_MS = 2, STOPPED_MS = 10 };

static struct loop *loop;
static bool given_up;
static bool answered;

static void
on_over(void *arg)
{
	(void)arg;
	given_up = true;
	loop_stop(loop);
}

static void
be_stopped(void)
{
	usleep(STOPPED_MS * 1000);
}

static void
on_answer(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	uv_poll_stop(poll);
	answered = true;
	/* The timer is due again before the loop has ended. */
	be_stopped();
	loop_stop(loop);
}

static void
test_silence(void)
{
	struct timeout *timeout = timeout_new(loop, LIMIT_MS, "nothing", on_over, NULL);
	loop_run(loop);
	CHECK(given_up);
	CHECK(strcmp(timeout_sentence(timeout), "nothing (given up after 2 ms)") == 0);
	timeout_free(timeout);
	given_up = false;
}

static void
test_answer(void)
{
	int fds[2];
	uv_poll_t poll;
	CHECK(pipe(fds) == 0);
	uv_poll_init(loop_uv(loop), &poll, fds[0]);
	uv_poll_start(&poll, UV_READABLE, on_answer);
	struct timeout *timeout = timeout_new(loop, LIMIT_MS, "nothing", on_over, NULL);
	CHECK(write(fds[1], "x", 1) == 1);
	be_stopped();
	loop_run(loop);
	CHECK(answered && !given_up);
	loop_run(loop);
	CHECK(given_up);
	timeout_free(timeout);
	uv_close((uv_handle_t *)&poll, NULL);
	loop_once(loop, false);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	loop = loop_new();
	check_run("the owner is called when nothing came in time", test_silence);
	check_run("an answer that came meanwhile and ends the wait counts", test_answer);
	loop_free(loop);
	return check_done();
}
