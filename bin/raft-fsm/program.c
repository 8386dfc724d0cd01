/* SPDX-License-Identifier: ISC */
/* The program's life: start, end, and what is in between. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/backoff.h"
#include "conf/fields.h"
#include "unix/child.h"
#include "unix/command.h"
#include "unix/sock.h"
#include "unix/timer.h"
#include "lock.h"
#include "trial.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_LAST_MS = 10000, /* and one that ran this long starts from the first again */
	TICK_MS = 10,            /* between two looks whether all of it is gone */
	GRACE_MS = 1000,         /* between TERM and KILL, and after KILL */
	AGAIN_SIZE = 128
};

/* HELD: processes of an earlier incarnation are still there.  ENDING: its stdin is closed. */
enum program_phase { IDLE, HELD, RUNNING, ENDING };

struct program {
	struct fsm *fsm;
	struct program_options options;
	const struct program_calls *calls;
	void *arg;
	char lock_path[PATH_MAX];

	struct child *child;
	enum program_phase phase;
	struct timer *tick;
	struct child_exit end; /* of its first process */
	char how[64];
	bool given_up; /* what is left of its group is not waited for */
	bool orderly;  /* its end is wanted: what it started may finish, too */
	int output;    /* of one that talks, until the owner takes it */

	struct timer *next; /* start */
	struct backoff backoff;
	char again[AGAIN_SIZE];
};

/* ------- start --------------------------------------------------------------- */

static void
program_on_next(void *arg)
{
	struct program *program = arg;
	program->fsm->restarts++;
	program_start(program, program->again);
}

void
program_again(struct program *program)
{
	timer_start(program->next, 0);
}

void
program_back_off(struct program *program, const char *what)
{
	char why[1024];
	uint64_t wait_ms = backoff_wait(&program->backoff);
	snprintf(why, sizeof why, "%s%s in %" PRIu64 " ms", what, program->again, wait_ms);
	fsm_state(program->fsm, FSM_BACKOFF, why);
	timer_start(program->next, wait_ms);
}

bool
program_waits(const struct program *program)
{
	return timer_active(program->next);
}

void
program_forgive(struct program *program)
{
	backoff_reset(&program->backoff);
}

/* A command of the command line must be there at first; any other may come. */
static void
program_cannot(struct program *program, enum exit_status status, const char *why)
{
	if (program->fsm->trial)
		fsm_verdict((int)status, "%s", why);
	if (program->fsm->foreground && program->fsm->restarts == 0) {
		log_error("program", "why=%s", log_q(why));
		fsm_fail(program->fsm, status);
	} else {
		program_back_off(program, why);
	}
}

/* The two ends of a pipe, ours (its number) non-blocking, and as large as wanted, or allowed. */
static bool
pipe_new(const struct program *program, int fds[2], int ours)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	fcntl(fds[ours], F_SETFL, O_NONBLOCK);
	for (int size = program->options.pipe_size; size > 1 << 16; size /= 2)
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
program_run(struct program *program, int lock_fd)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	char why[512];
	if (!pipe_new(program, in, 1) || (program->options.talks && !pipe_new(program, out, 0))) {
		snprintf(why, sizeof why, "no pipe: %s", strerror(errno));
		close_pipe(in);
		close(lock_fd);
		program_cannot(program, EXIT_OS, why);
		return;
	}
	/* The lock is its descriptor LOCK_FD. */
	const int fds[] = {
	    in[0], program->options.talks ? out[1] : STDOUT_FILENO, STDERR_FILENO, lock_fd};
	const struct child_command command = {.file = program->fsm->command[0],
	    .args = program->fsm->command,
	    .folder = program->fsm->conf->folder,
	    .fds = fds,
	    .fds_count = sizeof fds / sizeof fds[0]};
	int error = child_start(program->child, &command);
	if (error == 0)
		lock_note(lock_fd, child_group(program->child));
	close(lock_fd);
	if (error) {
		close_pipe(in);
		close_pipe(out);
		enum exit_status status = command_why(
		    program->fsm->command[0], program->fsm->conf->folder, error, why, sizeof why);
		program_cannot(program, status, why);
		return;
	}
	close(in[0]);
	if (program->options.talks)
		close(out[1]);
	program->output = out[0];
	program->fsm->pid = (int)child_pid(program->child);
	program->phase = RUNNING;
	program->orderly = false;
	backoff_begin(&program->backoff);
	program->calls->started(in[1], program->arg);
}

/* A plain --try has no place for a lock, and no second incarnation to fear. */
static bool
program_unlocked(const struct program *program)
{
	return program->fsm->trial && program->fsm->trial->record == NULL;
}

static int
program_lock(const struct program *program)
{
	return program_unlocked(program) ? open("/dev/null", O_RDONLY | O_CLOEXEC)
					 : lock_acquire(program->lock_path);
}

static bool
program_is_gone(const struct program *program)
{
	return program_unlocked(program) || lock_is_free(program->lock_path);
}

static void
program_rest(struct program *program)
{
	timer_stop(program->tick);
	child_forget(program->child);
	program->phase = IDLE;
}

/* Waiting for an earlier incarnation: run as soon as it is gone. */
static void
program_try_start(struct program *program)
{
	int fd = program_lock(program);
	if (fd >= 0) {
		program_rest(program);
		program_run(program, fd);
	} else if (errno != EWOULDBLOCK) {
		char why[512];
		snprintf(why, sizeof why, "%.400s: %s", program->lock_path, strerror(errno));
		program_rest(program);
		program_cannot(program, EXIT_OS, why);
	}
}

