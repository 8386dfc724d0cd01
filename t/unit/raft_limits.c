/* SPDX-License-Identifier: ISC */
/*
 * Bounds that are reached, and what is malformed: refused, and life goes on.
 */
#include "raft_changes.h"

enum { QUEUE_MAX = 65536 }; /* as in lib/raft/core.h */

static const struct raft_proposal plain;

/* reason RAFT_REASONS_COUNT: any. */
static size_t
answers_of(const struct rig *rig, enum raft_verdict verdict, enum raft_reason reason)
{
	size_t count = 0;

	for (size_t i = 0; i < rig->answers_count; i++)
		count += rig->answers[i].answer.verdict == verdict &&
			 (reason == RAFT_REASONS_COUNT || rig->answers[i].answer.reason == reason);
	return count;
}

static size_t
reads_of(const struct rig *rig, bool ok, enum raft_reason reason)
{
	size_t count = 0;

	for (size_t i = 0; i < rig->reads_count; i++)
		count += rig->reads[i].ok == ok && (ok || rig->reads[i].reason == reason);
	return count;
}

/* -------------------------------------------------------------- queues */

static void
leader_with_room(struct rig *rig)
{
	rig_init(rig, 1, 3);
	rig->settings.uncommitted_size_max = 1 << 30;
	rig->settings.tail_size_max = 1 << 30;
	rig_start(rig);
	rig_elect(rig);
}

static void
test_answers_full(void)
{
	struct rig rig;

	leader_with_room(&rig);
	rig_accept(&rig, 2, 1);
	rig_clear(&rig);
	for (uint64_t i = 0; i < QUEUE_MAX; i++) {
		rig_propose_one(&rig, i, RAFT_NOOP, NULL, NULL, 0);
		rig_sent_clear(&rig);
	}
	CHECK(rig.answers_count == 0);
	rig_propose_one(&rig, QUEUE_MAX, RAFT_NOOP, NULL, NULL, 0);
	CHECK(answers_of(&rig, RAFT_REFUSED, RAFT_REASON_BUSY) == 1 && rig.answers_count == 1);
	CHECK(rig_status(&rig).last.index == 1 + QUEUE_MAX);
	rig.answers_count = 0;
	rig_accept(&rig, 2, 1 + QUEUE_MAX);
	CHECK(answers_of(&rig, RAFT_COMMITTED, RAFT_REASON_NONE) == QUEUE_MAX);
	rig_clear(&rig);
	rig_propose_one(&rig, 1, RAFT_NOOP, NULL, NULL, 0);
	rig_accept(&rig, 2, 2 + QUEUE_MAX);
	CHECK(answers_of(&rig, RAFT_COMMITTED, RAFT_REASON_NONE) == 1);
	rig_free(&rig);
}

static void
test_reads_full(void)
{
	struct rig rig;

	leader_with_room(&rig);
	for (uint64_t i = 0; i < QUEUE_MAX; i++)
		rig_read(&rig, i);
	CHECK(rig.reads_count == 0);
	rig_read(&rig, QUEUE_MAX);
	CHECK(reads_of(&rig, false, RAFT_REASON_BUSY) == 1 && rig.reads_count == 1);
	rig.reads_count = 0;
	rig_accept(&rig, 2, 1);
	rig_time(&rig, RIG_HEARTBEAT);
	rig_accept(&rig, 2, 1);
	CHECK(reads_of(&rig, true, RAFT_REASON_NONE) == QUEUE_MAX);
	rig_free(&rig);
}

