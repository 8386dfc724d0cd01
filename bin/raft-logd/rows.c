/* SPDX-License-Identifier: ISC */
/* The tables of the database but meta: the log, what is derived from it, sessions, cursors. */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "conf/text.h"
#include "seal/seal.h"
#include "db_private.h"

static void
bind_u64(sqlite3_stmt *statement, int place, uint64_t value)
{
	sqlite3_bind_int64(statement, place, (sqlite3_int64)value);
}

static uint64_t
column_u64(sqlite3_stmt *statement, int place)
{
	return (uint64_t)sqlite3_column_int64(statement, place);
}

/* Copies a blob of exactly that size; false when it is another thing. */
static bool
column_bytes(sqlite3_stmt *statement, int place, void *out, size_t size)
{
	if (sqlite3_column_type(statement, place) != SQLITE_BLOB ||
	    (size_t)sqlite3_column_bytes(statement, place) != size)
		return false;
	memcpy(out, sqlite3_column_blob(statement, place), size);
	return true;
}

static bool
column_hash(sqlite3_stmt *statement, int place, struct raft_hash *hash)
{
	return column_bytes(statement, place, hash->b, sizeof hash->b);
}

/* ----------------------------------------------------------- the log */

/* Time, and the origin as text, for which there is room until the row is inserted. */
static void
bind_stamp(sqlite3_stmt *statement, int place, const struct raft_entry *entry,
    char origin[WIRE_ORIGIN_SIZE])
{
	struct raft_stamp stamp;
	if (!raft_entry_stamp(entry, &stamp)) {
		sqlite3_bind_null(statement, place);
		sqlite3_bind_null(statement, place + 1);
		return;
	}
	bind_u64(statement, place, stamp.time);
	sqlite3_bind_text(
	    statement, place + 1, origin, (int)wire_origin_print(origin, &stamp), SQLITE_STATIC);
}

/* The parameters of one row, of which the first is number `place`. */
static void
bind_entry(sqlite3_stmt *statement, int place, uint64_t index, const struct raft_entry *entry,
    const struct raft_hash *chain, char origin[WIRE_ORIGIN_SIZE])
{
	bind_u64(statement, place, index);
	bind_u64(statement, place + 1, entry->term);
	sqlite3_bind_int(statement, place + 2, (int)entry->kind);
	if (raft_sid_none(&entry->session))
		sqlite3_bind_null(statement, place + 3);
	else
		sqlite3_bind_blob(
		    statement, place + 3, entry->session.b, sizeof entry->session.b, SQLITE_STATIC);
	bind_u64(statement, place + 4, entry->serial);
	sqlite3_bind_blob(statement, place + 5, raft_entry_data(entry),
	    (int)raft_entry_data_size(entry), SQLITE_STATIC);
	sqlite3_bind_blob(statement, place + 6, chain->b, sizeof chain->b, SQLITE_STATIC);
	bind_stamp(statement, place + 7, entry, origin);
}

void
db_log_put(struct db *db, uint64_t first_index, const struct raft_entry *entries,
    const struct raft_hash *chains, size_t count)
{
	for (size_t i = 0, run; i < count; i += run) {
		run = count - i < DB_RUN ? 1 : DB_RUN;
		sqlite3_stmt *statement = db_use(db, run == 1 ? DB_LOG_PUT : DB_LOG_PUT_RUN);
		for (size_t row = 0; row < run; row++)
			bind_entry(statement, 1 + (int)row * LOG_COLUMNS, first_index + i + row,
			    &entries[i + row], &chains[i + row], db->origins[row]);
		db_write(db, statement);
	}
}

static void
run_with_index(struct db *db, enum db_statement number, uint64_t index)
{
	sqlite3_stmt *statement = db_use(db, number);
	bind_u64(statement, 1, index);
	db_write(db, statement);
}

void
db_log_cut(struct db *db, uint64_t index)
{
	run_with_index(db, DB_LOG_CUT, index);
	run_with_index(db, DB_TERMS_CUT, index);
	run_with_index(db, DB_CONFIGS_CUT, index);
}

void
db_term_put(struct db *db, const struct raft_pos *start)
{
	sqlite3_stmt *statement = db_use(db, DB_TERM_PUT);
	bind_u64(statement, 1, start->index);
	bind_u64(statement, 2, start->term);
	db_write(db, statement);
}

void
db_config_put(struct db *db, uint64_t index, const void *bytes, size_t size)
{
	sqlite3_stmt *statement = db_use(db, DB_CONFIG_PUT);
	bind_u64(statement, 1, index);
	sqlite3_bind_blob(statement, 2, bytes, (int)size, SQLITE_STATIC);
	db_write(db, statement);
}

