/* SPDX-License-Identifier: ISC */
/*
 * Cursors: who owns one, which positions a leader admits, and at which level.
 */
#include "raft_cluster.h"

static const struct raft_sid *
cursor_sid(void)
{
	static struct raft_sid sid;

	sid = rig_sid(1, true);
	return &sid;
}

static void
init(struct rig *rig)
{
	rig_init(rig, 1, 3);
	rig->settings.level_max = RAFT_LEVEL_MAX;
}

static void
commit_all(struct rig *rig)
{
	rig_accept(rig, 2, rig_status(rig).last.index);
	CHECK(rig->commit == rig_status(rig).last.index);
}

static void
disk_level(struct rig *rig, uint64_t term, uint64_t level)
{
	uint8_t data[8];
	struct raft_entry entry;

	bytes_put_u64(data, level);
	entry = rig_entry(term, RAFT_LEVEL, NULL, 0, data, sizeof data);
	RIG_PUSH(rig->disk.entries, rig->disk.count, entry);
	rig->disk.term = term;
}

/* The leader of term 2; level 3 is in force at index 1, all up to index 2 is committed. */
static void
leader(struct rig *rig)
{
	init(rig);
	disk_level(rig, 1, RAFT_LEVEL_CURSORS);
	rig_start_commit(rig, 1);
	rig_elect(rig);
	commit_all(rig);
	CHECK(rig_status(rig).level == RAFT_LEVEL_CURSORS && rig->commit == 2);
	rig_clear(rig);
}

static const struct raft_answer *
answer_of(const struct rig *rig, uint64_t ticket)
{
	static const struct raft_answer none;

	for (size_t i = rig->answers_count; i > 0; i--)
		if (rig->answers[i - 1].ticket == ticket)
			return &rig->answers[i - 1].answer;
	return &none;
}

static bool
refused(const struct rig *rig, uint64_t ticket, enum raft_reason reason)
{
	const struct raft_answer *answer = answer_of(rig, ticket);

	return answer->verdict == RAFT_REFUSED && answer->reason == reason;
}

static void
open_kind(struct rig *rig, uint64_t ticket, enum raft_kind kind, int run, uint64_t replaces)
{
	struct raft_session_open open = {.replaces = replaces, .name = "mail"};
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX];

	open.run[0] = (uint8_t)run;
	rig_propose_one(
	    rig, ticket, kind, cursor_sid(), bytes, raft_session_open_encode(&open, bytes));
}

static void
cursor_open(struct rig *rig, uint64_t ticket, int run, uint64_t replaces)
{
	open_kind(rig, ticket, RAFT_CURSOR_OPEN, run, replaces);
}

static struct raft_entry
ack_entry(uint64_t term, const struct raft_sid *sid, uint64_t serial, uint64_t position)
{
	uint8_t data[RAFT_ACK_SIZE];

	bytes_put_u64(data, position);
	return rig_entry(term, RAFT_ACK, sid, serial, data, sizeof data);
}

static void
ack_fenced(struct rig *rig, uint64_t ticket, uint64_t epoch, uint64_t serial, uint64_t position,
    uint64_t fence)
{
	struct raft_entry entry = ack_entry(0, cursor_sid(), serial, position);
	struct raft_proposal proposal = {.ticket = ticket,
	    .epoch = epoch,
	    .fence = fence,
	    .entries = &entry,
	    .entries_count = 1};

	rig_propose(rig, &proposal);
	raft_chunk_unref(entry.chunk);
}

static void
ack(struct rig *rig, uint64_t ticket, uint64_t epoch, uint64_t serial, uint64_t position)
{
	ack_fenced(rig, ticket, epoch, serial, position, 0);
}

/* Of the cursor, at the commit index; UINT64_MAX: it is not known. */
static uint64_t
position_of(struct rig *rig)
{
	const struct raft_session *session =
	    raft_sessions_find(raft_sessions_committed(rig->raft), cursor_sid());

	return session == NULL || !session->cursor ? UINT64_MAX : session->position;
}

/* The cursor is open with epoch 3. */
static void
owner(struct rig *rig)
{
	leader(rig);
	cursor_open(rig, 1, 1, 0);
	commit_all(rig);
	CHECK(answer_of(rig, 1)->verdict == RAFT_COMMITTED && answer_of(rig, 1)->epoch == 3);
	CHECK(position_of(rig) == 0);
}

