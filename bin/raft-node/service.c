/* SPDX-License-Identifier: ISC */
/* The life of one daemon: every change of state goes through service_enter, which logs it. */
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unix/log.h"

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
service_enter(struct service *service, enum service_state state, const char *why)
{
	enum log_level level = state == CHILD_WAITING ? LOG_WARN : LOG_INFO;
	log_line(level, "child", "child=%s from=%s to=%s why=%s", service->name,
	    state_names[service->state], state_names[state], log_q(why));
	service->state = state;
}

static uv_loop_t *
uv_of(const struct service *service)
{
	return loop_uv(service->setting->loop);
}

void
service_init(struct service *service, const char *name, const struct service_setting *setting)
{
	*service = (struct service){.name = name, .setting = setting, .wait_ms = WAIT_FIRST_MS};
	must(uv_timer_init(uv_of(service), &service->timer) == 0);
	service->timer.data = service;
}

/* ------------------------------------------------------------ readiness */

static void
give_ready_byte(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct service *service = handle->data;
	(void)size;
	*buf = uv_buf_init(&service->ready_byte, 1);
}

static void
close_ready(struct service *service)
{
	if (!uv_is_closing((uv_handle_t *)&service->ready))
		uv_close((uv_handle_t *)&service->ready, NULL);
}

static void
service_on_ready(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct service *service = stream->data;
	(void)buf;
	if (size == 0)
		return;
	close_ready(service);
	if (size < 0 || service->state != CHILD_STARTING)
		return;
	service_enter(service, CHILD_READY, "answers on its socket");
	service->setting->calls->ready(service, service->setting->arg);
}

/* ------------------------------------------------------------ its end */

static void
describe_end(const struct service *service, char *why, size_t size)
{
	if (service->signal != 0)
		snprintf(why, size, "killed by signal %d, %s", service->signal,
		    strsignal(service->signal));
	else if (service->status == 0)
		snprintf(why, size, "exit status 0");
	else
		snprintf(
		    why, size, "exit status %d, %s", service->status, exit_text(service->status));
}

static void
on_wait_over(uv_timer_t *timer)
{
	service_start(timer->data);
}

static void
start_later(struct service *service, const char *why)
{
	uint64_t life_ms = mono_now().ms - service->started.ms;
	if (life_ms >= LIFE_GOOD_MS)
		service->wait_ms = WAIT_FIRST_MS;
	service_enter(service, CHILD_WAITING, why);
	uv_timer_start(&service->timer, on_wait_over, service->wait_ms, 0);
	service->wait_ms =
	    service->wait_ms * 2 < WAIT_LAST_MS ? service->wait_ms * 2 : WAIT_LAST_MS;
}

/* Wrong options, and what exit_of_errno says a person must change. */
static bool
is_hopeless(const struct service *service)
{
	return service->signal == 0 &&
	       (service->status == EXIT_USAGE || service->status == EXIT_CONFIG);
}

static void
service_on_process_closed(uv_handle_t *handle)
{
	struct service *service = handle->data;
	char why[256];
	describe_end(service, why, sizeof(why));
	if (service->state == CHILD_STOPPING) {
		uv_timer_stop(&service->timer);
		service_enter(service, CHILD_DOWN, why);
		service->setting->calls->stopped(service, service->setting->arg);
	} else if (is_hopeless(service)) {
		service_enter(service, CHILD_DOWN, why);
		service->setting->calls->hopeless(service, EXIT_CONFIG, service->setting->arg);
	} else {
		start_later(service, why);
	}
}

static void
on_exit_of(uv_process_t *process, int64_t status, int signal_number)
{
	struct service *service = process->data;
	service->status = (int)status;
	service->signal = signal_number;
	close_ready(service);
	uv_close((uv_handle_t *)process, service_on_process_closed);
}

/* ------------------------------------------------------------ its start */