void
db_run_open(struct db *db, uint64_t from)
{
	bind_u64(db_use(db, DB_LOG_FROM), 1, from);
}

/* False when the columns are no stamp.  *stamped: the row has one. */
static bool
column_stamp(sqlite3_stmt *statement, int place, struct raft_stamp *stamp, bool *stamped)
{
	const char *origin = (const char *)sqlite3_column_text(statement, place + 1);
	*stamped = sqlite3_column_type(statement, place) != SQLITE_NULL;
	if (!*stamped)
		return origin == NULL;
	stamp->time = column_u64(statement, place);
	return origin && wire_origin_parse(stamp, origin);
}

/* The record as it came: header and data, byte for byte. */
static bool
take_record(sqlite3_stmt *statement, struct wire_buf *out, struct db_row *row)
{
	struct raft_sid session = {{0}};
	struct raft_stamp stamp;
	bool stamped;
	sqlite3_int64 kind = sqlite3_column_int64(statement, 2);
	if (kind < 0 || kind > UINT8_MAX)
		return false;
	if (sqlite3_column_type(statement, 3) != SQLITE_NULL &&
	    !column_bytes(statement, 3, session.b, sizeof session.b))
		return false;
	if (sqlite3_column_type(statement, 5) != SQLITE_BLOB ||
	    !column_hash(statement, 6, &row->chain) ||
	    !column_stamp(statement, 7, &stamp, &stamped))
		return false;
	uint32_t size = (uint32_t)sqlite3_column_bytes(statement, 5);
	size_t header_size = RAFT_ENTRY_HEADER_SIZE + (stamped ? RAFT_STAMP_SIZE : 0);
	row->record = out->size;
	row->size = header_size + size;
	uint8_t *header = wire_buf_add(out, header_size);
	raft_entry_header(
	    header, row->term, (enum raft_kind)kind, &session, column_u64(statement, 4), size);
	if (stamped)
		raft_entry_header_stamp(header, &stamp);
	wire_buf_put(out, sqlite3_column_blob(statement, 5), size);
	return true;
}

enum db_result
db_run_next(struct db *db, struct wire_buf *out, struct db_row *row)
{
	sqlite3_stmt *statement = db_use(db, DB_LOG_FROM);
	enum db_result result = db_do(db, statement);
	if (result != DB_OK)
		return result;
	row->index = column_u64(statement, 0);
	row->term = column_u64(statement, 1);
	return take_record(statement, out, row) ? DB_OK : DB_DAMAGED;
}

void
db_run_close(struct db *db)
{
	sqlite3_reset(db_use(db, DB_LOG_FROM));
}

enum db_result
db_rules_each(struct db *db, void (*each)(uint64_t index, void *arg), void *arg)
{
	sqlite3_stmt *statement = db_use(db, DB_LOG_RULES);
	enum db_result result;
	while ((result = db_do(db, statement)) == DB_OK)
		each(column_u64(statement, 0), arg);
	return result == DB_END ? DB_OK : result;
}

enum db_result
db_last(struct db *db, struct raft_place *last)
{
	sqlite3_stmt *statement = db_use(db, DB_LOG_LAST);
	enum db_result result = db_do(db, statement);
	*last = (struct raft_place){0};
	if (result != DB_OK)
		return result;
	last->pos.index = column_u64(statement, 0);
	last->pos.term = column_u64(statement, 1);
	if (!column_hash(statement, 2, &last->chain))
		result = DB_DAMAGED;
	sqlite3_reset(statement);
	return result;
}

/* ---------------------------------------------- the log's beginning */

void
db_log_drop(struct db *db, uint64_t index, uint64_t config)
{
	run_with_index(db, DB_LOG_DROP, index);
	run_with_index(db, DB_TERMS_DROP, index);
	run_with_index(db, DB_CONFIGS_DROP, config);
}

void
db_log_clear(struct db *db)
{
	db_log_drop(db, INT64_MAX, INT64_MAX);
	db_sessions_clear(db);
}

enum {
	BEFORE_SIZE_1 = 16 + 2 * RAFT_HASH_SIZE,
	BEFORE_SIZE_2 = BEFORE_SIZE_1 + 16,
	BEFORE_SIZE_MAX = BEFORE_SIZE_2 + 8 + RAFT_CONTRACT_SIZE_MAX,
	BEFORE_TEXT_SIZE = 640
};

