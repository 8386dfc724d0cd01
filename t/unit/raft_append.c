/* SPDX-License-Identifier: ISC */
/*
 * The follower's side of AppendEntries, and the disk below it: what is
 * verified, what is durable, what is said.
 */
#include "raft_rig.h"

/* A follower of three with entries of these terms on disk, in `term`. */
static void
follower(struct rig *rig, const uint64_t *terms, size_t count, uint64_t term)
{
	rig_init(rig, 1, 3);
	for (size_t i = 0; i < count; i++)
		rig_disk_put(rig, terms[i], RAFT_NOOP);
	rig->disk.term = term;
	rig_start(rig);
}

static const uint64_t ones[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static struct raft_append_reply
reply(const struct rig *rig)
{
	const struct raft_message *message = rig_find_last(rig, RAFT_MSG_APPEND_REPLY, 2);
	struct raft_append_reply none;

	memset(&none, 0, sizeof none);
	CHECK(message != NULL);
	return message == NULL ? none : message->append_reply;
}

static void
test_truncates_only_at_conflict(void)
{
	struct rig rig;

	follower(&rig, ones, 10, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){4, 1}, 1, 2, 0);
	CHECK(rig_status(&rig).last.index == 10 && rig.writes_count == 0);
	CHECK(reply(&rig).ok && reply(&rig).match == 6);
	rig_append(&rig, 2, 2, (struct raft_pos){4, 1}, 2, 1, 0);
	CHECK(rig_status(&rig).last.index == 5 && rig.disk.count == 5 &&
	      rig.disk.entries[4].term == 2);
	rig_free(&rig);
}

static void
test_replies_carry_level(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 1, 0);
	CHECK(reply(&rig).ok && reply(&rig).level == rig.settings.level_max);
	rig_append(&rig, 2, 1, (struct raft_pos){9, 1}, 1, 0, 0);
	CHECK(!reply(&rig).ok && reply(&rig).level == rig.settings.level_max);
	rig_append(&rig, 3, 2, (struct raft_pos){3, 1}, 2, 0, 0);
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 0, 0);
	CHECK(reply(&rig).match == 3 && reply(&rig).level == rig.settings.level_max);
	rig_free(&rig);
}

static void
test_heartbeat_never_truncates(void)
{
	struct rig rig;

	follower(&rig, ones, 10, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 0, 0);
	rig_append(&rig, 2, 7, (struct raft_pos){3, 1}, 1, 0, 0);
	CHECK(rig_status(&rig).last.index == 10 && rig.disk.count == 10);
	CHECK(reply(&rig).ok && reply(&rig).match == 3);
	rig_free(&rig);
}

static void
test_commit_bounded(void)
{
	struct rig rig;

	follower(&rig, ones, 9, 1);
	rig_append(&rig, 2, 2, (struct raft_pos){4, 1}, 2, 0, 9);
	CHECK(rig.commit == 4);
	/* C7: and never falls. */
	rig_append(&rig, 2, 2, (struct raft_pos){4, 1}, 2, 0, 1);
	rig_append(&rig, 3, 3, (struct raft_pos){4, 1}, 3, 0, 2);
	CHECK(rig_status(&rig).commit.index == 4);
	rig_free(&rig);
}

static void
test_commit_needs_match_in_term(void)
{
	struct rig rig;

	follower(&rig, ones, 11, 1);
	/* The commit notice of term 3 overtakes the append that would match entry 11. */
	rig_append(&rig, 2, 3, (struct raft_pos){0, 0}, 3, 0, 11);
	CHECK(rig_status(&rig).commit.index == 0);
	rig_append(&rig, 2, 3, (struct raft_pos){10, 1}, 3, 1, 11);
	CHECK(rig_status(&rig).commit.index == 11 && rig.disk.entries[10].term == 3);
	rig_free(&rig);
}

