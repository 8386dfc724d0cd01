/* SPDX-License-Identifier: ISC */
/* The VFS that gathers writes: each rule of gather.h, and SQLite on it. */
#include "../../bin/raft-logd/gather.c"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { SIZES_MAX = 64, BIG = 200 << 10 };

/* In memory: what counts is which calls are made, not how long a sync takes. */
static char folder[] = "/dev/shm/logd_gather.XXXXXX";
static char path[64];

/* ----------------------------------------------- pwrite, as the VFS "unix" calls it */

static struct {
	size_t sizes[SIZES_MAX]; /* of the calls */
	off_t offsets[SIZES_MAX];
	int count;
	int fail_at; /* this call and the later ones fail; 0: none does */
	int error;
	size_t part; /* the first one that fails has written so much */
} disk;

static ssize_t
disk_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	if (disk.count < SIZES_MAX) {
		disk.sizes[disk.count] = size;
		disk.offsets[disk.count] = offset;
	}
	disk.count++;
	if (disk.fail_at == 0 || disk.count < disk.fail_at)
		return pwrite(fd, bytes, size, offset);
	if (disk.part > 0 && disk.count == disk.fail_at)
		return pwrite(fd, bytes, disk.part < size ? disk.part : size, offset);
	errno = disk.error;
	return -1;
}

static void
disk_reset(void)
{
	memset(&disk, 0, sizeof disk);
}

static void
disk_fail(int error, size_t part)
{
	disk_reset();
	disk.fail_at = 1;
	disk.error = error;
	disk.part = part;
}

static void
disk_install(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
	const char *const names[] = {"pwrite", "pwrite64"};
	for (size_t i = 0; i < 2; i++)
		vfs->xSetSystemCall(vfs, names[i], (sqlite3_syscall_ptr)disk_pwrite);
}

/* ------------------------------------------------------------------ the file */

static uint8_t bytes[BIG], found[BIG + 1];

static sqlite3_file *
file_open_as(int kind)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(gather_vfs());
	sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
	unlink(path);
	disk_reset();
	CHECK(vfs->xOpen(vfs, path, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | kind,
		  NULL) == SQLITE_OK);
	return file;
}

static sqlite3_file *
file_open(void)
{
	return file_open_as(SQLITE_OPEN_WAL);
}

static int
file_close(sqlite3_file *file)
{
	int code = file->pMethods->xClose(file);
	free(file);
	return code;
}

static int
put(sqlite3_file *file, size_t offset, size_t size)
{
	return file->pMethods->xWrite(file, bytes + offset, (int)size, (sqlite3_int64)offset);
}

static int
sync_file(sqlite3_file *file)
{
	return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

/* Whether the file on the disk is the first `size` of the bytes. */
static bool
on_disk(size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, found, sizeof found);
	close(fd);
	return got == (ssize_t)size && memcmp(found, bytes, size) == 0;
}

/* A header and a page, and both again. */
static size_t
put_frames(sqlite3_file *file)
{
	CHECK(put(file, 0, 24) == SQLITE_OK && put(file, 24, 4096) == SQLITE_OK);
	CHECK(put(file, 4120, 24) == SQLITE_OK && put(file, 4144, 4096) == SQLITE_OK);
	return 8240;
}

/* ------------------------------------------------------------------ gathering */

static void
test_sync(void)
{
	sqlite3_file *file = file_open();
	size_t size = put_frames(file);
	CHECK(disk.count == 0 && on_disk(0));
	CHECK(sync_file(file) == SQLITE_OK);
	CHECK(disk.count == 1 && disk.sizes[0] == size && on_disk(size));
	CHECK(sync_file(file) == SQLITE_OK && disk.count == 1);
	CHECK(file_close(file) == SQLITE_OK && disk.count == 1);
}

static void
test_pieces(void)
{
	sqlite3_file *file = file_open();
	for (size_t at = 0; at < BIG; at += 40 << 10)
		CHECK(put(file, at, 40 << 10) == SQLITE_OK);
	CHECK(disk.count == 3 && on_disk(3 * PIECE_SIZE));
	CHECK(sync_file(file) == SQLITE_OK);
	CHECK(disk.count == 4 && disk.sizes[0] == PIECE_SIZE && disk.sizes[2] == PIECE_SIZE &&
	      disk.offsets[2] == 2 * PIECE_SIZE && disk.sizes[3] == BIG - 3 * PIECE_SIZE);
	CHECK(on_disk(BIG));
	file_close(file);

	/* One write that is larger than a piece. */
	file = file_open();
	CHECK(put(file, 0, BIG) == SQLITE_OK && sync_file(file) == SQLITE_OK);
	CHECK(disk.count == 4 && disk.sizes[0] == PIECE_SIZE && on_disk(BIG));
	file_close(file);
}

