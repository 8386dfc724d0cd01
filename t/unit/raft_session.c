/* SPDX-License-Identifier: ISC */
/*
 * The plain data: ids, records, configurations, the session table.
 */
#include "raft_rig.h"

static struct raft_sessions_change
apply_client(
    struct raft_sessions *table, uint64_t index, const struct raft_sid *sid, uint64_t serial)
{
	struct raft_entry entry = rig_entry(1, RAFT_CLIENT, sid, serial, NULL, 0);
	struct raft_sessions_change change = raft_sessions_apply(table, index, &entry);

	raft_chunk_unref(entry.chunk);
	return change;
}

static struct raft_sessions_change
apply_ack(struct raft_sessions *table, uint64_t index, const struct raft_sid *sid, uint64_t serial,
    uint64_t position)
{
	uint8_t data[RAFT_ACK_SIZE];
	struct raft_entry entry;
	struct raft_sessions_change change;

	bytes_put_u64(data, position);
	entry = rig_entry(1, RAFT_ACK, sid, serial, data, sizeof data);
	change = raft_sessions_apply(table, index, &entry);
	raft_chunk_unref(entry.chunk);
	return change;
}

static struct raft_sessions_change
apply_open_kind(struct raft_sessions *table, uint64_t index, enum raft_kind kind,
    const struct raft_sid *sid, int run, uint64_t replaces)
{
	struct raft_session_open open;
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX];
	struct raft_entry entry;
	struct raft_sessions_change change;

	memset(&open, 0, sizeof open);
	open.run[0] = (uint8_t)run;
	open.replaces = replaces;
	strcpy(open.name, "producer");
	entry = rig_entry(1, kind, sid, 0, bytes, raft_session_open_encode(&open, bytes));
	change = raft_sessions_apply(table, index, &entry);
	raft_chunk_unref(entry.chunk);
	return change;
}

static struct raft_sessions_change
apply_open(struct raft_sessions *table, uint64_t index, const struct raft_sid *sid, int run,
    uint64_t replaces)
{
	return apply_open_kind(table, index, RAFT_SESSION_OPEN, sid, run, replaces);
}

static void
test_ids(void)
{
	struct raft_id id;
	struct raft_id other;

	CHECK(raft_id_parse(&id, "n1.example-2_X") && raft_id_valid(&id) && !raft_id_none(&id));
	CHECK(!raft_id_parse(&id, "") && raft_id_none(&id) && raft_id_valid(&id));
	CHECK(!raft_id_parse(&id, "a b"));
	CHECK(raft_id_none(&id));
	CHECK(raft_id_parse(&id, "1234567890123456789012345678901"));
	CHECK(!raft_id_parse(&other, "12345678901234567890123456789012"));
	id.s[31] = 'x';
	CHECK(!raft_id_valid(&id));
	memset(&id, 0, sizeof id);
	id.s[2] = 'a';
	CHECK(!raft_id_valid(&id));
	memcpy(id.s, "a/b", 3);
	CHECK(!raft_id_valid(&id));
}

static void
test_records(void)
{
	struct raft_sid sid = rig_sid(3, true);
	static const uint8_t golden[40] = {0, 0, 0, 0, 0, 0, 1, 2, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3, 'a', 0, '\n'};
	struct raft_entry entry = rig_entry(258, RAFT_CLIENT, &sid, 9, "a\0\n", 3);
	struct raft_entry copy;

	CHECK(entry.size == sizeof golden && memcmp(entry.bytes, golden, sizeof golden) == 0);
	for (size_t size = 0; size < sizeof golden; size++)
		CHECK(!raft_entry_decode(&copy, NULL, golden, size));
	CHECK(raft_entry_decode(&copy, NULL, golden, sizeof golden));
	CHECK(copy.term == 258 && copy.serial == 9 && copy.kind == RAFT_CLIENT &&
	      raft_sid_equal(&copy.session, &sid));
	CHECK(raft_entry_data_size(&copy) == 3 && memcmp(raft_entry_data(&copy), "a\0\n", 3) == 0);
	entry.chunk->bytes[8] = RAFT_KINDS_COUNT;
	CHECK(!raft_entry_decode(&copy, NULL, entry.bytes, entry.size));
	entry.chunk->bytes[8] = 2;
	memset(entry.chunk->bytes + 33, 0xff, 4);
	CHECK(!raft_entry_decode(&copy, NULL, entry.bytes, entry.size));
	raft_chunk_unref(entry.chunk);
	CHECK(raft_kind_name(RAFT_SESSION_DROP)[0] == 's' &&
	      raft_kind_name((enum raft_kind)99)[0] == 'u');
}