static void
test_committed_stays(void)
{
	struct rig rig;
	uint64_t dropped;

	follower(&rig, ones, 9, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){9, 1}, 1, 0, 6);
	CHECK(rig.commit == 6);
	dropped = rig_status(&rig).dropped;
	rig_append(&rig, 3, 2, (struct raft_pos){4, 1}, 2, 2, 0);
	CHECK(rig_status(&rig).last.index == 9 && rig_status(&rig).dropped == dropped + 1);
	CHECK(strstr(rig.why, "contradicts the log up to 6") != NULL);
	rig_append(&rig, 3, 2, (struct raft_pos){5, 2}, 2, 2, 0);
	CHECK(rig_status(&rig).dropped == dropped + 2);
	rig_append(&rig, 3, 2, (struct raft_pos){6, 1}, 2, 1, 0);
	CHECK(rig_status(&rig).last.index == 7);
	rig_free(&rig);
}

static void
test_hint_skips_terms(void)
{
	static const uint64_t terms[9] = {1, 1, 1, 2, 2, 2, 3, 3, 3};
	struct rig rig;

	follower(&rig, terms, 9, 3);
	rig_append(&rig, 2, 5, (struct raft_pos){20, 4}, 5, 0, 0);
	CHECK(!reply(&rig).ok && reply(&rig).match == 20 && reply(&rig).hint.index == 9);
	rig_append(&rig, 2, 5, (struct raft_pos){8, 2}, 5, 0, 0);
	CHECK(!reply(&rig).ok && reply(&rig).hint.index == 6 && reply(&rig).hint.term == 2);
	rig_append(&rig, 2, 5, (struct raft_pos){6, 1}, 5, 0, 0);
	CHECK(!reply(&rig).ok && reply(&rig).hint.index == 3 && reply(&rig).hint.term == 1);
	rig_append(&rig, 2, 5, (struct raft_pos){3, 4}, 5, 0, 0);
	CHECK(!reply(&rig).ok && reply(&rig).hint.index == 2);
	rig_free(&rig);
}

static void
test_first_append_again(void)
{
	struct rig rig;

	follower(&rig, NULL, 0, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 5, 5);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 5);
	CHECK(rig_status(&rig).last.index == 5 && rig.disk.count == 5 && rig.commit == 5);
	rig_free(&rig);
}

/* A follower whose log begins after 5, and holds 6 to 8; all of term 1, committed up to 6. */
static void
compacted(struct rig *rig)
{
	struct raft_start start;
	struct raft_config_at config;
	struct raft_term_start terms = {6, 1};
	struct raft_entry entries[2];

	rig_init(rig, 1, 3);
	memset(&start, 0, sizeof start);
	memset(&config, 0, sizeof config);
	config.config = rig->config;
	for (int i = 0; i < 2; i++)
		entries[i] = rig_entry(1, RAFT_NOOP, NULL, 0, NULL, 0);
	start.term = 1;
	start.level = 1;
	start.start_number = 7;
	start.before = (struct raft_pos){5, 1};
	start.commit = (struct raft_pos){6, 1};
	start.last = (struct raft_pos){8, 1};
	start.terms = &terms;
	start.terms_count = 1;
	start.configs = &config;
	start.configs_count = 1;
	start.sessions = raft_sessions_new();
	start.entries = entries;
	start.entries_count = 2;
	rig->raft = raft_new(&rig->settings, &start, (struct mono_ms){rig->now});
	rig->commit = 6;
	rig->hold_writes = true;
	for (int i = 0; i < 2; i++)
		raft_chunk_unref(entries[i].chunk);
}

static void
test_below_the_beginning(void)
{
	struct rig rig;

	compacted(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 0);
	CHECK(rig_status(&rig).last.index == 8 && rig.writes_count == 0 && reply(&rig).ok);
	CHECK(reply(&rig).match == 5);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 5, 0);
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 4, 0);
	CHECK(reply(&rig).ok && reply(&rig).match == 7 && rig.writes_count == 0);
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 6, 9);
	CHECK(rig_status(&rig).last.index == 9 && rig.commit == 9);
	/* What contradicts the beginning, or the place itself, is no leader's. */
	rig_append(&rig, 3, 2, (struct raft_pos){3, 1}, 2, 4, 0);
	rig_append(&rig, 3, 2, (struct raft_pos){5, 2}, 2, 4, 0);
	CHECK(rig_status(&rig).dropped == 2 && rig_status(&rig).last.index == 9);
	rig_free(&rig);
}