/* It is looked for from the session's last entry on, as far as the queue is long. */
static void
test_duplicate_far_back(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	leader_with_room(&rig);
	rig_accept(&rig, 2, 1);
	rig_propose_serials(&rig, 1, &sid, 1, 1, plain);
	for (uint64_t i = 0; i < QUEUE_MAX - 2; i++) {
		rig_propose_one(&rig, i, RAFT_NOOP, NULL, NULL, 0);
		rig_sent_clear(&rig);
	}
	rig_propose_serials(&rig, 1, &sid, 2, 1, plain);
	rig_accept(&rig, 2, 1 + QUEUE_MAX);
	rig_clear(&rig);
	rig_propose_serials(&rig, 2, &sid, 1, 2, plain);
	CHECK(rig.answers_count == 2 && rig.answers[0].answer.pos.index == 1 + QUEUE_MAX &&
	      rig.answers[1].answer.pos.index == 2);
	/* One more lies between. */
	rig_propose_one(&rig, 3, RAFT_NOOP, NULL, NULL, 0);
	rig_propose_serials(&rig, 3, &sid, 3, 1, plain);
	rig_accept(&rig, 2, 3 + QUEUE_MAX);
	rig_clear(&rig);
	rig_propose_serials(&rig, 4, &sid, 1, 3, plain);
	CHECK(rig.answers_count == 3 && rig.answers[0].answer.pos.index == 3 + QUEUE_MAX &&
	      rig.answers[1].answer.pos.index == 1 + QUEUE_MAX);
	CHECK(rig.answers[2].answer.serial == 1 && rig.answers[2].answer.count == 1 &&
	      rig.answers[2].answer.verdict == RAFT_COMMITTED &&
	      rig.answers[2].answer.pos.index == 0);
	rig_free(&rig);
}

/* The run of a named session asks again, when the entry that opened it is cut away. */
static void
test_opened_far_back(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, true);
	struct raft_session_open open = {.run = {7}, .name = "x"};
	struct raft_proposal of_epoch = {.epoch = 2};
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX];
	size_t size = raft_session_open_encode(&open, bytes);

	leader_with_room(&rig);
	rig_accept(&rig, 2, 1);
	rig_propose_one(&rig, 1, RAFT_SESSION_OPEN, &sid, bytes, size);
	rig_propose_serials(&rig, 2, &sid, 1, 3, of_epoch);
	rig_accept(&rig, 2, 5);
	CHECK(answers_of(&rig, RAFT_COMMITTED, RAFT_REASON_NONE) == 2);
	for (int cut = 0; cut < 2; cut++) {
		if (cut == 1)
			rig_compact(&rig, 4);
		rig_clear(&rig);
		rig_propose_one(&rig, 3, RAFT_SESSION_OPEN, &sid, bytes, size);
		CHECK(rig.answers_count == 1 && rig.answers[0].answer.verdict == RAFT_COMMITTED);
		CHECK(rig.answers[0].answer.epoch == 2 && rig.answers[0].answer.last_serial == 3);
		CHECK(rig.answers[0].answer.pos.index == (cut == 0 ? 2 : 0));
	}
	rig_free(&rig);
}

/* A follower of n2 in term 1. */
static void
follower(struct rig *rig)
{
	rig_init(rig, 1, 3);
	rig->settings.uncommitted_size_max = 1 << 30;
	rig_start(rig);
	rig_append(rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	rig_clear(rig);
}

static void
test_forwards_full(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);

	follower(&rig);
	for (uint64_t i = 0; i <= QUEUE_MAX; i++) {
		rig_propose_serials(&rig, i, &sid, i + 1, 1, plain);
		rig_read(&rig, i);
		rig_sent_clear(&rig);
	}
	CHECK(answers_of(&rig, RAFT_REFUSED, RAFT_REASON_BUSY) == 1 && rig.answers_count == 1);
	CHECK(reads_of(&rig, false, RAFT_REASON_BUSY) == 1 && rig.reads_count == 1);
	/* None is lost: nobody answers, so all are in doubt in the end. */
	rig_time(&rig, 2 * RIG_E);
	CHECK(answers_of(&rig, RAFT_UNKNOWN, RAFT_REASONS_COUNT) == QUEUE_MAX);
	CHECK(rig.reads_count == 1 + QUEUE_MAX);
	rig_free(&rig);
}

/* --------------------------------------------------------------- terms */

static void
test_last_term(void)
{
	struct rig rig;
	struct raft_message message;

	rig_init(&rig, 1, 3);
	rig.disk.term = UINT64_MAX - 1;
	rig_start(&rig);
	for (int i = 0; i < 50; i++)
		rig_time(&rig, RIG_E / 2);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_count(&rig, RAFT_MSG_VOTE) == 0);
	/* It follows and votes as ever. */
	rig_append(&rig, 2, UINT64_MAX - 1, (struct raft_pos){0, 0}, 7, 1, 1);
	CHECK(rig_status(&rig).commit.index == 1);
	message = rig_make(RAFT_MSG_TIMEOUT_NOW, 2, 1, UINT64_MAX - 1);
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).term == UINT64_MAX - 1);
	rig_free(&rig);
}

