/* SPDX-License-Identifier: ISC */
/* A child process, the timer and the back-off that its owners use. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unix/backoff.h"
#include "unix/child.h"
#include "unix/loop.h"
#include "unix/timer.h"
#include "check.h"

static struct loop *loop;

/* ------- a child ------------------------------------------------------------ */

static struct {
	struct child *child;
	int ended;
	struct child_exit how;
	enum child_step late[3]; /* the steps, in order */
	int late_count;
} seen;

static void
on_child_ended(const struct child_exit *how, void *arg)
{
	(void)arg;
	seen.ended++;
	seen.how = *how;
	child_forget(seen.child);
}

static uint64_t
on_child_late(enum child_step step, void *arg)
{
	(void)arg;
	if (seen.late_count < 3)
		seen.late[seen.late_count++] = step;
	return step == CHILD_KILL ? 0 : 1;
}

static const struct child_calls calls = {on_child_ended, on_child_late};

/* Starts a shell script, whose stdout is fd. */
static int
start(const char *script, int fd)
{
	char *args[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
	const int fds[] = {-1, fd, STDERR_FILENO};
	const struct child_command command = {
	    .file = "sh", .args = args, .folder = "/", .fds = fds, .fds_count = 3};
	if (seen.child == NULL)
		seen.child = child_new(loop, &calls, NULL);
	seen.ended = seen.late_count = 0;
	return child_start(seen.child, &command);
}

static void
until_ended(void)
{
	while (seen.ended == 0)
		loop_once(loop, true);
}

static void
exit_is_reported(void)
{
	CHECK(start("exit 7", -1) == 0);
	CHECK(child_pid(seen.child) > 0 && getsid(child_pid(seen.child)) == child_pid(seen.child));
	until_ended();
	CHECK(seen.how.status == 7 && seen.how.signal == 0 && child_pid(seen.child) == 0);
	CHECK(start("kill -TERM $$", -1) == 0);
	until_ended();
	CHECK(seen.how.signal == SIGTERM && !child_signalled(seen.child));
	CHECK(seen.ended == 1);
}

static void
missing_is_an_error(void)
{
	char *args[] = {(char *)"/none", NULL};
	const struct child_command command = {.file = "/none", .args = args};
	CHECK(child_start(seen.child, &command) == UV_ENOENT);
	CHECK(child_pid(seen.child) == 0);
}

static void
steps_follow(void)
{
	int fds[2];
	char byte;
	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	CHECK(start("trap '' TERM; (trap '' TERM; sleep 60) & echo; sleep 60", fds[1]) == 0);
	close(fds[1]);
	CHECK(read(fds[0], &byte, 1) == 1);
	child_end(seen.child, CHILD_ASKED, 1);
	until_ended();
	CHECK(seen.late_count == 2 && seen.late[0] == CHILD_TERM && seen.late[1] == CHILD_KILL);
	CHECK(seen.how.signal == SIGKILL && child_signalled(seen.child));
	/* The other process of its group had the pipe, too. */
	CHECK(read(fds[0], &byte, 1) == 0);
	close(fds[0]);
}

static void
on_nothing(void *arg)
{
	(void)arg;
}

static void
inherited_are_reaped(void)
{
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	child_reap_inherited(loop);
	/* Those that it leaves end before it, with it and after it. */
	for (int i = 0; i < 20; i++) {
		CHECK(start("for i in 1 2 3 4; do (sleep 0.0$i & sleep 0.0$i &) & done; wait; "
			    "sleep 0.02",
			  -1) == 0);
		until_ended();
	}
	siginfo_t info;
	struct timer *timer = timer_new(loop, on_nothing, NULL);
	timer_repeat(timer, 1, 1);
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		loop_once(loop, true);
	CHECK(errno == ECHILD);
	timer_free(timer);
}

/* ------- timers ---------------------------------------------------------------- */

static struct {
	struct timer *timer;
	int count;
} fired;

static void
on_fire(void *arg)
{
	CHECK(arg == &fired);
	if (++fired.count == 3)
		timer_free(fired.timer);
}

static void
timer_repeats(void)
{
	fired.count = 0;
	fired.timer = timer_new(loop, on_fire, &fired);
	CHECK(!timer_active(fired.timer));
	timer_start(fired.timer, 3600000);
	CHECK(timer_active(fired.timer));
	timer_stop(fired.timer);
	CHECK(!timer_active(fired.timer));
	timer_start(fired.timer, 0);
	while (fired.count == 0)
		loop_once(loop, true);
	CHECK(!timer_active(fired.timer));
	timer_repeat(fired.timer, 0, 1);
	/* It is freed when it fires the third time, and does not keep the loop waiting. */
	while (uv_loop_alive(loop_uv(loop)))
		loop_once(loop, true);
	CHECK(fired.count == 3);
	timer_free(NULL);
}

/* ------- pauses ------------------------------------------------------------------ */

static void
pauses_double(void)
{
	struct backoff backoff = {.first_ms = 100, .last_ms = 1000, .good_ms = 3600000};
	CHECK(backoff_wait(&backoff) == 100);
	CHECK(backoff_wait(&backoff) == 200);
	backoff_begin(&backoff);
	backoff_end(&backoff);
	CHECK(backoff_wait(&backoff) == 400);
	CHECK(backoff_wait(&backoff) == 800);
	CHECK(backoff_wait(&backoff) == 1000);
	CHECK(backoff_wait(&backoff) == 1000);
	backoff_reset(&backoff);
	CHECK(backoff_wait(&backoff) == 100);
}

static void
good_run_starts_over(void)
{
	struct backoff backoff = {.first_ms = 100, .last_ms = 1000, .good_ms = 0};
	backoff_wait(&backoff);
	CHECK(backoff_wait(&backoff) == 200);
	backoff_begin(&backoff);
	backoff_end(&backoff);
	CHECK(backoff_wait(&backoff) == 100);
	/* What could not begin is no run. */
	backoff_end(&backoff);
	CHECK(backoff_wait(&backoff) == 200);
}

int
main(void)
{
	loop = loop_new();
	check_run("pauses double from the first to the last", pauses_double);
	check_run(
	    "a good run starts the pauses over, a failed start does not", good_run_starts_over);
	check_run("a timer fires once, or again and again, and may be freed when it fires",
	    timer_repeats);
	check_run("a child leads a session of its own, and its exit is reported", exit_is_reported);
	check_run("a program that is not there is an error, and no child", missing_is_an_error);
	check_run(
	    "a child that does not end gets TERM, then KILL, with its whole group", steps_follow);
	check_run(
	    "inherited processes are reaped, and no exit of a child is lost", inherited_are_reaped);
	return check_done();
}
