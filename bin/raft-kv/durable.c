/* SPDX-License-Identifier: ISC */
/*
 * Pairs in a file: SQLite, with the index of the last entry in the same transaction, and its chain.
 *
 * The chain has a table of its own, which is made where chains come, and names the entry: a
 * raft-kv that knows nothing of it may have gone on since.
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

#include "unix/exit.h"
#include "store.h"

enum { APPLICATION_ID = 0x726b7631 }; /* "rkv1": this is our file, and its form */

static const char tables[] =
    "CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE applied (one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL);"
    "INSERT INTO applied VALUES (1, 0);";

static const char chain_table[] =
    "CREATE TABLE IF NOT EXISTS chain (one INTEGER PRIMARY KEY CHECK (one = 1), "
    "idx INTEGER NOT NULL, chain TEXT NOT NULL);"
    "INSERT OR IGNORE INTO chain VALUES (1, 0, '')";
/* Prepared only where there is that table. */
static const char chain_set[] = "UPDATE chain SET idx = ?1, chain = ?2";

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
_Static_assert(sizeof statement_texts / sizeof *statement_texts == STATEMENTS_COUNT,
    "a text for each statement");

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
	struct sqlite3_stmt *chain_set; /* NULL: no chains come */
};

static struct durable *
durable_of(struct store *store)
{
	return (struct durable *)store;
}

_Noreturn static void
durable_die(const struct durable *durable)
{
	errx(EXIT_IO, "%s: %s", durable->path, sqlite3_errmsg(durable->sqlite));
}

static void
durable_check(const struct durable *durable, int code)
{
	if (code != SQLITE_OK)
		durable_die(durable);
}

static struct sqlite3_stmt *
durable_renew(const struct durable *durable, struct sqlite3_stmt *statement)
{
	durable_check(durable, sqlite3_reset(statement));
	durable_check(durable, sqlite3_clear_bindings(statement));
	return statement;
}

/* A statement, ready for its arguments. */
static struct sqlite3_stmt *
durable_use(struct durable *durable, enum statement which)
{
	return durable_renew(durable, durable->statements[which]);
}

static void
durable_bind(
    const struct durable *durable, struct sqlite3_stmt *statement, int at, struct wire_bytes bytes)
{
	/* A NULL would be no blob, but null. */
	const void *data = bytes.size > 0 ? (const void *)bytes.bytes : "";
	durable_check(durable, sqlite3_bind_blob64(statement, at, data, bytes.size, SQLITE_STATIC));
}

/* True: there is a row. */
static bool
durable_step(const struct durable *durable, struct sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		durable_die(durable);
	return code == SQLITE_ROW;
}

static void
durable_finish(const struct durable *durable, struct sqlite3_stmt *statement)
{
	must(!durable_step(durable, statement));
	durable_check(durable, sqlite3_reset(statement));
}

static struct wire_bytes
durable_column(struct sqlite3_stmt *statement, int at)
{
	const void *bytes = sqlite3_column_blob(statement, at); /* first: it may convert */
	return (struct wire_bytes){bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, at)};
}

/* ------------------------------------------------------------ the calls */

static bool
durable_get(struct store *store, struct wire_bytes key, struct wire_bytes *value)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *get = durable_use(durable, GET);
	durable_bind(durable, get, 1, key);
	if (!durable_step(durable, get))
		return false;
	*value = durable_column(get, 0);
	return true;
}

static void
durable_put(struct store *store, struct wire_bytes key, struct wire_bytes value)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *put = durable_use(durable, PUT);
	durable_bind(durable, put, 1, key);
	durable_bind(durable, put, 2, value);
	durable_finish(durable, put);
}

static bool
durable_del(struct store *store, struct wire_bytes key)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *del = durable_use(durable, DEL);
	durable_bind(durable, del, 1, key);
	durable_finish(durable, del);
	return sqlite3_changes(durable->sqlite) > 0;
}

static void
durable_scan(struct store *store, struct wire_bytes prefix, store_each *each, void *arg)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *scan = durable_use(durable, SCAN);
	durable_bind(durable, scan, 1, prefix);
	while (durable_step(durable, scan)) {
		struct wire_bytes key = durable_column(scan, 0);
		if (key.size < prefix.size || memcmp(key.bytes, prefix.bytes, prefix.size) != 0)
			break;
		if (!each(key, durable_column(scan, 1), arg))
			break;
	}
	durable_check(durable, sqlite3_reset(scan));
}

static void
durable_clear(struct store *store)
{
	durable_finish(durable_of(store), durable_use(durable_of(store), CLEAR));
}

static void
durable_begin(struct store *store)
{
	struct durable *durable = durable_of(store);
	durable_check(durable, sqlite3_reset(durable->statements[GET]));
	durable_finish(durable, durable_use(durable, BEGIN));
}

static void
durable_set_chain(struct durable *durable)
{
	const struct store *store = &durable->store;
	if (durable->chain_set == NULL)
		return;
	struct sqlite3_stmt *set = durable_renew(durable, durable->chain_set);
	durable_check(durable, sqlite3_bind_int64(set, 1, (sqlite3_int64)store->applied));
	durable_check(durable, sqlite3_bind_text(set, 2, store->chain, -1, SQLITE_STATIC));
	durable_finish(durable, set);
}