/* ------------------------------------------------------------ messages */

static void
dropped(struct rig *rig, const struct raft_message *message)
{
	struct raft_status before = rig_status(rig), after;

	rig_clear(rig);
	rig_message(rig, message);
	after = rig_status(rig);
	CHECK(after.dropped == before.dropped + 1);
	CHECK(after.term == before.term && after.last.index == before.last.index);
	CHECK(after.commit.index == before.commit.index && rig->answers_count == 0);
}

static void
test_bad_envelopes(void)
{
	struct rig rig;
	struct raft_message message;

	follower(&rig);
	message = rig_make(RAFT_MESSAGES_COUNT, 2, 1, 1);
	dropped(&rig, &message);
	message = rig_make(RAFT_MSG_VOTE, 2, 1, 2);
	memcpy(message.from.s, "n/2", 4);
	dropped(&rig, &message);
	memset(&message.from, 0, sizeof message.from);
	dropped(&rig, &message);
	CHECK(strcmp(raft_message_name(RAFT_MESSAGES_COUNT), "unknown") == 0);
	rig_free(&rig);
}

static void
test_bad_entries(void)
{
	struct rig rig;
	struct raft_entry good = rig_entry(1, RAFT_NOOP, NULL, 0, NULL, 0);

	follower(&rig);
	for (int wrong = 0; wrong < 6; wrong++) {
		struct raft_entry entry = good;
		struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);

		message.append.prev = (struct raft_pos){1, 1};
		message.append.round = 5;
		message.append.entries = &entry;
		message.append.entries_count = 1;
		switch (wrong) {
		case 0:
			entry.term = 0;
			break;
		case 1:
			entry.term = 2; /* later than the leader's */
			break;
		case 2:
			entry.size = RAFT_ENTRY_HEADER_SIZE - 1;
			break;
		case 3:
			entry.kind = RAFT_KINDS_COUNT;
			break;
		case 4:
			entry.kind = RAFT_CONFIG; /* of no bytes */
			break;
		case 5:
			message.append.prev = (struct raft_pos){0, 0};
			entry.term = 0;
			break;
		}
		dropped(&rig, &message);
	}
	raft_chunk_unref(good.chunk);
	rig_free(&rig);
}

static void
test_bad_answers(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	struct raft_message message;
	const struct raft_message *propose;

	follower(&rig);
	rig_propose_serials(&rig, 9, &sid, 1, 2, plain);
	propose = rig_find(&rig, RAFT_MSG_PROPOSE, 2);
	CHECK(propose != NULL);
	message = rig_make(RAFT_MSG_ANSWER, 2, 1, 1);
	message.answer = (struct raft_answer){.start_number = propose->propose.start_number,
	    .request = propose->propose.request,
	    .verdict = RAFT_COMMITTED,
	    .serial = 1,
	    .count = 2,
	    .pos = {2, 1}};
	for (int wrong = 0; wrong < 6; wrong++) {
		struct raft_message bad = message;

		if (wrong == 0)
			bad.answer.verdict = RAFT_VERDICTS_COUNT;
		else if (wrong == 1)
			bad.answer.reason = RAFT_REASONS_COUNT;
		else if (wrong == 2)
			bad.answer.count = 0;
		else if (wrong == 3)
			bad.answer.serial = 3;
		else if (wrong == 4)
			bad.answer.count = 3;
		else
			bad.answer.serial = 0;
		dropped(&rig, &bad);
	}
	rig_message(&rig, &message);
	CHECK(answers_of(&rig, RAFT_COMMITTED, RAFT_REASON_NONE) == 1);
	rig_free(&rig);
}

/* ---------------------------------------------------------- proposals */

