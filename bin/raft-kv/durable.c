/* SPDX-License-Identifier: ISC */
/*
 * Pairs in a file: SQLite, with the index of the last entry in the same transaction.
 *
 * The first error of a write or a sync ends the program: after a failed fdatasync the next commit
 * may succeed and still lack what the failed one had.
 */
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/unix/exit.h"
#include "store.h"

enum { APPLICATION_ID = 0x726b7631 }; /* "rkv1": this is our file, and its form */

static const char tables[] =
    "CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE applied (one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL);"
    "INSERT INTO applied VALUES (1, 0);";

#define STATEMENTS(S)                                                                              \
	S(BEGIN, "BEGIN IMMEDIATE")                                                                \
	S(COMMIT, "COMMIT")                                                                        \
	S(APPLIED_GET, "SELECT idx FROM applied")                                                  \
	S(APPLIED_SET, "UPDATE applied SET idx = ?1")                                              \
	S(GET, "SELECT value FROM pairs WHERE key = ?1")                                           \
	S(PUT, "INSERT INTO pairs VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")     \
	S(DEL, "DELETE FROM pairs WHERE key = ?1")                                                 \
	S(SCAN, "SELECT key, value FROM pairs WHERE key >= ?1 ORDER BY key")                       \
	S(CLEAR, "DELETE FROM pairs")
enum statement {
#define S(NAME, sql) NAME,
	STATEMENTS(S)
#undef S
	STATEMENTS_COUNT
};
static const char *const statement_texts[] = {
#define S(NAME, sql) sql,
    STATEMENTS(S)
#undef S
};
_Static_assert(sizeof statement_texts / sizeof *statement_texts == STATEMENTS_COUNT, "a text for each statement");

/* Set, and read back, because SQLite does not call a pragma that it did not follow an error. */
static const struct {
	const char *name, *value, *expected;
} pragmas[] = {
    {"locking_mode", "EXCLUSIVE", "exclusive"},
    {"journal_mode", "WAL", "wal"},
    {"synchronous", "FULL", "2"},
    {"cell_size_check", "ON", "1"},
};

struct durable {
	struct store store;
	const char *path;
	struct sqlite3 *sqlite;
	struct sqlite3_stmt *statements[STATEMENTS_COUNT];
};

static struct durable *
durable_of(struct store *store)
{
	return (struct durable *)store;
}

_Noreturn static void
die(const struct durable *durable)
{
	errx(EXIT_IO, "%s: %s", durable->path, sqlite3_errmsg(durable->sqlite));
}

static void
check(const struct durable *durable, int code)
{
	if (code != SQLITE_OK)
		die(durable);
}

/* A statement, bound anew. */
static struct sqlite3_stmt *
use(struct durable *durable, enum statement which)
{
	struct sqlite3_stmt *statement = durable->statements[which];
	check(durable, sqlite3_reset(statement));
	check(durable, sqlite3_clear_bindings(statement));
	return statement;
}

static void
bind(const struct durable *durable, struct sqlite3_stmt *statement, int at, struct wire_bytes bytes)
{
	/* A NULL would be no blob, but null. */
	const void *data = bytes.size > 0 ? (const void *)bytes.bytes : "";
	check(durable, sqlite3_bind_blob64(statement, at, data, bytes.size, SQLITE_STATIC));
}

/* True: there is a row. */
static bool
step(const struct durable *durable, struct sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		die(durable);
	return code == SQLITE_ROW;
}

static void
finish(const struct durable *durable, struct sqlite3_stmt *statement)
{
	must(!step(durable, statement));
	check(durable, sqlite3_reset(statement));
}

static struct wire_bytes
column(struct sqlite3_stmt *statement, int at)
{
	const void *bytes = sqlite3_column_blob(statement, at); /* first: it may convert */
	return (struct wire_bytes){bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, at)};
}

/* ------------------------------------------------------------ the calls */

static bool
durable_get(struct store *store, struct wire_bytes key, struct wire_bytes *value)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *get = use(durable, GET);
	bind(durable, get, 1, key);
	if (!step(durable, get))
		return false;
	*value = column(get, 0);
	return true;
}

static void
durable_put(struct store *store, struct wire_bytes key, struct wire_bytes value)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *put = use(durable, PUT);
	bind(durable, put, 1, key);
	bind(durable, put, 2, value);
	finish(durable, put);
}

static bool
durable_del(struct store *store, struct wire_bytes key)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *del = use(durable, DEL);
	bind(durable, del, 1, key);
	finish(durable, del);
	return sqlite3_changes(durable->sqlite) > 0;
}

static void
durable_scan(struct store *store, struct wire_bytes prefix, store_each *each, void *arg)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *scan = use(durable, SCAN);
	bind(durable, scan, 1, prefix);
	while (step(durable, scan)) {
		struct wire_bytes key = column(scan, 0);
		if (key.size < prefix.size || memcmp(key.bytes, prefix.bytes, prefix.size) != 0)
			break;
		if (!each(key, column(scan, 1), arg))
			break;
	}
	check(durable, sqlite3_reset(scan));
}

static void
durable_clear(struct store *store)
{
	finish(durable_of(store), use(durable_of(store), CLEAR));
}

