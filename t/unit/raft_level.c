/* SPDX-License-Identifier: ISC */
/*
 * Levels: when one comes into force, and what of it is written and sent then.  Time and origin of
 * entries, which level 2 brings.
 */
#include "raft_cluster.h"

enum { WALL = 1000000, AHEAD = 10000, UID = 1001 };

static struct raft_proposal plain = {.uid = UID};

static void
init(struct rig *rig, int members, int learners)
{
	rig_init(rig, 1, members);
	rig->config = rig_config(members, learners, false);
	rig->settings.level_max = RAFT_LEVEL_MAX;
	rig->wall = WALL;
}

/* A reply that has taken everything, and says the sender's level and clock. */
static void
accept(struct rig *rig, int from, uint64_t level, uint64_t clock)
{
	const struct raft_message *append = rig_find_last(rig, RAFT_MSG_APPEND, from);
	struct raft_status status = rig_status(rig);
	struct raft_message message = rig_make(RAFT_MSG_APPEND_REPLY, from, 1, status.term);

	message.append_reply = (struct raft_append_reply){.ok = true,
	    .round = append == NULL ? 0 : append->append.round,
	    .start_number = (uint64_t)from,
	    .match = status.last.index,
	    .hint = status.last,
	    .level = level,
	    .clock = clock};
	rig_message(rig, &message);
}

/* The leader of three; level 2 is in force at index 2. */
static void
leader(struct rig *rig)
{
	init(rig, 3, 0);
	rig_start(rig);
	rig_elect(rig);
	accept(rig, 2, 2, 0);
	accept(rig, 3, 2, 0);
	CHECK(rig_status(rig).last.index == 2);
	accept(rig, 2, 2, 0);
	CHECK(rig_status(rig).level == 2 && rig->commit == 2);
	rig_clear(rig);
}

static struct raft_stamp
stamp_at(const struct rig *rig, uint64_t index)
{
	struct raft_stamp stamp = {0};

	CHECK(raft_entry_at(rig->raft, index) != NULL &&
	      raft_entry_stamp(raft_entry_at(rig->raft, index), &stamp));
	return stamp;
}

static bool
stamped(const struct rig *rig, uint64_t index)
{
	return raft_entry_stamped(raft_entry_at(rig->raft, index));
}

static void
append_one(struct rig *rig)
{
	rig_propose_one(rig, 1, RAFT_NOOP, NULL, NULL, 0);
}

/* -------------------------------------------------------------- levels */

static void
test_raised_when_all_report(void)
{
	struct rig rig;

	init(&rig, 4, 1);
	rig_start(&rig);
	rig_elect(&rig);
	accept(&rig, 2, 2, 0);
	accept(&rig, 3, 2, 0);
	CHECK(rig.commit == 1 && rig_status(&rig).last.index == 1);
	accept(&rig, 4, 1, 0);
	CHECK(rig_status(&rig).last.index == 1);
	accept(&rig, 4, 2, 0);
	CHECK(rig_status(&rig).last.index == 2 && raft_entry_at(rig.raft, 2)->kind == RAFT_LEVEL &&
	      raft_entry_level(raft_entry_at(rig.raft, 2)) == 2 && !stamped(&rig, 2));
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_status(&rig).last.index == 2 && rig_status(&rig).level == 1);
	rig_free(&rig);
}

static void
test_not_before_own_term_commits(void)
{
	struct rig rig;

	init(&rig, 3, 0);
	rig_start(&rig);
	rig_elect(&rig);
	for (int from = 2; from <= 3; from++) {
		struct raft_message message =
		    rig_make(RAFT_MSG_APPEND_REPLY, from, 1, rig_status(&rig).term);

		message.append_reply.start_number = (uint64_t)from;
		message.append_reply.match = 1;
		message.append_reply.level = 2;
		rig_message(&rig, &message);
	}
	CHECK(rig_status(&rig).level_min == 2 && rig.commit == 0);
	CHECK(rig_status(&rig).last.index == 1);
	rig_free(&rig);
}

