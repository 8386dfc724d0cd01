/* SPDX-License-Identifier: ISC */
/* Reading a rotated log: which file, from where, and when the next one. */
#include "logfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/framing.h"
#include "prog/tool.h"

enum {
	READ_SIZE = 256 << 10,
	QUIET_MS = 1000 /* before a last line without a newline is taken */
};

/* What one step towards the next line came to. */
enum logfile_step {
	STEP_AGAIN, /* ask the reader again */
	STEP_END,   /* the file has no more */
	STEP_FOUND  /* *found is the result */
};

struct logfile {
	const char *path;
	bool verbose;
	size_t line_max;
	struct framing_reader reader;
	struct rotated_file now;   /* fd -1: none yet */
	struct rotated_file other; /* fd -1: none */
	enum spot_other which;
	uint64_t other_offset;
	struct rotated_file next; /* after the last line without a newline; fd -1: none */
	uint64_t read;            /* bytes of the file `now` */
	struct bookmark mark;     /* of the next line, when at_end */
	bool at_end;
	struct mono_ms grown;     /* when it last had something new */
	struct mono_ms unsettled; /* since when the names are not in order; 0: they are */
	int reported;             /* errno of FILE; 0: none */
};

/* --------------------------------------------------------------- failures */

__attribute__((format(printf, 3, 4))) static enum logfile_found
logfile_fail(struct logfile_error *error, enum exit_status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	error->status = status;
	vsnprintf(error->why, sizeof error->why, format, args);
	va_end(args);
	return LOGFILE_FAILED;
}

static enum logfile_found
logfile_fail_errno(struct logfile_error *error, const char *path)
{
	switch (errno) {
	case EINVAL:
		return logfile_fail(error, EXIT_DATA, "%s: is not a regular file", path);
	case EAGAIN:
		return logfile_fail(error, EXIT_RETRY, "%s: shrank while it was read", path);
	default:
		return logfile_fail(error, EXIT_IO, "%s: %s", path, strerror(errno));
	}
}

/* FILE cannot be opened: that may pass by itself, and is said once. */
static enum logfile_found
wait_for_file(struct logfile *logfile, struct logfile_error *error)
{
	if (errno == EINVAL)
		return logfile_fail_errno(error, logfile->path);
	if (errno != logfile->reported)
		tool_say("%s: %s: waiting for it", logfile->path, strerror(errno));
	logfile->reported = errno;
	return LOGFILE_WAIT;
}

/* The names are changing: only for a moment, or something is missing. */
static enum logfile_found
wait_for_names(struct logfile *logfile, struct logfile_error *error, const char *why)
{
	struct mono_ms now = mono_now();
	if (logfile->unsettled.ms == 0)
		logfile->unsettled = now;
	if (now.ms - logfile->unsettled.ms >= LOGFILE_SETTLE_MS)
		return logfile_fail(error, EXIT_DATA, "%s", why);
	return LOGFILE_WAIT;
}

/* -------------------------------------------------------------- positions */

/* Where the next line begins: what has been read, less what is held. */
static uint64_t
logfile_offset(const struct logfile *logfile)
{
	return logfile->read - (logfile->reader.buf.size - logfile->reader.at);
}

/* The name that the open file has now; valid until the next call. */
static const char *
name_now(const struct rotated_file *file)
{
	static char name[FILE_PATH_MAX];
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
	ssize_t size = readlink(link, name, sizeof name - 1);
	name[size > 0 ? size : 0] = '\0';
	return size > 0 ? name : file->path;
}

const char *
logfile_where(const struct logfile *logfile)
{
	static char text[ROTATED_WHY_SIZE];
	snprintf(text, sizeof text, "%s: byte %" PRIu64,
	    logfile->now.fd < 0 ? logfile->path : name_now(&logfile->now), logfile_offset(logfile));
	return text;
}

void
logfile_files(const struct logfile *logfile, int fds[2])
{
	fds[0] = logfile->now.fd;
	fds[1] = logfile->other.fd;
}

