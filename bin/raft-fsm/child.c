/* SPDX-License-Identifier: ISC */
/* The program's life: start, end, and what is in between. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/sock.h"
#include "lock.h"

enum {
	TICK_MS = 10,    /* how often is looked whether all of it is gone */
	GRACE_MS = 1000, /* between TERM and KILL, and after KILL */
	TURN_FD = 3      /* what the program holds the lock as */
};

/* HELD: processes of an earlier incarnation are still there.  ENDING: its stdin is closed. */
enum phase { IDLE, HELD, RUNNING, ENDING };
/* What has been done to end it. */
enum child_step { STEP_EOF, STEP_TERM, STEP_KILL, STEP_GIVEN_UP };

struct child {
	struct loop *loop;
	struct child_options options;
	const struct child_calls *calls;
	void *arg;
	char turn_path[SOCK_PATH_MAX + 8];

	enum phase phase;
	enum child_step step;
	struct mono_ms step_end; /* when the next one is due */
	uv_timer_t tick;
	uv_process_t *process; /* NULL: its first process is gone */
	pid_t group;           /* of the present or last incarnation, 0: none */
	char how[64];
	bool clean;
	int signal;   /* that ended its first process; 0: none */
	bool ended;   /* we have sent it a signal */
	int output;   /* of one that talks, until the owner takes it */
	bool orderly; /* its end is wanted: what it started may finish, too */
};

static void child_on_tick(uv_timer_t *timer);

static void
step_to(struct child *child, enum child_step step, uint64_t patience_ms)
{
	child->step = step;
	child->step_end = (struct mono_ms){mono_now().ms + patience_ms};
}

/* The group that is to be ended now. */
static pid_t
child_target(const struct child *child)
{
	return child->phase == HELD ? lock_group(child->turn_path) : child->group;
}

static void
next_step(struct child *child)
{
	pid_t group = child_target(child);
	child->ended = true;
	if (child->step == STEP_EOF) {
		log_warn("program", "group=%ld why=%s", (long)group,
		    log_q("it does not end after its input ended: TERM"));
		if (group > 0)
			kill(-group, SIGTERM);
		step_to(child, STEP_TERM, GRACE_MS);
	} else if (child->step == STEP_TERM) {
		log_warn("program", "group=%ld why=%s", (long)group,
		    log_q("it does not end on TERM: KILL"));
		if (group > 0)
			kill(-group, SIGKILL);
		step_to(child, STEP_KILL, GRACE_MS);
	} else {
		log_warn("program", "group=%ld why=%s", (long)group,
		    log_q("a process that left the program's group still runs; going on without "
			  "waiting for it"));
		lock_abandon(child->turn_path);
		child->step = STEP_GIVEN_UP;
	}
}

static void
child_is_over(struct child *child)
{
	uv_timer_stop(&child->tick);
	child->phase = IDLE;
	child->group = 0;
	child->calls->over(child->how, child->clean, child->arg);
}

static void child_run(struct child *child, int turn_fd);

/* Waiting for an earlier incarnation: run as soon as it is gone. */
static void
child_try_start(struct child *child)
{
	int fd = lock_acquire(child->turn_path);
	if (fd >= 0) {
		uv_timer_stop(&child->tick);
		child->phase = IDLE;
		child_run(child, fd);
	} else if (errno != EWOULDBLOCK) {
		char why[512];
		snprintf(why, sizeof why, "%s: %s", child->turn_path, strerror(errno));
		uv_timer_stop(&child->tick);
		child->phase = IDLE;
		child->calls->failed(EXIT_OS, why, child->arg);
	}
}

static void
child_on_tick(uv_timer_t *timer)
{
	struct child *child = timer->data;
	if (mono_now().ms >= child->step_end.ms && child->step != STEP_GIVEN_UP)
		next_step(child);
	if (child->phase == HELD)
		child_try_start(child);
	else if (child->process == NULL &&
		 (child->step == STEP_GIVEN_UP || lock_is_free(child->turn_path)))
		child_is_over(child);
}