/* Level and time are there only from level 2 on, a contract only if there is one. */
static size_t
before_encode(uint8_t out[BEFORE_SIZE_MAX], const struct db_before *before)
{
	bytes_put_u64(out, before->place.pos.index);
	bytes_put_u64(out + 8, before->place.pos.term);
	memcpy(out + 16, before->place.chain.b, RAFT_HASH_SIZE);
	memcpy(out + 16 + RAFT_HASH_SIZE, before->config.b, RAFT_HASH_SIZE);
	bytes_put_u64(out + BEFORE_SIZE_1, before->level);
	bytes_put_u64(out + BEFORE_SIZE_1 + 8, before->time);
	if (before->contract.index == 0)
		return before->level > 1 ? BEFORE_SIZE_2 : BEFORE_SIZE_1;
	bytes_put_u64(out + BEFORE_SIZE_2, before->contract.index);
	return BEFORE_SIZE_2 + 8 +
	       raft_contract_encode(&before->contract.contract, out + BEFORE_SIZE_2 + 8);
}

/*
 * As text: index, term, chain, hash of the configuration, level and time, index of the contract and
 * contract, and a sum over these.
 */
static void
before_print(char text[BEFORE_TEXT_SIZE], const struct db_before *before)
{
	uint8_t bytes[BEFORE_SIZE_MAX];
	char chain[2 * RAFT_HASH_SIZE + 1], config[2 * RAFT_HASH_SIZE + 1],
	    sum_hex[2 * RAFT_HASH_SIZE + 1], level[64] = "",
					     contract[32 + 2 * RAFT_CONTRACT_SIZE_MAX] = "";
	size_t size = before_encode(bytes, before);
	struct raft_hash sum = seal_hash(&(struct seal_part){bytes, size}, 1);
	seal_hex(chain, before->place.chain.b, RAFT_HASH_SIZE);
	seal_hex(config, before->config.b, RAFT_HASH_SIZE);
	seal_hex(sum_hex, sum.b, RAFT_HASH_SIZE);
	if (before->level > 1 || before->contract.index > 0)
		snprintf(level, sizeof level, " %" PRIu64 " %" PRIu64, before->level, before->time);
	if (before->contract.index > 0)
		seal_hex(contract + snprintf(contract, 32, " %" PRIu64 " ", before->contract.index),
		    bytes + BEFORE_SIZE_2 + 8, size - BEFORE_SIZE_2 - 8);
	snprintf(text, BEFORE_TEXT_SIZE, "%" PRIu64 " %" PRIu64 " %s %s%s%s %s",
	    before->place.pos.index, before->place.pos.term, chain, config, level, contract,
	    sum_hex);
}

void
db_before_put(struct db *db, const struct db_before *before)
{
	char text[BEFORE_TEXT_SIZE];
	before_print(text, before);
	db_text_put(db, "before", text);
}

static size_t
words_count(const char *text)
{
	size_t count = 1;
	for (; *text; text++)
		count += *text == ' ';
	return count;
}

/* The words from the level on, without the sum.  False when they are malformed. */
static bool
before_take_rules(struct db_before *before, const char *text)
{
	char hex[2 * RAFT_CONTRACT_SIZE_MAX + 1];
	uint8_t bytes[RAFT_CONTRACT_SIZE_MAX];
	size_t words = words_count(text);
	if (words == 5)
		return true;
	if (sscanf(text, "%*s %*s %*s %*s %" SCNu64 " %" SCNu64, &before->level, &before->time) !=
	    2)
		return false;
	if (words == 7)
		return true;
	if (sscanf(text, "%*s %*s %*s %*s %*s %*s %" SCNu64 " %164s", &before->contract.index,
		hex) != 2)
		return false;
	return text_hex_parse(bytes, strlen(hex) / 2, hex) &&
	       raft_contract_decode(&before->contract.contract, bytes, strlen(hex) / 2);
}

enum db_result
db_before_get(struct db *db, struct db_before *before)
{
	char text[BEFORE_TEXT_SIZE], again[BEFORE_TEXT_SIZE], chain[65], config[65];
	uint64_t index, term;
	*before = (struct db_before){.level = 1};
	if (!db_text_get(db, "before", text, sizeof text))
		return DB_END;
	if (sscanf(text, "%" SCNu64 " %" SCNu64 " %64s %64s", &index, &term, chain, config) != 4 ||
	    !text_hex_parse(before->place.chain.b, RAFT_HASH_SIZE, chain) ||
	    !text_hex_parse(before->config.b, RAFT_HASH_SIZE, config))
		return DB_DAMAGED;
	before->place.pos = (struct raft_pos){index, term};
	if (!before_take_rules(before, text))
		return DB_DAMAGED;
	/* Only the written form counts, its sum with it. */
	before_print(again, before);
	return strcmp(text, again) == 0 ? DB_OK : DB_DAMAGED;
}

