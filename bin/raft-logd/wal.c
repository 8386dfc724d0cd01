/* SPDX-License-Identifier: ISC */
/* The VFS of the write-ahead log: one buffer, and when it is written. */
#include "wal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PIECE_SIZE = 64 << 10 };

struct wal_file {
	sqlite3_file base;
	sqlite3_file *under; /* the file of the VFS "unix", in the memory after this struct */
	uint8_t *piece;      /* PIECE_SIZE bytes, of which `size` are to be written at `offset` */
	size_t size;
	sqlite3_int64 offset;
	int failed; /* the error after which every call fails */
};

static struct wal_file *
wal_of(sqlite3_file *file)
{
	return (struct wal_file *)(void *)file;
}

bool
wal_is_full(int code)
{
	return (code & 0xff) == SQLITE_FULL ||
	       (code == SQLITE_IOERR_WRITE &&
		   (errno == ENOSPC || errno == EDQUOT || errno == EFBIG));
}

/* The result of a call that changes or syncs the file. */
static int
wal_judge(struct wal_file *wal, int code)
{
	if (code != SQLITE_OK && !wal_is_full(code))
		wal->failed = code;
	return code;
}

static int
wal_flush(struct wal_file *wal)
{
	int size = (int)wal->size;
	wal->size = 0;
	if (wal->failed != SQLITE_OK || size == 0)
		return wal->failed;
	return wal_judge(
	    wal, wal->under->pMethods->xWrite(wal->under, wal->piece, size, wal->offset));
}

static int
wal_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	struct wal_file *wal = wal_of(file);
	const uint8_t *at = bytes;
	size_t rest = (size_t)size;
	int code = wal->failed;
	if (offset != wal->offset + (sqlite3_int64)wal->size)
		code = wal_flush(wal);
	while (code == SQLITE_OK && rest > 0) {
		if (wal->size == 0)
			wal->offset = offset + (at - (const uint8_t *)bytes);
		size_t part = PIECE_SIZE - wal->size < rest ? PIECE_SIZE - wal->size : rest;
		memcpy(wal->piece + wal->size, at, part);
		wal->size += part;
		at += part;
		rest -= part;
		if (wal->size == PIECE_SIZE)
			code = wal_flush(wal);
	}
	return code;
}

static int
wal_read(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
	struct wal_file *wal = wal_of(file);
	int code = wal->failed;
	if (offset < wal->offset + (sqlite3_int64)wal->size && wal->offset < offset + size)
		code = wal_flush(wal);
	return code == SQLITE_OK ? wal->under->pMethods->xRead(wal->under, out, size, offset)
				 : code;
}

static int
wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct wal_file *wal = wal_of(file);
	int code = wal_flush(wal);
	return code == SQLITE_OK ? wal_judge(wal, wal->under->pMethods->xTruncate(wal->under, size))
				 : code;
}

static int
wal_sync(sqlite3_file *file, int flags)
{
	struct wal_file *wal = wal_of(file);
	int code = wal_flush(wal);
	return code == SQLITE_OK ? wal_judge(wal, wal->under->pMethods->xSync(wal->under, flags))
				 : code;
}

static int
wal_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct wal_file *wal = wal_of(file);
	int code = wal_flush(wal);
	return code == SQLITE_OK ? wal->under->pMethods->xFileSize(wal->under, size) : code;
}

static int
wal_close(sqlite3_file *file)
{
	struct wal_file *wal = wal_of(file);
	int code = wal_flush(wal), closed = wal->under->pMethods->xClose(wal->under);
	sqlite3_free(wal->piece);
	return code == SQLITE_OK ? closed : code;
}

static int
wal_lock(sqlite3_file *file, int lock)
{
	return wal_of(file)->under->pMethods->xLock(wal_of(file)->under, lock);
}

static int
wal_unlock(sqlite3_file *file, int lock)
{
	return wal_of(file)->under->pMethods->xUnlock(wal_of(file)->under, lock);
}

static int
wal_check_lock(sqlite3_file *file, int *locked)
{
	return wal_of(file)->under->pMethods->xCheckReservedLock(wal_of(file)->under, locked);
}

static int
wal_control(sqlite3_file *file, int operation, void *arg)
{
	return wal_of(file)->under->pMethods->xFileControl(wal_of(file)->under, operation, arg);
}

static int
wal_sector_size(sqlite3_file *file)
{
	return wal_of(file)->under->pMethods->xSectorSize(wal_of(file)->under);
}

static int
wal_characteristics(sqlite3_file *file)
{
	return wal_of(file)->under->pMethods->xDeviceCharacteristics(wal_of(file)->under);
}

/* Shared memory and mappings (versions 2 and 3) are of the database file only. */
static const sqlite3_io_methods wal_methods = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_file_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_check_lock,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector_size,
    .xDeviceCharacteristics = wal_characteristics,
};

static int
wal_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
	sqlite3_vfs *under = sqlite3_vfs_find("unix");
	struct wal_file *wal = wal_of(file);
	(void)vfs;
	if (!(flags & SQLITE_OPEN_WAL))
		return under->xOpen(under, path, file, flags, out_flags);
	*wal = (struct wal_file){.under = (sqlite3_file *)(void *)(wal + 1)};
	wal->piece = sqlite3_malloc(PIECE_SIZE);
	if (wal->piece == NULL)
		return SQLITE_NOMEM;
	int code = under->xOpen(under, path, wal->under, flags, out_flags);
	if (code == SQLITE_OK)
		wal->base.pMethods = &wal_methods;
	else
		sqlite3_free(wal->piece);
	return code;
}

const char *
wal_vfs(void)
{
	static const char name[] = "raft-logd";
	sqlite3_vfs *under = sqlite3_vfs_find("unix");
	if (sqlite3_vfs_find(name))
		return name;
	sqlite3_vfs *vfs = under ? sqlite3_malloc(sizeof *vfs) : NULL;
	if (vfs == NULL)
		return NULL;
	/* Its methods take the same struct as those of "unix", and keep nothing of their own in
	 * it. */
	*vfs = *under;
	vfs->zName = name;
	vfs->pNext = NULL;
	vfs->szOsFile += (int)sizeof(struct wal_file);
	vfs->xOpen = wal_open;
	return sqlite3_vfs_register(vfs, 0) == SQLITE_OK ? name : NULL;
}
