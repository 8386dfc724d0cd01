/* SPDX-License-Identifier: ISC */
/* The life of one daemon: every change of state goes through service_enter, which logs it. */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/log.h"
#include "unix/timer.h"

enum { WAIT_FIRST_MS = 20, WAIT_LAST_MS = 5000, LIFE_GOOD_MS = 10000, STOP_MAX_MS = 10000 };
enum { PATH_SIZE = 4096, ARGS_MAX = 10 };

static const char *const state_names[] = {
#define S(NAME, text) [SERVICE_##NAME] = text,
    SERVICE_STATES(S)
#undef S
};
_Static_assert(
    sizeof(state_names) / sizeof(state_names[0]) == SERVICE_STATES_COUNT, "each state has a name");

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
	enum log_level level = state == SERVICE_WAITING ? LOG_WARN : LOG_INFO;
	log_line(level, "child", "child=%s from=%s to=%s why=%s", service->name,
	    state_names[service->state], state_names[state], log_q(why));
	service->state = state;
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
	if (size < 0 || service->state != SERVICE_STARTING)
		return;
	service_enter(service, SERVICE_READY, "answers on its socket");
	service->setting->calls->ready(service, service->setting->arg);
}

static void
watch_ready(struct service *service, int fd)
{
	must(uv_pipe_init(loop_uv(service->setting->loop), &service->ready, 0) == 0);
	must(uv_pipe_open(&service->ready, fd) == 0);
	service->ready.data = service;
	uv_read_start((uv_stream_t *)&service->ready, give_ready_byte, service_on_ready);
}

/* ------------------------------------------------------------ its end */

static void
describe_end(const struct child_exit *how, char *why, size_t size)
{
	if (how->signal != 0)
		snprintf(why, size, "killed by signal %d, %s", how->signal, strsignal(how->signal));
	else if (how->status == 0)
		snprintf(why, size, "exit status 0");
	else
		snprintf(why, size, "exit status %d, %s", how->status, exit_text(how->status));
}

static void
on_wait_over(void *arg)
{
	service_start(arg);
}

static void
start_later(struct service *service, const char *why)
{
	backoff_end(&service->backoff);
	service_enter(service, SERVICE_WAITING, why);
	timer_start(service->again, backoff_wait(&service->backoff));
}

/* Wrong options, and what exit_of_errno says a person must change. */
static bool
is_hopeless(const struct child_exit *how)
{
	return how->signal == 0 && (how->status == EXIT_USAGE || how->status == EXIT_CONFIG);
}

static void
service_on_ended(const struct child_exit *how, void *arg)
{
	struct service *service = arg;
	char why[256];
	describe_end(how, why, sizeof(why));
	close_ready(service);
	child_forget(service->child);
	if (service->state == SERVICE_STOPPING) {
		service_enter(service, SERVICE_DOWN, why);
		service->setting->calls->stopped(service, service->setting->arg);
	} else if (is_hopeless(how)) {
		service_enter(service, SERVICE_DOWN, why);
		service->setting->calls->hopeless(service, EXIT_CONFIG, service->setting->arg);
	} else {
		start_later(service, why);
	}
}

/* KILL is the last step. */
static uint64_t
service_on_late(enum child_step step, void *arg)
{
	struct service *service = arg;
	(void)step;
	log_warn("child", "child=%s why=%s", service->name,
	    log_q("did not stop on TERM in time, it is killed"));
	return 0;
}

static const struct child_calls child_calls = {service_on_ended, service_on_late};

void
service_init(struct service *service, const char *name, const struct service_setting *setting)
{
	*service = (struct service){.name = name,
	    .setting = setting,
	    .backoff = {
		.first_ms = WAIT_FIRST_MS, .last_ms = WAIT_LAST_MS, .good_ms = LIFE_GOOD_MS}};
	service->again = timer_new(setting->loop, on_wait_over, service);
	service->child = child_new(setting->loop, &child_calls, service);
}

/* ------------------------------------------------------------ its start */

static void
make_args(const struct service *service, char **args)
{
	static char ready_fd[] = CHILD_READY_FD_TEXT;
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

/* ready_fd: what it writes a newline to.  0, or an error of libuv's. */
static int
service_spawn(struct service *service, int ready_fd)
{
	char path[PATH_SIZE];
	char *args[ARGS_MAX];
	snprintf(path, sizeof(path), "%s/%s", service->setting->programs, service->name);
	make_args(service, args);
	/* Its descriptors 0 to 4. */
	const int fds[] = {-1, service->has_output ? STDOUT_FILENO : -1, STDERR_FILENO, ready_fd,
	    service->setting->parent_fd};
	const struct child_command command = {
	    .file = path, .args = args, .fds = fds, .fds_count = sizeof(fds) / sizeof(fds[0])};
	return child_start(service->child, &command);
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
	if (!is_missing(service, error)) {
		start_later(service, uv_strerror(error));
		return;
	}
	service_enter(service, SERVICE_DOWN, uv_strerror(error));
	service->setting->calls->hopeless(service,
	    error == UV_ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, service->setting->arg);
}

void
service_start(struct service *service)
{
	int fds[2];
	must(service->state == SERVICE_DOWN || service->state == SERVICE_WAITING);
	if (pipe2(fds, O_CLOEXEC) < 0) {
		not_started(service, -errno);
		return;
	}
	int error = service_spawn(service, fds[1]);
	close(fds[1]);
	if (error != 0) {
		close(fds[0]);
		not_started(service, error);
		return;
	}
	backoff_begin(&service->backoff);
	service->has_run = true;
	char why[64];
	snprintf(why, sizeof(why), "process %d", child_pid(service->child));
	service_enter(service, SERVICE_STARTING, why);
	watch_ready(service, fds[0]);
}

/* ------------------------------------------------------------ stopping */

void
service_stop(struct service *service)
{
	if (child_pid(service->child) == 0) {
		timer_stop(service->again);
		service->state = SERVICE_DOWN;
		service->setting->calls->stopped(service, service->setting->arg);
		return;
	}
	service_enter(service, SERVICE_STOPPING, "TERM sent");
	child_end(service->child, CHILD_TERM, STOP_MAX_MS);
}

void
service_kill(struct service *service)
{
	child_signal(service->child, SIGKILL);
}