static void
test_nonsense(void)
{
	struct rig rig;
	struct raft_message message;
	struct raft_entry *entries;
	uint64_t dropped;

	follower(&rig, ones, 3, 2);
	dropped = rig_status(&rig).dropped;
	rig_append(&rig, 2, 2, (struct raft_pos){3, 0}, 2, 1, 0); /* C12: a place without a term */
	rig_append(&rig, 2, 2, (struct raft_pos){0, 1}, 2, 1, 0);
	rig_append(&rig, 2, 2, (struct raft_pos){3, 1}, 3, 1,
	    0); /* an entry of a later term than its leader's */
	rig_append(&rig, 2, 2, (struct raft_pos){3, 2}, 1, 1, 0); /* terms that fall */
	rig_append(&rig, 2, 2, (struct raft_pos){3, 3}, 3, 0, 0);
	CHECK(rig_status(&rig).dropped == dropped + 5);
	message = rig_append_make(&rig, 2, 2, (struct raft_pos){3, 1}, 2, 1, 0);
	entries = (struct raft_entry *)(uintptr_t)message.append.entries;
	entries[0].kind = RAFT_CONFIG; /* whose data is none */
	rig_message(&rig, &message);
	entries[0].kind = (enum raft_kind)77;
	rig_message(&rig, &message);
	entries[0].kind = RAFT_NOOP;
	rig_append_free(&message);
	CHECK(rig_status(&rig).dropped == dropped + 7);
	CHECK(rig_status(&rig).last.index == 3 && rig.sent_count == 0);
	rig_free(&rig);
}

static void
test_second_leader_of_a_term(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 1);
	rig_append(&rig, 2, 2, (struct raft_pos){3, 1}, 2, 1, 0);
	rig_append(&rig, 3, 2, (struct raft_pos){2, 1}, 2, 1, 0);
	rig_append(&rig, 3, 2, (struct raft_pos){4, 2}, 2, 1, 0);
	CHECK(rig_status(&rig).last.index == 4 && rig_status(&rig).dropped == 2);
	rig_free(&rig);
	rig_new(&rig, 3);
	rig_elect(&rig);
	rig_append(&rig, 3, 1, (struct raft_pos){1, 1}, 1, 1, 0);
	CHECK(rig_status(&rig).role == RAFT_LEADER && rig_status(&rig).last.index == 1);
	rig_free(&rig);
}

static void
test_old_leader_learns_term(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 6);
	rig_append(&rig, 2, 4, (struct raft_pos){3, 1}, 4, 1, 0);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2)->term == 6 && !reply(&rig).ok);
	CHECK(rig_status(&rig).last.index == 3);
	rig_free(&rig);
}

static void
test_reordered(void)
{
	/* Ten appends of one entry each, in every rotation and twice. */
	for (int rotation = 0; rotation < 10; rotation++) {
		struct rig rig;

		follower(&rig, NULL, 0, 1);
		for (int round = 0; round < 10; round++)
			for (int i = 0; i < 10; i++) {
				uint64_t at = (uint64_t)((i * 7 + rotation + round) % 10);

				rig_append(&rig, 2, 1, (struct raft_pos){at, at > 0}, 1, 1, at);
				rig_append(&rig, 2, 1, (struct raft_pos){at, at > 0}, 1, 1, at);
			}
		CHECK(rig_status(&rig).last.index == 10 && rig.disk.count == 10);
		rig_free(&rig);
	}
}

/* ------------------------------------------------------------ the disk */

static void
test_reply_waits_for_disk(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 4, 0);
	/* A new round is answered at once; what is matched is not yet durable. */
	CHECK(reply(&rig).ok && reply(&rig).match == 3 && reply(&rig).hint.index == 7);
	rig_sent_clear(&rig);
	rig_store_all(&rig);
	CHECK(reply(&rig).ok && reply(&rig).match == 7);
	rig_free(&rig);
}

/* Two writes are under way: the report of the first says nothing of the second. */
static void
test_report_is_of_one_write(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 1, 0);
	rig_append(&rig, 2, 1, (struct raft_pos){4, 1}, 1, 2, 0);
	CHECK(rig.writes_count == 2);
	rig_sent_clear(&rig);
	rig_store(&rig, 1);
	CHECK(reply(&rig).ok && reply(&rig).match == 4);
	rig_store_all(&rig);
	CHECK(reply(&rig).match == 6);
	rig_free(&rig);
}

