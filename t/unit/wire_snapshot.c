/* SPDX-License-Identifier: ISC */
/* The head of a snapshot: what protects it, and the version before. */
#include <stdlib.h>
#include <string.h>

#include "raft/session.h"
#include "seal/seal.h"
#include "seal/snapshot.h"
#include "check.h"

enum { END_SIZE = 4 + 32 }; /* of version 2: no further fields, and the hash */

static uint8_t config_bytes[RAFT_CONFIG_SIZE_MAX];

static const struct raft_contract_at contract_7 = {
    .index = 7, .contract = {.reply_max = 1, .entry_max = 2, .format = "kv-1"}};

/* One with a member and a session, of this level and contract. */
static struct wire_buf
make_head_of(uint64_t level, const struct raft_contract_at *contract)
{
	struct raft_config config = {
	    .count = 1, .members[0] = {.id = {"n1"}, .role = RAFT_VOTER, .address = "tcp://h:1"}};
	struct raft_session session = {
	    .sid = {{RAFT_SID_NAMED}}, .serial = 3, .last_index = 7, .epoch = 5, .name = "pay"};
	struct wire_buf out = {0}, sessions = {0};
	config.members[0].key[0] = 1;
	wire_session_put(&sessions, &session);
	struct snapshot_head head = {.pos = {7, 2},
	    .name = wire_text("demo"),
	    .format = wire_text("text"),
	    .file_size = 9,
	    .config = {config_bytes, raft_config_encode(&config, config_bytes)},
	    .sessions = {sessions.bytes, sessions.size},
	    .level = level,
	    .time = level > 1 ? 99 : 0,
	    .contract = *contract};
	memset(head.chain.b, 0xc1, sizeof head.chain.b);
	memset(head.cluster.b, 0xc2, sizeof head.cluster.b);
	memset(head.file_hash.b, 0xf1, sizeof head.file_hash.b);
	snapshot_head_put(&out, &head);
	wire_buf_free(&sessions);
	return out;
}

static struct wire_buf
make_head(void)
{
	return make_head_of(1, &(struct raft_contract_at){0});
}

static bool
is_text(struct wire_bytes bytes, const char *text)
{
	return bytes.size == strlen(text) && memcmp(bytes.bytes, text, bytes.size) == 0;
}

static bool
is_made_head(const uint8_t *bytes, size_t size)
{
	struct snapshot_head head;
	return snapshot_head_size(bytes) == size && snapshot_head_get(&head, bytes, size) &&
	       head.pos.index == 7 && head.pos.term == 2 && head.chain.b[31] == 0xc1 &&
	       head.cluster.b[31] == 0xc2 && is_text(head.name, "demo") &&
	       is_text(head.format, "text") && head.file_size == 9 &&
	       head.file_hash.b[31] == 0xf1 && head.config.size > 0 && head.sessions.size > 0;
}

/* The hash over what a test has changed. */
static void
hash_again(struct wire_buf *head)
{
	struct raft_hash hash = seal_hash(&(struct seal_part){head->bytes, head->size - 32}, 1);
	memcpy(head->bytes + head->size - 32, hash.b, 32);
}

static void
test_each_byte(void)
{
	struct wire_buf good = make_head();
	struct snapshot_head head;
	CHECK(is_made_head(good.bytes, good.size));
	for (size_t at = 0; at < good.size; at++) {
		unsigned taken = 0;
		uint8_t byte = good.bytes[at];
		for (unsigned value = 0; value < 256; value++) {
			good.bytes[at] = (uint8_t)value;
			taken += value != byte && snapshot_head_get(&head, good.bytes, good.size);
		}
		good.bytes[at] = byte;
		CHECK(taken == 0);
	}
	wire_buf_free(&good);
}

static void
test_each_size(void)
{
	struct wire_buf good = make_head();
	struct snapshot_head head;
	size_t whole = good.size;
	for (size_t size = 0; size < whole; size++) {
		CHECK(!snapshot_head_get(&head, good.bytes, size));
		/* Neither when its own size says so. */
		bytes_put_u32(good.bytes + 12, (uint32_t)size);
		CHECK(!snapshot_head_get(&head, good.bytes, size));
		bytes_put_u32(good.bytes + 12, (uint32_t)whole);
	}
	wire_buf_put(&good, "", 1);
	CHECK(!snapshot_head_get(&head, good.bytes, good.size));
	bytes_put_u32(good.bytes + 12, (uint32_t)good.size);
	CHECK(!snapshot_head_get(&head, good.bytes, good.size));
	wire_buf_free(&good);
}