static void
child_on_process_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
on_exit_of_first(uv_process_t *process, int64_t status, int number)
{
	struct child *child = process->data;
	child->process = NULL;
	uv_close((uv_handle_t *)process, child_on_process_closed);
	child->clean = status == 0 && number == 0;
	child->signal = number;
	if (number) {
		const char *name = sigabbrev_np(number);
		snprintf(child->how, sizeof child->how, "was killed by SIG%s", name ? name : "?");
	} else {
		snprintf(child->how, sizeof child->how, "exited with %d", (int)status);
	}
	if (!child->orderly) {
		/* It died; others of its group must not go on beside the next incarnation. */
		child->phase = ENDING;
		kill(-child->group, SIGKILL);
		step_to(child, STEP_KILL, GRACE_MS);
		uv_timer_start(&child->tick, child_on_tick, 0, TICK_MS);
	}
}

/* ENOENT is also said of a script whose interpreter is missing. */
static enum exit_status
why_not_run(const struct child *child, int error, char *why, size_t size)
{
	const char *name = child->options.command[0], *folder = child->options.conf->folder;
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		snprintf(
		    why, size, "%s: cannot run: its folder %s: %s", name, folder, strerror(errno));
		return EXIT_NOT_EXECUTABLE;
	}
	bool there = strchr(name, '/') && faccessat(dir, name, F_OK, 0) == 0;
	close(dir);
	if (error == UV_ENOENT && there) {
		snprintf(why, size, "%s: cannot run: its interpreter is missing", name);
		return EXIT_NOT_EXECUTABLE;
	}
	snprintf(why, size, "%s: cannot run in %s: %s", name, folder, uv_strerror(error));
	return error == UV_ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Ours, without what is between raft-node and us, and with RAFT_*.  The array and what it owns are
 * freed by env_free. */
static char **
env_new(const struct child *child)
{
	extern char **environ;
	static const char *const drop[] = {"RAFT_PARENT_FD=", "NOTIFY_SOCKET=", "RAFT_NODE=",
	    "RAFT_CLUSTER=", "RAFT_CONFIG=", "RAFT_MODE="};
	const struct conf *conf = child->options.conf;
	const char *const pairs[][2] = {{"RAFT_NODE", conf->node.id.s},
	    {"RAFT_CLUSTER", conf->cluster.name}, {"RAFT_CONFIG", conf->path},
	    {"RAFT_MODE", child->options.mode}};
	enum { PAIRS = sizeof pairs / sizeof pairs[0], DROPS = sizeof drop / sizeof drop[0] };
	size_t count = 0, at = 0;
	while (environ[count])
		count++;
	char **env = calloc(count + PAIRS + 1, sizeof *env);
	must(env != NULL);
	for (size_t i = 0; i < count; i++) {
		bool keep = true;
		for (size_t d = 0; d < DROPS; d++)
			keep = keep && strncmp(environ[i], drop[d], strlen(drop[d])) != 0;
		if (keep)
			must((env[at++] = strdup(environ[i])) != NULL);
	}
	for (size_t i = 0; i < PAIRS; i++)
		must(
		    asprintf(&env[at++], "%s=%s", pairs[i][0], pairs[i][1] ? pairs[i][1] : "") > 0);
	return env;
}

static void
env_free(char **env)
{
	for (char **at = env; *at; at++)
		free(*at);
	free(env);
}

/* 0, or an error of libuv's. */
static int
child_spawn(struct child *child, int stdin_fd, int stdout_fd, int turn_fd)
{
	uv_stdio_container_t stdio[] = {
	    {.flags = UV_INHERIT_FD, .data.fd = stdin_fd},
	    {.flags = UV_INHERIT_FD, .data.fd = stdout_fd},
	    {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	    {.flags = UV_INHERIT_FD, .data.fd = turn_fd},
	};
	char **env = env_new(child);
	uv_process_options_t options = {
	    .exit_cb = on_exit_of_first,
	    .file = child->options.command[0],
	    .args = (char **)child->options.command,
	    .env = env,
	    .cwd = child->options.conf->folder,
	    .flags = UV_PROCESS_DETACHED,
	    .stdio_count = TURN_FD + 1,
	    .stdio = stdio,
	};
	uv_process_t *process = calloc(1, sizeof *process);
	must(process != NULL);
	process->data = child;
	int error = uv_spawn(loop_uv(child->loop), process, &options);
	env_free(env);
	if (error) {
		uv_close((uv_handle_t *)process, child_on_process_closed);
		return error;
	}
	child->process = process;
	child->group = process->pid;
	return 0;
}

/* The two ends of a pipe, ours (its number) non-blocking, and as large as wanted, or allowed. */
static bool
pipe_new(const struct child *child, int fds[2], int ours)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	fcntl(fds[ours], F_SETFL, O_NONBLOCK);
	for (int size = child->options.pipe_size; size > 1 << 16; size /= 2)
		if (fcntl(fds[1], F_SETPIPE_SZ, size) > 0)
			break;
	return true;
}