static void
test_configs(void)
{
	struct raft_config config = rig_config(5, 2, true);
	struct raft_config copy;
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	size_t size = raft_config_encode(&config, bytes);

	CHECK(raft_config_decode(&copy, bytes, size));
	CHECK(copy.count == 5 && memcmp(&copy, &config, sizeof copy) == 0);
	CHECK(raft_config_voters(&copy) == 3);
	for (size_t i = 0; i < size; i++)
		CHECK(!raft_config_decode(&copy, bytes, i));
	CHECK(!raft_config_decode(&copy, bytes, size + 1));
	/* Two members change places; one key twice; one id twice; no voter. */
	memcpy(bytes + 4, "n9", 2);
	CHECK(!raft_config_decode(&copy, bytes, size));
	copy = config;
	copy.members[0] = config.members[3];
	copy.members[3] = config.members[0];
	CHECK(raft_config_normalise(&copy) && memcmp(&copy, &config, sizeof copy) == 0);
	copy.members[1].key[0] = copy.members[0].key[0];
	CHECK(!raft_config_normalise(&copy));
	copy = config;
	copy.members[1].id = copy.members[0].id;
	CHECK(!raft_config_normalise(&copy));
	copy = rig_config(1, 0, false);
	copy.members[0].role = RAFT_LEARNER;
	CHECK(!raft_config_normalise(&copy));
	memset(bytes, 0xff, sizeof bytes);
	CHECK(!raft_config_decode(&copy, bytes, sizeof bytes));
	memset(bytes, 0, sizeof bytes);
	CHECK(!raft_config_decode(&copy, bytes, sizeof bytes));
}

static void
test_random_bytes(void)
{
	uint64_t random = 1;
	uint8_t bytes[400];

	for (int i = 0; i < 20000; i++) {
		struct raft_config config;
		struct raft_entry entry;
		struct raft_session_open open;

		for (size_t j = 0; j < sizeof bytes; j++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			bytes[j] = j < 4 ? 0 : (uint8_t)(random >> 56);
		}
		bytes[3] = (uint8_t)(i % 40);
		(void)raft_config_decode(&config, bytes, (size_t)i % sizeof bytes);
		(void)raft_entry_decode(&entry, NULL, bytes, (size_t)i % sizeof bytes);
		(void)raft_session_open_decode(&open, bytes, (size_t)i % sizeof bytes);
	}
	CHECK(true);
}

static void
test_open_data(void)
{
	struct raft_session_open open;
	struct raft_session_open copy;
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX + 1];
	size_t size;

	memset(&open, 0, sizeof open);
	memset(open.name, 'n', RAFT_SESSION_NAME_MAX);
	open.replaces = 77;
	size = raft_session_open_encode(&open, bytes);
	CHECK(size == RAFT_SESSION_OPEN_SIZE_MAX);
	CHECK(
	    raft_session_open_decode(&copy, bytes, size) && memcmp(&copy, &open, sizeof copy) == 0);
	CHECK(!raft_session_open_decode(&copy, bytes, size + 1));
	CHECK(!raft_session_open_decode(&copy, bytes, RAFT_RUN_SIZE + 8));
	bytes[RAFT_RUN_SIZE + 9] = '\0';
	CHECK(!raft_session_open_decode(&copy, bytes, size));
}

