/* SPDX-License-Identifier: ISC */
/*
 * A second process of this program, which outlives it: in a session of its own, without any
 * descriptor of this process but its end of a socket, and with / as its folder.  No signal but
 * KILL and STOP reaches it, so what is sent to all processes of a service leaves it.
 */
#ifndef UNIX_DETACHED_H
#define UNIX_DETACHED_H

#include <sys/types.h>

/*
 * Its pid; -1 with errno.  name: of at most 15 bytes, as ps(1) shows it.  run: what it does, with
 * its end of the socket, which is of type SOCK_SEQPACKET; it ends when that returns.  *fd: this
 * process's end.  Before threads are made.
 */
pid_t detached_start(const char *name, void (*run)(int fd, void *arg), void *arg, int *fd);

#endif