static void
test_old_program_raises_nothing(void)
{
	struct rig rig;

	init(&rig, 3, 0);
	rig.settings.level_max = 1;
	rig_start(&rig);
	rig_elect(&rig);
	accept(&rig, 2, 2, 0);
	accept(&rig, 3, 2, 0);
	CHECK(rig.commit == 1 && rig_status(&rig).last.index == 1);
	rig_free(&rig);
}

static void
test_not_again_over_an_uncommitted_one(void)
{
	struct rig rig;
	struct raft_entry level;
	uint8_t two[8] = {0, 0, 0, 0, 0, 0, 0, 2};

	init(&rig, 3, 0);
	level = rig_entry(1, RAFT_LEVEL, NULL, 0, two, sizeof two);
	rig_disk_put(&rig, 1, RAFT_NOOP);
	RIG_PUSH(rig.disk.entries, rig.disk.count, level);
	rig_start(&rig);
	rig_elect(&rig);
	accept(&rig, 2, 2, 0);
	accept(&rig, 3, 2, 0);
	CHECK(rig_status(&rig).level == 2 && rig_status(&rig).last.index == 3);
	rig_free(&rig);
}

static void
test_sole_voter(void)
{
	struct rig rig;

	init(&rig, 1, 0);
	rig_start(&rig);
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig_status(&rig).level == RAFT_LEVEL_MAX && rig.commit == 2);
	append_one(&rig);
	CHECK(stamp_at(&rig, 3).time == WALL);
	rig_free(&rig);
}

static void
test_level_of_a_start_and_a_snapshot(void)
{
	struct rig rig;
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_READY};
	struct raft_snapshot snapshot = {.pos = {9, 1}, .level = 2, .time = 77};

	init(&rig, 3, 0);
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	snapshot.config = &rig.config;
	snapshot.sessions = raft_sessions_new();
	rig.ready = (struct rig_snapshot){snapshot.pos, rig.config, raft_sessions_new()};
	event.snapshot = &snapshot;
	rig_event(&rig, &event);
	CHECK(rig_status(&rig).level == 2 && rig_status(&rig).time == 77);
	/* One of a level that no program here supports is not taken. */
	snapshot.pos.index = 19;
	snapshot.level = RAFT_LEVEL_MAX + 1;
	snapshot.sessions = raft_sessions_new();
	rig_event(&rig, &event);
	CHECK(rig_status(&rig).last.index == 9);
	rig_free(&rig);
}

/* -------------------------------------------------------------- stamps */

static void
test_nothing_before_the_commit(void)
{
	struct rig rig;

	init(&rig, 3, 0);
	rig_start(&rig);
	rig_elect(&rig);
	accept(&rig, 2, 2, 0);
	accept(&rig, 3, 2, 0);
	append_one(&rig);
	CHECK(rig_status(&rig).last.index == 3 && !stamped(&rig, 2) && !stamped(&rig, 3));
	accept(&rig, 2, 2, 0);
	append_one(&rig);
	CHECK(stamped(&rig, 4));
	rig_free(&rig);
}

/* A no-op; the caller holds the reference of its chunk. */
static struct raft_entry
stamped_entry(uint64_t term, const struct raft_stamp *stamp)
{
	struct raft_entry noop = rig_entry(term, RAFT_NOOP, NULL, 0, NULL, 0);
	struct raft_chunk *chunk = raft_chunk_new(raft_entry_size_with(&noop, true));
	struct raft_entry entry;

	raft_entry_put(chunk->bytes, &noop, stamp);
	raft_chunk_unref(noop.chunk);
	CHECK(raft_entry_decode(&entry, chunk, chunk->bytes, chunk->size));
	return entry;
}

/* What proves the level is the stamp: a new leader may not know yet that it is committed. */
static void
test_goes_on_after_a_stamp(void)
{
	struct rig rig;
	struct raft_stamp old = {500, RAFT_UID_NONE, rig_id(2)};
	uint8_t two[8] = {0, 0, 0, 0, 0, 0, 0, 2};

	init(&rig, 3, 0);
	rig_disk_put(&rig, 1, RAFT_NOOP);
	RIG_PUSH(
	    rig.disk.entries, rig.disk.count, rig_entry(1, RAFT_LEVEL, NULL, 0, two, sizeof two));
	RIG_PUSH(rig.disk.entries, rig.disk.count, stamped_entry(1, &old));
	rig_start(&rig);
	rig_elect(&rig);
	CHECK(rig_status(&rig).level == 1 && rig_status(&rig).last.index == 4);
	/* Nobody has said its clock yet. */
	CHECK(stamp_at(&rig, 4).time == 500 && stamp_at(&rig, 4).node.s[1] == '1');
	rig_free(&rig);
}