/* ----------------------------------------------------------- positions */

static void
test_moves(void)
{
	struct rig rig;

	owner(&rig);
	ack(&rig, 2, 3, 1, 2);
	CHECK(answer_of(&rig, 2)->count == 0 && position_of(&rig) == 0);
	commit_all(&rig);
	CHECK(answer_of(&rig, 2)->verdict == RAFT_COMMITTED && answer_of(&rig, 2)->serial == 1 &&
	      answer_of(&rig, 2)->pos.index == 4);
	CHECK(position_of(&rig) == 2);
	/* As an administrator sets it: back, and forward to the end of the log. */
	ack(&rig, 3, 3, 2, 1);
	commit_all(&rig);
	CHECK(position_of(&rig) == 1);
	ack(&rig, 4, 3, 3, 5);
	commit_all(&rig);
	CHECK(position_of(&rig) == 5 && rig_status(&rig).last.index == 6);
	rig_free(&rig);
}

static void
test_ahead(void)
{
	struct rig rig;

	owner(&rig);
	ack(&rig, 2, 3, 1, 4);
	CHECK(refused(&rig, 2, RAFT_REASON_CURSOR_AHEAD));
	ack(&rig, 3, 3, 1, UINT64_MAX);
	CHECK(refused(&rig, 3, RAFT_REASON_CURSOR_AHEAD) && rig_status(&rig).last.index == 3);
	/* The serial is free for another position. */
	ack(&rig, 4, 3, 1, 3);
	commit_all(&rig);
	CHECK(answer_of(&rig, 4)->verdict == RAFT_COMMITTED && position_of(&rig) == 3);
	rig_free(&rig);
}

static void
test_retried(void)
{
	struct rig rig;

	owner(&rig);
	ack(&rig, 2, 3, 1, 2);
	ack(&rig, 3, 3, 1, 2);
	CHECK(rig_status(&rig).last.index == 4 && answer_of(&rig, 3)->count == 0);
	commit_all(&rig);
	ack(&rig, 4, 3, 1, 2);
	for (uint64_t ticket = 2; ticket <= 4; ticket++)
		CHECK(answer_of(&rig, ticket)->verdict == RAFT_COMMITTED &&
		      answer_of(&rig, ticket)->pos.index == 4);
	/* What is in the log is answered whatever the retry holds, and moves nothing. */
	ack(&rig, 5, 3, 1, 99);
	CHECK(answer_of(&rig, 5)->pos.index == 4);
	CHECK(position_of(&rig) == 2 && rig_status(&rig).last.index == 4);
	ack(&rig, 6, 3, 3, 3);
	CHECK(refused(&rig, 6, RAFT_REASON_GAP));
	ack_fenced(&rig, 7, 3, 2, 3, 1);
	CHECK(refused(&rig, 7, RAFT_REASON_FENCED) && rig_status(&rig).last.index == 4);
	rig_free(&rig);
}

static void
test_retried_at_the_next_leader(void)
{
	struct net net;
	uint64_t last;
	int first;
	int next;
	int other;

	memset(&net, 0, sizeof net);
	net.count = 3;
	for (int i = 0; i < 3; i++) {
		struct rig *rig = &net.rigs[i];

		rig_init(rig, i + 1, 3);
		rig->settings.level_max = RAFT_LEVEL_MAX;
		disk_level(rig, 1, RAFT_LEVEL_CURSORS);
		rig_start_commit(rig, 1);
	}
	first = net_elect(&net);
	cursor_open(&net.rigs[first], 1, 1, 0);
	net_run(&net, 500);
	ack(&net.rigs[first], 2, 3, 1, 2);
	net_run(&net, 500);
	CHECK(answer_of(&net.rigs[first], 2)->pos.index == 4);
	net_crash(&net, first);
	next = net_elect(&net);
	last = rig_status(&net.rigs[next]).last.index;
	other = 3 - first - next;
	ack(&net.rigs[other], 3, 3, 1, 2); /* forwarded */
	net_run(&net, 500);
	CHECK(answer_of(&net.rigs[other], 3)->verdict == RAFT_COMMITTED &&
	      answer_of(&net.rigs[other], 3)->pos.index == 4);
	CHECK(rig_status(&net.rigs[next]).last.index == last && position_of(&net.rigs[other]) == 2);
	net_free(&net);
}

/* ------------------------------------------------------------ ownership */

