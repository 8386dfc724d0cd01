/* SPDX-License-Identifier: ISC */
/*
 * The database: the only door to SQLite.  raft-logd(8) documents its tables.
 *
 * One connection, WAL, synchronous=FULL, exclusive.  Errors come in three kinds:
 *  - a full disk (also a quota or a file size limit) is kept until the end of the transaction:
 *    from the first statement that meets it, nothing more is written, and db_commit rolls the
 *    transaction back and returns false.  So the functions that write return nothing;
 *  - what was read and cannot be right is returned as DB_DAMAGED;
 *  - any other error ends the process at once with EX_IOERR: after a failed write
 *    or sync SQLite would continue as if nothing had happened, so only a restart knows the truth.
 */
#ifndef LOGD_DB_H
#define LOGD_DB_H

#include "raft/contract.h"
#include "raft/session.h"
#include "wire/buf.h"

enum { DB_FORMAT = 4, DB_DIRECTORY_SIZE = 16, DB_CURSOR_NAME_MAX = 255 };
/* At this size the write-ahead log is to be moved. */
enum { DB_WAL_MAX = 16 << 20 };

/* Of a read.  DB_FULL: it needed room for what the transaction has written so far. */
enum db_result { DB_OK, DB_END, DB_FULL, DB_DAMAGED };

struct db;

/* What is written once, when the database is made. */
struct db_origin {
	struct raft_id node;
	uint8_t directory[DB_DIRECTORY_SIZE];
	struct raft_hash cluster;
	char name[256]; /* of the cluster */
	bool joined; /* it joined a running cluster: the configuration at index 0 is no first one */
};

/* Where the log begins: after this place.  pos 0: with its first entry. */
struct db_before {
	struct raft_place place;
	struct raft_hash config; /* hash of the configuration in force there; pos 0: of none */
	uint64_t level;          /* in force there */
	uint64_t time;           /* in the last stamp up to there; 0: none */
	struct raft_contract_at contract; /* in force there */
};

/* The newest snapshot. */
struct db_snapshot {
	struct raft_pos pos;
	const char *format;
	const char *file;    /* its name in data/snapshots; "": it has none */
	uint64_t size;       /* of the file */
	const uint8_t *head; /* of its stream (lib/wire/snapshot.h) */
	size_t head_size;
};

/* What each transaction writes anew: the rows of the table meta that change. */
struct db_state {
	uint64_t transactions;
	uint64_t truncations;
	uint64_t term;
	struct raft_id vote;
	struct raft_pos commit;
	uint64_t sessions_index; /* the table sessions is the session table at this index */
	bool recovering;
	bool mark_valid;
	uint64_t mark_term;
};

/* Whether there is a file with anything in it. */
bool db_exists(const char *data);
/*
 * Opens data/log.db, or makes the file.  NULL with a sentence in why (1 KiB) when it is of a newer
 * format. *empty: it holds no tables.  roomy: there is space to write the write-ahead log in full
 * beforehand; a sync of a file that does not grow takes half the time.
 */
struct db *db_open(const char *data, bool roomy, bool *empty, char *why);
/*
 * Begins a transaction with the tables, the first configuration and the state.  The configuration
 * is of index state->commit.index.  db_fill_end: commits it, and moves it into the file itself.
 */
void db_fill(struct db *db, const struct db_origin *origin, const struct raft_config *first,
    const struct db_state *state);
void db_fill_end(struct db *db);
/* Closes without a checkpoint of its own: what had to be moved has been, by db_checkpoint. */
void db_close(struct db *db);

/* DB_DAMAGED: missing, malformed, or its sum does not fit. */
enum db_result db_origin_get(struct db *db, struct db_origin *origin);
enum db_result db_state_get(struct db *db, struct db_state *state);

void db_begin(struct db *db);
/* False: the disk was full at this or an earlier statement, and the transaction is rolled back. */
bool db_commit(struct db *db);
void db_rollback(struct db *db);
/*
 * The present transaction has met a full disk.  What is read in it from then on is neither what it
 * has written nor what was there before.
 */
bool db_full(const struct db *db);

