/* SPDX-License-Identifier: ISC */
/* Files that are on the disk when the function returns, and the list of what has been made. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/text.h"
#include "unix/file.h"
#include "unix/signals.h"

/* Newest first. */
struct made {
	struct made *older;
	char *path;
};
static struct made *newest;

/* ------- signals that end raft-init ---------------------------------------- */

/* Those that are not ignored. */
static sigset_t
files_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!signals_ignored(numbers[i]))
			sigaddset(&set, numbers[i]);
	return set;
}

static void
signals_wait(bool wait)
{
	sigset_t set = files_signals();
	sigprocmask(wait ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

bool
files_interrupted(void)
{
	sigset_t pending;
	if (sigpending(&pending) < 0)
		return false;
	return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
	       sigismember(&pending, SIGHUP);
}

/* ------- files and folders ------------------------------------------------- */

static bool
files_fail(const char *path, const char *what, char *why)
{
	snprintf(why, CONF_WHY_SIZE, "%s: %s: %s", path, what, strerror(errno));
	return false;
}

void
files_made(const char *path)
{
	struct made *made = text_memory(malloc(sizeof(*made)));
	*made = (struct made){newest, text_dup(path)};
	newest = made;
}

bool
files_sync_folder(const char *path, char *why)
{
	return file_sync_folder(path) || files_fail(path, "cannot be synced", why);
}

static bool
sync_parent(const char *path, char *why)
{
	char *parent = path_folder(path);
	bool good = files_sync_folder(parent, why);
	free(parent);
	return good;
}

bool
files_folder(const char *path, mode_t mode, char *why)
{
	struct stat st;
	if (mkdir(path, mode) == 0) {
		files_made(path);
		return sync_parent(path, why);
	}
	if (errno != EEXIST)
		return files_fail(path, "cannot be made", why);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	errno = ENOTDIR;
	return files_fail(path, "is in the way", why);
}

bool
files_lock(const char *path, char *why)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return files_fail(path, "cannot be opened", why);
	/* Held until the process ends.  Only waiting for it may be interrupted; what follows is
	 * removed first. */
	signals_wait(true);
	bool good = flock(fd, LOCK_EX | LOCK_NB) == 0;
	if (!good && errno == EWOULDBLOCK) {
		signals_wait(false);
		good = flock(fd, LOCK_EX) == 0;
		signals_wait(true);
	}
	return good || files_fail(path, "cannot be locked", why);
}

bool
files_text(const char *path, const char *text, char *why)
{
	if (files_interrupted()) {
		errno = EINTR;
		return files_fail(path, "is not written", why);
	}
	if (!file_write_whole(path, text, strlen(text), 0644, FILE_NEW))
		return files_fail(path, "cannot be written", why);
	files_made(path);
	return true;
}

void
files_undo(void)
{
	for (struct made *made = newest; made != NULL; made = made->older)
		remove(made->path);
	files_keep();
}

void
files_keep(void)
{
	while (newest != NULL) {
		struct made *made = newest;
		newest = made->older;
		free(made->path);
		free(made);
	}
	signals_wait(false);
}