static void
test_takeover(void)
{
	struct rig rig;

	owner(&rig);
	ack(&rig, 2, 3, 1, 2);
	/* It fences from its place in the log on, committed or not. */
	cursor_open(&rig, 3, 2, 3);
	ack(&rig, 4, 3, 2, 3);
	CHECK(refused(&rig, 4, RAFT_REASON_OLD_EPOCH));
	ack(&rig, 5, 3, 1, 2);
	CHECK(refused(&rig, 5, RAFT_REASON_OLD_EPOCH) && rig_status(&rig).last.index == 5);
	commit_all(&rig);
	CHECK(answer_of(&rig, 3)->epoch == 5 && answer_of(&rig, 3)->last_serial == 1);
	CHECK(position_of(&rig) == 2);
	ack(&rig, 6, 5, 2, 4);
	commit_all(&rig);
	CHECK(position_of(&rig) == 4);
	/* The opening, asked again, is answered again; another one must name its epoch. */
	cursor_open(&rig, 7, 2, 3);
	CHECK(answer_of(&rig, 7)->verdict == RAFT_COMMITTED && answer_of(&rig, 7)->epoch == 5 &&
	      answer_of(&rig, 7)->last_serial == 2);
	cursor_open(&rig, 8, 3, 3);
	CHECK(refused(&rig, 8, RAFT_REASON_OLD_EPOCH) && answer_of(&rig, 8)->epoch == 5);
	rig_free(&rig);
}

static void
test_dropped(void)
{
	struct rig rig;

	owner(&rig);
	ack(&rig, 2, 3, 1, 2);
	rig_propose_one(&rig, 3, RAFT_SESSION_DROP, cursor_sid(), "mail", 4);
	ack(&rig, 4, 3, 2, 3);
	CHECK(refused(&rig, 4, RAFT_REASON_EXPIRED));
	commit_all(&rig);
	CHECK(answer_of(&rig, 3)->verdict == RAFT_COMMITTED && position_of(&rig) == UINT64_MAX);
	ack(&rig, 5, 3, 1, 2);
	CHECK(refused(&rig, 5, RAFT_REASON_EXPIRED));
	/* The next one of that name begins at 0, and is not the former owner's. */
	cursor_open(&rig, 6, 2, 0);
	ack(&rig, 7, 3, 1, 2);
	CHECK(refused(&rig, 7, RAFT_REASON_OLD_EPOCH));
	commit_all(&rig);
	CHECK(position_of(&rig) == 0 && answer_of(&rig, 6)->last_serial == 0);
	rig_free(&rig);
}

static void
test_other_kind(void)
{
	struct raft_proposal base = {.epoch = 3};
	struct rig rig;

	owner(&rig);
	open_kind(&rig, 2, RAFT_SESSION_OPEN, 2, 3);
	CHECK(refused(&rig, 2, RAFT_REASON_MALFORMED));
	rig_propose_serials(&rig, 3, cursor_sid(), 1, 1, base);
	CHECK(refused(&rig, 3, RAFT_REASON_MALFORMED) && rig_status(&rig).last.index == 3);
	rig_free(&rig);
	leader(&rig);
	open_kind(&rig, 1, RAFT_SESSION_OPEN, 1, 0);
	cursor_open(&rig, 2, 2, 3);
	CHECK(refused(&rig, 2, RAFT_REASON_MALFORMED));
	/* Nor when it is the same run. */
	cursor_open(&rig, 3, 1, 0);
	CHECK(refused(&rig, 3, RAFT_REASON_MALFORMED));
	ack(&rig, 4, 3, 1, 2);
	CHECK(refused(&rig, 4, RAFT_REASON_MALFORMED) && rig_status(&rig).last.index == 3);
	rig_free(&rig);
}

static enum raft_reason
reason_of_shape(struct rig *rig, struct raft_entry *entries, size_t count)
{
	struct raft_proposal proposal = {
	    .ticket = 9, .epoch = 3, .entries = entries, .entries_count = count};

	rig->answers_count = 0;
	rig_propose(rig, &proposal);
	for (size_t i = 0; i < count; i++)
		raft_chunk_unref(entries[i].chunk);
	CHECK(rig_status(rig).last.index == 3);
	return (enum raft_reason)answer_of(rig, 9)->reason;
}