/* A head without further fields becomes one with these, and the right hash. */
static void
add_further(struct wire_buf *head, const uint8_t *fields, size_t size)
{
	size_t at = head->size - RAFT_HASH_SIZE;
	wire_buf_put(head, fields, size);
	memmove(head->bytes + at, fields, size);
	bytes_put_u32(head->bytes + at - 4, (uint32_t)size);
	bytes_put_u32(head->bytes + 12, (uint32_t)head->size);
	hash_again(head);
}

static void
test_further_fields(void)
{
	/* Level, time, and what no level has. */
	uint8_t fields[20] = {[7] = RAFT_LEVEL_MAX + 1, [15] = 99, [19] = 1};
	struct wire_buf head;
	struct snapshot_head got;
	for (size_t size = 16; size <= 20; size += 4) {
		head = make_head();
		add_further(&head, fields, size);
		CHECK(!snapshot_head_get(&got, head.bytes, head.size));
		CHECK(snapshot_head_newer(head.bytes, head.size));
		wire_buf_free(&head);
	}
	/* Less than level and time. */
	head = make_head();
	add_further(&head, fields, 4);
	CHECK(!snapshot_head_get(&got, head.bytes, head.size));
	CHECK(snapshot_head_newer(head.bytes, head.size));
	wire_buf_free(&head);
	/* Nor is one that cannot be, and whose hash is right, of a newer version. */
	head = make_head();
	memset(head.bytes + 16, 0, 8);
	hash_again(&head);
	CHECK(!snapshot_head_get(&got, head.bytes, head.size));
	CHECK(!snapshot_head_newer(head.bytes, head.size));
	wire_buf_free(&head);
	/* It is not the hash that the test makes wrong. */
	head = make_head();
	memset(head.bytes + head.size - 32, 0, 32);
	CHECK(!snapshot_head_get(&got, head.bytes, head.size));
	hash_again(&head);
	CHECK(is_made_head(head.bytes, head.size));
	wire_buf_free(&head);
}

/* The size of the further fields of a head of level 2 that ends with them and the hash. */
static void
resize_further(struct wire_buf *head, size_t size, size_t resized)
{
	size_t at = head->size - RAFT_HASH_SIZE - size;
	head->size = at;
	memset(wire_buf_add(head, resized + RAFT_HASH_SIZE) + size, 0,
	    resized + RAFT_HASH_SIZE - size);
	bytes_put_u32(head->bytes + at - 4, (uint32_t)resized);
	bytes_put_u32(head->bytes + 12, (uint32_t)head->size);
	hash_again(head);
}

static void
test_contract(void)
{
	enum { FIELDS = 16, RECORD = 8 + 4 + 23 };
	struct raft_contract_at later = contract_7;
	struct wire_buf head = make_head_of(2, &contract_7), plain;
	struct snapshot_head got;
	CHECK(snapshot_head_get(&got, head.bytes, head.size));
	CHECK(got.level == 2 && got.time == 99 && got.contract.index == 7 &&
	      raft_contract_difference(&got.contract.contract, &contract_7.contract) == NULL);
	CHECK(!snapshot_head_newer(head.bytes, head.size));
	/* What comes after it is of a newer level; what is no contract is only malformed. */
	resize_further(&head, FIELDS + RECORD, FIELDS + RECORD + 1);
	CHECK(!snapshot_head_get(&got, head.bytes, head.size));
	CHECK(snapshot_head_newer(head.bytes, head.size));
	wire_buf_free(&head);
	head = make_head_of(2, &contract_7);
	head.bytes[head.size - RAFT_HASH_SIZE - 1] = 0;
	hash_again(&head);
	CHECK(!snapshot_head_get(&got, head.bytes, head.size));
	CHECK(!snapshot_head_newer(head.bytes, head.size));
	wire_buf_free(&head);
	/* None is in force before its entry. */
	later.index = 8;
	head = make_head_of(2, &later);
	CHECK(!snapshot_head_get(&got, head.bytes, head.size));
	wire_buf_free(&head);
	/* Without one nothing but level and time is there. */
	plain = make_head_of(2, &(struct raft_contract_at){0});
	head = make_head();
	CHECK(plain.size == head.size + FIELDS);
	CHECK(snapshot_head_get(&got, plain.bytes, plain.size) && got.contract.index == 0);
	wire_buf_free(&head);
	wire_buf_free(&plain);
}