static void
close_pipe(const int fds[2])
{
	if (fds[0] >= 0) {
		close(fds[0]);
		close(fds[1]);
	}
}

static void
child_run(struct child *child, int turn_fd)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	char why[512];
	if (!pipe_new(child, in, 1) || (child->options.talks && !pipe_new(child, out, 0))) {
		snprintf(why, sizeof why, "no pipe: %s", strerror(errno));
		close_pipe(in);
		close(turn_fd);
		child->calls->failed(EXIT_OS, why, child->arg);
		return;
	}
	int error =
	    child_spawn(child, in[0], child->options.talks ? out[1] : STDOUT_FILENO, turn_fd);
	if (error == 0)
		lock_note(turn_fd, child->group);
	close(turn_fd);
	if (error) {
		close_pipe(in);
		close_pipe(out);
		enum exit_status status = why_not_run(child, error, why, sizeof why);
		child->calls->failed(status, why, child->arg);
		return;
	}
	close(in[0]);
	if (child->options.talks)
		close(out[1]);
	child->output = out[0];
	child->phase = RUNNING;
	child->orderly = child->ended = false;
	child->calls->started(in[1], child->arg);
}

struct child *
child_new(struct loop *loop, const struct child_options *options, const struct child_calls *calls,
    void *arg)
{
	struct child *child = calloc(1, sizeof *child);
	must(child != NULL);
	child->loop = loop;
	child->options = *options;
	child->calls = calls;
	child->arg = arg;
	snprintf(child->turn_path, sizeof child->turn_path, "%s/fsm.lock", options->conf->node.run);
	uv_timer_init(loop_uv(loop), &child->tick);
	child->tick.data = child;
	return child;
}

static void
child_on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
child_free(struct child *child)
{
	if (child == NULL)
		return;
	must(child->process == NULL);
	uv_close((uv_handle_t *)&child->tick, child_on_timer_closed);
}

void
child_start(struct child *child)
{
	must(child->phase == IDLE);
	child->phase = HELD;
	/* Its stdin ended with the raft-fsm that started it: it gets the usual time. */
	step_to(child, STEP_EOF, child->options.conf->fsm.stop_timeout_ms);
	uv_timer_start(&child->tick, child_on_tick, 0, TICK_MS);
}

void
child_deaf(struct child *child)
{
	if (child->phase != RUNNING)
		return;
	child->phase = ENDING;
	step_to(child, STEP_EOF, child->options.conf->fsm.stop_timeout_ms);
	uv_timer_start(&child->tick, child_on_tick, 0, TICK_MS);
}

bool
child_end(struct child *child)
{
	if (child->phase == HELD) {
		uv_timer_stop(&child->tick);
		child->phase = IDLE;
	} else if (child->phase == RUNNING) {
		child->orderly = true;
		child_deaf(child);
	}
	return child->phase != IDLE;
}

void
child_kill(struct child *child)
{
	child->ended = true;
	if (child->group > 0)
		kill(-child->group, SIGKILL);
}

int
child_output(struct child *child)
{
	int fd = child->output;
	child->output = -1;
	return fd;
}

bool
child_killed(const struct child *child)
{
	int number = child->signal;
	bool foreign = number == SIGKILL || number == SIGTERM || number == SIGINT ||
		       number == SIGHUP || number == SIGQUIT;
	return foreign && !child->ended;
}

bool
child_ended(const struct child *child)
{
	return child->ended;
}

int
child_pid(const struct child *child)
{
	return child->process ? child->process->pid : 0;
}
