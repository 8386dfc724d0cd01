/* SPDX-License-Identifier: ISC */
/* Between db.c, db_file.c and rows.c: the connection, its files and its statements. */
#ifndef LOGD_DB_PRIVATE_H
#define LOGD_DB_PRIVATE_H

#include "wire/origin.h"
#include "db.h"

struct sqlite3;
struct sqlite3_stmt;

/* OR FAIL: without it SQLite keeps copies of the pages, to undo one statement of several rows. */
#define LOG_INSERT                                                                                 \
	"INSERT OR FAIL INTO log (idx, term, kind, session, serial, data, chain, time, origin)"    \
	" VALUES "
#define LOG_ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
enum { LOG_COLUMNS = 9 };

/* LEVEL and CONTRACT: what is in force from an entry on. */
#define RULE_KINDS "kind IN (5, 6)"
/* Every statement that is used more than once: NAME, SQL. */
#define DB_STATEMENTS(S)                                                                           \
	S(BEGIN, "BEGIN IMMEDIATE")                                                                \
	S(COMMIT, "COMMIT")                                                                        \
	S(META_GET, "SELECT value FROM meta WHERE key = ?1")                                       \
	S(META_PUT, "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")                    \
	S(LOG_PUT, LOG_INSERT LOG_ROW)                                                             \
	S(LOG_PUT_RUN, LOG_INSERT LOG_ROW "," LOG_ROW "," LOG_ROW "," LOG_ROW "," LOG_ROW          \
					  "," LOG_ROW "," LOG_ROW "," LOG_ROW)                     \
	S(LOG_CUT, "DELETE FROM log WHERE idx > ?1")                                               \
	S(LOG_LAST, "SELECT idx, term, chain FROM log ORDER BY idx DESC LIMIT 1")                  \
	S(LOG_FROM, "SELECT idx, term, kind, session, serial, data, chain, time, origin FROM log"  \
		    " WHERE idx >= ?1 ORDER BY idx")                                               \
	S(LOG_RULES, "SELECT idx FROM log WHERE " RULE_KINDS " ORDER BY idx")                      \
	S(TERM_PUT, "INSERT INTO terms (idx, term) VALUES (?1, ?2)")                               \
	S(TERMS_CUT, "DELETE FROM terms WHERE idx > ?1")                                           \
	S(TERMS_ALL, "SELECT idx, term FROM terms ORDER BY idx")                                   \
	S(TERMS_WRONG,                                                                             \
	    "SELECT count(*) FROM terms t LEFT JOIN log l ON l.idx = t.idx"                        \
	    " WHERE l.term IS NOT t.term OR (t.idx > ?1 + 1 AND"                                   \
	    " (SELECT term FROM log WHERE idx = t.idx - 1) IS NOT"                                 \
	    " (SELECT term FROM terms p WHERE p.idx < t.idx ORDER BY p.idx DESC LIMIT 1))")        \
	S(TERMS_DERIVE,                                                                            \
	    "INSERT INTO terms (idx, term) SELECT idx, term FROM (SELECT idx, term,"               \
	    " lag(term) OVER (ORDER BY idx) AS before FROM log) WHERE before IS NOT term")         \
	S(CONFIG_PUT, "INSERT INTO configs (idx, data) VALUES (?1, ?2)")                           \
	S(CONFIGS_CUT, "DELETE FROM configs WHERE idx > ?1")                                       \
	S(CONFIGS_ALL, "SELECT idx, data FROM configs ORDER BY idx")                               \
	S(CONFIGS_WRONG, "SELECT count(*) FROM configs c LEFT JOIN log l ON l.idx = c.idx"         \
			 " WHERE c.idx > ?1 AND (l.kind IS NOT 1 OR l.data IS NOT c.data)")        \
	S(CONFIGS_DERIVE,                                                                          \
	    "INSERT INTO configs (idx, data) SELECT idx, data FROM log WHERE kind = 1")            \
	S(SESSION_PUT, "INSERT OR REPLACE INTO sessions"                                           \
		       " (sid, name, serial, last_index, epoch, run, digest, sum, position)"       \
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                             \
	S(SESSION_DELETE, "DELETE FROM sessions WHERE sid = ?1")                                   \
	S(SESSIONS_CLEAR, "DELETE FROM sessions")                                                  \
	S(SESSIONS_ALL, "SELECT sid, name, serial, last_index, epoch, run, digest, sum, position"  \
			" FROM sessions ORDER BY last_index")                                      \
	S(CURSOR_PUT, "INSERT OR REPLACE INTO cursors (name, idx) VALUES (?1, ?2)")                \
	S(CURSOR_GET, "SELECT idx FROM cursors WHERE name = ?1")                                   \
	S(CURSORS_COUNT, "SELECT count(*) FROM cursors")                                           \
	S(CURSOR_LEAST, "SELECT min(idx) FROM cursors")                                            \
	S(LOG_DROP, "DELETE FROM log WHERE idx <= ?1")                                             \
	S(TERMS_DROP, "DELETE FROM terms WHERE idx <= ?1")                                         \
	S(CONFIGS_DROP, "DELETE FROM configs WHERE idx < ?1")                                      \
	S(PAGES_ALL, "PRAGMA page_count")                                                          \
	S(PAGES_FREE, "PRAGMA freelist_count")                                                     \
	S(SNAPSHOT_PUT, "INSERT OR REPLACE INTO snapshot"                                          \
			" (id, idx, term, format, file, size, head, sum)"                          \
			" VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                 \
	S(SNAPSHOT_GET, "SELECT file, head, sum FROM snapshot WHERE id = 1")

/* Of format 3. */
#define RULES_INDEX "CREATE INDEX rules ON log (idx) WHERE " RULE_KINDS ";"
/* Of format 2. */
#define SNAPSHOT_TABLE                                                                             \
	"CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), idx INTEGER NOT NULL,"      \
	" term INTEGER NOT NULL, format TEXT NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL," \
	" head BLOB NOT NULL, sum BLOB NOT NULL);"

enum db_statement {
#define S(NAME, sql) DB_##NAME,
	DB_STATEMENTS(S)
#undef S
	    DB_STATEMENTS_COUNT
};

struct db {
	struct sqlite3 *sqlite;
	struct sqlite3_stmt *statements[DB_STATEMENTS_COUNT];
	struct db_state written; /* what the rows of meta say */
	bool have_written;
	char origins[DB_RUN][WIRE_ORIGIN_SIZE]; /* of the rows that are being inserted */
	uint64_t wal_pages;                     /* in use */
	bool in_wal;                            /* the present transaction went there */
	bool roomy;                             /* see db_open */
	bool full;       /* it has met a full disk: it writes nothing more, and is not committed */
	int64_t changes; /* rows, before the present transaction */
	uint64_t page_size;
	char path[640];
};

/* The file, empty if there was none, with its name synced. */
void db_file_make(const struct db *db, const char *data);
/*
 * Zeros after what is there: SQLite reads a write-ahead log up to the first frame that does not
 * fit, and writes over the rest.  Only for speed, so a disk without room is harmless.
 */
void db_file_make_wal(const struct db *db, bool wide);
void db_file_sync_folder(const struct db *db, const char *data);

/* Of meta: false when there is no text of that key, or it is too long. */
bool db_text_get(struct db *db, const char *key, char *out, size_t room);
void db_text_put(struct db *db, const char *key, const char *value);

/* The statement, ready for its arguments. */
struct sqlite3_stmt *db_use(struct db *db, enum db_statement number);
/*
 * One step, and a reset unless there is a row: SQLITE_ROW, SQLITE_DONE, or a result code that
 * db_judge has let pass.
 */
enum db_result db_do(struct db *db, struct sqlite3_stmt *statement);
/* A statement that writes, unless the transaction has met a full disk. */
void db_write(struct db *db, struct sqlite3_stmt *statement);
/*
 * What an SQLite result code means, with errno of that call: DB_OK, DB_FULL, DB_DAMAGED; ends the
 * process on any other.  `writing`: damage is then an error, too.
 */
enum db_result db_judge(struct db *db, int code, bool writing);
/* Ends the process at once with an error line: for SQLite's last error, or for errno. */
_Noreturn void db_die(struct db *db, const char *what);
_Noreturn void db_die_errno(const struct db *db, const char *what);

#endif
