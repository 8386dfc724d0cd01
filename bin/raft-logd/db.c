/* SPDX-License-Identifier: ISC */
/*
 * The connection to SQLite: opening, pragmas, transactions, checkpoints, the table meta.
 * rows.c has the other tables.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/text.h"
#include "seal/seal.h"
#include "unix/exit.h"
#include "unix/log.h"
#include "db_private.h"
#include "gather.h"

enum { WHY_SIZE = 1024 };

static const char *const statement_texts[] = {
#define S(NAME, sql) sql,
    DB_STATEMENTS(S)
#undef S
};
_Static_assert(sizeof statement_texts / sizeof *statement_texts == DB_STATEMENTS_COUNT,
    "a text for each statement");

static const char tables[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE log (idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " session BLOB, serial INTEGER NOT NULL, data BLOB NOT NULL, chain BLOB NOT NULL,"
    " time INTEGER, origin TEXT);"
    "CREATE TABLE terms (idx INTEGER PRIMARY KEY, term INTEGER NOT NULL);"
    "CREATE TABLE configs (idx INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE sessions (sid BLOB PRIMARY KEY, name TEXT, serial INTEGER NOT NULL,"
    " last_index INTEGER NOT NULL, epoch INTEGER NOT NULL, run BLOB NOT NULL, digest BLOB NOT NULL,"
    " sum BLOB NOT NULL, position INTEGER) WITHOUT ROWID;"
    "CREATE TABLE cursors (name TEXT PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT "
    "ROWID;" SNAPSHOT_TABLE RULES_INDEX;

/*
 * Set, and read back, because SQLite does not call a pragma that it did not follow an error.
 * The exclusive lock comes first: then the write-ahead log has no shared index file.
 */
static const struct pragma {
	const char *name, *value, *expected;
} pragmas[] = {
    {"locking_mode", "EXCLUSIVE", "exclusive"},
    {"journal_mode", "WAL", "wal"},
    {"synchronous", "FULL", "2"},
    {"wal_autocheckpoint", "0", "0"},
    {"cell_size_check", "ON", "1"},
    {"cache_size", "-2048", "-2048"},
    {"trusted_schema", "OFF", "0"},
};

/* ------------------------------------------------------------- errors */

/*
 * As exit_of_errno.  Permission was checked by our own calls: when SQLite finds a file read-only,
 * its open failed for another reason.
 */
static enum exit_status
status_of(struct sqlite3 *sqlite)
{
	switch (sqlite3_errcode(sqlite) & 0xff) {
	case SQLITE_CANTOPEN:
		return sqlite3_system_errno(sqlite) ? exit_of_errno(sqlite3_system_errno(sqlite))
						    : EXIT_IO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return EXIT_CONFIG;
	case SQLITE_BUSY:
		return EXIT_RETRY;
	case SQLITE_NOMEM:
		return EXIT_OS;
	default:
		return EXIT_IO;
	}
}

/* No clean close, no exit handlers: nothing more may be written. */
_Noreturn static void
die_with(const struct db *db, enum exit_status status, const char *what, const char *detail)
{
	log_error("exit", "status=%d why=%s detail=%s path=%s", (int)status, log_q(what),
	    log_q(detail), log_q(db->path));
	_exit((int)status);
}

_Noreturn void
db_die(struct db *db, const char *what)
{
	die_with(db, status_of(db->sqlite), what, sqlite3_errmsg(db->sqlite));
}

_Noreturn void
db_die_errno(const struct db *db, const char *what)
{
	die_with(db, exit_of_errno(errno), what, strerror(errno));
}

enum db_result
db_judge(struct db *db, int code, bool writing)
{
	if (code == SQLITE_OK || code == SQLITE_ROW)
		return DB_OK;
	if (code == SQLITE_DONE)
		return DB_END;
	if (gather_is_full(code))
		return DB_FULL;
	bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
	if (damaged && !writing)
		return DB_DAMAGED;
	if (damaged)
		db_die(db, "the database is damaged beyond what this program mends: "
			   "remove this node from the cluster and let it join under a new id");
	if ((code & 0xff) == SQLITE_BUSY)
		db_die(db, "another program holds the database open: stop it");
	if ((code & 0xff) == SQLITE_IOERR)
		db_die(db, "a read, write or sync of the database failed; what it holds is read "
			   "again at the next start");
	db_die(db, "the database cannot be used");
}

struct sqlite3_stmt *
db_use(struct db *db, enum db_statement number)
{
	sqlite3_stmt *statement = db->statements[number];
	if (statement == NULL) {
		int code = sqlite3_prepare_v3(db->sqlite, statement_texts[number], -1,
		    SQLITE_PREPARE_PERSISTENT, &statement, NULL);
		if (code != SQLITE_OK)
			db_judge(db, code, true);
		db->statements[number] = statement;
	}
	return statement;
}