static void
test_bad_proposals(void)
{
	static const enum raft_kind kinds[] = {
	    RAFT_NOOP, RAFT_CONFIG, RAFT_SESSION_OPEN, RAFT_SESSION_DROP};
	struct rig rig;
	struct raft_sid sid = rig_sid(1, true), none = {{0}};

	leader_with_room(&rig);
	rig_accept(&rig, 2, 1);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		for (int wrong = 0; wrong < 3; wrong++) {
			/* A serial; the other's session; one byte of data. */
			struct raft_entry entry = rig_entry(0, kinds[i],
			    (kinds[i] == RAFT_NOOP || kinds[i] == RAFT_CONFIG) == (wrong == 1)
				? &sid
				: &none,
			    wrong == 0, "", wrong == 2 && kinds[i] != RAFT_SESSION_DROP);
			struct raft_proposal proposal = {
			    .ticket = 1, .entries = &entry, .entries_count = 1};

			rig.answers_count = 0;
			rig_propose(&rig, &proposal);
			CHECK(answers_of(&rig, RAFT_REFUSED, RAFT_REASON_MALFORMED) == 1);
			entry.size = RAFT_ENTRY_HEADER_SIZE - 1;
			rig_propose(&rig, &proposal);
			CHECK(answers_of(&rig, RAFT_REFUSED, RAFT_REASON_MALFORMED) == 2);
			raft_chunk_unref(entry.chunk);
		}
	CHECK(rig_status(&rig).last.index == 1);
	rig_free(&rig);
}

/* The leader writes its term into the record: bytes that are in a log already are never changed. */
static void
test_same_bytes_again(void)
{
	struct rig rig;
	struct raft_entry entry = rig_entry(0, RAFT_NOOP, NULL, 0, NULL, 0);
	struct raft_proposal proposal = {.ticket = 1, .entries = &entry, .entries_count = 1};
	const struct raft_entry *first, *second;

	leader_with_room(&rig);
	rig_accept(&rig, 2, 1);
	rig_propose(&rig, &proposal);
	rig_propose(&rig, &proposal);
	CHECK(rig_status(&rig).last.index == 3);
	/* Deposed, and leader again, of a later term. */
	rig_append(&rig, 3, 4, (struct raft_pos){3, 1}, 4, 0, 0);
	rig_elect(&rig);
	CHECK(rig_status(&rig).term == 5);
	rig_propose(&rig, &proposal);
	first = raft_entry_at(rig.raft, 2);
	second = raft_entry_at(rig.raft, rig_status(&rig).last.index);
	CHECK(first != NULL && first->term == 1 && bytes_get_u64(first->bytes) == 1);
	CHECK(second != NULL && second->term == 5 && bytes_get_u64(second->bytes) == 5);
	CHECK(bytes_get_u64(rig.disk.entries[2].bytes) == 1);
	/* Nor are those of the caller. */
	CHECK(bytes_get_u64(entry.bytes) == 0);
	rig_free(&rig);
	raft_chunk_unref(entry.chunk);
}

static void
test_change_fenced(void)
{
	struct rig rig;
	uint8_t data[RAFT_CHANGE_SIZE_MAX];
	struct raft_change change = make_change(RAFT_CHANGE_ADD, 4, 4);
	struct raft_entry entry =
	    rig_entry(0, RAFT_CONFIG, NULL, 0, data, raft_change_encode(&change, data));
	struct raft_proposal proposal = {.ticket = 1, .entries = &entry, .entries_count = 1};

	leader_new(&rig, 3);
	proposal.fence = 2;
	rig_propose(&rig, &proposal);
	CHECK(answered(&rig) == RAFT_REASON_FENCED && config_is(&rig, "1v 2v 3v"));
	rig.answers_count = 0;
	proposal.fence = rig_status(&rig).term;
	rig_propose(&rig, &proposal);
	all_accept(&rig);
	CHECK(answered(&rig) == RAFT_REASON_NONE && config_is(&rig, "1v 2v 3v 4l"));
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

/* ------------------------------------------------------ configurations */

static struct raft_config
config_rich(void)
{
	struct raft_config config = rig_config(3, 1, true);

	config.members[1].key_next[0] = 9;
	config.retired[config.retired_count++] = rig_id(8);
	config.retired[config.retired_count++] = rig_id(7);
	return config;
}

static void
test_config_bytes(void)
{
	struct raft_config config = config_rich(), back;
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX + 1] = {0}, again[RAFT_CONFIG_SIZE_MAX];
	size_t size = raft_config_encode(&config, bytes);
	size_t members = size - 4 - 2 * RAFT_ID_SIZE;

	CHECK(raft_config_decode(&back, bytes, size) && memcmp(&back, &config, sizeof back) == 0);
	for (size_t cut = 0; cut < size; cut++) /* without the removed ids it is whole, too */
		CHECK(raft_config_decode(&back, bytes, cut) == (cut == members));
	CHECK(!raft_config_decode(&back, bytes, size + 1));
	for (size_t i = 0; i < size; i++)
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			/* Refused, or there is one way to write it. */
			if (raft_config_decode(&back, bytes, size))
				CHECK(raft_config_encode(&back, again) == size &&
				      memcmp(again, bytes, size) == 0);
			bytes[i] ^= (uint8_t)(1 << bit);
		}
}

