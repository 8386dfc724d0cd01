/* SPDX-License-Identifier: ISC */
/* Syncing in a thread, so that a slow disk does not make the program deaf. */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/file.h"
#include "unix/job.h"

struct follow_store {
	struct loop *loop;
	const char *path;
	char folder[FILE_PATH_MAX]; /* of the log */
	void (*done)(const char *failed, int error, void *arg);
	void *arg;
	bool busy;
	/* Of the work in progress; the thread has them alone. */
	int fds[2];
	bool writes;
	struct wire_buf text;
	const char *failed;
	int error;
};

struct follow_store *
store_new(struct loop *loop, const char *path, const char *log,
    void (*done)(const char *failed, int error, void *arg), void *arg)
{
	struct follow_store *store = calloc(1, sizeof *store);
	const char *slash = strrchr(log, '/');
	must(store != NULL);
	*store = (struct follow_store){.loop = loop, .path = path, .done = done, .arg = arg};
	snprintf(store->folder, sizeof store->folder, "%.*s", slash ? (int)(slash + 1 - log) : 1,
	    slash ? log : ".");
	return store;
}

/* A file system without syncs has nothing to sync. */
static bool
store_sync(int fd)
{
	return fd < 0 || fdatasync(fd) == 0 || errno == EINVAL || errno == EROFS;
}

static void
store_work(void *arg)
{
	struct follow_store *store = arg;
	store->failed = NULL;
	if (!store_sync(store->fds[0]) || !store_sync(store->fds[1]))
		store->failed = "the file that is read cannot be synced";
	else if (store->writes && !file_sync_folder(store->folder))
		store->failed = store->folder;
	else if (store->writes && !file_write_whole(store->path, store->text.bytes,
				      store->text.size, 0600, FILE_REPLACE))
		store->failed = store->path;
	store->error = errno;
}

static void
store_on_done(void *arg)
{
	struct follow_store *store = arg;
	store->busy = false;
	store->done(store->failed, store->error, store->arg);
}

void
store_begin(struct follow_store *store, const int fds[2], const struct follow_state *state)
{
	must(!store->busy);
	store->busy = true;
	memcpy(store->fds, fds, sizeof store->fds);
	store->writes = state != NULL;
	store->text.size = 0;
	if (state)
		state_print(state, &store->text);
	job_start(store->loop, store_work, store_on_done, store, true);
}

bool
store_busy(const struct follow_store *store)
{
	return store->busy;
}
