/* SPDX-License-Identifier: ISC */
/* The run directory and its lock. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/text.h"
#include "unix/sock.h"

static const gid_t no_group = (gid_t)-1;

static bool
run_fail(const char *path, const char *what, char *why)
{
	snprintf(why, CONF_WHY_SIZE, "%s: %s: %s", path, what, strerror(errno));
	return false;
}

/* ------------------------------------------------------------ the directory */

static bool
run_check_ours(int fd, const char *path, mode_t mode, char *why)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return run_fail(path, "cannot be looked at", why);
	if (st.st_uid != geteuid()) {
		snprintf(why, CONF_WHY_SIZE,
		    "%s belongs to another user: run as that one, or choose another node.run",
		    path);
		errno = EPERM;
		return false;
	}
	/* Below a set-gid folder a new one is set-gid, too, which opens it to no one. */
	if ((st.st_mode & 07777 & ~(mode | S_ISGID)) != 0) {
		snprintf(why, CONF_WHY_SIZE,
		    "%s is open to others (mode %04o): chmod %04o it, or choose another node.run",
		    path, (unsigned)st.st_mode & 07777, (unsigned)mode);
		errno = EPERM;
		return false;
	}
	return true;
}

static mode_t
run_mode(const struct conf *conf)
{
	return conf->node.group != NULL ? 0750 : 0700;
}

bool
run_check(const struct conf *conf, char *why)
{
	const char *path = conf->node.run;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return run_fail(path, "cannot be opened", why);
	if (fd < 0) {
		char *folder = path_folder(path);
		bool good = access(folder, W_OK | X_OK) == 0;
		free(folder);
		return good || run_fail(path, "cannot be made", why);
	}
	bool good = run_check_ours(fd, path, run_mode(conf), why);
	close(fd);
	return good;
}

bool
run_make(const struct conf *conf, char *why)
{
	const char *path = conf->node.run;
	gid_t gid;
	if (!sock_group(conf->node.group, &gid, why))
		return false;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return run_fail(path, "cannot be made", why);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return run_fail(path, "cannot be opened", why);
	bool good = run_check_ours(fd, path, run_mode(conf), why);
	if (good && gid != no_group && fchown(fd, (uid_t)-1, gid) != 0)
		good = run_fail(path, "cannot be given to node.group", why);
	if (good && fchmod(fd, run_mode(conf)) != 0)
		good = run_fail(path, "cannot be given its mode", why);
	close(fd);
	return good;
}

/* ------------------------------------------------------------ the lock */

static int
open_fifo(const char *path, char *why)
{
	struct stat st;
	if (mkfifo(path, 0600) != 0 && errno != EEXIST) {
		run_fail(path, "cannot be made", why);
		return -1;
	}
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		run_fail(path, "cannot be opened", why);
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		return fd;
	snprintf(why, CONF_WHY_SIZE, "%s is in the way of raft-node's lock: remove it", path);
	close(fd);
	errno = EEXIST;
	return -1;
}

/* Somebody holds the lock: with a writer there is a raft-node, without one only its daemons are
 * left. */
static enum run_lock
who_holds(int fd, const struct conf *conf, char *why)
{
	char byte;
	if (read(fd, &byte, 1) == 0) {
		snprintf(why, CONF_WHY_SIZE, "daemons of a former raft-node still run in %s",
		    conf->node.run);
		return RUN_LEFTOVER;
	}
	snprintf(why, CONF_WHY_SIZE, "a raft-node is already running in %s: stop it first",
	    conf->node.run);
	return RUN_TAKEN;
}

static enum run_lock
run_take(int fd, const char *path, const struct conf *conf, char *why)
{
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return who_holds(fd, conf, why);
		run_fail(path, "cannot be locked", why);
		return RUN_ERROR;
	}
	/* Never closed: its end is raft-node's end. */
	if (open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC) < 0) {
		run_fail(path, "cannot be opened", why);
		return RUN_ERROR;
	}
	return RUN_LOCKED;
}

enum run_lock
run_lock(const struct conf *conf, int *parent_fd, char *why)
{
	char *path = path_resolve(conf->node.run, "lock");
	enum run_lock result = RUN_ERROR;
	*parent_fd = open_fifo(path, why);
	if (*parent_fd >= 0)
		result = run_take(*parent_fd, path, conf, why);
	if (*parent_fd >= 0 && result != RUN_LOCKED)
		close(*parent_fd);
	free(path);
	return result;
}