static void
test_time_of_a_majority(void)
{
	struct rig rig;

	leader(&rig);
	rig.wall = WALL + 3000000; /* of another year */
	append_one(&rig);
	CHECK(stamp_at(&rig, 3).time == 0);
	accept(&rig, 2, 2, WALL);
	append_one(&rig);
	CHECK(stamp_at(&rig, 4).time == WALL + AHEAD);
	/* Two of three say another time, but the one that is ahead is the leader's. */
	accept(&rig, 3, 2, WALL + 5000);
	append_one(&rig);
	CHECK(stamp_at(&rig, 5).time == WALL + 5000 + AHEAD);
	rig.wall = WALL + 6000;
	append_one(&rig);
	CHECK(stamp_at(&rig, 6).time == WALL + 5000 + AHEAD);
	rig.wall = WALL + 5000 + AHEAD + 1;
	accept(&rig, 3, 2, WALL + 6000);
	append_one(&rig);
	CHECK(stamp_at(&rig, 7).time == WALL + 5000 + AHEAD + 1);
	CHECK(rig_status(&rig).time == WALL + 5000 + AHEAD + 1);
	rig_free(&rig);
}

/* A clock of the former term may be an hour old. */
static void
test_clocks_are_of_this_term(void)
{
	struct rig rig;
	struct raft_pos prev;

	leader(&rig);
	accept(&rig, 2, 2, WALL);
	accept(&rig, 3, 2, WALL);
	append_one(&rig);
	CHECK(stamp_at(&rig, 3).time == WALL);
	prev = rig_status(&rig).last;
	rig_append(&rig, 2, 2, prev, 2, 0, 2);
	rig.wall = WALL + 100;
	rig_elect(&rig);
	CHECK(stamp_at(&rig, 4).time == WALL);
	rig_free(&rig);
}

/* A time that went with its entry is not in the log. */
static void
test_time_of_the_log_that_is_left(void)
{
	struct rig rig;
	struct raft_stamp stamp = {WALL + 1, RAFT_UID_NONE, rig_id(2)};
	struct raft_entry entry = stamped_entry(2, &stamp);
	struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 2);

	leader(&rig);
	accept(&rig, 2, 2, WALL);
	append_one(&rig);
	accept(&rig, 2, 2, WALL);
	CHECK(rig.commit == 3);
	rig.wall = WALL + 5000;
	append_one(&rig);
	CHECK(rig_status(&rig).time == WALL + 5000);
	message.append = (struct raft_append){.prev = {3, 1},
	    .commit = 3,
	    .round = 1,
	    .last = 4,
	    .entries = &entry,
	    .entries_count = 1};
	rig_message(&rig, &message);
	raft_chunk_unref(entry.chunk);
	CHECK(rig_status(&rig).last.index == 4 && rig_status(&rig).time == WALL + 1);
	rig_free(&rig);
}

static void
test_time_of_what_left_memory(void)
{
	struct rig rig;

	init(&rig, 3, 0);
	rig.settings.tail_size_max = 0;
	rig_start(&rig);
	rig_elect(&rig);
	accept(&rig, 2, 2, 0);
	accept(&rig, 3, 2, 0);
	accept(&rig, 2, 2, 0);
	rig_clear(&rig);
	accept(&rig, 2, 2, WALL);
	append_one(&rig);
	CHECK(rig_status(&rig).last.index == 3 && rig_status(&rig).time == WALL);
	accept(&rig, 2, 2, WALL);
	rig_time(&rig, 1);
	CHECK(rig.commit == 3 && raft_entry_at(rig.raft, 3) == NULL);
	rig.wall = WALL - 5000;
	append_one(&rig);
	CHECK(rig_status(&rig).last.index == 4 && stamp_at(&rig, 4).time == WALL);
	rig_free(&rig);
}