void
db_snapshot_put(struct db *db, const struct db_snapshot *s)
{
	sqlite3_stmt *statement = db_use(db, DB_SNAPSHOT_PUT);
	struct seal_part parts[] = {{s->head, s->head_size}, {s->file, strlen(s->file)}};
	struct raft_hash sum = seal_hash(parts, 2);
	bind_u64(statement, 1, s->pos.index);
	bind_u64(statement, 2, s->pos.term);
	sqlite3_bind_text(statement, 3, s->format, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 4, s->file, -1, SQLITE_STATIC);
	bind_u64(statement, 5, s->size);
	sqlite3_bind_blob(statement, 6, s->head, (int)s->head_size, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 7, sum.b, sizeof sum.b, SQLITE_STATIC);
	db_write(db, statement);
}

static enum db_result
rows_take_snapshot(sqlite3_stmt *statement, struct wire_buf *head, char file[64])
{
	struct raft_hash sum;
	const char *name = (const char *)sqlite3_column_text(statement, 0);
	if (name == NULL || sqlite3_column_type(statement, 1) != SQLITE_BLOB ||
	    !column_hash(statement, 2, &sum) || snprintf(file, 64, "%s", name) >= 64)
		return DB_DAMAGED;
	wire_buf_put(
	    head, sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1));
	struct seal_part parts[] = {{head->bytes, head->size}, {file, strlen(file)}};
	struct raft_hash expected = seal_hash(parts, 2);
	return raft_hash_equal(&sum, &expected) ? DB_OK : DB_DAMAGED;
}

enum db_result
db_snapshot_get(struct db *db, struct wire_buf *head, char file[64])
{
	sqlite3_stmt *statement = db_use(db, DB_SNAPSHOT_GET);
	enum db_result result = db_do(db, statement);
	if (result == DB_OK)
		result = rows_take_snapshot(statement, head, file);
	sqlite3_reset(statement);
	return result;
}

/* -------------------------------------------- what the log is derived into */

static uint64_t
rows_count(struct db *db, enum db_statement number, uint64_t argument)
{
	sqlite3_stmt *statement = db_use(db, number);
	/* One that takes none refuses it, which is no matter. */
	bind_u64(statement, 1, argument);
	uint64_t n = UINT64_MAX;
	if (db_do(db, statement) == DB_OK)
		n = column_u64(statement, 0);
	sqlite3_reset(statement);
	return n;
}

bool
db_derived_fits(struct db *db, uint64_t before)
{
	return rows_count(db, DB_TERMS_WRONG, before) == 0 &&
	       rows_count(db, DB_CONFIGS_WRONG, before) == 0;
}

void
db_derive(struct db *db, uint64_t before)
{
	run_with_index(db, DB_TERMS_CUT, 0);
	db_write(db, db_use(db, DB_TERMS_DERIVE));
	run_with_index(db, DB_CONFIGS_CUT, before);
	db_write(db, db_use(db, DB_CONFIGS_DERIVE));
}

enum db_result
db_terms_each(struct db *db, void (*each)(struct raft_pos start, void *arg), void *arg)
{
	sqlite3_stmt *statement = db_use(db, DB_TERMS_ALL);
	enum db_result result;
	while ((result = db_do(db, statement)) == DB_OK)
		each((struct raft_pos){column_u64(statement, 0), column_u64(statement, 1)}, arg);
	return result == DB_END ? DB_OK : result;
}

enum db_result
db_configs_each(struct db *db,
    void (*each)(uint64_t index, const void *bytes, size_t size, void *arg), void *arg)
{
	sqlite3_stmt *statement = db_use(db, DB_CONFIGS_ALL);
	enum db_result result;
	while ((result = db_do(db, statement)) == DB_OK)
		each(column_u64(statement, 0), sqlite3_column_blob(statement, 1),
		    (size_t)sqlite3_column_bytes(statement, 1), arg);
	return result == DB_END ? DB_OK : result;
}

/* ----------------------------------------------------------- sessions */

/* Against flipped bits: a wrong serial would let an entry in twice, or never. */
static struct raft_hash
session_sum(const struct raft_session *s)
{
	uint8_t numbers[32];
	bytes_put_u64(numbers, s->serial);
	bytes_put_u64(numbers + 8, s->last_index);
	bytes_put_u64(numbers + 16, s->epoch);
	bytes_put_u64(numbers + 24, s->position);
	struct seal_part parts[] = {{s->sid.b, sizeof s->sid.b}, {numbers, s->cursor ? 32 : 24},
	    {s->run, sizeof s->run}, {s->digest.b, sizeof s->digest.b}, {s->name, strlen(s->name)}};
	return seal_hash(parts, sizeof parts / sizeof *parts);
}