static bool
decodes(const struct raft_config *config)
{
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	struct raft_config back;

	return raft_config_decode(&back, bytes, raft_config_encode(config, bytes));
}

static void
test_config_wrong(void)
{
	for (int wrong = 0; wrong < 10; wrong++) {
		struct raft_config config = config_rich();

		if (wrong == 0)
			config.retired[1] = config.retired[0];
		else if (wrong == 1)
			config.retired[1] = config.members[0].id;
		else if (wrong == 2)
			memset(&config.retired[1], 0, sizeof config.retired[1]);
		else if (wrong == 3)
			config.retired[1].s[0] = '/';
		else if (wrong == 4)
			config.members[1].key_next[0] = config.members[1].key[0];
		else if (wrong == 5)
			config.members[1].key_next[0] = config.members[2].key[0];
		else if (wrong == 6)
			config.members[2].key[0] = config.members[0].key[0];
		else if (wrong == 7)
			config.members[2].id = config.members[1].id;
		else if (wrong == 8)
			config.members[0].role = config.members[1].role = RAFT_LEARNER;
		else
			config.members[0].id.s[0] = ' ';
		CHECK(!decodes(&config));
	}
}

static void
test_change_bytes(void)
{
	static const enum raft_change_op ops[] = {
	    RAFT_CHANGE_ADD, RAFT_CHANGE_PROMOTE, RAFT_CHANGE_KEY_ADD};

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		struct raft_change change = make_change(ops[i], 4, 4), back;
		uint8_t bytes[RAFT_CHANGE_SIZE_MAX + 1] = {0};
		size_t size = raft_change_encode(&change, bytes);

		CHECK(raft_change_decode(&back, bytes, size));
		CHECK(back.op == ops[i] && raft_id_equal(&back.member.id, &change.member.id));
		for (size_t cut = 0; cut < size; cut++)
			CHECK(!raft_change_decode(&back, bytes, cut));
		CHECK(!raft_change_decode(&back, bytes, size + 1));
		bytes[0] = 0;
		CHECK(!raft_change_decode(&back, bytes, size));
		bytes[0] = RAFT_CHANGE_KEY_DROP + 1;
		CHECK(!raft_change_decode(&back, bytes, size));
	}
}

int
main(void)
{
	check_run("a full queue of answers refuses, and takes again once they are given",
	    test_answers_full);
	check_run("so does a full queue of reads", test_reads_full);
	check_run(
	    "so do a follower's queues, and none of what is in them is lost", test_forwards_full);
	check_run("a duplicate that lies too far back is committed, its index not at hand",
	    test_duplicate_far_back);
	check_run("so is the opening of a session that is asked for again", test_opened_far_back);
	check_run("A14: in the last term nobody stands", test_last_term);
	check_run(
	    "C34: messages without a type or a sender are dropped and counted", test_bad_envelopes);
	check_run("C15: so are appends with entries that can't be", test_bad_entries);
	check_run("so are answers that can't be; the right one still counts", test_bad_answers);
	check_run("proposals of the wrong shape are refused as malformed", test_bad_proposals);
	check_run("bytes that are in a log are never stamped again", test_same_bytes_again);
	check_run("F13: a change is fenced as any proposal", test_change_fenced);
	check_run(
	    "a configuration that is cut or altered is none, or another one", test_config_bytes);
	check_run("a configuration that contradicts itself is none", test_config_wrong);
	check_run("a change that is cut is none", test_change_bytes);
	return check_done();
}