static void
test_origin_of_a_client(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_stamp stamp;
	struct raft_stamp own = {WALL + 1, UID + 1, rig_id(3)};
	struct raft_entry entry = stamped_entry(0, &own);
	struct raft_proposal proposal = plain;

	leader(&rig);
	accept(&rig, 2, 2, WALL);
	rig_propose_serials(&rig, 1, &sid, 1, 2, plain);
	stamp = stamp_at(&rig, 3);
	CHECK(stamp.uid == UID && raft_id_equal(&stamp.node, &rig.id) && stamp.time == WALL);
	CHECK(stamp_at(&rig, 4).uid == UID);
	CHECK(bytes_get_u64(raft_entry_data(raft_entry_at(rig.raft, 4))) == 2);
	/* Whatever the client wrote into the record. */
	proposal.ticket = 2;
	proposal.entries = &entry;
	proposal.entries_count = 1;
	rig_propose(&rig, &proposal);
	raft_chunk_unref(entry.chunk);
	stamp = stamp_at(&rig, 5);
	CHECK(stamp.uid == UID && raft_id_equal(&stamp.node, &rig.id) && stamp.time == WALL);
	rig_free(&rig);
}

/* Proposals of another node: entries with the stamp, or without one (NULL). */
static void
forwarded(struct rig *rig, uint64_t request, const struct raft_stamp *stamp)
{
	struct raft_message message = rig_make(RAFT_MSG_PROPOSE, 2, 1, rig_status(rig).term);
	struct raft_sid sid = rig_sid(2, false);
	struct raft_entry plain_entry = rig_entry(0, RAFT_CLIENT, &sid, request, "x", 1);
	struct raft_chunk *chunk =
	    raft_chunk_new(raft_entry_size_with(&plain_entry, stamp != NULL));
	struct raft_entry entry;

	raft_entry_put(chunk->bytes, &plain_entry, stamp);
	CHECK(raft_entry_decode(&entry, chunk, chunk->bytes, chunk->size));
	message.propose.start_number = 2;
	message.propose.request = request;
	message.propose.entries = &entry;
	message.propose.entries_count = 1;
	rig_message(rig, &message);
	raft_chunk_unref(plain_entry.chunk);
	raft_chunk_unref(chunk);
}

/* The node is the one that sent it, whatever it wrote; the uid is for that node to say. */
static void
test_origin_of_a_forwarder(void)
{
	struct rig rig;
	struct raft_stamp lie = {RAFT_TIME_MAX, 7, rig_id(3)};
	struct raft_stamp stamp;

	leader(&rig);
	accept(&rig, 2, 2, WALL);
	forwarded(&rig, 1, &lie);
	stamp = stamp_at(&rig, 3);
	CHECK(stamp.uid == 7 && stamp.time == WALL && stamp.node.s[1] == '2');
	/* It does not know of the level yet. */
	forwarded(&rig, 2, NULL);
	stamp = stamp_at(&rig, 4);
	CHECK(stamp.uid == RAFT_UID_NONE && stamp.node.s[1] == '2');
	rig_free(&rig);
}

/* The forwarder knows of the level, this leader does not yet. */
static void
test_stamp_is_taken_away(void)
{
	struct rig rig;
	struct raft_stamp stamp = {WALL, 7, rig_id(2)};

	init(&rig, 3, 0);
	rig_start(&rig);
	rig_elect(&rig);
	accept(&rig, 2, 1, 0);
	forwarded(&rig, 1, &stamp);
	CHECK(rig_status(&rig).last.index == 2 && !stamped(&rig, 2) &&
	      raft_entry_data_size(raft_entry_at(rig.raft, 2)) == 1);
	rig_free(&rig);
}

