/* SPDX-License-Identifier: ISC */
/* The files of the database, made and synced here: SQLite keeps quiet when that fails. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/file.h"
#include "db_private.h"

/* A transaction of a turn more than the size at which it is moved. */
enum { WAL_WIDTH = DB_WAL_MAX + (2 << 20) };

void
db_file_sync_folder(const struct db *db, const char *data)
{
	if (!file_sync_folder(data))
		db_die_errno(db, "cannot sync the data directory");
}

bool
db_exists(const char *data)
{
	struct stat st;
	struct db db;
	snprintf(db.path, sizeof db.path, "%s/log.db", data);
	if (stat(db.path, &st) == 0)
		return st.st_size > 0;
	if (errno != ENOENT)
		db_die_errno(&db, "cannot look at the database");
	return false;
}

void
db_file_make_wal(const struct db *db, bool wide)
{
	static const uint8_t zeros[1 << 16];
	char path[sizeof db->path + 8];
	snprintf(path, sizeof path, "%s-wal", db->path);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		db_die_errno(db, "cannot open the write-ahead log");
	/*
	 * The last stop may have made it shorter, and not durably so.  Zeros over a part of what is
	 * still on the disk would make its first transactions the last ones.
	 */
	if (fsync(fd) < 0)
		db_die_errno(db, "cannot sync the write-ahead log");
	off_t size = st.st_size;
	while (wide && size < WAL_WIDTH && write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros)
		size += (off_t)sizeof zeros;
	if (wide && size < WAL_WIDTH && ftruncate(fd, st.st_size) < 0)
		db_die_errno(db, "cannot shorten the write-ahead log");
	if (fsync(fd) < 0)
		db_die_errno(db, "cannot sync the write-ahead log");
	close(fd);
}

void
db_file_make(const struct db *db, const char *data)
{
	int fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		db_die_errno(db, "cannot open the database");
	close(fd);
	db_file_sync_folder(db, data);
}