enum db_result
db_do(struct db *db, struct sqlite3_stmt *statement)
{
	errno = 0;
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		return DB_OK;
	enum db_result result = db_judge(db, code, !sqlite3_stmt_readonly(statement));
	db->full = db->full || result == DB_FULL;
	sqlite3_reset(statement);
	return result;
}

void
db_write(struct db *db, struct sqlite3_stmt *statement)
{
	/* SQLite may have ended the transaction: what ran now would be committed by itself. */
	if (!db->full)
		db_do(db, statement);
}

static void
db_execute(struct db *db, const char *sql)
{
	errno = 0;
	int code = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
	if (db_judge(db, code, true) != DB_OK)
		db_die(db, "there is no room to make the database");
}

/* ------------------------------------------------------------ opening */

/* The one value that the SQL gives, as text. */
static void
db_ask(struct db *db, const char *sql, char *out, size_t room)
{
	sqlite3_stmt *statement;
	out[0] = '\0';
	errno = 0;
	int code = sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	while (code == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);
		snprintf(out, room, "%s", text ? text : "");
		/* To the end: what a pragma changes is written after its row, and may fail then. */
		code = sqlite3_step(statement);
	}
	if (db_judge(db, code, true) == DB_FULL)
		db_die(db, "there is no room to open the database");
	sqlite3_finalize(statement);
}

static void
db_set_pragmas(struct db *db)
{
	for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++) {
		char sql[128], answer[64];
		snprintf(sql, sizeof sql, "PRAGMA %s = %s", pragmas[i].name, pragmas[i].value);
		db_ask(db, sql, answer, sizeof answer);
		snprintf(sql, sizeof sql, "PRAGMA %s", pragmas[i].name);
		db_ask(db, sql, answer, sizeof answer);
		log_debug("pragma", "name=%s value=%s", pragmas[i].name, answer);
		if (strcmp(answer, pragmas[i].expected) == 0)
			continue;
		log_error("exit", "status=%d why=%s pragma=%s value=%s expected=%s", (int)EXIT_IO,
		    log_q("SQLite did not take a setting that durability needs"), pragmas[i].name,
		    log_q(answer), pragmas[i].expected);
		_exit(EXIT_IO);
	}
}

static int
on_wal(void *arg, struct sqlite3 *sqlite, const char *name, int pages)
{
	struct db *db = arg;
	(void)sqlite;
	(void)name;
	db->wal_pages = (uint64_t)pages;
	db->in_wal = true;
	return SQLITE_OK;
}

static unsigned long
format_of(struct db *db)
{
	char text[32];
	db_ask(db, "SELECT value FROM meta WHERE key = 'format'", text, sizeof text);
	return strtoul(text, NULL, 10);
}

/* A newer format is refused before anything is written. */
static bool
format_known(struct db *db, char *why)
{
	unsigned long format = format_of(db);
	if (format >= 1 && format <= DB_FORMAT)
		return true;
	snprintf(why, WHY_SIZE,
	    "%s: the log is of format %lu, this raft-logd knows format %d: use a newer raft-logd",
	    db->path, format, DB_FORMAT);
	return false;
}

/* In one transaction.  None that is counted: it changes nothing that was promised. */
static void
db_migrate(struct db *db)
{
	unsigned long format = format_of(db);
	if (format == DB_FORMAT)
		return;
	db_execute(db, "BEGIN IMMEDIATE");
	if (format < 2)
		db_execute(db, SNAPSHOT_TABLE);
	if (format < 3)
		db_execute(db, "ALTER TABLE log ADD COLUMN time INTEGER;"
			       "ALTER TABLE log ADD COLUMN origin TEXT;" RULES_INDEX);
	db_execute(db, "ALTER TABLE sessions ADD COLUMN position INTEGER;"
		       "UPDATE meta SET value = 4 WHERE key = 'format';COMMIT");
	log_info("migrate", "from=%lu to=%d why=%s", format, DB_FORMAT,
	    log_q("the log was of an older format"));
}

