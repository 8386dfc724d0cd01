/* SPDX-License-Identifier: ISC */
/*
 * Whether the files of the data directory are still where the next start looks for them.
 *
 * A file can be deleted or renamed, and a file system mounted over it, while its descriptors
 * work as before: what is written then is acknowledged and gone at the next start.  So after
 * each COMMIT and before its acknowledgement the files that hold it must have a name, and
 * once a second every path must lead to the file in use.  Otherwise the process ends with EX_IOERR.
 *
 * The descriptors are of the kind O_PATH: they read nothing, and closing one does not
 * release the locks that SQLite holds on the same file.
 */
#ifndef LOGD_PLACE_H
#define LOGD_PLACE_H

#include "unix/loop.h"

struct logd;

/* NAME, name in the data directory; what holds the transactions comes first. */
#define PLACE_FILES(F)                                                                             \
	F(DATABASE, "log.db")                                                                      \
	F(WAL, "log.db-wal")                                                                       \
	F(MARK, "mark")                                                                            \
	F(LOCK, "lock")                                                                            \
	F(IDENTITY, "identity")                                                                    \
	F(DIRECTORY, ".")
enum place_file {
#define F(NAME, name) PLACE_##NAME,
	PLACE_FILES(F)
#undef F
	    PLACE_FILES_COUNT,
	PLACE_HOLD_COUNT = PLACE_MARK + 1
};

struct place {
	bool watched;
	int fds[PLACE_FILES_COUNT];
	uv_timer_t timer;
};

/* At the end of the start, once all files are open and none is replaced any longer. */
void place_watch(struct logd *logd);
/* After each COMMIT, outside a transaction.  Nothing before place_watch: nothing is acknowledged
 * then. */
void place_check(struct logd *logd);

#endif