static void
test_newer_version(void)
{
	struct wire_buf head = make_head();
	struct snapshot_head got;
	CHECK(!snapshot_head_newer(head.bytes, head.size));
	bytes_put_u32(head.bytes + 8, SNAPSHOT_VERSION + 1);
	CHECK(snapshot_head_size(head.bytes) == head.size);
	/* So far it may be a flipped bit. */
	CHECK(!snapshot_head_newer(head.bytes, head.size));
	hash_again(&head);
	CHECK(snapshot_head_newer(head.bytes, head.size));
	CHECK(!snapshot_head_get(&got, head.bytes, head.size));
	for (size_t at = 8; at < head.size; at++) {
		head.bytes[at] ^= 1;
		CHECK(!snapshot_head_newer(head.bytes, head.size));
		head.bytes[at] ^= 1;
	}
	for (size_t size = 0; size < head.size; size++)
		CHECK(!snapshot_head_newer(head.bytes, size));
	wire_buf_free(&head);
}

static void
test_version_1(void)
{
	struct wire_buf old = make_head(), again = {0}, good = make_head();
	struct snapshot_head head;
	old.size -= END_SIZE;
	bytes_put_u32(old.bytes + 8, 1);
	bytes_put_u32(old.bytes + 12, (uint32_t)old.size);
	CHECK(is_made_head(old.bytes, old.size));
	CHECK(snapshot_head_get(&head, old.bytes, old.size));
	snapshot_head_put(&again, &head);
	CHECK(again.size == good.size && memcmp(again.bytes, good.bytes, good.size) == 0);
	/* A version that there is not, and one so large that it could not be written again. */
	bytes_put_u32(good.bytes + 8, 0);
	CHECK(snapshot_head_size(good.bytes) == 0);
	bytes_put_u32(old.bytes + 12, SNAPSHOT_HEAD_MAX - END_SIZE);
	CHECK(snapshot_head_size(old.bytes) == SNAPSHOT_HEAD_MAX - END_SIZE);
	bytes_put_u32(old.bytes + 12, SNAPSHOT_HEAD_MAX - END_SIZE + 1);
	CHECK(snapshot_head_size(old.bytes) == 0);
	wire_buf_free(&old);
	wire_buf_free(&again);
	wire_buf_free(&good);
}

/* The record of a session, and that of a cursor, which is longer by its position. */
static void
test_cursor_record(void)
{
	struct raft_session session = {
	    .sid = {{RAFT_SID_NAMED}}, .serial = 3, .last_index = 7, .epoch = 5, .name = "pay"};
	struct wire_buf plain = {0}, cursor = {0};
	struct wire_bytes run;
	struct raft_session got;
	wire_session_put(&plain, &session);
	CHECK(plain.size == 88 + 1 + 3 && plain.bytes[88] == 3);
	session.cursor = true;
	session.position = UINT64_C(0x0102030405060708);
	wire_session_put(&cursor, &session);
	CHECK(cursor.size == plain.size + 8 && memcmp(cursor.bytes, plain.bytes, 88) == 0);
	CHECK(cursor.bytes[88] == (0x80 | 3) && memcmp(cursor.bytes + 89, "pay\1\2", 5) == 0 &&
	      cursor.bytes[cursor.size - 1] == 8);
	run = (struct wire_bytes){cursor.bytes, cursor.size};
	CHECK(wire_session_get(&got, &run) && run.size == 0);
	CHECK(memcmp(&got, &session, sizeof got) == 0);
	run = (struct wire_bytes){plain.bytes, plain.size};
	CHECK(wire_session_get(&got, &run) && run.size == 0 && !got.cursor && got.position == 0);
	for (size_t size = 0; size < cursor.size; size++) {
		run = (struct wire_bytes){cursor.bytes, size};
		CHECK(!wire_session_get(&got, &run));
	}
	cursor.bytes[88] = 0x80 | (RAFT_SESSION_NAME_MAX + 1);
	run = (struct wire_bytes){cursor.bytes, cursor.size};
	CHECK(!wire_session_get(&got, &run));
	wire_buf_free(&plain);
	wire_buf_free(&cursor);
}

int
main(void)
{
	seal_init();
	check_run("snapshot: a head with any byte changed to any other is refused", test_each_byte);
	check_run("snapshot: a head that is shorter or longer is refused, whatever size it states",
	    test_each_size);
	check_run("snapshot: a head with fields that this version does not know is refused",
	    test_further_fields);
	check_run(
	    "snapshot: a head has the contract in force at its place, or none", test_contract);
	check_run("snapshot: an intact head of a newer version is told from a damaged one",
	    test_newer_version);
	check_run("snapshot: a head of version 1 is read, and written as the present version",
	    test_version_1);
	check_run(
	    "snapshot: the record of a cursor has its position, that of a session keeps its bytes",
	    test_cursor_record);
	return check_done();
}