static void
test_one_reply_for_many(void)
{
	struct rig rig;
	struct raft_message message;

	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	for (uint64_t i = 0; i < 5; i++) {
		message = rig_append_make(&rig, 2, 1, (struct raft_pos){3 + i, 1}, 1, 1, 0);
		message.append.round = 1;
		rig_gather(&rig, &message);
		rig_append_free(&message);
	}
	rig_time(&rig, 0);
	CHECK(rig.writes_count == 1 && rig.writes[0].w.entries_count == 5);
	rig_sent_clear(&rig);
	rig_store_all(&rig);
	CHECK(rig_count(&rig, RAFT_MSG_APPEND_REPLY) == 1 && reply(&rig).match == 8);
	rig_free(&rig);
}

static void
test_match_is_verified(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 5, 0);
	/* A batch that is refused, by the leader of a new term; then the old write completes. */
	rig_append(&rig, 2, 2, (struct raft_pos){30, 2}, 2, 5, 0);
	rig_sent_clear(&rig);
	rig_store_all(&rig);
	for (size_t i = 0; i < rig.sent_count; i++)
		CHECK(rig.sent[i].m.type != RAFT_MSG_APPEND_REPLY ||
		      rig.sent[i].m.append_reply.match <= 30);
	for (size_t i = 0; i < rig.sent_count; i++)
		CHECK(!rig.sent[i].m.append_reply.ok);
	rig_sent_clear(&rig);
	rig_append(&rig, 2, 2, (struct raft_pos){2, 1}, 2, 0, 0);
	CHECK(reply(&rig).ok && reply(&rig).match == 2);
	rig_free(&rig);
}

static void
test_stored_after_term_change(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 2, 0);
	rig_sent_clear(&rig);
	rig_append(&rig, 3, 2, (struct raft_pos){3, 1}, 2, 0, 0);
	rig_store(&rig, 1);
	/* Nothing to the old leader, and nothing in the new term before that is durable. */
	CHECK(rig.sent_count == 0);
	rig_store_all(&rig);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2) == NULL);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND_REPLY, 3)->term == 2);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND_REPLY, 3)->append_reply.match == 3);
	rig_free(&rig);
}

static void
test_aba(void)
{
	struct rig rig;

	follower(&rig, ones, 4, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){4, 1}, 1, 3, 0); /* 5-7 of term 1 */
	rig_append(&rig, 3, 2, (struct raft_pos){4, 1}, 2, 3, 0); /* 5-7 of term 2 */
	rig_append(&rig, 2, 3, (struct raft_pos){4, 1}, 1, 3,
	    0); /* 5-7 of term 1 again, from a new leader */
	CHECK(rig.writes_count == 3);
	rig_sent_clear(&rig);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 4 && rig.sent_count == 0);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 4);
	for (size_t i = 0; i < rig.sent_count; i++)
		CHECK(rig.sent[i].m.append_reply.match <= 4);
	rig_sent_clear(&rig);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 7);
	CHECK(reply(&rig).match == 7 && rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2)->term == 3);
	rig_free(&rig);
}

static void
test_cut_behind_others(void)
{
	struct rig rig;

	/* Two appends and a cut below both under way: the first one's confirmation makes nothing
	 * above the cut durable. */
	follower(&rig, ones, 7, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){7, 1}, 1, 1, 0);
	rig_append(&rig, 2, 1, (struct raft_pos){8, 1}, 1, 1, 0);
	rig_append(&rig, 3, 2, (struct raft_pos){4, 1}, 2, 3, 0);
	CHECK(rig.writes_count == 3 && rig.writes[2].w.truncate);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 4);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 4);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 7);
	rig_free(&rig);
}

static void
test_aba_gathered(void)
{
	struct rig rig;
	struct raft_message message;

	/* The same within one update: the lowest cut, and what is above it in the end. */
	follower(&rig, ones, 8, 1);
	rig.hold_writes = true;
	message = rig_append_make(&rig, 3, 2, (struct raft_pos){5, 1}, 2, 6, 0);
	rig_gather(&rig, &message);
	rig_append_free(&message);
	message = rig_append_make(&rig, 2, 3, (struct raft_pos){7, 2}, 3, 1, 0);
	rig_gather(&rig, &message);
	rig_append_free(&message);
	rig_time(&rig, 0);
	CHECK(rig.writes_count == 1);
	CHECK(rig.writes[0].w.truncate && rig.writes[0].w.truncate_after == 5);
	CHECK(rig.writes[0].w.first_index == 6 && rig.writes[0].w.entries_count == 3);
	CHECK(rig.writes[0].w.term == 3);
	rig_store_all(&rig);
	CHECK(
	    rig.disk.count == 8 && rig.disk.entries[6].term == 2 && rig.disk.entries[7].term == 3);
	rig_free(&rig);
}