static void
test_follower(void)
{
	struct rig rig;
	struct raft_message message;
	struct raft_sid sid = rig_sid(1, false);
	uint8_t two[8] = {0, 0, 0, 0, 0, 0, 0, 2};
	struct raft_entry level = rig_entry(1, RAFT_LEVEL, NULL, 0, two, sizeof two);
	struct raft_stamp stamp;

	init(&rig, 3, 0);
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.level == RAFT_LEVEL_MAX);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.clock == 0);
	rig_propose_serials(&rig, 1, &sid, 1, 1, plain);
	CHECK(!raft_entry_stamped(rig_find_last(&rig, RAFT_MSG_PROPOSE, 2)->propose.entries));
	message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);
	message.append = (struct raft_append){.prev = {1, 1},
	    .commit = 1,
	    .round = 5,
	    .last = 2,
	    .entries = &level,
	    .entries_count = 1};
	rig_message(&rig, &message);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.clock == 0);
	message.append.commit = 2;
	message.append.round = 6;
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).level == 2);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.clock == WALL);
	rig_propose_serials(&rig, 2, &sid, 2, 1, plain);
	CHECK(raft_entry_stamp(rig_find_last(&rig, RAFT_MSG_PROPOSE, 2)->propose.entries, &stamp));
	CHECK(stamp.uid == UID && raft_id_equal(&stamp.node, &rig.id));
	raft_chunk_unref(level.chunk);
	rig_free(&rig);
}

/* What this node reports after an append that raises the level to `to`. */
static uint64_t
first_reported(struct rig *rig, uint64_t index, uint8_t to)
{
	uint8_t number[8] = {0, 0, 0, 0, 0, 0, 0, to};
	struct raft_entry level = rig_entry(1, RAFT_LEVEL, NULL, 0, number, sizeof number);
	struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);

	message.append = (struct raft_append){.prev = {index - 1, 1},
	    .commit = index,
	    .round = 5 + index,
	    .last = index,
	    .entries = &level,
	    .entries_count = 1};
	rig_message(rig, &message);
	raft_chunk_unref(level.chunk);
	CHECK(rig_status(rig).level == to);
	return rig_find_last(rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.first;
}

static void
test_first_index_of_a_follower(void)
{
	struct rig rig;

	init(&rig, 3, 0);
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	CHECK(first_reported(&rig, 2, 2) == 0);
	CHECK(first_reported(&rig, 3, 3) == 1);
	rig_compact(&rig, 2);
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 3, 9);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND_REPLY, 2)->append_reply.first == 3);
	rig_free(&rig);
}

static void
test_first_index_at_the_leader(void)
{
	struct rig rig;
	struct raft_message message;

	leader(&rig);
	CHECK(rig_status(&rig).peers[0].first == 1 && rig_status(&rig).peers[1].first == 0);
	message = rig_make(RAFT_MSG_APPEND_REPLY, 2, 1, rig_status(&rig).term);
	message.append_reply = (struct raft_append_reply){.ok = true,
	    .start_number = 2,
	    .match = 2,
	    .hint = rig_status(&rig).last,
	    .level = 3,
	    .clock = WALL,
	    .first = 2};
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).peers[1].first == 2 && rig_status(&rig).peers[2].first == 0);
	rig_compact(&rig, 1);
	CHECK(rig_status(&rig).peers[0].first == 2);
	rig_free(&rig);
}

/* -------------------------------------------------------------- records */

static void
test_records(void)
{
	struct raft_sid sid = rig_sid(1, false);
	struct raft_entry entry = rig_entry(3, RAFT_CLIENT, &sid, 9, "a\0\n", 3);
	struct raft_stamp stamp = {UINT64_C(0x0102030405060708), 0x0a0b0c0d, rig_id(5)};
	uint8_t bytes[RAFT_ENTRY_HEADER_SIZE + RAFT_STAMP_SIZE + 3];
	uint8_t again[sizeof bytes];
	struct raft_entry copy;
	struct raft_stamp got;

	CHECK(raft_entry_size_with(&entry, true) == sizeof bytes);
	CHECK(raft_entry_put(bytes, &entry, &stamp) == sizeof bytes);
	CHECK(bytes[8] == (RAFT_CLIENT | 0x80) && bytes[37] == 1 && bytes[44] == 8 &&
	      bytes[45] == 0x0a && bytes[49] == 'n' && bytes[81] == 'a');
	for (size_t size = 0; size < sizeof bytes; size++)
		CHECK(!raft_entry_decode(&copy, NULL, bytes, size));
	CHECK(raft_entry_decode(&copy, NULL, bytes, sizeof bytes) && copy.kind == RAFT_CLIENT);
	CHECK(raft_entry_stamp(&copy, &got) && got.time == stamp.time && got.uid == stamp.uid &&
	      raft_id_equal(&got.node, &stamp.node));
	CHECK(raft_entry_data_size(&copy) == 3 && memcmp(raft_entry_data(&copy), "a\0\n", 3) == 0);
	CHECK(raft_entry_put(again, &copy, NULL) == entry.size &&
	      memcmp(again, entry.bytes, entry.size) == 0);
	CHECK(!raft_entry_stamp(&entry, &got) && got.time == 0 && got.uid == RAFT_UID_NONE);
	bytes[49] = '/';
	CHECK(!raft_entry_decode(&copy, NULL, bytes, sizeof bytes));
	bytes[49] = 'n';
	bytes[37] = 0x80;
	CHECK(!raft_entry_decode(&copy, NULL, bytes, sizeof bytes));
	raft_chunk_unref(entry.chunk);
}