static void
test_shape(void)
{
	struct raft_sid anonymous = rig_sid(1, false);
	struct raft_entry entries[2];
	struct rig rig;

	owner(&rig);
	entries[0] = ack_entry(0, cursor_sid(), 0, 1);
	CHECK(reason_of_shape(&rig, entries, 1) == RAFT_REASON_MALFORMED);
	entries[0] = ack_entry(0, cursor_sid(), UINT64_MAX, 1);
	CHECK(reason_of_shape(&rig, entries, 1) == RAFT_REASON_MALFORMED);
	entries[0] = ack_entry(0, &anonymous, 1, 1);
	CHECK(reason_of_shape(&rig, entries, 1) == RAFT_REASON_MALFORMED);
	entries[0] = ack_entry(0, cursor_sid(), 1, 1);
	entries[0].size--;
	CHECK(reason_of_shape(&rig, entries, 1) == RAFT_REASON_MALFORMED);
	entries[0] = ack_entry(0, cursor_sid(), 1, 1);
	entries[1] = ack_entry(0, cursor_sid(), 2, 2);
	CHECK(reason_of_shape(&rig, entries, 2) == RAFT_REASON_MALFORMED);
	/* Among clients' entries neither. */
	entries[0] = rig_entry(0, RAFT_CLIENT, cursor_sid(), 1, "x", 1);
	entries[1] = ack_entry(0, cursor_sid(), 2, 2);
	CHECK(reason_of_shape(&rig, entries, 2) == RAFT_REASON_MALFORMED);
	rig_free(&rig);
}

static void
test_full(void)
{
	struct raft_session_open open = {.name = "x"};
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX];
	size_t size = raft_session_open_encode(&open, bytes);
	struct rig rig;

	leader(&rig);
	for (int i = 0; i < RAFT_SESSIONS_NAMED_MAX; i++) {
		struct raft_sid sid = rig_sid(10 + i, true);

		rig_propose_one(&rig, 100, i % 2 == 0 ? RAFT_CURSOR_OPEN : RAFT_SESSION_OPEN, &sid,
		    bytes, size);
		if (i % 500 == 0)
			commit_all(&rig);
	}
	CHECK(rig_status(&rig).last.index == 2 + RAFT_SESSIONS_NAMED_MAX);
	cursor_open(&rig, 1, 1, 0);
	CHECK(refused(&rig, 1, RAFT_REASON_SESSIONS_FULL));
	rig_free(&rig);
}

/* --------------------------------------------------------------- levels */

static void
test_level_of_the_leader(void)
{
	struct rig rig;

	init(&rig);
	disk_level(&rig, 1, RAFT_LEVEL_CURSORS - 1);
	rig_start_commit(&rig, 1);
	rig_elect(&rig);
	commit_all(&rig);
	cursor_open(&rig, 1, 1, 0);
	CHECK(refused(&rig, 1, RAFT_REASON_LEVEL));
	ack(&rig, 2, 3, 1, 1);
	CHECK(refused(&rig, 2, RAFT_REASON_LEVEL) && rig_status(&rig).last.index == 2);
	rig_free(&rig);
	/* The level is in the log, and not yet committed. */
	init(&rig);
	rig_disk_put(&rig, 1, RAFT_NOOP);
	disk_level(&rig, 1, RAFT_LEVEL_CURSORS);
	rig_start_commit(&rig, 1);
	rig_elect(&rig);
	cursor_open(&rig, 1, 1, 0);
	CHECK(refused(&rig, 1, RAFT_REASON_TERM_YOUNG) && rig_status(&rig).last.index == 3);
	commit_all(&rig);
	cursor_open(&rig, 2, 1, 0);
	CHECK(rig_status(&rig).last.index == 4);
	rig_free(&rig);
}

/* An entry of kind LEVEL of term 1 from n2, after one entry. */
static void
append_level(struct rig *rig, uint64_t commit)
{
	uint8_t data[8] = {0, 0, 0, 0, 0, 0, 0, RAFT_LEVEL_CURSORS};
	struct raft_entry level = rig_entry(1, RAFT_LEVEL, NULL, 0, data, sizeof data);
	struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);

	message.append = (struct raft_append){.prev = {1, 1},
	    .commit = commit,
	    .round = ++rig->round,
	    .last = 2,
	    .entries = &level,
	    .entries_count = 1};
	rig_message(rig, &message);
	raft_chunk_unref(level.chunk);
}