static void
test_not_next(void)
{
	sqlite3_file *file = file_open();
	CHECK(put(file, 0, 100) == SQLITE_OK && put(file, 200, 100) == SQLITE_OK);
	CHECK(disk.count == 1 && disk.offsets[0] == 0 && disk.sizes[0] == 100);
	/* Over what is gathered: the order of the two stays. */
	CHECK(put(file, 250, 50) == SQLITE_OK && disk.count == 2 && disk.offsets[1] == 200);
	CHECK(put(file, 100, 100) == SQLITE_OK && disk.count == 3 && disk.offsets[2] == 250);
	/* The log begins again. */
	CHECK(put(file, 0, 100) == SQLITE_OK && disk.count == 4 && disk.offsets[3] == 100);
	CHECK(sync_file(file) == SQLITE_OK && disk.count == 5 && on_disk(300));
	file_close(file);
}

static void
test_read(void)
{
	sqlite3_file *file = file_open();
	uint8_t out[200];
	CHECK(put(file, 0, 100) == SQLITE_OK && sync_file(file) == SQLITE_OK);
	CHECK(put(file, 100, 100) == SQLITE_OK && disk.count == 1);
	CHECK(file->pMethods->xRead(file, out, 100, 0) == SQLITE_OK && disk.count == 1);
	CHECK(file->pMethods->xRead(file, out, 100, 200) == SQLITE_IOERR_SHORT_READ &&
	      disk.count == 1);
	CHECK(file->pMethods->xRead(file, out, 101, 0) == SQLITE_OK && disk.count == 2);
	CHECK(memcmp(out, bytes, 101) == 0);
	CHECK(put(file, 200, 100) == SQLITE_OK && disk.count == 2);
	CHECK(file->pMethods->xRead(file, out, 1, 299) == SQLITE_OK && disk.count == 3);
	CHECK(out[0] == bytes[299]);
	file_close(file);
}

static void
test_size(void)
{
	sqlite3_file *file = file_open();
	sqlite3_int64 size = 0;
	put_frames(file);
	CHECK(file->pMethods->xFileSize(file, &size) == SQLITE_OK && size == 8240);
	CHECK(disk.count == 1 && on_disk(8240));
	file_close(file);
}

static void
test_truncate(void)
{
	sqlite3_file *file = file_open();
	put_frames(file);
	CHECK(file->pMethods->xTruncate(file, 4120) == SQLITE_OK && on_disk(4120));
	CHECK(sync_file(file) == SQLITE_OK && on_disk(4120));
	file_close(file);
}

static void
test_close(void)
{
	sqlite3_file *file = file_open();
	put_frames(file);
	CHECK(file_close(file) == SQLITE_OK && disk.count == 1 && on_disk(8240));
}

static void
test_unlock(void)
{
	sqlite3_file *file = file_open_as(SQLITE_OPEN_MAIN_DB);
	CHECK(file->pMethods->xLock(file, SQLITE_LOCK_SHARED) == SQLITE_OK);
	put_frames(file);
	CHECK(disk.count == 0);
	CHECK(file->pMethods->xUnlock(file, SQLITE_LOCK_NONE) == SQLITE_OK);
	CHECK(disk.count == 1 && on_disk(8240));
	file_close(file);
}

static void
test_others(void)
{
	sqlite3_file *file = file_open_as(SQLITE_OPEN_MAIN_JOURNAL);
	CHECK(put(file, 0, 100) == SQLITE_OK && disk.count == 1 && on_disk(100));
	sqlite3_file *wal = file_open();
	CHECK(wal->pMethods->xSectorSize(wal) == file->pMethods->xSectorSize(file));
	CHECK(wal->pMethods->xDeviceCharacteristics(wal) ==
	      file->pMethods->xDeviceCharacteristics(file));
	file_close(file);
	file_close(wal);
}

