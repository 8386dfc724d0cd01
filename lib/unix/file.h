/* SPDX-License-Identifier: ISC */
/*
 * Files that are on the disk when the function returns, and that have their name only when they are
 * complete.
 *
 * A file is written in its own folder under a random name, NAME.XXXXXXXXXXXXXXXX, and synced; then
 * it is renamed, and the folder is synced.  So whatever happens, NAME is never half a file, two
 * writers do not meet, and no link or file that waits under a known name is written through.  Only
 * a process that is killed leaves the random name.
 *
 * Each function: false with errno.
 */
#ifndef UNIX_FILE_H
#define UNIX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { FILE_PATH_MAX = 4096 };

/* What happens where the name is in use: EEXIST, or the old file goes. */
enum file_place { FILE_NEW, FILE_REPLACE };

/* A file that is being written, to fd. */
struct file_part {
	int fd;                   /* -1: none */
	char path[FILE_PATH_MAX]; /* the name that it will have */
	char part[FILE_PATH_MAX]; /* the one that it has */
};

/* mode: less the umask. */
bool file_part_begin(struct file_part *part, const char *path, mode_t mode);
/* Gives it its name.  Whether that succeeds or not, the part is gone; a failure with FILE_NEW
 * leaves nothing. */
bool file_part_end(struct file_part *part, enum file_place place);
/* Removes what has been written.  Harmless when there is none. */
void file_part_drop(struct file_part *part);

/* All bytes. */
bool file_write(int fd, const void *bytes, size_t size);
/* A file with that content. */
bool file_write_whole(
    const char *path, const void *bytes, size_t size, mode_t mode, enum file_place place);

/*
 * Opens /dev/null in that mode (O_RDONLY ...) for each of the descriptors 0 to 2 that is closed, so
 * that no other file and no socket gets its number.
 */
bool file_hold_standard(const int modes[3]);

/* fsync of a folder, for the names in it. */
bool file_sync_folder(const char *path);
/* The same of the folder that the file is in. */
bool file_sync_folder_of(const char *path);
/* rename and fsync of the folder; a file is synced before. */
bool file_rename(const char *from, const char *to);

/*
 * The pipe, FIFO or terminal that fd writes to, opened again and non-blocking: a description of our
 * own, so that other processes that share fd do not see the flag.  -1: fd is something else, or its
 * owner does not permit it.
 */
int file_reopen_nonblocking(int fd);

#endif