static void
test_level_of_a_follower(void)
{
	struct rig rig;

	init(&rig);
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 0);
	cursor_open(&rig, 1, 1, 0);
	CHECK(refused(&rig, 1, RAFT_REASON_BEHIND)); /* its leader has committed nothing yet */
	rig_append(&rig, 2, 1, (struct raft_pos){1, 1}, 1, 0, 1);
	cursor_open(&rig, 2, 1, 0);
	CHECK(refused(&rig, 2, RAFT_REASON_LEVEL));
	append_level(&rig, 1);
	ack(&rig, 3, 3, 1, 1);
	CHECK(refused(&rig, 3, RAFT_REASON_LEVEL) && rig_count(&rig, RAFT_MSG_PROPOSE) == 0);
	append_level(&rig, 2);
	cursor_open(&rig, 4, 1, 0);
	ack(&rig, 5, 3, 1, 1);
	CHECK(rig_count(&rig, RAFT_MSG_PROPOSE) == 2);
	CHECK(rig_find_last(&rig, RAFT_MSG_PROPOSE, 2)->propose.epoch == 3);
	rig_free(&rig);
}

static void
test_follower_behind(void)
{
	struct rig rig;

	init(&rig);
	rig_start(&rig);
	/* Ten entries are committed, and two of them are here: of the others one may be a level. */
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 2, 10);
	cursor_open(&rig, 1, 1, 0);
	CHECK(refused(&rig, 1, RAFT_REASON_BEHIND) && raft_reason_retry(RAFT_REASON_BEHIND));
	rig_append(&rig, 2, 1, (struct raft_pos){2, 1}, 1, 8, 10);
	cursor_open(&rig, 2, 1, 0);
	CHECK(refused(&rig, 2, RAFT_REASON_LEVEL));
	/* The next leader may have another level in force, and has not committed its first entry.
	 */
	rig_append(&rig, 3, 2, (struct raft_pos){10, 1}, 2, 1, 10);
	cursor_open(&rig, 3, 1, 0);
	CHECK(refused(&rig, 3, RAFT_REASON_BEHIND));
	rig_append(&rig, 3, 2, (struct raft_pos){11, 2}, 2, 0, 11);
	cursor_open(&rig, 4, 1, 0);
	CHECK(refused(&rig, 4, RAFT_REASON_LEVEL) && rig_count(&rig, RAFT_MSG_PROPOSE) == 0);
	rig_free(&rig);
}