static void
test_open_fails(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(gather_vfs());
	sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
	CHECK(vfs->xOpen(vfs, folder, file, flags, NULL) == SQLITE_CANTOPEN);
	CHECK(file->pMethods == NULL);
	free(file);
}

/* ------------------------------------------------------------------ errors */

static int
by_sync(sqlite3_file *file)
{
	return sync_file(file);
}

static int
by_read(sqlite3_file *file)
{
	uint8_t out[10];
	return file->pMethods->xRead(file, out, 10, 95);
}

static int
by_size(sqlite3_file *file)
{
	sqlite3_int64 size;
	return file->pMethods->xFileSize(file, &size);
}

static int
by_truncate(sqlite3_file *file)
{
	return file->pMethods->xTruncate(file, 0);
}

static int
by_another_place(sqlite3_file *file)
{
	return put(file, 500, 10);
}

static int
by_a_full_piece(sqlite3_file *file)
{
	return put(file, 100, PIECE_SIZE);
}

static int (*const causes[])(sqlite3_file *) = {
    by_sync, by_read, by_size, by_truncate, by_another_place, by_a_full_piece};
enum { CAUSES_COUNT = sizeof causes / sizeof *causes };

static void
test_full(void)
{
	static const int errors[] = {ENOSPC, EDQUOT, EFBIG, ENOSPC};
	for (size_t i = 0; i < CAUSES_COUNT; i++)
		for (size_t e = 0; e < 4; e++) {
			sqlite3_file *file = file_open();
			size_t part = e == 3 ? 60 : 0;
			CHECK(put(file, 0, 100) == SQLITE_OK);
			disk_fail(errors[e], part);
			errno = 0;
			int code = causes[i](file);
			CHECK(code == (errors[e] == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE));
			CHECK(gather_is_full(code) && disk.count == (part ? 2 : 1));
			/* Discarded: no later call writes any of it. */
			disk_reset();
			CHECK(sync_file(file) == SQLITE_OK && disk.count == 0 && on_disk(part));
			/* There is room again. */
			CHECK(put(file, 0, 200) == SQLITE_OK && sync_file(file) == SQLITE_OK);
			CHECK(on_disk(200));
			file_close(file);
		}
}

static void
test_broken(void)
{
	for (size_t i = 0; i < CAUSES_COUNT; i++) {
		sqlite3_file *file = file_open();
		CHECK(put(file, 0, 100) == SQLITE_OK);
		disk_fail(EIO, i % 2 ? 60 : 0);
		int code = causes[i](file);
		CHECK(code == SQLITE_IOERR_WRITE && !gather_is_full(code));
		disk_reset();
		for (size_t later = 0; later < CAUSES_COUNT; later++)
			CHECK(causes[later](file) == SQLITE_IOERR_WRITE);
		CHECK(put(file, 0, 10) == SQLITE_IOERR_WRITE);
		CHECK(file_close(file) == SQLITE_IOERR_WRITE && disk.count == 0);
	}
}

static void
test_close_fails(void)
{
	static const int errors[] = {EIO, ENOSPC}, codes[] = {SQLITE_IOERR_WRITE, SQLITE_FULL};
	for (size_t e = 0; e < 2; e++) {
		sqlite3_file *file = file_open();
		CHECK(put(file, 0, 100) == SQLITE_OK);
		disk_fail(errors[e], 0);
		CHECK(file_close(file) == codes[e] && disk.count == 1);
	}
}

/* A pipe in the place of the file: it cannot be synced. */
static void
test_sync_fails(void)
{
	int pipes[2], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(fd);
	sqlite3_file *file = file_open();
	CHECK(put(file, 0, 100) == SQLITE_OK && sync_file(file) == SQLITE_OK && on_disk(100));
	CHECK(pipe(pipes) == 0 && dup2(pipes[1], fd) == fd);
	CHECK(sync_file(file) == SQLITE_IOERR_FSYNC);
	CHECK(put(file, 100, 10) == SQLITE_IOERR_FSYNC && by_size(file) == SQLITE_IOERR_FSYNC);
	CHECK(sync_file(file) == SQLITE_IOERR_FSYNC && by_read(file) == SQLITE_IOERR_FSYNC);
	CHECK(file_close(file) == SQLITE_IOERR_FSYNC && disk.count == 1);
	close(pipes[0]);
	close(pipes[1]);
}

