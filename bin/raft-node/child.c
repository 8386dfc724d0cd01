/* SPDX-License-Identifier: ISC */
/* The life of one daemon: every change of state goes through child_enter, which logs it. */
#include "child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/unix/log.h"

/* Back-off doubles from the first to the last and begins anew after a life of some length. */
enum { WAIT_FIRST_MS = 100, WAIT_LAST_MS = 5000, LIFE_GOOD_MS = 10000, STOP_MAX_MS = 10000 };
enum { PATH_SIZE = 4096, ARGS_MAX = 10, STDIO_COUNT = CHILD_PARENT_FD + 1 };

static const char *const state_names[] = {
#define S(NAME, text) [CHILD_##NAME] = text,
    CHILD_STATES(S)
#undef S
};
_Static_assert(
    sizeof(state_names) / sizeof(state_names[0]) == CHILD_STATES_COUNT, "each state has a name");

static const char *
exit_text(int status)
{
	switch (status) {
#define E(number, NAME, text)                                                                      \
	case number:                                                                               \
		return text;
		EXITS(E)
#undef E
	default:
		return "an exit status that means nothing here";
	}
}

static void
child_enter(struct child *child, enum child_state state, const char *why)
{
	enum log_level level = state == CHILD_WAITING ? LOG_WARN : LOG_INFO;
	log_line(level, "child", "child=%s from=%s to=%s why=%s", child->name,
	    state_names[child->state], state_names[state], log_q(why));
	child->state = state;
}

static uv_loop_t *
uv_of(const struct child *child)
{
	return loop_uv(child->setting->loop);
}

void
child_init(struct child *child, const char *name, const struct child_setting *setting)
{
	*child = (struct child){.name = name, .setting = setting, .wait_ms = WAIT_FIRST_MS};
	must(uv_timer_init(uv_of(child), &child->timer) == 0);
	child->timer.data = child;
}

/* ------------------------------------------------------------ readiness */

static void
give_ready_byte(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct child *child = handle->data;
	(void)size;
	*buf = uv_buf_init(&child->ready_byte, 1);
}

static void
close_ready(struct child *child)
{
	if (!uv_is_closing((uv_handle_t *)&child->ready))
		uv_close((uv_handle_t *)&child->ready, NULL);
}

static void
on_ready(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct child *child = stream->data;
	(void)buf;
	if (size == 0)
		return;
	close_ready(child);
	if (size < 0 || child->state != CHILD_STARTING)
		return;
	child_enter(child, CHILD_READY, "answers on its socket");
	child->setting->calls->ready(child, child->setting->arg);
}

/* ------------------------------------------------------------ its end */

static void
describe_end(const struct child *child, char *why, size_t size)
{
	if (child->signal != 0)
		snprintf(
		    why, size, "killed by signal %d, %s", child->signal, strsignal(child->signal));
	else if (child->status == 0)
		snprintf(why, size, "exit status 0");
	else
		snprintf(why, size, "exit status %d, %s", child->status, exit_text(child->status));
}

static void
on_wait_over(uv_timer_t *timer)
{
	child_start(timer->data);
}

static void
start_later(struct child *child, const char *why)
{
	uint64_t life_ms = mono_now().ms - child->started.ms;
	if (life_ms >= LIFE_GOOD_MS)
		child->wait_ms = WAIT_FIRST_MS;
	child_enter(child, CHILD_WAITING, why);
	uv_timer_start(&child->timer, on_wait_over, child->wait_ms, 0);
	child->wait_ms = child->wait_ms * 2 < WAIT_LAST_MS ? child->wait_ms * 2 : WAIT_LAST_MS;
}

/* Wrong options, and what exit_of_errno says a person must change. */
static bool
is_hopeless(const struct child *child)
{
	return child->signal == 0 && (child->status == EXIT_USAGE || child->status == EXIT_CONFIG);
}

static void
on_process_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;
	char why[256];
	describe_end(child, why, sizeof(why));
	if (child->state == CHILD_STOPPING) {
		uv_timer_stop(&child->timer);
		child_enter(child, CHILD_DOWN, why);
		child->setting->calls->stopped(child, child->setting->arg);
	} else if (is_hopeless(child)) {
		child_enter(child, CHILD_DOWN, why);
		child->setting->calls->hopeless(child, EXIT_CONFIG, child->setting->arg);
	} else {
		start_later(child, why);
	}
}