/* From a node that does not know of the level, or whose program does not. */
static void
test_forwarded(void)
{
	struct raft_message message = rig_make(RAFT_MSG_PROPOSE, 2, 1, 2);
	struct raft_entry entry = ack_entry(0, cursor_sid(), 1, 2);
	struct rig rig;

	init(&rig);
	disk_level(&rig, 1, RAFT_LEVEL_CURSORS - 1);
	rig_start_commit(&rig, 1);
	rig_elect(&rig);
	commit_all(&rig);
	message.propose.start_number = 2;
	message.propose.request = 1;
	message.propose.epoch = 3;
	message.propose.entries = &entry;
	message.propose.entries_count = 1;
	rig_message(&rig, &message);
	CHECK(rig_find_last(&rig, RAFT_MSG_ANSWER, 2)->answer.reason == RAFT_REASON_LEVEL);
	CHECK(rig_status(&rig).last.index == 2);
	rig_free(&rig);
	/* Of the former owner, and then of the present one. */
	owner(&rig);
	cursor_open(&rig, 2, 2, 3);
	rig_message(&rig, &message);
	CHECK(rig_find_last(&rig, RAFT_MSG_ANSWER, 2)->answer.reason == RAFT_REASON_OLD_EPOCH);
	message.propose.request = 2;
	message.propose.epoch = 4;
	rig_message(&rig, &message);
	commit_all(&rig);
	CHECK(rig_find_last(&rig, RAFT_MSG_ANSWER, 2)->answer.verdict == RAFT_COMMITTED);
	CHECK(position_of(&rig) == 2);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

/* ------------------------------------------ truncation, restart, snapshot */

static void
test_truncated(void)
{
	struct rig rig;

	owner(&rig);
	ack(&rig, 2, 3, 1, 1);
	commit_all(&rig);
	cursor_open(&rig, 3, 2, 3); /* 5 */
	ack(&rig, 4, 5, 2, 3);      /* 6 */
	CHECK(position_of(&rig) == 1);
	/* Another leader has neither of the two. */
	rig_append(&rig, 3, 3, (struct raft_pos){4, 2}, 3, 1, 5);
	CHECK(answer_of(&rig, 4)->verdict == RAFT_UNKNOWN);
	CHECK(position_of(&rig) == 1 && rig_status(&rig).last.index == 5);
	rig_elect(&rig);
	commit_all(&rig);
	CHECK(position_of(&rig) == 1);
	/* So the former owner is the owner, and its serial 2 is free. */
	ack(&rig, 5, 3, 2, 4);
	commit_all(&rig);
	CHECK(answer_of(&rig, 5)->verdict == RAFT_COMMITTED && position_of(&rig) == 4);
	rig_free(&rig);
}

static void
test_started(void)
{
	struct rig rig;

	for (uint64_t commit = 1; commit <= 5; commit++) {
		owner(&rig);
		ack(&rig, 2, 3, 1, 1);
		ack(&rig, 3, 3, 2, 3);
		commit_all(&rig);
		rig_start_commit(&rig, commit);
		CHECK(position_of(&rig) == (commit < 3       ? UINT64_MAX
					       : commit == 3 ? 0
					       : commit == 4 ? 1
							     : 3));
		rig_elect(&rig);
		commit_all(&rig);
		CHECK(position_of(&rig) == 3);
		ack(&rig, 4, 3, 2, 3);
		CHECK(answer_of(&rig, 4)->verdict == RAFT_COMMITTED &&
		      answer_of(&rig, 4)->pos.index == (commit < 5 ? 5 : 0)); /* in memory or not */
		rig_free(&rig);
	}
}

static void
test_installed(void)
{
	struct raft_sessions *table = raft_sessions_new();
	struct raft_session session = {.sid = *cursor_sid(),
	    .serial = 7,
	    .last_index = 8,
	    .epoch = 5,
	    .name = "mail",
	    .cursor = true,
	    .position = 6};
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_READY};
	struct raft_snapshot snapshot = {.pos = {9, 1}, .level = RAFT_LEVEL_CURSORS};
	struct rig rig;

	init(&rig);
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	CHECK(raft_sessions_restore(table, &session));
	snapshot.config = &rig.config;
	snapshot.sessions = raft_sessions_dup(table);
	rig.ready = (struct rig_snapshot){snapshot.pos, rig.config, table};
	event.snapshot = &snapshot;
	rig_event(&rig, &event);
	CHECK(rig_status(&rig).last.index == 9 && position_of(&rig) == 6);
	rig_elect(&rig);
	commit_all(&rig);
	ack(&rig, 1, 5, 7, 6);
	CHECK(answer_of(&rig, 1)->verdict == RAFT_COMMITTED); /* it has this serial already */
	ack(&rig, 2, 4, 8, 9);
	CHECK(refused(&rig, 2, RAFT_REASON_OLD_EPOCH));
	ack(&rig, 3, 5, 8, 9);
	commit_all(&rig);
	CHECK(position_of(&rig) == 9);
	rig_free(&rig);
}

/* ------------------------------------------------- what comes from outside */

/* A follower of n2 in term 1 gets the entry after one no-op, and commits it. */
static void
append_entry(struct rig *rig, struct raft_entry entry)
{
	uint64_t last = rig_status(rig).last.index;
	struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);

	message.append = (struct raft_append){.prev = {last, 1},
	    .commit = last + 1,
	    .round = ++rig->round,
	    .last = last + 1,
	    .entries = &entry,
	    .entries_count = 1};
	rig_message(rig, &message);
	raft_chunk_unref(entry.chunk);
}