/* ------- end ----------------------------------------------------------------- */

static void
program_on_tick(void *arg)
{
	struct program *program = arg;
	if (program->phase == HELD) {
		program_try_start(program);
	} else if (program->fsm->pid == 0 && (program->given_up || program_is_gone(program))) {
		program_rest(program);
		backoff_end(&program->backoff);
		bool clean = program->end.status == 0 && program->end.signal == 0;
		program->calls->over(program->how, clean, program->arg);
	}
}

/* Waits for all of its group to go, beginning with this step. */
static void
program_wait(
    struct program *program, enum program_phase phase, enum child_step step, uint64_t patience_ms)
{
	program->phase = phase;
	program->given_up = false;
	child_end(program->child, step, patience_ms);
	timer_repeat(program->tick, 0, TICK_MS);
}

static uint64_t
program_on_late(enum child_step step, void *arg)
{
	static const char *const why[] = {
	    [CHILD_TERM] = "it does not end after its input ended: TERM",
	    [CHILD_KILL] = "it does not end on TERM: KILL",
	    [CHILD_GIVEN_UP] = "a process that left the program's group still runs; going on "
			       "without waiting for it",
	};
	struct program *program = arg;
	if (step == CHILD_TERM && program->phase == ENDING && program->calls->late)
		program->calls->late(program->arg);
	if (program->phase == HELD)
		child_adopt(program->child, lock_group(program->lock_path));
	log_warn(
	    "program", "group=%ld why=%s", (long)child_group(program->child), log_q(why[step]));
	if (step != CHILD_GIVEN_UP)
		return GRACE_MS;
	lock_abandon(program->lock_path);
	program->given_up = true;
	return 0;
}

static void
program_on_ended(const struct child_exit *how, void *arg)
{
	struct program *program = arg;
	program->end = *how;
	program->fsm->pid = 0;
	child_exit_text(program->how, sizeof program->how, how);
	/* It died; others of its group must not go on beside the next incarnation. */
	if (!program->orderly)
		program_wait(program, ENDING, CHILD_KILL, GRACE_MS);
}

static const struct child_calls child_calls = {.ended = program_on_ended, .late = program_on_late};

void
program_start(struct program *program, const char *again)
{
	must(program->phase == IDLE);
	if (again != program->again)
		snprintf(program->again, sizeof program->again, "%s", again);
	/* Its stdin ended with the raft-fsm that started it: it gets the usual time. */
	program_wait(program, HELD, CHILD_ASKED, program->fsm->conf->fsm.stop_timeout_ms);
}

void
program_deaf(struct program *program)
{
	if (program->phase == RUNNING)
		program_wait(program, ENDING, CHILD_ASKED, program->fsm->conf->fsm.stop_timeout_ms);
}

bool
program_end(struct program *program)
{
	timer_stop(program->next);
	if (program->phase == HELD) {
		program_rest(program);
	} else if (program->phase == RUNNING) {
		program->orderly = true;
		program_deaf(program);
	}
	return program->phase != IDLE;
}

void
program_kill(struct program *program)
{
	child_signal(program->child, SIGKILL);
}

int
program_output(struct program *program)
{
	int fd = program->output;
	program->output = -1;
	return fd;
}

bool
program_killed(const struct program *program)
{
	int number = program->end.signal;
	bool foreign = number == SIGKILL || number == SIGTERM || number == SIGINT ||
		       number == SIGHUP || number == SIGQUIT;
	return foreign && !child_signalled(program->child);
}

bool
program_ended(const struct program *program)
{
	return child_signalled(program->child);
}

int
program_status(const struct program *program)
{
	return program->end.signal ? 128 + program->end.signal : program->end.status;
}

/* ------- the struct ------------------------------------------------------------ */

/* What it finds in its environment besides ours. */
static void
program_set_environment(const struct fsm *fsm)
{
	char fields[FIELDS_TEXT_SIZE];
	setenv("RAFT_MODE", fsm->mode->name, 1);
	setenv("RAFT_FIELDS", fields_text(fields, fsm->conf->fsm.fields), 1);
	if (fsm->conf->path == NULL)
		return;
	setenv("RAFT_NODE", fsm->conf->node.id.s, 1);
	setenv("RAFT_CLUSTER", fsm->conf->cluster.name, 1);
	setenv("RAFT_CONFIG", fsm->conf->path, 1);
}

struct program *
program_new(struct fsm *fsm, const struct program_options *options,
    const struct program_calls *calls, void *arg)
{
	struct program *program = calloc(1, sizeof *program);
	must(program != NULL);
	program->fsm = fsm;
	program->options = *options;
	program->calls = calls;
	program->arg = arg;
	program->backoff = (struct backoff){
	    .first_ms = BACKOFF_FIRST_MS, .last_ms = BACKOFF_LAST_MS, .good_ms = BACKOFF_LAST_MS};
	program->child = child_new(fsm->loop, &child_calls, program);
	program->tick = timer_new(fsm->loop, program_on_tick, program);
	program->next = timer_new(fsm->loop, program_on_next, program);
	snprintf(program->lock_path, sizeof program->lock_path, "%s/fsm.lock", fsm->conf->node.run);
	program_set_environment(fsm);
	return program;
}
