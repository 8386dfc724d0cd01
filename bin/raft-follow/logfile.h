/* SPDX-License-Identifier: ISC */
/*
 * The lines of a log that is rotated, each once, in the order in which they were written.
 *
 * A file is left when all of it has been read and the next one has a byte in it; a last line
 * without a newline is then a line, once the file has been quiet for a second.  The file that was
 * left stays open until the next one is left: a process that still has it open may write to it, and
 * those lines come when they are found.
 */
#ifndef FOLLOW_LOGFILE_H
#define FOLLOW_LOGFILE_H

#include "rotated.h"
#include "state.h"
#include "unix/exit.h"
#include "wire/message.h"

struct logfile;

/* A rotation takes no longer: then a gap in the names is one, and a line that is missing is lost.
 */
enum { LOGFILE_SETTLE_MS = 5000 };

enum logfile_found {
	LOGFILE_LINE,
	LOGFILE_LAST, /* a line, and LOGFILE_MOVED with the next call */
	LOGFILE_WAIT, /* nothing now */
	/* ⚠ The next line is elsewhere: before it, or the last one before, is sent, its spot is
	 * stored. */
	LOGFILE_MOVED,
	LOGFILE_FAILED
};

/* How a failure ends: status and one sentence. */
struct logfile_error {
	enum exit_status status;
	char why[ROTATED_WHY_SIZE];
};

/* path: must outlive it.  verbose: says which file is read. */
struct logfile *logfile_new(const char *path, size_t line_max, bool verbose);
void logfile_free(struct logfile *logfile);
/*
 * Looks for the file of the spot, whatever its name is now, and goes there.  MOVED, WAIT (to be
 * called again) or FAILED.  Without this it begins with the first line of FILE, when that exists.
 */
enum logfile_found logfile_resume(
    struct logfile *logfile, const struct spot *spot, struct logfile_error *error);
/* line: valid until the next call. */
enum logfile_found logfile_next(
    struct logfile *logfile, struct wire_bytes *line, struct logfile_error *error);
/* Where the next line begins.  False: no file has been read yet, or it failed (error->status). */
bool logfile_spot(const struct logfile *logfile, struct spot *spot, struct logfile_error *error);
/* The descriptors that lines come from; -1: none. */
void logfile_files(const struct logfile *logfile, int fds[2]);
/* "PATH: byte OFFSET" of the next line, for a sentence. */
const char *logfile_where(const struct logfile *logfile);

#endif