static void
durable_begin(struct store *store)
{
	struct durable *durable = durable_of(store);
	check(durable, sqlite3_reset(durable->statements[GET]));
	finish(durable, use(durable, BEGIN));
}

static void
durable_commit(struct store *store)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *set = use(durable, APPLIED_SET);
	check(durable, sqlite3_bind_int64(set, 1, (sqlite3_int64)store->applied));
	finish(durable, set);
	check(durable, sqlite3_reset(durable->statements[GET])); /* its row may still be open */
	finish(durable, use(durable, COMMIT));
}

static void
durable_free(struct store *store)
{
	struct durable *durable = durable_of(store);
	for (int i = 0; i < STATEMENTS_COUNT; i++)
		sqlite3_finalize(durable->statements[i]);
	sqlite3_close(durable->sqlite);
	free(durable);
}

static const struct store_calls durable_calls = {
    .get = durable_get,
    .put = durable_put,
    .del = durable_del,
    .scan = durable_scan,
    .clear = durable_clear,
    .begin = durable_begin,
    .commit = durable_commit,
    .free = durable_free,
};

/* ------------------------------------------------------------- the start */

static void
run(const struct durable *durable, const char *sql)
{
	check(durable, sqlite3_exec(durable->sqlite, sql, NULL, NULL, NULL));
}

/* The first column of the first row, as a new string. */
static char *
ask(const struct durable *durable, const char *sql)
{
	struct sqlite3_stmt *statement;
	check(durable, sqlite3_prepare_v2(durable->sqlite, sql, -1, &statement, NULL));
	char *answer = strdup(step(durable, statement) ? (const char *)sqlite3_column_text(statement, 0) : "");
	must(answer != NULL);
	sqlite3_finalize(statement);
	return answer;
}

static bool
answers(const struct durable *durable, const char *sql, const char *expected)
{
	char *answer = ask(durable, sql);
	bool same = strcmp(answer, expected) == 0;
	free(answer);
	return same;
}

static void
set_pragmas(const struct durable *durable)
{
	char sql[64];
	for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++) {
		snprintf(sql, sizeof sql, "PRAGMA %s = %s", pragmas[i].name, pragmas[i].value);
		run(durable, sql);
		snprintf(sql, sizeof sql, "PRAGMA %s", pragmas[i].name);
		if (!answers(durable, sql, pragmas[i].expected))
			errx(EXIT_IO, "%s: SQLite does not take %s = %s", durable->path, pragmas[i].name,
			    pragmas[i].value);
	}
}

static void
open_file(struct durable *durable)
{
	int code = sqlite3_open_v2(
	    durable->path, &durable->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	must(durable->sqlite != NULL);
	check(durable, code);
	/* Before the first read: then the write-ahead log needs no shared index file. */
	run(durable, "PRAGMA locking_mode = EXCLUSIVE");
	/* The first read: a file of another kind shows here. */
	if (sqlite3_exec(durable->sqlite, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_NOTADB)
		errx(EXIT_CONFIG, "%s: is no database of raft-kv: name another file", durable->path);
	check(durable, sqlite3_errcode(durable->sqlite));
}

/* Makes the tables in a new file, all or nothing. */
static void
make_tables(const struct durable *durable)
{
	char sql[sizeof tables + 64];
	snprintf(sql, sizeof sql, "BEGIN;%sPRAGMA application_id = %d;COMMIT", tables, APPLICATION_ID);
	if (answers(durable, "SELECT count(*) FROM sqlite_schema", "0"))
		run(durable, sql);
}

static void
check_ours(const struct durable *durable)
{
	char id[16];
	snprintf(id, sizeof id, "%d", APPLICATION_ID);
	if (!answers(durable, "PRAGMA application_id", id))
		errx(EXIT_CONFIG, "%s: is no database of raft-kv: name another file", durable->path);
}

static void
sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	if (fd < 0 || fsync(fd) < 0)
		err(EXIT_IO, "%s: cannot be synced", path);
	close(fd);
}

/*
 * A process that was killed may have left a transaction that it had not synced.  SQLite reads it
 * and does not sync it either, so this is done before its index is reported as durable.
 */
static void
sync_inherited(const struct durable *durable)
{
	char *path = malloc(strlen(durable->path) + sizeof "-wal");
	must(path != NULL);
	sprintf(path, "%s-wal", durable->path);
	sync_path(path, 0);
	sync_path(dirname(path), O_DIRECTORY);
	free(path);
}

struct store *
durable_new(const char *path)
{
	struct durable *durable = calloc(1, sizeof *durable);
	must(durable != NULL);
	durable->store.calls = &durable_calls;
	durable->store.durable = true;
	durable->path = path;
	open_file(durable);
	set_pragmas(durable);
	make_tables(durable);
	check_ours(durable);
	sync_inherited(durable);
	for (int i = 0; i < STATEMENTS_COUNT; i++)
		check(durable,
		    sqlite3_prepare_v2(durable->sqlite, statement_texts[i], -1, &durable->statements[i], NULL));
	struct sqlite3_stmt *get = use(durable, APPLIED_GET);
	must(step(durable, get));
	durable->store.applied = (uint64_t)sqlite3_column_int64(get, 0);
	check(durable, sqlite3_reset(get));
	return &durable->store;
}