static void
test_cut_of_unwritten(void)
{
	struct rig rig;
	struct raft_message message;

	/* What the disk never saw needs no cut. */
	follower(&rig, ones, 4, 1);
	message = rig_append_make(&rig, 2, 1, (struct raft_pos){4, 1}, 1, 3, 0);
	rig_gather(&rig, &message);
	rig_append_free(&message);
	message = rig_append_make(&rig, 3, 2, (struct raft_pos){4, 1}, 2, 2, 0);
	rig_gather(&rig, &message);
	rig_append_free(&message);
	rig.hold_writes = true;
	rig_time(&rig, 0);
	CHECK(rig.writes_count == 1 && !rig.writes[0].w.truncate &&
	      rig.writes[0].w.entries_count == 2);
	rig_free(&rig);
}

static void
test_entries_with_term(void)
{
	struct rig rig;

	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 5, (struct raft_pos){3, 1}, 5, 2, 0);
	CHECK(rig.writes_count == 1 && rig.writes[0].w.term == 5 &&
	      rig.writes[0].w.entries_count == 2);
	CHECK(rig.sent_count == 0);
	rig_store_all(&rig);
	CHECK(reply(&rig).match == 5 && rig_find(&rig, RAFT_MSG_APPEND_REPLY, 2)->term == 5);
	rig_free(&rig);
}

static void
test_no_vote_before_disk(void)
{
	struct rig rig;

	/* The log that a vote speaks for is durable with the vote. */
	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 2, 0);
	rig_sent_clear(&rig);
	rig.now += RIG_E;
	rig_vote_request(&rig, 3, 2, false, (struct raft_pos){5, 1});
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3) == NULL);
	rig_store(&rig, 1);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3) == NULL);
	rig_store(&rig, 1);
	CHECK(rig_find(&rig, RAFT_MSG_VOTE_REPLY, 3)->vote_reply.granted &&
	      rig_status(&rig).durable == 5);
	rig_free(&rig);
}

static void
test_wrong_confirmations(void)
{
	struct rig rig;
	struct raft_event event = {.type = RAFT_EVENT_STORED};

	follower(&rig, ones, 3, 1);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){3, 1}, 1, 2, 0);
	event.stored_number = 7;
	rig_step(&rig, &event);
	event.stored_number = 0;
	rig_step(&rig, &event);
	CHECK(rig_status(&rig).durable == 3 && rig_status(&rig).dropped == 2);
	rig_free(&rig);
}

static void
test_config_rolls_back(void)
{
	struct rig rig;
	struct raft_config with = rig_config(4, 0, true);
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	size_t size = raft_config_encode(&with, bytes);
	struct raft_entry entry = rig_entry(2, RAFT_CONFIG, NULL, 0, bytes, size);
	struct raft_message message;

	follower(&rig, ones, 3, 2);
	message = rig_make(RAFT_MSG_APPEND, 2, 1, 2);
	message.append.prev = (struct raft_pos){3, 1};
	message.append.entries = &entry;
	message.append.entries_count = 1;
	message.append.round = 1;
	rig_message(&rig, &message);
	CHECK(rig.config_changed && raft_config_now(rig.raft)->count == 4);
	CHECK(strcmp(raft_config_now(rig.raft)->members[3].address, "tcp://h4:1") == 0);
	rig.config_changed = false;
	rig_append(&rig, 3, 3, (struct raft_pos){3, 1}, 3, 1, 0);
	CHECK(rig.config_changed && raft_config_now(rig.raft)->count == 3);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

static void
test_tail(void)
{
	struct rig rig;
	uint8_t big[1000] = {0};

	/* What is durable and committed leaves memory beyond tail_size_max; the rest never does. */
	follower(&rig, NULL, 0, 1);
	rig.settings.tail_size_max = 5000;
	rig_start(&rig);
	for (uint64_t i = 0; i < 100; i++) {
		struct raft_sid sid = rig_sid(1, false);
		struct raft_entry entry = rig_entry(1, RAFT_CLIENT, &sid, i + 1, big, sizeof big);
		struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);

		message.append.prev = (struct raft_pos){i, i > 0};
		message.append.entries = &entry;
		message.append.entries_count = 1;
		message.append.commit = i < 50 ? i : 50;
		message.append.round = i + 1;
		rig_message(&rig, &message);
		raft_chunk_unref(entry.chunk);
		rig_sent_clear(&rig);
		CHECK(rig_status(&rig).uncommitted_size == (i + 1 - rig.commit) * 1037);
	}
	CHECK(raft_entry_at(rig.raft, 51) != NULL && raft_entry_at(rig.raft, 100) != NULL);
	CHECK(raft_entry_at(rig.raft, 40) == NULL);
	CHECK(rig_status(&rig).tail_size <= 50 * 1037 + 5000 + 1037);
	rig_free(&rig);
}