static void
test_records_of_a_newer_level(void)
{
	uint8_t data[8] = {0, 0, 0, 0, 0, 0, 0, RAFT_LEVEL_MAX};
	struct raft_entry entry = rig_entry(3, RAFT_LEVEL, NULL, 0, data, sizeof data);
	uint8_t *bytes = entry.chunk->bytes;
	struct raft_entry copy;
	uint64_t level;

	CHECK(raft_entry_newer(bytes, entry.size, &level) == 0);
	bytes[entry.size - 1]++;
	CHECK(!raft_entry_decode(&copy, NULL, bytes, entry.size));
	CHECK(raft_entry_newer(bytes, entry.size, &level) == RAFT_LEVEL &&
	      level == RAFT_LEVEL_MAX + 1);
	bytes[entry.size - 1] = 1;
	CHECK(!raft_entry_decode(&copy, NULL, bytes, entry.size));
	CHECK(raft_entry_newer(bytes, entry.size, &level) == 0);
	bytes[8] = RAFT_KINDS_COUNT | RAFT_ENTRY_STAMPED;
	CHECK(!raft_entry_decode(&copy, NULL, bytes, entry.size));
	CHECK(raft_entry_newer(bytes, entry.size, &level) == bytes[8] && level == 0);
	raft_chunk_unref(entry.chunk);
}

int
main(void)
{
	check_run("a level is raised once each member, learners included, has reported it",
	    test_raised_when_all_report);
	check_run("a level is not raised before an entry of the own term is committed",
	    test_not_before_own_term_commits);
	check_run(
	    "a program raises no level that it does not support", test_old_program_raises_nothing);
	check_run("a level that is in the log, committed or not, is not raised again",
	    test_not_again_over_an_uncommitted_one);
	check_run("a sole voter raises it at once, and its clock is a majority's", test_sole_voter);
	check_run("a snapshot brings its level and time; of an unknown level it is not taken",
	    test_level_of_a_start_and_a_snapshot);
	check_run(
	    "⚠ nothing has a stamp before the level is committed", test_nothing_before_the_commit);
	check_run("after an entry with a stamp each has one", test_goes_on_after_a_stamp);
	check_run("the time is at most 10 s after what a majority has, and never decreases",
	    test_time_of_a_majority);
	check_run(
	    "a clock that was heard in a former term counts no more", test_clocks_are_of_this_term);
	check_run("the time after a truncation is that of the log that is left",
	    test_time_of_the_log_that_is_left);
	check_run("the time does not decrease when the entries before have left memory",
	    test_time_of_what_left_memory);
	check_run(
	    "the origin of an entry is this node and its client's uid", test_origin_of_a_client);
	check_run("the origin of a forwarded entry is its sender and the uid that it names",
	    test_origin_of_a_forwarder);
	check_run(
	    "a stamp is taken away where the level is not in force", test_stamp_is_taken_away);
	check_run("⚠ a follower sends its clock, and stamps, only once the level is committed",
	    test_follower);
	check_run("⚠ a follower reports its first index only once level 3 is committed",
	    test_first_index_of_a_follower);
	check_run("a leader knows the first index of itself and of each member that reports it",
	    test_first_index_at_the_leader);
	check_run("a record with a stamp is read and written as it is documented", test_records);
	check_run("a record of a newer level is told from a malformed one, and names the level",
	    test_records_of_a_newer_level);
	return check_done();
}
