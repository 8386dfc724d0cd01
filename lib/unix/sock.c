/* SPDX-License-Identifier: ISC */
/* AF_UNIX stream sockets: listening without stealing, connecting, who is there. */
#include "sock.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "exit.h"

bool
sock_path(char *path, const char *dir, const char *name, char *why)
{
	int size = snprintf(path, SOCK_PATH_MAX, "%s/%s", dir, name);
	if (size > 0 && size < SOCK_PATH_MAX)
		return true;
	snprintf(why, SOCK_WHY_SIZE,
	    "%s/%s: the path of a socket has at most %d bytes: choose a shorter run directory", dir,
	    name, SOCK_PATH_MAX - 1);
	errno = ENAMETOOLONG;
	return false;
}

bool
sock_group(const char *name, gid_t *gid, char *why)
{
	*gid = (gid_t)-1;
	if (name == NULL)
		return true;
	errno = 0;
	const struct group *group = getgrnam(name);
	if (group) {
		*gid = group->gr_gid;
		return true;
	}
	/*
	 * How the absence of a name is reported differs, see getgrnam(3); a shortage is no absence.
	 */
	if (errno == 0 || errno == ESRCH || errno == EBADF || exit_of_errno(errno) == EXIT_CONFIG)
		errno = EINVAL;
	snprintf(why, SOCK_WHY_SIZE, "node.group %s: %s", name,
	    errno == EINVAL ? "there is no such group, make it or leave the key out"
			    : strerror(errno));
	return false;
}

static struct sockaddr_un
sock_address(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	return sun;
}

static int
sock_fail(int fd, char *why, const char *path, const char *what)
{
	int saved = errno;
	snprintf(why, SOCK_WHY_SIZE, "%s: %s: %s", path, what, strerror(saved));
	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

/* Removes a socket that nobody listens on; anything else there is left, and an error. */
static int
clear_stale(const char *path, char *why)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : sock_fail(-1, why, path, "cannot look");
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, SOCK_WHY_SIZE, "%s: is there and is not a socket: remove it", path);
		errno = EEXIST;
		return -1;
	}
	int fd = sock_connect(path, why);
	/* Any other error does not prove that nobody listens there. */
	if (fd < 0 && errno != EAGAIN && errno != ECONNREFUSED && errno != ENOENT)
		return -1;
	if (fd >= 0 || errno == EAGAIN) {
		if (fd >= 0)
			close(fd);
		snprintf(why, SOCK_WHY_SIZE, "%s: in use: another process listens there", path);
		errno = EADDRINUSE;
		return -1;
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return sock_fail(-1, why, path, "cannot remove the old socket");
	return 0;
}

int
sock_listen(const char *path, mode_t mode, gid_t gid, char *why)
{
	if (clear_stale(path, why) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sock_fail(-1, why, path, "no socket");
	struct sockaddr_un sun = sock_address(path);
	/* Nobody may connect before the mode is right. */
	mode_t old = umask(0177);
	int bound = bind(fd, (struct sockaddr *)&sun, sizeof sun);
	int saved = errno;
	umask(old);
	errno = saved;
	if (bound < 0)
		return sock_fail(fd, why, path, "cannot listen");
	if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0)
		return sock_fail(fd, why, path, "cannot give it to the group");
	if (chmod(path, mode) < 0)
		return sock_fail(fd, why, path, "cannot set its mode");
	if (listen(fd, 128) < 0)
		return sock_fail(fd, why, path, "cannot listen");
	return fd;
}

int
sock_connect(const char *path, char *why)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sock_fail(-1, why, path, "no socket");
	struct sockaddr_un sun = sock_address(path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0)
		return sock_fail(fd, why, path, "cannot connect");
	return fd;
}

int
sock_accept(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

bool
sock_peer_trusted(int fd, uint32_t *uid)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	*uid = UINT32_MAX;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	*uid = peer.uid;
	return peer.uid == 0 || peer.uid == geteuid();
}
