/* SPDX-License-Identifier: ISC */
/*
 * The session table (§6.3): a hash from session id to its row, and two lists in
 * order of last index, one of the named sessions and one of the anonymous, whose
 * head is the next to be evicted.
 *
 * Rows live in one array and name each other by number, so that a copy of the
 * table is three memcpys.  Row number 0 is never used: it means "none".
 */
#include "session.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_MIN = 16 };

struct row {
	struct raft_session session;
	uint32_t hash_next; /* also the next free row */
	uint32_t older;
	uint32_t newer;
};

struct row_list {
	uint32_t oldest;
	uint32_t newest;
	size_t count;
};

struct raft_sessions {
	struct row *rows;
	uint32_t rows_size; /* a power of two; also of the buckets */
	uint32_t rows_used; /* rows from here on were never used; at least 1 */
	uint32_t free_first;
	uint32_t *buckets;
	struct row_list lists[2]; /* [named] */
	uint32_t last_found;      /* entries of one session come in runs */
};

struct raft_sessions *
raft_sessions_new(void)
{
	struct raft_sessions *sessions = calloc(1, sizeof *sessions);

	if (sessions == NULL)
		return NULL;
	sessions->rows_size = ROWS_MIN;
	sessions->rows_used = 1;
	sessions->rows = malloc(ROWS_MIN * sizeof *sessions->rows);
	sessions->buckets = calloc(ROWS_MIN, sizeof *sessions->buckets);
	if (sessions->rows == NULL || sessions->buckets == NULL) {
		raft_sessions_free(sessions);
		return NULL;
	}
	memset(&sessions->rows[0], 0, sizeof sessions->rows[0]);
	return sessions;
}

void
raft_sessions_free(struct raft_sessions *sessions)
{
	if (sessions == NULL)
		return;
	free(sessions->rows);
	free(sessions->buckets);
	free(sessions);
}

struct raft_sessions *
raft_sessions_dup(const struct raft_sessions *sessions)
{
	struct raft_sessions *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return NULL;
	*copy = *sessions;
	copy->rows = malloc(copy->rows_size * sizeof *copy->rows);
	copy->buckets = malloc(copy->rows_size * sizeof *copy->buckets);
	if (copy->rows == NULL || copy->buckets == NULL) {
		raft_sessions_free(copy);
		return NULL;
	}
	memcpy(copy->rows, sessions->rows, copy->rows_used * sizeof *copy->rows);
	memcpy(copy->buckets, sessions->buckets, copy->rows_size * sizeof *copy->buckets);
	return copy;
}

/* ------------------------------------------------------------ hash */