static void
make_args(const struct service *service, char **args)
{
	static char ready_fd[] = "3";
	_Static_assert(CHILD_READY_FD == 3, "ready_fd says it");
	size_t count = 0;
	args[count++] = (char *)service->name;
	args[count++] = (char *)"-c";
	args[count++] = (char *)service->setting->config;
	args[count++] = (char *)"-d";
	args[count++] = ready_fd;
	if (service->setting->verbose)
		args[count++] = (char *)"-v";
	if (service->setting->log_time)
		args[count++] = (char *)"--log-time";
	args[count++] = NULL;
	must(count <= ARGS_MAX);
}

static int
service_spawn(struct service *service)
{
	char path[PATH_SIZE];
	char *args[ARGS_MAX];
	snprintf(path, sizeof(path), "%s/%s", service->setting->programs, service->name);
	make_args(service, args);
	uv_stdio_container_t stdio[STDIO_COUNT] = {
	    {.flags = UV_IGNORE},
	    {.flags = service->has_output ? UV_INHERIT_FD : UV_IGNORE, .data.fd = 1},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	    {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		.data.stream = (uv_stream_t *)&service->ready},
	    {.flags = UV_INHERIT_FD, .data.fd = service->setting->parent_fd},
	};
	uv_process_options_t options = {
	    .file = path,
	    .args = args,
	    .env = service->setting->environment,
	    .exit_cb = on_exit_of,
	    .flags = UV_PROCESS_DETACHED,
	    .stdio = stdio,
	    .stdio_count = STDIO_COUNT,
	};
	return uv_spawn(uv_of(service), &service->process, &options);
}

static void
on_never_started(uv_handle_t *handle)
{
	(void)handle;
}

/* At the first start: a program that is not there, or is none.  Later it may be away for the moment
 * of an upgrade. */
static bool
is_missing(const struct service *service, int error)
{
	return !service->has_run && exit_of_errno(-error) == EXIT_CONFIG;
}

static void
not_started(struct service *service, int error)
{
	close_ready(service);
	uv_close((uv_handle_t *)&service->process, on_never_started);
	if (!is_missing(service, error)) {
		start_later(service, uv_strerror(error));
		return;
	}
	service_enter(service, CHILD_DOWN, uv_strerror(error));
	service->setting->calls->hopeless(service,
	    error == UV_ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, service->setting->arg);
}

void
service_start(struct service *service)
{
	must(service->state == CHILD_DOWN || service->state == CHILD_WAITING);
	service->started = mono_now();
	must(uv_pipe_init(uv_of(service), &service->ready, 0) == 0);
	service->ready.data = service;
	service->process.data = service;
	int error = service_spawn(service);
	if (error != 0) {
		not_started(service, error);
		return;
	}
	service->has_run = true;
	char why[64];
	snprintf(why, sizeof(why), "process %d", service->process.pid);
	service_enter(service, CHILD_STARTING, why);
	uv_read_start((uv_stream_t *)&service->ready, give_ready_byte, service_on_ready);
}

/* ------------------------------------------------------------ stopping */

static void
on_stop_late(uv_timer_t *timer)
{
	struct service *service = timer->data;
	log_warn("child", "child=%s why=%s", service->name,
	    log_q("did not stop on TERM in time, it is killed"));
	service_kill(service);
}

static bool
is_running(const struct service *service)
{
	return service->state == CHILD_STARTING || service->state == CHILD_READY ||
	       service->state == CHILD_STOPPING;
}

void
service_stop(struct service *service)
{
	if (!is_running(service)) {
		uv_timer_stop(&service->timer);
		service->state = CHILD_DOWN;
		service->setting->calls->stopped(service, service->setting->arg);
		return;
	}
	service_enter(service, CHILD_STOPPING, "TERM sent");
	uv_process_kill(&service->process, SIGTERM);
	uv_timer_start(&service->timer, on_stop_late, STOP_MAX_MS, 0);
}

void
service_kill(struct service *service)
{
	if (is_running(service))
		uv_process_kill(&service->process, SIGKILL);
}
