/* SPDX-License-Identifier: ISC */
/* The VFS that gathers writes: a buffer for each file, and when it is written. */
#include "gather.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PIECE_SIZE = 64 << 10 };

struct gather_file {
	sqlite3_file base;
	sqlite3_file *under; /* the file of the VFS "unix", in the memory after this struct */
	uint8_t *piece;      /* PIECE_SIZE bytes, of which `size` are to be written at `offset` */
	size_t size;
	sqlite3_int64 offset;
	int failed; /* the error after which every call fails */
};

static struct gather_file *
gather_of(sqlite3_file *base)
{
	return (struct gather_file *)(void *)base;
}

bool
gather_is_full(int code)
{
	return (code & 0xff) == SQLITE_FULL ||
	       (code == SQLITE_IOERR_WRITE &&
		   (errno == ENOSPC || errno == EDQUOT || errno == EFBIG));
}

/* The result of a call that changes or syncs the file. */
static int
gather_judge(struct gather_file *file, int code)
{
	if (code != SQLITE_OK && !gather_is_full(code))
		file->failed = code;
	return code;
}

static int
gather_flush(struct gather_file *file)
{
	int size = (int)file->size;
	file->size = 0;
	if (file->failed != SQLITE_OK || size == 0)
		return file->failed;
	return gather_judge(
	    file, file->under->pMethods->xWrite(file->under, file->piece, size, file->offset));
}

static int
gather_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 offset)
{
	struct gather_file *file = gather_of(base);
	const uint8_t *at = bytes;
	size_t rest = (size_t)size;
	int code = file->failed;
	if (offset != file->offset + (sqlite3_int64)file->size)
		code = gather_flush(file);
	while (code == SQLITE_OK && rest > 0) {
		if (file->size == 0)
			file->offset = offset + (at - (const uint8_t *)bytes);
		size_t part = PIECE_SIZE - file->size < rest ? PIECE_SIZE - file->size : rest;
		memcpy(file->piece + file->size, at, part);
		file->size += part;
		at += part;
		rest -= part;
		if (file->size == PIECE_SIZE)
			code = gather_flush(file);
	}
	return code;
}

static int
gather_read(sqlite3_file *base, void *out, int size, sqlite3_int64 offset)
{
	struct gather_file *file = gather_of(base);
	int code = file->failed;
	if (offset < file->offset + (sqlite3_int64)file->size && file->offset < offset + size)
		code = gather_flush(file);
	return code == SQLITE_OK ? file->under->pMethods->xRead(file->under, out, size, offset)
				 : code;
}

static int
gather_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct gather_file *file = gather_of(base);
	int code = gather_flush(file);
	return code == SQLITE_OK
		   ? gather_judge(file, file->under->pMethods->xTruncate(file->under, size))
		   : code;
}

static int
gather_sync(sqlite3_file *base, int flags)
{
	struct gather_file *file = gather_of(base);
	int code = gather_flush(file);
	return code == SQLITE_OK
		   ? gather_judge(file, file->under->pMethods->xSync(file->under, flags))
		   : code;
}

static int
gather_file_size(sqlite3_file *base, sqlite3_int64 *size)
{
	struct gather_file *file = gather_of(base);
	int code = gather_flush(file);
	return code == SQLITE_OK ? file->under->pMethods->xFileSize(file->under, size) : code;
}

static int
gather_close(sqlite3_file *base)
{
	struct gather_file *file = gather_of(base);
	int code = gather_flush(file), closed = file->under->pMethods->xClose(file->under);
	sqlite3_free(file->piece);
	return code == SQLITE_OK ? closed : code;
}

static int
gather_lock(sqlite3_file *base, int lock)
{
	return gather_of(base)->under->pMethods->xLock(gather_of(base)->under, lock);
}

static int
gather_unlock(sqlite3_file *base, int lock)
{
	struct gather_file *file = gather_of(base);
	int code = gather_flush(file);
	return code == SQLITE_OK ? file->under->pMethods->xUnlock(file->under, lock) : code;
}

static int
gather_check_lock(sqlite3_file *base, int *locked)
{
	return gather_of(base)->under->pMethods->xCheckReservedLock(gather_of(base)->under, locked);
}

static int
gather_control(sqlite3_file *base, int operation, void *arg)
{
	return gather_of(base)->under->pMethods->xFileControl(
	    gather_of(base)->under, operation, arg);
}

static int
gather_sector_size(sqlite3_file *base)
{
	return gather_of(base)->under->pMethods->xSectorSize(gather_of(base)->under);
}

static int
gather_characteristics(sqlite3_file *base)
{
	return gather_of(base)->under->pMethods->xDeviceCharacteristics(gather_of(base)->under);
}

/* Version 1: without shared memory and mappings. */
static const sqlite3_io_methods gather_methods = {
    .iVersion = 1,
    .xClose = gather_close,
    .xRead = gather_read,
    .xWrite = gather_write,
    .xTruncate = gather_truncate,
    .xSync = gather_sync,
    .xFileSize = gather_file_size,
    .xLock = gather_lock,
    .xUnlock = gather_unlock,
    .xCheckReservedLock = gather_check_lock,
    .xFileControl = gather_control,
    .xSectorSize = gather_sector_size,
    .xDeviceCharacteristics = gather_characteristics,
};

static int
gather_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
	sqlite3_vfs *under = sqlite3_vfs_find("unix");
	struct gather_file *file = gather_of(base);
	(void)vfs;
	if (!(flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB)))
		return under->xOpen(under, path, base, flags, out_flags);
	*file = (struct gather_file){.under = (sqlite3_file *)(void *)(file + 1)};
	file->piece = sqlite3_malloc(PIECE_SIZE);
	if (file->piece == NULL)
		return SQLITE_NOMEM;
	int code = under->xOpen(under, path, file->under, flags, out_flags);
	if (code == SQLITE_OK)
		file->base.pMethods = &gather_methods;
	else
		sqlite3_free(file->piece);
	return code;
}

const char *
gather_vfs(void)
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
	vfs->szOsFile += (int)sizeof(struct gather_file);
	vfs->xOpen = gather_open;
	return sqlite3_vfs_register(vfs, 0) == SQLITE_OK ? name : NULL;
}