static void
on_exit_of(uv_process_t *process, int64_t status, int signal_number)
{
	struct child *child = process->data;
	child->status = (int)status;
	child->signal = signal_number;
	close_ready(child);
	uv_close((uv_handle_t *)process, on_process_closed);
}

/* ------------------------------------------------------------ its start */

static void
make_args(const struct child *child, char **args)
{
	static char ready_fd[] = "3";
	_Static_assert(CHILD_READY_FD == 3, "ready_fd says it");
	size_t count = 0;
	args[count++] = (char *)child->name;
	args[count++] = (char *)"-c";
	args[count++] = (char *)child->setting->config;
	args[count++] = (char *)"-d";
	args[count++] = ready_fd;
	if (child->setting->verbose)
		args[count++] = (char *)"-v";
	if (child->setting->log_time)
		args[count++] = (char *)"--log-time";
	args[count++] = NULL;
	must(count <= ARGS_MAX);
}

static int
spawn(struct child *child)
{
	char path[PATH_SIZE];
	char *args[ARGS_MAX];
	snprintf(path, sizeof(path), "%s/%s", child->setting->programs, child->name);
	make_args(child, args);
	uv_stdio_container_t stdio[STDIO_COUNT] = {
	    {.flags = UV_IGNORE},
	    {.flags = child->has_output ? UV_INHERIT_FD : UV_IGNORE, .data.fd = 1},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	    {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		.data.stream = (uv_stream_t *)&child->ready},
	    {.flags = UV_INHERIT_FD, .data.fd = child->setting->parent_fd},
	};
	uv_process_options_t options = {
	    .file = path,
	    .args = args,
	    .env = child->setting->environment,
	    .exit_cb = on_exit_of,
	    .flags = UV_PROCESS_DETACHED,
	    .stdio = stdio,
	    .stdio_count = STDIO_COUNT,
	};
	return uv_spawn(uv_of(child), &child->process, &options);
}

static void
on_never_started(uv_handle_t *handle)
{
	(void)handle;
}

/* At the first start: a program that is not there, or is none.  Later it may be away for the moment of an upgrade. */
static bool
is_missing(const struct child *child, int error)
{
	return !child->has_run && exit_of_errno(-error) == EXIT_CONFIG;
}

static void
not_started(struct child *child, int error)
{
	close_ready(child);
	uv_close((uv_handle_t *)&child->process, on_never_started);
	if (!is_missing(child, error)) {
		start_later(child, uv_strerror(error));
		return;
	}
	child_enter(child, CHILD_DOWN, uv_strerror(error));
	child->setting->calls->hopeless(
	    child, error == UV_ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, child->setting->arg);
}

void
child_start(struct child *child)
{
	must(child->state == CHILD_DOWN || child->state == CHILD_WAITING);
	child->started = mono_now();
	must(uv_pipe_init(uv_of(child), &child->ready, 0) == 0);
	child->ready.data = child;
	child->process.data = child;
	int error = spawn(child);
	if (error != 0) {
		not_started(child, error);
		return;
	}
	child->has_run = true;
	char why[64];
	snprintf(why, sizeof(why), "process %d", child->process.pid);
	child_enter(child, CHILD_STARTING, why);
	uv_read_start((uv_stream_t *)&child->ready, give_ready_byte, on_ready);
}

/* ------------------------------------------------------------ stopping */

static void
on_stop_late(uv_timer_t *timer)
{
	struct child *child = timer->data;
	log_warn("child", "child=%s why=%s", child->name,
	    log_q("did not stop on TERM in time, it is killed"));
	child_kill(child);
}

static bool
is_running(const struct child *child)
{
	return child->state == CHILD_STARTING || child->state == CHILD_READY ||
	       child->state == CHILD_STOPPING;
}

void
child_stop(struct child *child)
{
	if (!is_running(child)) {
		uv_timer_stop(&child->timer);
		child->state = CHILD_DOWN;
		child->setting->calls->stopped(child, child->setting->arg);
		return;
	}
	child_enter(child, CHILD_STOPPING, "TERM sent");
	uv_process_kill(&child->process, SIGTERM);
	uv_timer_start(&child->timer, on_stop_late, STOP_MAX_MS, 0);
}

void
child_kill(struct child *child)
{
	if (is_running(child))
		uv_process_kill(&child->process, SIGKILL);
}