bool
logfile_spot(const struct logfile *logfile, struct spot *spot, struct logfile_error *error)
{
	*spot = (struct spot){.which = logfile->which};
	error->status = EXIT_OK;
	if (logfile->now.fd < 0)
		return false;
	if (bookmark_take(&spot->at, logfile->now.fd, logfile_offset(logfile)) &&
	    (logfile->which == SPOT_NONE ||
		bookmark_take(&spot->other, logfile->other.fd, logfile->other_offset)))
		return true;
	logfile_fail_errno(error, name_now(&logfile->now));
	return false;
}

static void
file_close(struct rotated_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

static void
drop_other(struct logfile *logfile)
{
	file_close(&logfile->other);
	logfile->which = SPOT_NONE;
}

static void
read_from(struct logfile *logfile, const struct rotated_file *file, uint64_t offset)
{
	logfile->now = *file;
	logfile->read = offset;
	logfile->at_end = false;
	logfile->grown = mono_now();
	logfile->unsettled.ms = 0;
	framing_free(&logfile->reader);
	framing_init(&logfile->reader, FRAMING_LINE, logfile->line_max);
	if (logfile->verbose)
		tool_say("%s: from byte %" PRIu64, name_now(file), offset);
}

/* The file that is read becomes the other one. */
static enum logfile_found
move_to(struct logfile *logfile, struct rotated_file file, uint64_t offset, enum spot_other which)
{
	logfile->other_offset = logfile_offset(logfile);
	logfile->other = logfile->now;
	logfile->which = which;
	read_from(logfile, &file, offset);
	return LOGFILE_MOVED;
}

/* Leaves the file for the one after it, or for the one that was interrupted. */
static enum logfile_found
leave_for(struct logfile *logfile, struct rotated_file next)
{
	if (logfile->which == SPOT_AHEAD)
		return move_to(logfile, logfile->other, logfile->other_offset, SPOT_LEFT);
	drop_other(logfile);
	return move_to(logfile, next, 0, SPOT_LEFT);
}

/* ------------------------------------------------------------- truncation */

/* Best effort: copytruncate leaves a copy, which has all but what was written after it was made. */
static enum logfile_found
logfile_truncated(struct logfile *logfile, struct logfile_error *error)
{
	struct rotated_file file;
	enum bookmark_found how;
	switch (rotated_find(logfile->path, &logfile->mark, &file, &how)) {
	case ROTATED_FOUND:
		break;
	case ROTATED_FAILED:
		return logfile_fail_errno(error, logfile->path);
	default:
		return wait_for_names(
		    logfile, error, "the file that is read was truncated and renamed");
	}
	if (how == BOOKMARK_COPY)
		tool_say("%s: was truncated, and %s is its copy: lines written between the two are "
			 "lost",
		    logfile->now.path, file.path);
	else
		tool_say("%s: was truncated: lines written before that are lost if they were not "
			 "read; continuing with its first line",
		    logfile->now.path);
	drop_other(logfile);
	file_close(&logfile->now);
	read_from(logfile, &file, how == BOOKMARK_COPY ? logfile->mark.offset : 0);
	return LOGFILE_MOVED;
}

static enum logfile_found
logfile_cut(const char *path, uint64_t offset, struct logfile_error *error)
{
	return logfile_fail(error, EXIT_DATA,
	    "%s: what was before byte %" PRIu64
	    " is in the log of the cluster, and is no longer in "
	    "the file",
	    path, offset);
}

/* Whether the file that was read to its end is still what it was, and longer. */
static enum logfile_step
logfile_look(struct logfile *logfile, enum logfile_found *found, struct logfile_error *error)
{
	enum bookmark_found is;
	struct stat st;
	if (!bookmark_look(&logfile->mark, logfile->now.fd, &is) || fstat(logfile->now.fd, &st) < 0)
		*found = logfile_fail_errno(error, name_now(&logfile->now));
	else if (is == BOOKMARK_CUT)
		*found = logfile_cut(name_now(&logfile->now), logfile->mark.offset, error);
	else if (is != BOOKMARK_SAME)
		*found = logfile_truncated(logfile, error);
	else if ((uint64_t)st.st_size >= logfile->read)
		return STEP_AGAIN;
	else {
		/* A part of a line that was taken back. */
		struct rotated_file now = logfile->now;
		read_from(logfile, &now, logfile->mark.offset);
		return STEP_AGAIN;
	}
	return STEP_FOUND;
}

/* One read; at the end, what tells a truncation is noted. */
static enum logfile_step
logfile_read(struct logfile *logfile, enum logfile_found *found, struct logfile_error *error)
{
	if (logfile->at_end && logfile_look(logfile, found, error) == STEP_FOUND)
		return STEP_FOUND;
	uint8_t *room = framing_room(&logfile->reader, READ_SIZE);
	ssize_t got = pread(logfile->now.fd, room, READ_SIZE, (off_t)logfile->read);
	int saved = errno;
	framing_added(&logfile->reader, READ_SIZE, got > 0 ? (size_t)got : 0);
	if (got > 0) {
		logfile->read += (uint64_t)got;
		logfile->at_end = false;
		logfile->grown = mono_now();
		return STEP_AGAIN;
	}
	if (got < 0 && saved == EINTR)
		return STEP_AGAIN;
	errno = saved;
	if (got < 0 || (!logfile->at_end && !bookmark_take(&logfile->mark, logfile->now.fd,
						logfile_offset(logfile)))) {
		*found = logfile_fail_errno(error, name_now(&logfile->now));
		return STEP_FOUND;
	}
	logfile->at_end = true;
	return STEP_END;
}

/* ------------------------------------------------------------ the next file */

static bool
logfile_quiet(const struct logfile *logfile, const struct stat *st)
{
	uint64_t written = (uint64_t)st->st_mtim.tv_sec * 1000, wall = wall_ms();
	return mono_now().ms - logfile->grown.ms >= QUIET_MS ||
	       (wall > written && wall - written >= 2 * QUIET_MS);
}

/* Whether the file that was left has got more since. */
static bool
other_grown(struct logfile *logfile)
{
	struct stat st;
	if (logfile->which != SPOT_LEFT || fstat(logfile->other.fd, &st) < 0)
		return false;
	if ((uint64_t)st.st_size > logfile->other_offset)
		return true;
	if (st.st_nlink == 0)
		drop_other(logfile); /* its space is to be free */
	return false;
}

/* Looks for the next file: STEP_END with it in logfile->next. */
static enum logfile_step
look_for_next(struct logfile *logfile, enum logfile_found *found, struct logfile_error *error)
{
	char why[ROTATED_WHY_SIZE];
	if (logfile->which == SPOT_AHEAD)
		return STEP_END;
	switch (
	    rotated_next(logfile->path, logfile->now.fd, logfile->other.fd, &logfile->next, why)) {
	case ROTATED_FOUND:
		logfile->reported = 0;
		logfile->unsettled.ms = 0;
		return STEP_END;
	case ROTATED_NONE:
		logfile->unsettled.ms = 0;
		*found = LOGFILE_WAIT;
		return STEP_FOUND;
	case ROTATED_LATER:
		*found = wait_for_names(logfile, error, why);
		return STEP_FOUND;
	case ROTATED_LOST:
		*found = logfile_fail(error, EXIT_DATA, "%s", why);
		return STEP_FOUND;
	default:
		*found = wait_for_file(logfile, error);
		return STEP_FOUND;
	}
}

/*
 * At the end of the file.  ⚠ What was written to it before the next one was written to must have
 * been read; only then it is left.
 */
static enum logfile_step
logfile_at_end(struct logfile *logfile, enum logfile_found *found, struct logfile_error *error)
{
	struct stat st;
	if (other_grown(logfile)) {
		*found = move_to(logfile, logfile->other, logfile->other_offset, SPOT_AHEAD);
		return STEP_FOUND;
	}
	if (look_for_next(logfile, found, error) == STEP_FOUND)
		return STEP_FOUND;
	bool part = logfile->reader.buf.size > logfile->reader.at;
	bool more = fstat(logfile->now.fd, &st) == 0 && (uint64_t)st.st_size != logfile->read;
	if (more || (part && !logfile_quiet(logfile, &st))) {
		file_close(&logfile->next);
		*found = LOGFILE_WAIT;
		return more ? STEP_AGAIN : STEP_FOUND;
	}
	if (part) {
		framing_end(&logfile->reader);
		return STEP_AGAIN;
	}
	*found = leave_for(logfile, logfile->next);
	logfile->next.fd = -1;
	return STEP_FOUND;
}

/* ------------------------------------------------------------ the outside */

struct logfile *
logfile_new(const char *path, size_t line_max, bool verbose)
{
	struct logfile *logfile = calloc(1, sizeof *logfile);
	must(logfile != NULL);
	logfile->path = path;
	logfile->verbose = verbose;
	logfile->line_max = line_max;
	logfile->now.fd = logfile->other.fd = logfile->next.fd = -1;
	framing_init(&logfile->reader, FRAMING_LINE, line_max);
	return logfile;
}

void
logfile_free(struct logfile *logfile)
{
	file_close(&logfile->now);
	file_close(&logfile->other);
	file_close(&logfile->next);
	framing_free(&logfile->reader);
	free(logfile);
}

static enum logfile_found
logfile_first(struct logfile *logfile, struct logfile_error *error)
{
	struct rotated_file file;
	switch (rotated_open(logfile->path, &file)) {
	case ROTATED_FOUND:
		logfile->reported = 0;
		read_from(logfile, &file, 0);
		return LOGFILE_MOVED;
	default:
		return wait_for_file(logfile, error);
	}
}

enum logfile_found
logfile_next(struct logfile *logfile, struct wire_bytes *line, struct logfile_error *error)
{
	char why[FRAMING_WHY_SIZE];
	enum logfile_found found;
	enum logfile_step step;
	if (logfile->now.fd < 0)
		return logfile_first(logfile, error);
	do {
		switch (framing_next(&logfile->reader, line, why)) {
		case FRAMING_ITEM:
			return logfile->reader.ended ? LOGFILE_LAST : LOGFILE_LINE;
		case FRAMING_MORE:
			step = logfile_read(logfile, &found, error);
			if (step == STEP_END)
				step = logfile_at_end(logfile, &found, error);
			break;
		case FRAMING_END:
			found = leave_for(logfile, logfile->next);
			logfile->next.fd = -1;
			return found;
		default:
			return logfile_fail(error, EXIT_DATA,
			    "%s: the line that begins here is longer than elect.entry_max, %zu "
			    "bytes",
			    logfile_where(logfile), logfile->line_max);
		}
	} while (step == STEP_AGAIN);
	return found;
}

/* The other file of a spot: without it what it may have got since is not known of. */
static enum logfile_found
resume_other(struct logfile *logfile, const struct spot *spot, struct logfile_error *error)
{
	enum bookmark_found how;
	enum rotated_found found = rotated_find(logfile->path, &spot->other, &logfile->other, &how);
	bool there = found == ROTATED_FOUND && (how == BOOKMARK_SAME || how == BOOKMARK_COPY);
	if (!there)
		file_close(&logfile->other);
	if (found == ROTATED_LATER)
		return wait_for_names(logfile, error, logfile->path);
	logfile->other_offset = spot->other.offset;
	logfile->which = there ? spot->which : SPOT_NONE;
	if (there || spot->which == SPOT_LEFT)
		return LOGFILE_MOVED;
	return logfile_fail(error, EXIT_DATA,
	    "%s: the file that was read before is no longer among its rotated files, or is "
	    "compressed",
	    logfile->path);
}

enum logfile_found
logfile_resume(struct logfile *logfile, const struct spot *spot, struct logfile_error *error)
{
	struct rotated_file file;
	enum bookmark_found how;
	if (spot->which != SPOT_NONE) {
		enum logfile_found found = resume_other(logfile, spot, error);
		if (found != LOGFILE_MOVED)
			return found;
	}
	switch (rotated_find(logfile->path, &spot->at, &file, &how)) {
	case ROTATED_FOUND:
		break;
	case ROTATED_LATER:
		drop_other(logfile);
		return wait_for_names(logfile, error, logfile->path);
	case ROTATED_FAILED:
		return logfile_fail_errno(error, logfile->path);
	default:
		return logfile_fail(error, EXIT_DATA,
		    "%s: the file with the next line is not among its rotated files, or is "
		    "compressed",
		    logfile->path);
	}
	if (how == BOOKMARK_CUT)
		return logfile_cut(name_now(&file), spot->at.offset, error);
	if (how == BOOKMARK_TRUNCATED)
		tool_say("%s: was truncated: lines written before that are lost if they were not "
			 "read; continuing with its first line",
		    file.path);
	read_from(logfile, &file, how == BOOKMARK_TRUNCATED ? 0 : spot->at.offset);
	return LOGFILE_MOVED;
}