static void
test_table(void)
{
	struct raft_sessions *table = raft_sessions_new();
	struct raft_sid sid = rig_sid(1, false);
	struct raft_sid named = rig_sid(1, true);
	struct raft_sessions_change change;

	CHECK(apply_client(table, 1, &sid, 2).touched == NULL);
	CHECK(raft_sessions_find(table, &sid) == NULL);
	change = apply_client(table, 2, &sid, 1);
	CHECK(change.touched != NULL && change.touched->serial == 1 &&
	      change.touched->last_index == 2);
	CHECK(apply_client(table, 3, &sid, 1).touched == NULL);
	CHECK(apply_client(table, 4, &sid, 3).touched == NULL);
	CHECK(apply_client(table, 5, &sid, 2).touched->last_index == 5);
	CHECK(apply_client(table, 6, &named, 1).touched ==
	      NULL); /* a named one opens by an entry of its own */
	CHECK(apply_open(table, 7, &named, 1, 3).touched == NULL);
	change = apply_open(table, 8, &named, 1, 0);
	CHECK(change.touched->epoch == 8 && strcmp(change.touched->name, "producer") == 0);
	CHECK(apply_client(table, 9, &named, 1).touched->serial == 1);
	CHECK(apply_open(table, 10, &named, 2, 0).touched == NULL);
	change = apply_open(table, 11, &named, 2, 8);
	CHECK(change.touched->epoch == 11 && change.touched->serial == 1 &&
	      change.touched->last_index == 9);
	CHECK(raft_sessions_count(table, true) == 1 && raft_sessions_count(table, false) == 1);
	{
		struct raft_entry drop = rig_entry(1, RAFT_SESSION_DROP, &named, 0, "producer", 8);

		change = raft_sessions_apply(table, 12, &drop);
		CHECK(change.touched == NULL && raft_sid_equal(&change.gone, &named));
		change = raft_sessions_apply(table, 13, &drop);
		CHECK(raft_sid_none(&change.gone));
		raft_chunk_unref(drop.chunk);
	}
	CHECK(raft_sessions_find(table, &named) == NULL);
	raft_sessions_free(table);
}

static void
test_cursors(void)
{
	struct raft_sessions *table = raft_sessions_new();
	struct raft_sid sid = rig_sid(1, true);
	struct raft_sid other = rig_sid(2, true);
	struct raft_sid anonymous = rig_sid(1, false);
	struct raft_session *cursor;

	CHECK(raft_sessions_position_least(table) == UINT64_MAX);
	CHECK(apply_ack(table, 1, &sid, 1, 0).touched == NULL);
	CHECK(apply_ack(table, 2, &anonymous, 1, 0).touched == NULL);
	CHECK(apply_open_kind(table, 3, RAFT_CURSOR_OPEN, &sid, 1, 0).touched->cursor);
	CHECK(raft_sessions_position_least(table) == 0);
	cursor = raft_sessions_find(table, &sid);
	/* The other kind of opening and entry, a wrong serial, its own index. */
	CHECK(apply_open(table, 4, &sid, 2, 3).touched == NULL);
	CHECK(apply_client(table, 5, &sid, 1).touched == NULL);
	CHECK(apply_ack(table, 6, &sid, 2, 1).touched == NULL);
	CHECK(apply_ack(table, 7, &sid, 1, 7).touched == NULL);
	CHECK(cursor->serial == 0 && cursor->position == 0 && cursor->epoch == 3);
	CHECK(apply_ack(table, 8, &sid, 1, 7).touched == cursor && cursor->position == 7);
	CHECK(apply_ack(table, 9, &sid, 1, 2).touched == NULL);
	CHECK(apply_ack(table, 10, &sid, 2, 5).touched == cursor && cursor->position == 5);
	/* The next owner finds serial and position. */
	CHECK(apply_open_kind(table, 11, RAFT_CURSOR_OPEN, &sid, 2, 3).touched == cursor);
	CHECK(cursor->epoch == 11 && cursor->serial == 2 && cursor->position == 5);
	/* A session is no cursor, and holds nothing back. */
	CHECK(!apply_open(table, 12, &other, 1, 0).touched->cursor);
	CHECK(apply_ack(table, 13, &other, 1, 3).touched == NULL);
	CHECK(apply_open_kind(table, 14, RAFT_CURSOR_OPEN, &other, 2, 12).touched == NULL);
	CHECK(raft_sessions_position_least(table) == 5);
	raft_sessions_free(table);
}

