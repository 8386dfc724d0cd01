/* SPDX-License-Identifier: ISC */
/* Both ends of the watchdog's socket. */
#include "watchdog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unix/detached.h"
#include "unix/loop.h"

/* From raft-lead; the two are one program. */
struct watch_order {
	pid_t group; /* 0: there is none yet */
	bool end;    /* TERM now */
	uint64_t until_ms;
};

/* The state of the watchdog's own process. */
struct guarded {
	int fd; /* of raft-lead; -1: it is gone */
	int timer;
	uint64_t grace_ms;
	struct watch_order order;
	bool termed, killed;
};

/* ------- the watchdog ------------------------------------------------------- */

static void
watch_set_timer(const struct guarded *w)
{
	uint64_t at_ms = w->order.until_ms;
	if (!w->termed)
		at_ms -= w->grace_ms < at_ms ? w->grace_ms : at_ms;
	struct itimerspec at = {
	    .it_value = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000}};
	if (at_ms == 0)
		at.it_value.tv_nsec = 1; /* all zero would stop it */
	if (w->order.group != 0)
		timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* False: the watchdog's work is done. */
static bool
watch_take(struct guarded *w)
{
	struct watch_order order;
	ssize_t got = recv(w->fd, &order, sizeof order, 0);
	if (got == (ssize_t)sizeof order) {
		w->order = order;
		return true;
	}
	/* raft-lead is gone: no process waits for the command's status. */
	close(w->fd);
	w->fd = -1;
	w->order.end = true;
	return w->order.group != 0;
}

/* False: the watchdog's work is done. */
static bool
watch_act(struct guarded *w)
{
	uint64_t now_ms = boot_ms();
	if (!w->termed && (w->order.end || now_ms + w->grace_ms >= w->order.until_ms)) {
		kill(-w->order.group, SIGTERM);
		kill(-w->order.group, SIGCONT); /* so that it can act on it */
		w->termed = true;
		if (w->fd >= 0)
			send(w->fd, "t", 1, MSG_NOSIGNAL);
	}
	if (now_ms >= w->order.until_ms) {
		kill(-w->order.group, SIGKILL);
		w->killed = true;
	}
	/* That there is no group any longer raft-lead reports itself. */
	return w->fd >= 0 || (!w->killed && kill(-w->order.group, 0) == 0);
}

static void
watch_run(int fd, void *arg)
{
	struct guarded w = {.fd = fd, .grace_ms = *(uint64_t *)arg};
	bool more = true;
	w.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	while (more && w.timer >= 0) {
		struct pollfd polls[] = {{.fd = w.killed ? -1 : w.timer, .events = POLLIN},
		    {.fd = w.fd, .events = POLLIN}};
		watch_set_timer(&w);
		poll(polls, 2, -1);
		if (polls[1].revents != 0)
			more = watch_take(&w);
		if (more && w.order.group != 0)
			more = watch_act(&w);
	}
}

/* ------- raft-lead ---------------------------------------------------------- */

bool
watchdog_start(struct watchdog *dog, uint64_t grace_ms)
{
	*dog = (struct watchdog){0};
	dog->pid = detached_start("raft-lead-watch", watch_run, &grace_ms, &dog->fd);
	return dog->pid > 0;
}

static bool
watchdog_order(const struct watchdog *dog, const struct watch_order *order)
{
	return send(dog->fd, order, sizeof *order, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)sizeof *order;
}

bool
watchdog_renew(struct watchdog *dog, pid_t group, uint64_t until_ms)
{
	dog->group = group;
	dog->until_ms = until_ms;
	return watchdog_order(dog, &(struct watch_order){.group = group, .until_ms = until_ms});
}

bool
watchdog_end(const struct watchdog *dog)
{
	return watchdog_order(dog,
	    &(struct watch_order){.group = dog->group, .end = true, .until_ms = dog->until_ms});
}

void
watchdog_stop(struct watchdog *dog)
{
	kill(dog->pid, SIGKILL);
	close(dog->fd);
	waitpid(dog->pid, NULL, 0);
}

enum watchdog_news
watchdog_news(const struct watchdog *dog)
{
	char news;
	ssize_t got = recv(dog->fd, &news, 1, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return WATCHDOG_NOTHING;
	return got == 1 ? WATCHDOG_TERM_SENT : WATCHDOG_GONE;
}