/* All of the following write inside a transaction. */
void db_state_put(struct db *db, const struct db_state *state);
/* Adds entries, with their chains.  A run of DB_RUN costs the least. */
enum { DB_RUN = 8 };
void db_log_put(struct db *db, uint64_t first_index, const struct raft_entry *entries,
    const struct raft_hash *chains, size_t count);
/* Removes all entries above `index`, with their terms and configurations. */
void db_log_cut(struct db *db, uint64_t index);
/*
 * Removes all entries up to `index`, with their terms, and the configurations below
 * index config, the one that is in force at `index`.
 */
void db_log_drop(struct db *db, uint64_t index, uint64_t config);
void db_before_put(struct db *db, const struct db_before *before);
void db_snapshot_put(struct db *db, const struct db_snapshot *snapshot);
/* Removes log, terms, configurations and sessions whole. */
void db_log_clear(struct db *db);
/* The configuration at index 0 is no first one any more. */
void db_joined_put(struct db *db);
/* The node belongs to another cluster from now on. */
void db_cluster_put(struct db *db, const struct raft_hash *cluster);
void db_term_put(struct db *db, const struct raft_pos *start);
void db_config_put(struct db *db, uint64_t index, const void *bytes, size_t size);
void db_session_put(struct db *db, const struct raft_session *session);
void db_session_delete(struct db *db, const struct raft_sid *sid);
void db_sessions_clear(struct db *db);
void db_cursor_put(struct db *db, const char *name, uint64_t index);
/* Makes the tables terms and configs anew from the log, above `before`. */
void db_derive(struct db *db, uint64_t before);

/* A row of the log; `record` is its place in the buffer it was appended to. */
struct db_row {
	uint64_t index;
	uint64_t term;
	size_t record;
	size_t size;
	struct raft_hash chain;
};
/* Rows from `from` on, in order: db_run_next appends the record to out; DB_END after the last. */
void db_run_open(struct db *db, uint64_t from);
enum db_result db_run_next(struct db *db, struct wire_buf *out, struct db_row *row);
void db_run_close(struct db *db);

/* The index of each entry of kind LEVEL or CONTRACT, in order. */
enum db_result db_rules_each(struct db *db, void (*each)(uint64_t index, void *arg), void *arg);
/* The last row's place and chain; DB_END: the log is empty.  DB_DAMAGED with an index of 0: it
 * cannot be read at all. */
enum db_result db_last(struct db *db, struct raft_place *last);
/* DB_END: the log begins with its first entry, after the cluster's id. */
enum db_result db_before_get(struct db *db, struct db_before *before);
/* The head and the file's name, copied into head and file; DB_END: there is none. */
enum db_result db_snapshot_get(struct db *db, struct wire_buf *head, char file[64]);
/* Bytes of the database that are in use. */
uint64_t db_used_size(struct db *db);
/* The lowest cursor; UINT64_MAX: there is none. */
uint64_t db_cursor_least(struct db *db);
/* Whether the tables terms and configs say what the log says, which begins after `before`. */
bool db_derived_fits(struct db *db, uint64_t before);
/* Each row in order; DB_DAMAGED when one is malformed. */
enum db_result db_terms_each(
    struct db *db, void (*each)(struct raft_pos start, void *arg), void *arg);
enum db_result db_configs_each(struct db *db,
    void (*each)(uint64_t index, const void *bytes, size_t size, void *arg), void *arg);
/* In order of last index; `each` returns false when the session can't be. */
enum db_result db_sessions_each(
    struct db *db, bool (*each)(const struct raft_session *session, void *arg), void *arg);
/* 0: none. */
uint64_t db_cursor_get(struct db *db, const char *name);
uint64_t db_cursors_count(struct db *db);

/*
 * Moves the write-ahead log into the database file and looks at the result.  False: the disk is
 * full, and some is left for later.  empty: makes the write-ahead log an empty file, so that log.db
 * alone is the log.
 */
bool db_checkpoint(struct db *db, bool empty);
/* Bytes of the write-ahead log in use, and of the database file. */
uint64_t db_wal_size(const struct db *db);
uint64_t db_file_size(const struct db *db);

#endif