struct dump {
	struct raft_session *rows;
	size_t count;
};

static bool
dump_each(const struct raft_session *session, void *arg)
{
	struct dump *dump = arg;

	RIG_PUSH(dump->rows, dump->count, *session);
	return true;
}

static bool
tables_equal(struct raft_sessions *a, struct raft_sessions *b)
{
	struct dump x = {0};
	struct dump y = {0};
	bool equal;

	raft_sessions_each(a, dump_each, &x);
	raft_sessions_each(b, dump_each, &y);
	equal = x.count == y.count &&
		(x.count == 0 || memcmp(x.rows, y.rows, x.count * sizeof *x.rows) == 0);
	for (size_t i = 1; i < x.count; i++)
		equal &= x.rows[i - 1].last_index < x.rows[i].last_index;
	free(x.rows);
	free(y.rows);
	return equal;
}

static bool
restore_each(const struct raft_session *session, void *arg)
{
	CHECK(raft_sessions_restore(arg, session));
	return true;
}

static void
test_pure_function(void)
{
	/* Copied, stored and loaded in the middle, replayed: always the same table. */
	struct raft_sessions *straight = raft_sessions_new();
	struct raft_sessions *other = raft_sessions_new();
	uint64_t serials[300] = {0};
	uint64_t random = 5;

	for (uint64_t index = 1; index <= 20000; index++) {
		int who =
		    (int)((random = random * UINT64_C(6364136223846793005) + 144269u) >> 40) % 300;
		struct raft_sid sid = rig_sid(who, who < 20);

		if (who < 20 && serials[who] == 0) {
			enum raft_kind kind = who < 5 ? RAFT_CURSOR_OPEN : RAFT_SESSION_OPEN;

			apply_open_kind(straight, index, kind, &sid, 1, 0);
			apply_open_kind(other, index, kind, &sid, 1, 0);
			serials[who] = 1;
			continue;
		}
		if (who < 5) {
			apply_ack(straight, index, &sid, serials[who], random % index);
			apply_ack(other, index, &sid, serials[who]++, random % index);
			continue;
		}
		apply_client(straight, index, &sid, who < 20 ? serials[who]++ : ++serials[who]);
		apply_client(other, index, &sid, who < 20 ? serials[who] - 1 : serials[who]);
		if (index % 1000 == 0) {
			struct raft_sessions *next;

			if (index % 2000 == 0) {
				next = raft_sessions_dup(other);
			} else {
				next = raft_sessions_new();
				raft_sessions_each(other, restore_each, next);
			}
			raft_sessions_free(other);
			other = next;
			CHECK(tables_equal(straight, other));
		}
	}
	CHECK(raft_sessions_count(other, true) == 20 && raft_sessions_count(other, false) == 280);
	raft_sessions_free(straight);
	raft_sessions_free(other);
}

static void
test_eviction(void)
{
	struct raft_sessions *table = raft_sessions_new();
	struct raft_sid sid;
	struct raft_sessions_change change;

	for (int i = 0; i < RAFT_SESSIONS_ANONYMOUS_MAX; i++) {
		sid = rig_sid(i, false);
		change = apply_client(table, (uint64_t)i + 1, &sid, 1);
		CHECK(raft_sid_none(&change.gone));
	}
	sid = rig_sid(0, false);
	apply_client(table, 70000, &sid, 2); /* the oldest is now number 1 */
	sid = rig_sid(70001, false);
	change = apply_client(table, 70001, &sid, 1);
	sid = rig_sid(1, false);
	CHECK(raft_sid_equal(&change.gone, &sid) && change.touched != NULL);
	CHECK(raft_sessions_find(table, &sid) == NULL);
	sid = rig_sid(0, false);
	CHECK(raft_sessions_find(table, &sid)->serial == 2);
	CHECK(raft_sessions_count(table, false) == RAFT_SESSIONS_ANONYMOUS_MAX);
	raft_sessions_free(table);
}

