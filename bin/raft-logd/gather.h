/* SPDX-License-Identifier: ISC */
/*
 * The files of the database as SQLite sees them: a VFS that gathers consecutive writes.
 *
 * SQLite writes each frame of the write-ahead log in two calls, 24 bytes and a page, and a
 * checkpoint writes page after page of the database.  Through this VFS they reach the file in
 * pieces of up to 64 KiB (the VFS "unix" takes a size modulo 128 KiB).
 *  - What is gathered is written before xSync, xFileSize, xTruncate, xUnlock, xClose, a read of any
 *    of its bytes, and a write that does not continue it.
 *  - A write that fails is the result of the call that caused it, and what was gathered is
 *    discarded: no later call writes it.
 *  - A full disk is a result like any other.  After another error of a write or a sync every read,
 *    write and sync fails.
 * Files other than these two, and all other methods, are those of the VFS "unix".  There is no
 * shared memory and no mapping: the database has to be locked exclusively.
 */
#ifndef LOGD_GATHER_H
#define LOGD_GATHER_H

#include <stdbool.h>

/* The VFS's name for sqlite3_open_v2; registers it.  NULL: there is no memory, or no VFS "unix". */
const char *gather_vfs(void);
/*
 * Whether the result code of SQLite is that of a full disk, a quota or a file size limit.  Before:
 * errno is that of the call.  (sqlite3_system_errno would be of an earlier error after a COMMIT
 * that failed: SQLite does not set it there.)
 */
bool gather_is_full(int code);

#endif
