/* SPDX-License-Identifier: ISC */
/* The files of the data directory: they must keep their names while this process writes them. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logd.h"

enum { LOOK_MS = 1000, DESCRIPTORS_CLOSED_MAX = 64 };

static const char *const names[] = {
#define F(NAME, name) name,
    PLACE_FILES(F)
#undef F
};

struct place_path {
	char text[640];
};

static struct place_path
place_path_of(const struct logd *logd, enum place_file file)
{
	const char *data = logd->daemon.conf->node.data;
	struct place_path path;
	if (file == PLACE_DIRECTORY)
		snprintf(path.text, sizeof path.text, "%s", data);
	else
		snprintf(path.text, sizeof path.text, "%s/%s", data, names[file]);
	return path;
}

/* No clean close, no exit handlers, as after any failed write. */
_Noreturn static void
place_die(const struct logd *logd, enum place_file file, const char *why)
{
	log_error("exit", "status=%d why=%s path=%s", (int)EXIT_IO, log_q(why),
	    log_q(place_path_of(logd, file).text));
	_exit(EXIT_IO);
}

/*
 * The count of its names alone.  Of a file whose times were asked for the next write notes the
 * exact time, and the sync of that write then writes the inode, too.
 */
static bool
has_name(const struct logd *logd, enum place_file file)
{
	struct statx st;
	if (statx(logd->place.fds[file], "", AT_EMPTY_PATH, STATX_NLINK, &st) < 0)
		place_die(logd, file, "cannot look at a file of the data directory");
	return st.stx_nlink > 0;
}

void
place_check(struct logd *logd)
{
	if (!logd->place.watched)
		return;
	for (enum place_file file = 0; file < PLACE_HOLD_COUNT; file++) {
		if (has_name(logd, file))
			continue;
		/* What was acknowledged before is in that file still, and in no other. */
		if (file == PLACE_WAL)
			db_checkpoint(logd->db, false);
		place_die(logd, file,
		    "the file was deleted while raft-logd wrote to it: nothing more is "
		    "acknowledged");
	}
}

static bool
place_is_same(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static void
place_look(struct logd *logd, enum place_file file)
{
	struct stat held, found;
	if (fstat(logd->place.fds[file], &held) < 0)
		place_die(logd, file, "cannot look at a file of the data directory");
	if (stat(place_path_of(logd, file).text, &found) < 0 || !place_is_same(&held, &found))
		place_die(logd, file,
		    "the path no longer leads to what raft-logd uses: it was moved, replaced or "
		    "mounted over: "
		    "nothing more is acknowledged; put it back");
}

static void
place_on_timer(uv_timer_t *timer)
{
	struct logd *logd = timer->data;
	place_check(logd);
	for (enum place_file file = 0; file < PLACE_FILES_COUNT; file++)
		place_look(logd, file);
	snapshots_look(logd);
}

/*
 * Whether what the path leads to is a file that this process writes, and not one that has replaced
 * it since. The lowest free descriptor is always taken, so it is below ours, but for the few closed
 * since.
 */
static bool
is_open(int path_fd)
{
	struct stat st, other;
	if (fstat(path_fd, &st) < 0)
		return false;
	for (int fd = 0; fd < path_fd + DESCRIPTORS_CLOSED_MAX; fd++) {
		int flags = fcntl(fd, F_GETFL);
		if (flags >= 0 && !(flags & O_PATH) && fstat(fd, &other) == 0 &&
		    place_is_same(&st, &other))
			return true;
	}
	return false;
}

void
place_watch(struct logd *logd)
{
	struct place *place = &logd->place;
	for (enum place_file file = 0; file < PLACE_FILES_COUNT; file++) {
		place->fds[file] = open(place_path_of(logd, file).text, O_PATH | O_CLOEXEC);
		if (place->fds[file] < 0)
			place_die(
			    logd, file, "the file cannot be found that raft-logd has just opened");
		if (file <= PLACE_LOCK && !is_open(place->fds[file]))
			place_die(logd, file, "the file was replaced while raft-logd started");
	}
	place->watched = true;
	must(uv_timer_init(loop_uv(logd->daemon.loop), &place->timer) == 0);
	place->timer.data = logd;
	uv_timer_start(&place->timer, place_on_timer, LOOK_MS, LOOK_MS);
}