void
db_session_put(struct db *db, const struct raft_session *s)
{
	sqlite3_stmt *statement = db_use(db, DB_SESSION_PUT);
	struct raft_hash sum = session_sum(s);
	sqlite3_bind_blob(statement, 1, s->sid.b, sizeof s->sid.b, SQLITE_STATIC);
	if (s->name[0])
		sqlite3_bind_text(statement, 2, s->name, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, 2);
	bind_u64(statement, 3, s->serial);
	bind_u64(statement, 4, s->last_index);
	bind_u64(statement, 5, s->epoch);
	sqlite3_bind_blob(statement, 6, s->run, sizeof s->run, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 7, s->digest.b, sizeof s->digest.b, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 8, sum.b, sizeof sum.b, SQLITE_STATIC);
	if (s->cursor)
		bind_u64(statement, 9, s->position);
	else
		sqlite3_bind_null(statement, 9);
	db_write(db, statement);
}

void
db_session_delete(struct db *db, const struct raft_sid *sid)
{
	sqlite3_stmt *statement = db_use(db, DB_SESSION_DELETE);
	sqlite3_bind_blob(statement, 1, sid->b, sizeof sid->b, SQLITE_STATIC);
	db_write(db, statement);
}

void
db_sessions_clear(struct db *db)
{
	db_write(db, db_use(db, DB_SESSIONS_CLEAR));
}

static bool
take_session(sqlite3_stmt *statement, struct raft_session *s)
{
	struct raft_hash sum;
	memset(s, 0, sizeof *s);
	const char *name = (const char *)sqlite3_column_text(statement, 1);
	if (name && (size_t)snprintf(s->name, sizeof s->name, "%s", name) >= sizeof s->name)
		return false;
	s->serial = column_u64(statement, 2);
	s->last_index = column_u64(statement, 3);
	s->epoch = column_u64(statement, 4);
	s->cursor = sqlite3_column_type(statement, 8) != SQLITE_NULL;
	s->position = column_u64(statement, 8);
	if (!column_bytes(statement, 0, s->sid.b, sizeof s->sid.b) ||
	    !column_bytes(statement, 5, s->run, sizeof s->run) ||
	    !column_hash(statement, 6, &s->digest) || !column_hash(statement, 7, &sum))
		return false;
	struct raft_hash expected = session_sum(s);
	return raft_hash_equal(&sum, &expected);
}

enum db_result
db_sessions_each(
    struct db *db, bool (*each)(const struct raft_session *session, void *arg), void *arg)
{
	sqlite3_stmt *statement = db_use(db, DB_SESSIONS_ALL);
	struct raft_session session;
	enum db_result result;
	while ((result = db_do(db, statement)) == DB_OK)
		if (!take_session(statement, &session) || !each(&session, arg)) {
			sqlite3_reset(statement);
			return DB_DAMAGED;
		}
	return result == DB_END ? DB_OK : result;
}

/* ------------------------------------------------------------ cursors */

void
db_cursor_put(struct db *db, const char *name, uint64_t index)
{
	sqlite3_stmt *statement = db_use(db, DB_CURSOR_PUT);
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	bind_u64(statement, 2, index);
	db_write(db, statement);
}

uint64_t
db_cursor_get(struct db *db, const char *name)
{
	sqlite3_stmt *statement = db_use(db, DB_CURSOR_GET);
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	uint64_t index = db_do(db, statement) == DB_OK ? column_u64(statement, 0) : 0;
	sqlite3_reset(statement);
	return index;
}

uint64_t
db_cursors_count(struct db *db)
{
	return rows_count(db, DB_CURSORS_COUNT, 0);
}

uint64_t
db_cursor_least(struct db *db)
{
	sqlite3_stmt *statement = db_use(db, DB_CURSOR_LEAST);
	uint64_t least = UINT64_MAX;
	if (db_do(db, statement) == DB_OK && sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
		least = column_u64(statement, 0);
	sqlite3_reset(statement);
	return least;
}

uint64_t
db_used_size(struct db *db)
{
	uint64_t all = rows_count(db, DB_PAGES_ALL, 0), unused = rows_count(db, DB_PAGES_FREE, 0);
	return all > unused ? (all - unused) * db->page_size : 0;
}