static void
test_tail_until_durable(void)
{
	struct rig rig;

	/* Committed by others, not yet on this disk: nobody could read it back. */
	follower(&rig, NULL, 0, 1);
	rig.settings.tail_size_max = 0;
	rig_start(&rig);
	rig.hold_writes = true;
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 9, 9);
	rig_time(&rig, 1);
	CHECK(rig.commit == 9 && raft_entry_at(rig.raft, 1) != NULL);
	rig_store_all(&rig);
	rig_time(&rig, 1);
	CHECK(raft_entry_at(rig.raft, 9) == NULL);
	rig_free(&rig);
}

int
main(void)
{
	check_run("C3: only a real conflict cuts the log, and the match is that of the message",
	    test_truncates_only_at_conflict);
	check_run("C4: a heartbeat never cuts the log", test_heartbeat_never_truncates);
	check_run(
	    "C5, C7: commit is bounded by what matched, and never falls", test_commit_bounded);
	check_run("C33: a commit learnt before the matching entry waits",
	    test_commit_needs_match_in_term);
	check_run("an append that contradicts a committed entry is dropped, counted and told",
	    test_committed_stays);
	check_run("C11: a refusal's hint skips whole terms", test_hint_skips_terms);
	check_run("C13: the first append again does nothing", test_first_append_again);
	check_run("C13: what lies below the log's beginning is committed, and ignored",
	    test_below_the_beginning);
	check_run("C12, C15: appends that make no sense are dropped and counted", test_nonsense);
	check_run("a second leader in one term is not followed", test_second_leader_of_a_term);
	check_run("a leader of an old term is told the new one", test_old_leader_learns_term);
	check_run("C16: appends in any order, twice, give one log", test_reordered);
	check_run("C18: an acknowledgement waits for the disk", test_reply_waits_for_disk);
	check_run(
	    "the report of a write says nothing of the next one", test_report_is_of_one_write);
	check_run("one write and one reply cover many appends", test_one_reply_for_many);
	check_run("C18: only what matched is acknowledged, whatever the disk completes",
	    test_match_is_verified);
	check_run(
	    "C19: after the write, the term is looked at again", test_stored_after_term_change);
	check_run("C20: an entry is durable when the write that last wrote it is", test_aba);
	check_run("C20: nor before a cut that is still under way", test_cut_behind_others);
	check_run("one write holds the lowest cut and all entries above it", test_aba_gathered);
	check_run("what was never written is not cut on disk", test_cut_of_unwritten);
	check_run("C21: entries and the term they came in are one write", test_entries_with_term);
	check_run("a vote leaves after the entries that it speaks for are durable",
	    test_no_vote_before_disk);
	check_run("a confirmation of a write that is not under way does nothing",
	    test_wrong_confirmations);
	check_run("a configuration is in force when appended, and rolls back with its entry",
	    test_config_rolls_back);
	check_run(
	    "what is committed stays in memory until it is durable here", test_tail_until_durable);
	check_run("each reply carries the level, accepted, refused or to an old leader",
	    test_replies_carry_level);
	check_run("memory holds what is not committed and durable, and a bounded rest", test_tail);
	return check_done();
}
