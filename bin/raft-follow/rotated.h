/* SPDX-License-Identifier: ISC */
/*
 * The files of a log that is rotated: FILE and, in its folder, FILE.1, FILE.2, ... (the highest is
 * the oldest) or FILE-20261130, ... (the least is the oldest).
 *
 * A folder is not read at one instant, and while it is rotated names are missing for a moment.  So
 * it is read twice, and only two equal results count; a gap in the numbers may pass by itself, too.
 */
#ifndef FOLLOW_ROTATED_H
#define FOLLOW_ROTATED_H

#include "bookmark.h"
#include "unix/file.h"

enum { ROTATED_WHY_SIZE = 2 * FILE_PATH_MAX };

/* A file that has been opened for reading. */
struct rotated_file {
	int fd;
	char path[FILE_PATH_MAX];
};

enum rotated_found {
	ROTATED_FOUND,
	ROTATED_NONE,  /* none that has a byte in it */
	ROTATED_LATER, /* the names are changing; why says what is missing if that remains so */
	ROTATED_LOST,  /* one sentence in why */
	ROTATED_FAILED /* errno */
};

/* The regular file of that name; NONE: there is none.  Also an empty one. */
enum rotated_found rotated_open(const char *path, struct rotated_file *file);
/*
 * The first file with a byte in it after the one that is open as `now`; a file that is open as
 * `left` (-1: none) is none of them.
 */
enum rotated_found rotated_next(
    const char *path, int now, int left, struct rotated_file *file, char *why);
/* The file with this bookmark: the file itself, or else a copy; *how says which, or why there is
 * none.
 */
enum rotated_found rotated_find(const char *path, const struct bookmark *mark,
    struct rotated_file *file, enum bookmark_found *how);

#endif
