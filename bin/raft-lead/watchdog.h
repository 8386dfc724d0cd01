/* SPDX-License-Identifier: ISC */
/*
 * The watchdog: a process that ends the command in time, whatever becomes of raft-lead.
 *
 * It has a session of its own, no signals but KILL and STOP reach it, and it knows the newest
 * deadline.  It sends TERM and KILL in every case, so there is one implementation of that: when the
 * deadline is not renewed in time, be it that leadership is lost, that raft-elect is silent, or
 * that raft-lead is stopped; when raft-lead says so; and when raft-lead is gone.
 */
#ifndef LEAD_WATCHDOG_H
#define LEAD_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct watchdog {
	pid_t pid;
	int fd; /* a socket to it; readable: watchdog_news */
	pid_t group;
	uint64_t until_ms;
};

/* Forks it.  False with errno.  Before: the process has one thread. */
bool watchdog_start(struct watchdog *dog, uint64_t grace_ms);
/* The group may run until then, in milliseconds of CLOCK_BOOTTIME.  False: it is gone, or has not
 * taken orders for long. */
bool watchdog_renew(struct watchdog *dog, pid_t group, uint64_t until_ms);
/* TERM now, KILL at the deadline.  False: it is gone. */
bool watchdog_end(const struct watchdog *dog);
/* There is no group any longer: it ends. */
void watchdog_stop(struct watchdog *dog);

enum watchdog_news { WATCHDOG_NOTHING, WATCHDOG_TERM_SENT, WATCHDOG_GONE };
enum watchdog_news watchdog_news(const struct watchdog *dog);

#endif