static void
durable_commit(struct store *store)
{
	struct durable *durable = durable_of(store);
	struct sqlite3_stmt *set = durable_use(durable, APPLIED_SET);
	durable_check(durable, sqlite3_bind_int64(set, 1, (sqlite3_int64)store->applied));
	durable_finish(durable, set);
	durable_set_chain(durable);
	durable_check(
	    durable, sqlite3_reset(durable->statements[GET])); /* its row may still be open */
	durable_finish(durable, durable_use(durable, COMMIT));
}

static void
durable_free(struct store *store)
{
	struct durable *durable = durable_of(store);
	for (int i = 0; i < STATEMENTS_COUNT; i++)
		sqlite3_finalize(durable->statements[i]);
	sqlite3_finalize(durable->chain_set);
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
durable_run(const struct durable *durable, const char *sql)
{
	durable_check(durable, sqlite3_exec(durable->sqlite, sql, NULL, NULL, NULL));
}

/* The first column of the first row, as a new string. */
static char *
durable_ask(const struct durable *durable, const char *sql)
{
	struct sqlite3_stmt *statement;
	durable_check(durable, sqlite3_prepare_v2(durable->sqlite, sql, -1, &statement, NULL));
	char *answer = strdup(durable_step(durable, statement)
				  ? (const char *)sqlite3_column_text(statement, 0)
				  : "");
	must(answer != NULL);
	sqlite3_finalize(statement);
	return answer;
}

static bool
durable_answers(const struct durable *durable, const char *sql, const char *expected)
{
	char *answer = durable_ask(durable, sql);
	bool same = strcmp(answer, expected) == 0;
	free(answer);
	return same;
}

static void
durable_set_pragmas(const struct durable *durable)
{
	char sql[64];
	for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++) {
		snprintf(sql, sizeof sql, "PRAGMA %s = %s", pragmas[i].name, pragmas[i].value);
		durable_run(durable, sql);
		snprintf(sql, sizeof sql, "PRAGMA %s", pragmas[i].name);
		if (!durable_answers(durable, sql, pragmas[i].expected))
			errx(EXIT_IO, "%s: SQLite does not take %s = %s", durable->path,
			    pragmas[i].name, pragmas[i].value);
	}
}

static void
durable_open_file(struct durable *durable)
{
	int code = sqlite3_open_v2(
	    durable->path, &durable->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	must(durable->sqlite != NULL);
	durable_check(durable, code);
	/* Before the first read: then the write-ahead log needs no shared index file. */
	durable_run(durable, "PRAGMA locking_mode = EXCLUSIVE");
	/* The first read: a file of another kind shows here. */
	if (sqlite3_exec(durable->sqlite, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL) ==
	    SQLITE_NOTADB)
		errx(
		    EXIT_CONFIG, "%s: is no database of raft-kv: name another file", durable->path);
	durable_check(durable, sqlite3_errcode(durable->sqlite));
}

/* Makes the tables in a new file, all or nothing. */
static void
durable_make_tables(const struct durable *durable)
{
	char sql[sizeof tables + 64];
	snprintf(
	    sql, sizeof sql, "BEGIN;%sPRAGMA application_id = %d;COMMIT", tables, APPLICATION_ID);
	if (durable_answers(durable, "SELECT count(*) FROM sqlite_schema", "0"))
		durable_run(durable, sql);
}

static void
durable_check_ours(const struct durable *durable)
{
	char id[16];
	snprintf(id, sizeof id, "%d", APPLICATION_ID);
	if (!durable_answers(durable, "PRAGMA application_id", id))
		errx(
		    EXIT_CONFIG, "%s: is no database of raft-kv: name another file", durable->path);
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

/* What is not of the last entry is no chain of it. */
static void
durable_open_chain(struct durable *durable)
{
	char sql[96];
	durable_run(durable, chain_table);
	durable_check(
	    durable, sqlite3_prepare_v2(durable->sqlite, chain_set, -1, &durable->chain_set, NULL));
	snprintf(sql, sizeof sql, "SELECT chain FROM chain WHERE idx = %llu",
	    (unsigned long long)durable->store.applied);
	char *chain = durable_ask(durable, sql);
	if (store_chain_valid(chain))
		strcpy(durable->store.chain, chain);
	free(chain);
}

struct store *
durable_new(const char *path, bool chained)
{
	struct durable *durable = calloc(1, sizeof *durable);
	must(durable != NULL);
	durable->store.calls = &durable_calls;
	durable->store.durable = true;
	durable->store.chained = chained;
	durable->path = path;
	durable_open_file(durable);
	durable_set_pragmas(durable);
	durable_make_tables(durable);
	durable_check_ours(durable);
	sync_inherited(durable);
	for (int i = 0; i < STATEMENTS_COUNT; i++)
		durable_check(durable, sqlite3_prepare_v2(durable->sqlite, statement_texts[i], -1,
					   &durable->statements[i], NULL));
	struct sqlite3_stmt *get = durable_use(durable, APPLIED_GET);
	must(durable_step(durable, get));
	durable->store.applied = (uint64_t)sqlite3_column_int64(get, 0);
	durable_check(durable, sqlite3_reset(get));
	if (chained)
		durable_open_chain(durable);
	return &durable->store;
}