static bool
is_empty(struct db *db)
{
	char text[32];
	db_ask(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", text, sizeof text);
	return strcmp(text, "1") != 0;
}

struct db *
db_open(const char *data, bool roomy, bool *empty, char *why)
{
	struct db *db = calloc(1, sizeof *db);
	must(db != NULL);
	snprintf(db->path, sizeof db->path, "%s/log.db", data);
	db_file_make(db, data);
	/* One thread uses SQLite, so it needs no locks; and its count of memory is not read. */
	must(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
	must(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
	const char *vfs = gather_vfs();
	must(vfs != NULL);
	int code = sqlite3_open_v2(
	    db->path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);
	if (db->sqlite == NULL || code != SQLITE_OK)
		db_die(db, "the database cannot be opened");
	sqlite3_extended_result_codes(db->sqlite, 1);
	db_execute(db, "PRAGMA locking_mode = EXCLUSIVE");
	*empty = is_empty(db);
	if (!*empty && !format_known(db, why)) {
		db_close(db);
		return NULL;
	}
	db_set_pragmas(db);
	db->roomy = roomy;
	/* A new database widens it when it has been filled, which leaves it empty. */
	db_file_make_wal(db, roomy && !*empty);
	if (!*empty)
		db_migrate(db);
	/* Tells how large the write-ahead log is; checkpoints are made in db_checkpoint alone. */
	sqlite3_wal_hook(db->sqlite, on_wal, db);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	char text[32];
	db_ask(db, "PRAGMA page_size", text, sizeof text);
	db->page_size = strtoull(text, NULL, 10);
	db_file_sync_folder(db, data);
	return db;
}

void
db_close(struct db *db)
{
	for (int i = 0; i < DB_STATEMENTS_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	if (sqlite3_close(db->sqlite) != SQLITE_OK)
		db_die(db, "the database cannot be closed");
	free(db);
}

/* ------------------------------------------------------- transactions */

/* SQLite calls these read-only; damage is an error in them all the same. */
static enum db_result
db_control(struct db *db, enum db_statement number)
{
	sqlite3_stmt *statement = db_use(db, number);
	errno = 0;
	int code = sqlite3_step(statement);
	enum db_result result = db_judge(db, code, true);
	sqlite3_reset(statement);
	return result == DB_END ? DB_OK : result;
}

void
db_begin(struct db *db)
{
	/* Takes no space yet, so it cannot find the disk full. */
	must(db_control(db, DB_BEGIN) == DB_OK);
	db->full = false;
	db->in_wal = false;
	db->changes = sqlite3_total_changes64(db->sqlite);
}

bool
db_commit(struct db *db)
{
	if (db->full || db_control(db, DB_COMMIT) == DB_FULL) {
		db_rollback(db);
		return false;
	}
	if (!db->in_wal && sqlite3_total_changes64(db->sqlite) != db->changes)
		db_die(db, "a transaction did not go through the write-ahead log");
	return true;
}

void
db_rollback(struct db *db)
{
	/* A full disk may have rolled it back already. */
	if (!sqlite3_get_autocommit(db->sqlite))
		db_execute(db, "ROLLBACK");
	db->have_written = false;
	db->full = false;
}

bool
db_full(const struct db *db)
{
	return db->full;
}

bool
db_checkpoint(struct db *db, bool empty)
{
	int all = 0, moved = 0;
	int mode = empty ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	errno = 0;
	int code = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, mode, &all, &moved);
	if (db_judge(db, code, true) == DB_FULL)
		return false;
	if (moved < all)
		db_die(db, "the write-ahead log could not be moved into the database");
	db->wal_pages = 0;
	return true;
}

uint64_t
db_wal_size(const struct db *db)
{
	return db->wal_pages * db->page_size;
}

uint64_t
db_file_size(const struct db *db)
{
	struct stat st;
	return stat(db->path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* --------------------------------------------------------------- meta */

/* The integers of a state: key, member. */
#define STATE_KEYS(K)                                                                              \
	K(transactions, transactions)                                                              \
	K(truncations, truncations)                                                                \
	K(term, term)                                                                              \
	K(commit_index, commit.index)                                                              \
	K(commit_term, commit.term)                                                                \
	K(sessions_index, sessions_index)                                                          \
	K(recovering, recovering)                                                                  \
	K(mark_valid, mark_valid)                                                                  \
	K(mark_term, mark_term)
#define K(key, member) +1
enum { STATE_KEYS_COUNT = 0 STATE_KEYS(K) };
#undef K

/* So that a flipped bit in the vote or the commit index is not taken for the truth. */
static struct raft_hash
state_sum(const struct db_state *state)
{
	uint8_t numbers[STATE_KEYS_COUNT * 8];
	uint8_t *at = numbers;
#define K(key, member)                                                                             \
	bytes_put_u64(at, (uint64_t)state->member);                                                \
	at += 8;
	STATE_KEYS(K)
#undef K
	struct seal_part parts[] = {
	    {numbers, sizeof numbers}, {state->vote.s, sizeof state->vote.s}};
	return seal_hash(parts, 2);
}

static void
put_integer(struct db *db, const char *key, uint64_t value)
{
	sqlite3_stmt *statement = db_use(db, DB_META_PUT);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)value);
	db_write(db, statement);
}

void
db_text_put(struct db *db, const char *key, const char *value)
{
	sqlite3_stmt *statement = db_use(db, DB_META_PUT);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	db_write(db, statement);
}

/* False when there is none of that type. */
static bool
get_integer(struct db *db, const char *key, uint64_t *value)
{
	sqlite3_stmt *statement = db_use(db, DB_META_GET);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	bool found =
	    db_do(db, statement) == DB_OK && sqlite3_column_type(statement, 0) == SQLITE_INTEGER;
	*value = found ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return found;
}

bool
db_text_get(struct db *db, const char *key, char *out, size_t room)
{
	sqlite3_stmt *statement = db_use(db, DB_META_GET);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	bool found =
	    db_do(db, statement) == DB_OK && sqlite3_column_type(statement, 0) == SQLITE_TEXT;
	if (found)
		found = (size_t)snprintf(out, room, "%s",
			    (const char *)sqlite3_column_text(statement, 0)) < room;
	sqlite3_reset(statement);
	return found;
}

static void
put_hex(struct db *db, const char *key, const uint8_t *bytes, size_t size)
{
	char text[2 * RAFT_HASH_SIZE + 1];
	must(size <= RAFT_HASH_SIZE);
	seal_hex(text, bytes, size);
	db_text_put(db, key, text);
}

/* Compares by text, so that only the written form counts. */
static bool
get_hex(struct db *db, const char *key, uint8_t *out, size_t size)
{
	char text[2 * RAFT_HASH_SIZE + 1];
	return db_text_get(db, key, text, sizeof text) && text_hex_parse(out, size, text);
}

enum db_result
db_origin_get(struct db *db, struct db_origin *origin)
{
	char node[RAFT_ID_SIZE];
	bool good = db_text_get(db, "node", node, sizeof node) &&
		    raft_id_parse(&origin->node, node) &&
		    db_text_get(db, "name", origin->name, sizeof origin->name) &&
		    get_hex(db, "directory", origin->directory, sizeof origin->directory) &&
		    get_hex(db, "cluster", origin->cluster.b, RAFT_HASH_SIZE);
	uint64_t joined;
	origin->joined = get_integer(db, "joined", &joined) && joined;
	return good ? DB_OK : DB_DAMAGED;
}

void
db_joined_put(struct db *db)
{
	put_integer(db, "joined", 1);
}

void
db_cluster_put(struct db *db, const struct raft_hash *cluster)
{
	put_hex(db, "cluster", cluster->b, RAFT_HASH_SIZE);
}

enum db_result
db_state_get(struct db *db, struct db_state *state)
{
	char vote[RAFT_ID_SIZE], sum[2 * RAFT_HASH_SIZE + 1], expected[2 * RAFT_HASH_SIZE + 1];
	bool good = true;
	memset(state, 0, sizeof *state);
	uint64_t value;
#define K(key, member)                                                                             \
	good = get_integer(db, #key, &value) && good;                                              \
	state->member = value;
	STATE_KEYS(K)
#undef K
	good = db_text_get(db, "vote", vote, sizeof vote) && good;
	if (good && vote[0])
		good = raft_id_parse(&state->vote, vote);
	struct raft_hash hash = state_sum(state);
	seal_hex(expected, hash.b, sizeof hash.b);
	good = db_text_get(db, "sum", sum, sizeof sum) && strcmp(sum, expected) == 0 && good;
	db->written = *state;
	db->have_written = good;
	return good ? DB_OK : DB_DAMAGED;
}

void
db_state_put(struct db *db, const struct db_state *state)
{
	bool all = !db->have_written;
#define K(key, member)                                                                             \
	if (all || db->written.member != state->member)                                            \
		put_integer(db, #key, (uint64_t)state->member);
	STATE_KEYS(K)
#undef K
	if (all || !raft_id_equal(&db->written.vote, &state->vote))
		db_text_put(db, "vote", state->vote.s);
	struct raft_hash sum = state_sum(state);
	put_hex(db, "sum", sum.b, sizeof sum.b);
	/* Until it is rolled back. */
	db->written = *state;
	db->have_written = true;
}

void
db_fill(struct db *db, const struct db_origin *origin, const struct raft_config *first,
    const struct db_state *state)
{
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	size_t size = raft_config_encode(first, bytes);
	db_begin(db);
	db_execute(db, tables);
	put_integer(db, "format", DB_FORMAT);
	db_text_put(db, "node", origin->node.s);
	db_text_put(db, "name", origin->name);
	put_hex(db, "directory", origin->directory, sizeof origin->directory);
	db_cluster_put(db, &origin->cluster);
	if (origin->joined)
		db_joined_put(db);
	db_config_put(db, state->commit.index, bytes, size);
	db_state_put(db, state);
}

void
db_fill_end(struct db *db)
{
	/* Into the file itself: a write-ahead log that is lost then leaves a log that went
	 * backwards, not none. */
	if (!db_commit(db) || !db_checkpoint(db, true))
		db_die(db, "there is no room to make the database");
	db_file_make_wal(db, db->roomy);
}
