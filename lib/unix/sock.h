/* SPDX-License-Identifier: ISC */
/* AF_UNIX stream sockets in a run directory. */
#ifndef UNIX_SOCK_H
#define UNIX_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * dir/name into path (size SOCK_PATH_MAX).  False, with a sentence in `why` (1 KiB), when
 * that is longer than a socket address takes.
 */
enum { SOCK_PATH_MAX = 108, SOCK_WHY_SIZE = 1024 };
bool sock_path(char *path, const char *dir, const char *name, char *why);

/* The group by that name; NULL: (gid_t)-1.  False with errno and one sentence in why. */
bool sock_group(const char *name, gid_t *gid, char *why);

/*
 * Listens at path: non-blocking, close-on-exec, of the mode.  gid (gid_t)-1: the process' group.
 * A socket that nobody listens on is replaced; one in use, or another kind of file, is an
 * error: -1 with errno and one sentence in why.
 */
int sock_listen(const char *path, mode_t mode, gid_t gid, char *why);

/* Connects; non-blocking, close-on-exec.  -1 with errno and one sentence in why. */
int sock_connect(const char *path, char *why);

/* Accepts; -1 when nobody is there any more, or no descriptor is free (errno says). */
int sock_accept(int listener);

/* Whether the process at the other end may write the log or send to peers: our user, or root.
 * *uid: its user; UINT32_MAX: not known. */
bool sock_peer_trusted(int fd, uint32_t *uid);

#endif