static uint32_t
sid_hash(const struct raft_sid *sid)
{
	uint64_t a = bytes_get_u64(sid->b);
	uint64_t b = bytes_get_u64(sid->b + 8);

	a = (a ^ (a >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
	b = (b ^ (b >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
	a ^= b ^ (b >> 31);
	return (uint32_t)(a >> 32) ^ (uint32_t)a;
}

static uint32_t *
bucket_of(struct raft_sessions *sessions, const struct raft_sid *sid)
{
	return &sessions->buckets[sid_hash(sid) & (sessions->rows_size - 1)];
}

static void
hash_insert(struct raft_sessions *sessions, uint32_t number)
{
	uint32_t *bucket = bucket_of(sessions, &sessions->rows[number].session.sid);

	must(number > 0 && number < sessions->rows_used);
	must(*bucket != number);
	sessions->rows[number].hash_next = *bucket;
	*bucket = number;
}

static void
hash_remove(struct raft_sessions *sessions, uint32_t number)
{
	uint32_t *link = bucket_of(sessions, &sessions->rows[number].session.sid);

	while (*link != number) {
		must(*link != 0);
		link = &sessions->rows[*link].hash_next;
	}
	*link = sessions->rows[number].hash_next;
}

static uint32_t
find_number(struct raft_sessions *sessions, const struct raft_sid *sid)
{
	uint32_t number = sessions->last_found;

	if (number != 0 && raft_sid_equal(&sessions->rows[number].session.sid, sid))
		return number;
	number = *bucket_of(sessions, sid);
	while (number != 0 && !raft_sid_equal(&sessions->rows[number].session.sid, sid))
		number = sessions->rows[number].hash_next;
	if (number != 0)
		sessions->last_found = number;
	must(number < sessions->rows_used);
	return number;
}

struct raft_session *
raft_sessions_find(struct raft_sessions *sessions, const struct raft_sid *sid)
{
	uint32_t number = find_number(sessions, sid);

	return number == 0 ? NULL : &sessions->rows[number].session;
}

/* ------------------------------------------------------------ rows */

static struct row_list *
list_of(struct raft_sessions *sessions, const struct row *row)
{
	return &sessions->lists[raft_sid_named(&row->session.sid)];
}

static void
list_append(struct raft_sessions *sessions, uint32_t number)
{
	struct row *row = &sessions->rows[number];
	struct row_list *list = list_of(sessions, row);

	/* In order of last index, so that the head is the one to be evicted. */
	must(list->newest == 0 ||
	     sessions->rows[list->newest].session.last_index < row->session.last_index);
	must((list->newest == 0) == (list->count == 0));
	row->older = list->newest;
	row->newer = 0;
	if (list->newest == 0)
		list->oldest = number;
	else
		sessions->rows[list->newest].newer = number;
	list->newest = number;
	list->count++;
}

static void
list_remove(struct raft_sessions *sessions, uint32_t number)
{
	struct row *row = &sessions->rows[number];
	struct row_list *list = list_of(sessions, row);

	must(list->count > 0);
	if (row->older == 0)
		list->oldest = row->newer;
	else
		sessions->rows[row->older].newer = row->newer;
	if (row->newer == 0)
		list->newest = row->older;
	else
		sessions->rows[row->newer].older = row->older;
	list->count--;
	must((list->oldest == 0) == (list->count == 0));
	must((list->newest == 0) == (list->count == 0));
}

static bool
rows_grow(struct raft_sessions *sessions)
{
	uint32_t size = sessions->rows_size * 2;
	struct row *rows = realloc(sessions->rows, size * sizeof *rows);
	uint32_t *buckets;

	if (rows == NULL)
		return false;
	sessions->rows = rows;
	buckets = calloc(size, sizeof *buckets);
	if (buckets == NULL)
		return false;
	free(sessions->buckets);
	sessions->buckets = buckets;
	sessions->rows_size = size;
	must(sessions->rows_used < size && sessions->free_first == 0);
	/* It grows only when no row is free, so each one is in use. */
	for (uint32_t number = 1; number < sessions->rows_used; number++)
		hash_insert(sessions, number);
	return true;
}

/* A zeroed row that is in no list; 0: no memory. */
static uint32_t
row_new(struct raft_sessions *sessions)
{
	uint32_t number = sessions->free_first;

	if (number != 0) {
		sessions->free_first = sessions->rows[number].hash_next;
	} else {
		if (sessions->rows_used == sessions->rows_size && !rows_grow(sessions))
			return 0;
		number = sessions->rows_used++;
	}
	must(number > 0 && number < sessions->rows_used);
	memset(&sessions->rows[number], 0, sizeof sessions->rows[number]);
	return number;
}

static void
row_add(struct raft_sessions *sessions, uint32_t number)
{
	hash_insert(sessions, number);
	list_append(sessions, number);
}

static void
row_drop(struct raft_sessions *sessions, uint32_t number)
{
	hash_remove(sessions, number);
	list_remove(sessions, number);
	sessions->rows[number].hash_next = sessions->free_first;
	sessions->free_first = number;
	if (sessions->last_found == number)
		sessions->last_found = 0;
	must(sessions->last_found != number);
}

/* The new row's session, in its place; a half-applied table is worse than a restart. */
static struct raft_session *
session_create(struct raft_sessions *sessions, const struct raft_session *from)
{
	uint32_t number = row_new(sessions);

	must(number != 0);
	sessions->rows[number].session = *from;
	row_add(sessions, number);
	return &sessions->rows[number].session;
}

static void
session_move(struct raft_sessions *sessions, uint32_t number, uint64_t index)
{
	must(sessions->rows[number].session.last_index < index);
	sessions->rows[number].session.last_index = index;
	if (list_of(sessions, &sessions->rows[number])->newest == number)
		return;
	list_remove(sessions, number);
	list_append(sessions, number);
	must(list_of(sessions, &sessions->rows[number])->newest == number);
}

/* ----------------------------------------------------------- apply */

static void
evict_oldest(struct raft_sessions *sessions, struct raft_sessions_change *change)
{
	uint32_t oldest = sessions->lists[false].oldest;

	if (sessions->lists[false].count <= RAFT_SESSIONS_ANONYMOUS_MAX)
		return;
	must(oldest != 0);
	change->gone = sessions->rows[oldest].session.sid;
	row_drop(sessions, oldest);
	must(sessions->lists[false].count == RAFT_SESSIONS_ANONYMOUS_MAX);
}

static void
apply_serial(struct raft_sessions *sessions, uint64_t index, const struct raft_entry *entry,
    struct raft_sessions_change *change)
{
	uint32_t number = find_number(sessions, &entry->session);
	struct raft_session fresh;

	if (number != 0) {
		struct raft_session *session = &sessions->rows[number].session;

		if (entry->serial != session->serial + 1 ||
		    session->cursor != (entry->kind == RAFT_ACK))
			return;
		/* From outside: no leader admits a position that is not before its entry. */
		if (session->cursor && raft_entry_position(entry) >= index)
			return;
		session->serial = entry->serial;
		if (session->cursor)
			session->position = raft_entry_position(entry);
		session_move(sessions, number, index);
		change->touched = session;
		return;
	}
	/* Only an anonymous session opens with its first entry; a named one has its own kind. */
	if (entry->serial != 1 || entry->kind == RAFT_ACK || raft_sid_named(&entry->session) ||
	    raft_sid_none(&entry->session))
		return;
	memset(&fresh, 0, sizeof fresh);
	fresh.sid = entry->session;
	fresh.serial = 1;
	fresh.last_index = index;
	change->touched = session_create(sessions, &fresh);
	must(find_number(sessions, &fresh.sid) == sessions->lists[false].newest);
	evict_oldest(sessions, change);
}

static void
apply_open(struct raft_sessions *sessions, uint64_t index, const struct raft_entry *entry,
    struct raft_sessions_change *change)
{
	struct raft_session_open open;
	struct raft_session fresh;
	struct raft_session *session = raft_sessions_find(sessions, &entry->session);

	if (!raft_sid_named(&entry->session) ||
	    !raft_session_open_decode(&open, raft_entry_data(entry), raft_entry_data_size(entry)))
		return;
	if (open.replaces != (session == NULL ? 0 : session->epoch))
		return;
	if (session != NULL && session->cursor != (entry->kind == RAFT_CURSOR_OPEN))
		return;
	if (session == NULL) {
		if (sessions->lists[true].count >= RAFT_SESSIONS_NAMED_MAX)
			return;
		memset(&fresh, 0, sizeof fresh);
		fresh.sid = entry->session;
		fresh.last_index = index;
		fresh.cursor = entry->kind == RAFT_CURSOR_OPEN;
		memcpy(fresh.name, open.name, sizeof fresh.name);
		session = session_create(sessions, &fresh);
	} else if (session->serial == 0) {
		session_move(sessions, find_number(sessions, &entry->session), index);
	}
	must(session->last_index <= index);
	session->epoch = index;
	memcpy(session->run, open.run, sizeof session->run);
	change->touched = session;
}

static void
apply_drop(struct raft_sessions *sessions, const struct raft_entry *entry,
    struct raft_sessions_change *change)
{
	uint32_t number = find_number(sessions, &entry->session);

	if (number == 0 || !raft_sid_named(&entry->session))
		return;
	change->gone = entry->session;
	row_drop(sessions, number);
	must(find_number(sessions, &entry->session) == 0);
}

struct raft_sessions_change
raft_sessions_apply(struct raft_sessions *sessions, uint64_t index, const struct raft_entry *entry)
{
	struct raft_sessions_change change;

	memset(&change, 0, sizeof change);
	must(index > 0);
	switch (entry->kind) {
	case RAFT_CLIENT:
	case RAFT_ACK:
		apply_serial(sessions, index, entry, &change);
		break;
	case RAFT_SESSION_OPEN:
	case RAFT_CURSOR_OPEN:
		apply_open(sessions, index, entry, &change);
		break;
	case RAFT_SESSION_DROP:
		apply_drop(sessions, entry, &change);
		break;
	case RAFT_NOOP:
	case RAFT_CONFIG:
	case RAFT_LEVEL:
	case RAFT_CONTRACT:
	case RAFT_KINDS_COUNT:
		break;
	}
	return change;
}

bool
raft_sessions_restore(struct raft_sessions *sessions, const struct raft_session *session)
{
	bool named = raft_sid_named(&session->sid);
	uint32_t newest = sessions->lists[named].newest;
	uint32_t number;

	/* What was stored comes from outside: a row that can't be is refused. */
	if (raft_sid_none(&session->sid) || find_number(sessions, &session->sid) != 0)
		return false;
	if (session->cursor ? !named || session->position >= session->last_index
			    : session->position != 0)
		return false;
	if (newest != 0 && sessions->rows[newest].session.last_index >= session->last_index)
		return false;
	if (sessions->lists[named].count >=
	    (named ? (size_t)RAFT_SESSIONS_NAMED_MAX : RAFT_SESSIONS_ANONYMOUS_MAX))
		return false;
	number = row_new(sessions);
	if (number == 0)
		return false;
	sessions->rows[number].session = *session;
	row_add(sessions, number);
	return true;
}

/* ------------------------------------------------------------ read */

void
raft_sessions_each(struct raft_sessions *sessions,
    bool (*each)(const struct raft_session *session, void *arg), void *arg)
{
	uint32_t a = sessions->lists[false].oldest;
	uint32_t b = sessions->lists[true].oldest;
	const struct row *rows = sessions->rows;

	while (a != 0 || b != 0) {
		bool anonymous =
		    b == 0 || (a != 0 && rows[a].session.last_index < rows[b].session.last_index);
		uint32_t *next = anonymous ? &a : &b;
		const struct row *row = &rows[*next];

		*next = row->newer;
		if (!each(&row->session, arg))
			return;
	}
}

size_t
raft_sessions_count(const struct raft_sessions *sessions, bool named)
{
	return sessions->lists[named].count;
}

uint64_t
raft_sessions_position_least(const struct raft_sessions *sessions)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t n = sessions->lists[true].oldest; n != 0; n = sessions->rows[n].newer)
		if (sessions->rows[n].session.cursor)
			least = min_u64(least, sessions->rows[n].session.position);
	return least;
}

uint64_t
raft_sessions_last_index(const struct raft_sessions *sessions)
{
	uint64_t last = 0;

	for (int named = 0; named < 2; named++) {
		uint32_t newest = sessions->lists[named].newest;

		if (newest != 0 && sessions->rows[newest].session.last_index > last)
			last = sessions->rows[newest].session.last_index;
	}
	return last;
}