/* ------------------------------------------------------------------ SQLite on it */

static char copy_path[80];

static sqlite3 *
database_open(const char *at, const char *vfs)
{
	sqlite3 *sqlite;
	CHECK(sqlite3_open_v2(at, &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs) ==
	      SQLITE_OK);
	sqlite3_extended_result_codes(sqlite, 1);
	return sqlite;
}

static int
run(sqlite3 *sqlite, const char *sql)
{
	return sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
}

static sqlite3 *
database_new(void)
{
	char name[80];
	disk_reset();
	unlink(path);
	snprintf(name, sizeof name, "%s-wal", path);
	unlink(name);
	sqlite3 *sqlite = database_open(path, gather_vfs());
	/* A cache that holds a part of a transaction: the rest is written before its end. */
	CHECK(run(sqlite, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
			  "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
			  "PRAGMA cache_size = 10; PRAGMA cache_spill = 10;"
			  "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)") == SQLITE_OK);
	return sqlite;
}

static sqlite3_int64
number(sqlite3 *sqlite, const char *sql)
{
	sqlite3_stmt *statement;
	sqlite3_int64 value = -1;
	if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static void
copy_file(const char *suffix)
{
	char from[96], to[96];
	static uint8_t block[1 << 16];
	snprintf(from, sizeof from, "%s%s", path, suffix);
	snprintf(to, sizeof to, "%s%s", copy_path, suffix);
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (ssize_t got; (got = read(in, block, sizeof block)) > 0;)
		CHECK(write(out, block, (size_t)got) == got);
	close(in);
	close(out);
}

static const char *const sum = "SELECT count(*) * 1000000007 + total(id * length(x)) FROM t";

/* What another process finds in the files as they are now, by SQLite alone. */
static sqlite3_int64
sum_on_disk(void)
{
	copy_file("");
	copy_file("-wal");
	sqlite3 *sqlite = database_open(copy_path, "unix");
	sqlite3_int64 value = number(sqlite, sum);
	CHECK(number(sqlite, "SELECT count(*) FROM pragma_integrity_check"
			     " WHERE integrity_check = 'ok'") == 1);
	sqlite3_close(sqlite);
	return value;
}

enum { TRANSACTIONS = 40 };

/* One of those that go beyond the cache, into their own pages, or back. */
static void
transaction_text(char *sql, size_t room, int i)
{
	snprintf(sql, room,
	    "BEGIN; WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n LIMIT %d)"
	    " INSERT OR REPLACE INTO t SELECT k * %d, randomblob(k * 7 %% 900) FROM n;"
	    " UPDATE t SET x = x || x'%02x' WHERE id %% 7 = %d; DELETE FROM t WHERE id %% 31 = %d",
	    i % 4 == 0 ? 400 : 5 + i, 1 + i % 5, i, i % 7, i);
}

static int
checkpoint(sqlite3 *sqlite)
{
	return sqlite3_wal_checkpoint_v2(sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void
test_sqlite(void)
{
	sqlite3 *sqlite = database_new();
	char sql[512];
	disk_reset();
	for (int i = 0; i < TRANSACTIONS; i++) {
		transaction_text(sql, sizeof sql, i);
		sqlite3_int64 before = number(sqlite, sum);
		CHECK(run(sqlite, sql) == SQLITE_OK);
		CHECK(run(sqlite, i % 3 == 2 ? "ROLLBACK" : "COMMIT") == SQLITE_OK);
		sqlite3_int64 now = number(sqlite, sum);
		CHECK(i % 3 != 2 || now == before);
		CHECK(sum_on_disk() == now);
		if (i % 10 == 9)
			CHECK(checkpoint(sqlite) == SQLITE_OK);
	}
	CHECK(number(sqlite, sum) > 1000000007);
	CHECK(sqlite3_close(sqlite) == SQLITE_OK);
}

/* The n-th write of a transaction fails, for each n up to where none does. */
static void
sqlite_fails(int error, bool broken)
{
	char sql[512];
	bool failed = true;
	int hits = 0;
	transaction_text(sql, sizeof sql, 4);
	for (int n = 1; failed && n < 1000; n++) {
		sqlite3 *sqlite = database_new();
		CHECK(run(sqlite, "INSERT INTO t VALUES (1, x'00')") == SQLITE_OK);
		sqlite3_int64 before = number(sqlite, sum);
		disk_fail(error, n % 2 ? 1000 : 0);
		disk.fail_at = n;
		failed = run(sqlite, sql) != SQLITE_OK || run(sqlite, "COMMIT") != SQLITE_OK;
		hits += failed;
		disk_reset();
		CHECK(sum_on_disk() == (failed ? before : number(sqlite, sum)));
		if (!sqlite3_get_autocommit(sqlite))
			run(sqlite, "ROLLBACK");
		bool again = run(sqlite, "INSERT INTO t VALUES (100000, x'01')") == SQLITE_OK;
		CHECK(!failed || again == !broken);
		if (again)
			CHECK(sum_on_disk() == number(sqlite, sum));
		sqlite3_close(sqlite);
	}
	CHECK(hits > 3 && !failed);
}

/* The n-th write of a checkpoint fails, for each n up to where none does. */
static void
checkpoint_fails(int error, bool broken)
{
	char sql[512], wal[80];
	bool failed = true;
	int hits = 0;
	snprintf(wal, sizeof wal, "%s-wal", path);
	transaction_text(sql, sizeof sql, 4);
	for (int n = 1; failed && n < 1000; n++) {
		sqlite3 *sqlite = database_new();
		CHECK(run(sqlite, sql) == SQLITE_OK && run(sqlite, "COMMIT") == SQLITE_OK);
		sqlite3_int64 now = number(sqlite, sum);
		disk_fail(error, n % 2 ? 1000 : 0);
		disk.fail_at = n;
		failed = checkpoint(sqlite) != SQLITE_OK;
		hits += failed;
		disk_reset();
		CHECK(sum_on_disk() == now);
		bool again = checkpoint(sqlite) == SQLITE_OK;
		CHECK(!failed || again == !broken);
		/* All of it is in the database itself. */
		if (again && truncate(wal, 0) == 0)
			CHECK(sum_on_disk() == now);
		sqlite3_close(sqlite);
	}
	CHECK(hits > 1 && !failed);
}

static void
test_checkpoint(void)
{
	checkpoint_fails(ENOSPC, false);
	checkpoint_fails(EFBIG, false);
	checkpoint_fails(EIO, true);
}

static void
test_sqlite_full(void)
{
	sqlite_fails(ENOSPC, false);
	sqlite_fails(EFBIG, false);
}

static void
test_sqlite_broken(void)
{
	sqlite_fails(EIO, true);
}

int
main(void)
{
	if (mkdtemp(folder) == NULL || gather_vfs() == NULL)
		return 71;
	snprintf(path, sizeof path, "%s/file", folder);
	snprintf(copy_path, sizeof copy_path, "%s/copy", folder);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251 + 1);
	disk_install();
	check_run("consecutive writes reach the file at the sync, in one call", test_sync);
	check_run("more than a piece goes out in pieces of 64 KiB", test_pieces);
	check_run("a write elsewhere comes after what was gathered before it", test_not_next);
	check_run("a read gets what was gathered, and a read beside it writes nothing", test_read);
	check_run("the size of the file counts what was gathered", test_size);
	check_run("a truncation comes after what was gathered before it", test_truncate);
	check_run("a close writes what was gathered", test_close);
	check_run("an unlock comes after what was gathered before it", test_unlock);
	check_run("other files, and what is asked of the disk, are those of SQLite", test_others);
	check_run("a file that cannot be opened is none", test_open_fails);
	check_run(
	    "⚠ a full disk is returned by the call that met it, discards, and may end", test_full);
	check_run("⚠ after a failed write every call fails, and nothing is written", test_broken);
	check_run(
	    "⚠ after a failed sync every call fails, and nothing is written", test_sync_fails);
	check_run("⚠ a close whose write fails returns that", test_close_fails);
	check_run("⚠ after each commit SQLite alone reads from the files what was committed",
	    test_sqlite);
	check_run("⚠ whichever write of a transaction finds the disk full, it leaves nothing",
	    test_sqlite_full);
	check_run(
	    "⚠ whichever write of a transaction fails, it leaves nothing, and nothing follows",
	    test_sqlite_broken);
	check_run(
	    "⚠ whichever write of a checkpoint fails, nothing committed is lost", test_checkpoint);
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command) == 0 ? check_done() : 71;
}