static void
test_foreign_entries(void)
{
	struct raft_session_open open = {.name = "mail"};
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX];
	size_t size = raft_session_open_encode(&open, bytes);
	struct raft_entry short_one;
	struct rig rig;

	init(&rig);
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	append_entry(&rig, ack_entry(1, cursor_sid(), 1, 1)); /* 2: it is not open */
	CHECK(position_of(&rig) == UINT64_MAX);
	append_entry(&rig, rig_entry(1, RAFT_CURSOR_OPEN, cursor_sid(), 0, "x", 1));      /* 3 */
	append_entry(&rig, rig_entry(1, RAFT_CURSOR_OPEN, cursor_sid(), 0, bytes, size)); /* 4 */
	CHECK(position_of(&rig) == 0);
	append_entry(&rig, ack_entry(1, cursor_sid(), 1, 5)); /* 5: its own index */
	append_entry(&rig, ack_entry(1, cursor_sid(), 2, 1)); /* 6: not the next serial */
	append_entry(&rig, rig_entry(1, RAFT_CLIENT, cursor_sid(), 1, "12345678", 8)); /* 7 */
	CHECK(position_of(&rig) == 0);
	append_entry(&rig, ack_entry(1, cursor_sid(), 1, 7)); /* 8 */
	CHECK(position_of(&rig) == 7 && rig_status(&rig).last.index == 8);
	/* One whose data is no position is no entry. */
	short_one = ack_entry(1, cursor_sid(), 2, 7);
	short_one.size--;
	append_entry(&rig, short_one);
	CHECK(rig_status(&rig).last.index == 8 && rig_status(&rig).dropped == 1);
	/* A node with such a log can lead. */
	rig_elect(&rig);
	commit_all(&rig);
	rig_free(&rig);
}

/* On a follower: what is appended moves nothing, and is gone when another leader has other entries.
 */
static void
test_follower(void)
{
	struct raft_session_open open = {.name = "mail"};
	uint8_t bytes[RAFT_SESSION_OPEN_SIZE_MAX];
	size_t size = raft_session_open_encode(&open, bytes);
	struct raft_entry entry = ack_entry(1, cursor_sid(), 1, 1);
	struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);
	struct rig rig;

	init(&rig);
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	append_entry(&rig, rig_entry(1, RAFT_CURSOR_OPEN, cursor_sid(), 0, bytes, size)); /* 2 */
	message.append = (struct raft_append){.prev = {2, 1},
	    .commit = 2,
	    .round = ++rig.round,
	    .last = 3,
	    .entries = &entry,
	    .entries_count = 1};
	rig_message(&rig, &message);
	raft_chunk_unref(entry.chunk);
	CHECK(rig_status(&rig).last.index == 3 && position_of(&rig) == 0);
	rig_append(&rig, 3, 2, (struct raft_pos){2, 1}, 2, 1, 3);
	CHECK(rig_status(&rig).last.term == 2 && rig.commit == 3 && position_of(&rig) == 0);
	rig_append(&rig, 3, 2, (struct raft_pos){3, 2}, 2, 1, 4);
	entry = ack_entry(2, cursor_sid(), 1, 3);
	message = rig_make(RAFT_MSG_APPEND, 3, 1, 2);
	message.append = (struct raft_append){.prev = {4, 2},
	    .commit = 5,
	    .round = ++rig.round,
	    .last = 5,
	    .entries = &entry,
	    .entries_count = 1};
	rig_message(&rig, &message);
	raft_chunk_unref(entry.chunk);
	CHECK(rig.commit == 5 && position_of(&rig) == 3);
	rig_free(&rig);
}

int
main(void)
{
	check_run("an ACK moves its cursor once it is committed, forward and back", test_moves);
	check_run("⚠ no ACK passes the end of the log, and its serial stays free", test_ahead);
	check_run(
	    "an ACK that is sent again is answered as before, and moves nothing", test_retried);
	check_run("an ACK that is sent again to the next leader is in the log once",
	    test_retried_at_the_next_leader);
	check_run("⚠ after an opening the former owner's ACKs are refused, committed or not",
	    test_takeover);
	check_run("after a drop an ACK is refused, and the next owner begins at 0", test_dropped);
	check_run("a cursor is no producer's session, and a session is no cursor", test_other_kind);
	check_run("an ACK comes alone, with serial, named session and position", test_shape);
	check_run("cursors and named sessions have one bound together", test_full);
	check_run("⚠ no cursor entry is taken before level 3 is committed and known to be",
	    test_level_of_the_leader);
	check_run("⚠ a node below level 3 forwards no cursor entry", test_level_of_a_follower);
	check_run(
	    "a node that lacks committed entries calls no level too low", test_follower_behind);
	check_run("⚠ a forwarded ACK meets the level and the epoch at the leader", test_forwarded);
	check_run(
	    "the position of a truncated ACK is forgotten, and so is its owner", test_truncated);
	check_run(
	    "a follower's cursor moves with its commit index, not with its log", test_follower);
	check_run("a node that starts knows the positions of its log", test_started);
	check_run("a snapshot brings owner, serial and position", test_installed);
	check_run("cursor entries that no leader admits change nothing", test_foreign_entries);
	return check_done();
}