static void
test_restore_refuses(void)
{
	struct raft_sessions *table = raft_sessions_new();
	struct raft_session session;

	memset(&session, 0, sizeof session);
	CHECK(!raft_sessions_restore(table, &session));
	session.sid = rig_sid(1, false);
	session.last_index = 9;
	CHECK(raft_sessions_restore(table, &session));
	CHECK(!raft_sessions_restore(table, &session));
	session.sid = rig_sid(2, false);
	session.last_index = 8;
	CHECK(!raft_sessions_restore(table, &session));
	/* A position without a cursor, of an anonymous one, and of its own entry. */
	session.last_index = 10;
	session.position = 3;
	CHECK(!raft_sessions_restore(table, &session));
	session.cursor = true;
	CHECK(!raft_sessions_restore(table, &session));
	session.sid = rig_sid(2, true);
	session.position = 10;
	CHECK(!raft_sessions_restore(table, &session));
	session.position = 9;
	CHECK(raft_sessions_restore(table, &session));
	CHECK(raft_sessions_find(table, &session.sid)->position == 9);
	raft_sessions_free(table);
}

static void
test_reasons(void)
{
	for (int i = 0; i < RAFT_REASONS_COUNT; i++)
		CHECK(raft_reason_text((enum raft_reason)i)[0] != '\0');
	CHECK(raft_reason_retry(RAFT_REASON_BUSY) && !raft_reason_retry(RAFT_REASON_OLD_EPOCH));
	CHECK(strcmp(raft_reason_text((enum raft_reason)200), "unknown reason") == 0);
	CHECK(strcmp(raft_verdict_text(RAFT_UNKNOWN), "unknown") == 0);
	CHECK(strcmp(raft_role_name(RAFT_PRE_CANDIDATE), "pre-candidate") == 0);
	CHECK(strcmp(raft_message_name(RAFT_MSG_APPEND_REPLY), "append_reply") == 0);
}

static bool
until_third(const struct raft_session *session, void *arg)
{
	(void)session;
	return ++*(size_t *)arg < 3;
}

static void
test_named_bound(void)
{
	struct raft_sessions *table = raft_sessions_new();
	struct raft_session stored = {.last_index = RAFT_SESSIONS_NAMED_MAX + 9, .name = "late"};
	size_t seen = 0;

	for (int i = 1; i <= RAFT_SESSIONS_NAMED_MAX; i++) {
		struct raft_sid sid = rig_sid(i, true);

		CHECK(apply_open(table, (uint64_t)i, &sid, 1, 0).touched != NULL);
	}
	stored.sid = rig_sid(RAFT_SESSIONS_NAMED_MAX + 1, true);
	CHECK(apply_open(table, RAFT_SESSIONS_NAMED_MAX + 1, &stored.sid, 1, 0).touched == NULL);
	CHECK(!raft_sessions_restore(table, &stored));
	CHECK(raft_sessions_count(table, true) == RAFT_SESSIONS_NAMED_MAX);
	CHECK(raft_sessions_find(table, &stored.sid) == NULL);
	raft_sessions_each(table, until_third, &seen);
	CHECK(seen == 3);
	raft_sessions_free(table);
}

int
main(void)
{
	check_run("ids are 1 to 31 characters, padded with NUL", test_ids);
	check_run("H20: records keep any byte, and no cut or wrong one is read", test_records);
	check_run("configurations have one encoding, and a damaged one is refused", test_configs);
	check_run("random bytes are decoded or refused", test_random_bytes);
	check_run("the data of an opening is read back, or refused", test_open_data);
	check_run("the session table takes what fits, and nothing else", test_table);
	check_run("a cursor takes its own kinds, its next serial, and positions before the entry",
	    test_cursors);
	check_run("F4: the table is a function of the log alone", test_pure_function);
	check_run("F4: the anonymous session with the oldest entry is evicted", test_eviction);
	check_run(
	    "no named session beyond the bound, from the log or from a disk", test_named_bound);
	check_run("a stored row that can't be is refused", test_restore_refuses);
	check_run("every number has its text", test_reasons);
	return check_done();
}
