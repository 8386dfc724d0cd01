/* SPDX-License-Identifier: ISC */
/*
 * Contracts of the state machine: their bytes, which one a log has, and what a leader admits by it.
 */
#include "raft_cluster.h"

enum { ENTRY_MAX = 40 };

static const struct raft_contract lines = {.framing = RAFT_CONTRACT_LINE,
    .fields = RAFT_CONTRACT_TIME,
    .reply_max = 1 << 16,
    .entry_max = ENTRY_MAX,
    .format = "kv-1"};
static const struct raft_contract netstrings = {.framing = RAFT_CONTRACT_NETSTRING,
    .fields = RAFT_CONTRACT_TIME | RAFT_CONTRACT_CHAIN,
    .reply_max = 1,
    .entry_max = UINT64_MAX,
    .format = "k"};

/* --------------------------------------------------------- the contract */

static void
test_bytes(void)
{
	static const uint8_t expected[] = {
	    0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, ENTRY_MAX, 4, 'k', 'v', '-', '1'};
	uint8_t bytes[RAFT_CONTRACT_SIZE_MAX + 1] = {0};
	struct raft_contract got;
	size_t size = raft_contract_encode(&lines, bytes);

	CHECK(size == sizeof expected && memcmp(bytes, expected, size) == 0);
	CHECK(raft_contract_decode(&got, bytes, size) &&
	      raft_contract_difference(&got, &lines) == NULL);
	for (size_t less = 0; less < size; less++)
		CHECK(!raft_contract_decode(&got, bytes, less));
	CHECK(!raft_contract_decode(&got, bytes, size + 1));
	size = raft_contract_encode(&netstrings, bytes);
	CHECK(raft_contract_decode(&got, bytes, size) &&
	      raft_contract_difference(&got, &netstrings) == NULL);
}

/* The byte at a place has this value. */
static bool
decodes_with(size_t at, uint8_t value)
{
	uint8_t bytes[RAFT_CONTRACT_SIZE_MAX];
	struct raft_contract got;
	size_t size = raft_contract_encode(&lines, bytes);

	bytes[at] = value;
	return raft_contract_decode(&got, bytes, size);
}

static void
test_malformed(void)
{
	uint8_t bytes[RAFT_CONTRACT_SIZE_MAX + 1];
	struct raft_contract got;

	CHECK(decodes_with(0, 1) && !decodes_with(0, 2));    /* framing */
	CHECK(decodes_with(1, 7) && !decodes_with(1, 8));    /* fields */
	CHECK(decodes_with(7, 2) && !decodes_with(7, 0));    /* reply_max */
	CHECK(decodes_with(17, 1) && !decodes_with(17, 0));  /* entry_max */
	CHECK(!decodes_with(18, 3) && !decodes_with(18, 5)); /* size of the format */
	CHECK(!decodes_with(19, 0) && !decodes_with(22, 0));
	memset(bytes, 'x', sizeof bytes);
	raft_contract_encode(&lines, bytes);
	bytes[18] = RAFT_CONTRACT_FORMAT_MAX;
	memset(bytes + 19, 'x', RAFT_CONTRACT_FORMAT_MAX);
	CHECK(raft_contract_decode(&got, bytes, RAFT_CONTRACT_SIZE_MAX));
	bytes[18]++;
	CHECK(!raft_contract_decode(&got, bytes, RAFT_CONTRACT_SIZE_MAX + 1));
	bytes[18] = 0;
	CHECK(!raft_contract_decode(&got, bytes, 19));
}

static bool
differs_in(const struct raft_contract *other, const char *key)
{
	const char *found = raft_contract_difference(&lines, other);

	return found != NULL && strcmp(found, key) == 0;
}

static void
test_difference(void)
{
	struct raft_contract other = lines;

	CHECK(raft_contract_difference(&lines, &other) == NULL);
	other.format[0] = 'x';
	CHECK(differs_in(&other, "fsm.format"));
	other.entry_max++;
	CHECK(differs_in(&other, "elect.entry_max"));
	other.reply_max++;
	CHECK(differs_in(&other, "fsm.reply_max"));
	other.fields = 0;
	CHECK(differs_in(&other, "fsm.fields"));
	other.framing = RAFT_CONTRACT_NETSTRING;
	CHECK(differs_in(&other, "fsm.framing"));
}

static bool
allows(const struct raft_contract *contract, const char *data, size_t size)
{
	return raft_contract_allows(contract, (const uint8_t *)data, size);
}

static void
test_allows(void)
{
	struct raft_contract small = netstrings;
	char data[ENTRY_MAX + 1] = "";

	CHECK(allows(&lines, data, 0) && allows(&lines, "a b\r\t\377", 6));
	CHECK(!allows(&lines, "a\n", 2) && !allows(&lines, "\nb", 2) && !allows(&lines, "a\0b", 3));
	CHECK(allows(&netstrings, "a\n\0b", 4));
	memset(data, 'x', sizeof data);
	CHECK(allows(&lines, data, ENTRY_MAX) && !allows(&lines, data, ENTRY_MAX + 1));
	small.entry_max = 2;
	CHECK(allows(&small, data, 2) && !allows(&small, data, 3));
}

static struct raft_entry
contract_entry(uint64_t term, const struct raft_contract *contract)
{
	uint8_t data[RAFT_CONTRACT_SIZE_MAX];

	return rig_entry(term, RAFT_CONTRACT, NULL, 0, data, raft_contract_encode(contract, data));
}

static void
test_record_of_no_contract(void)
{
	struct raft_entry entry = contract_entry(1, &lines);
	struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);
	struct raft_entry copy;
	struct rig rig;

	CHECK(raft_entry_decode(&copy, NULL, entry.bytes, entry.size));
	entry.chunk->bytes[entry.size - 1] = 0;
	CHECK(!raft_entry_decode(&copy, NULL, entry.bytes, entry.size));
	rig_new(&rig, 3);
	message.append.entries = &entry;
	message.append.entries_count = 1;
	message.append.last = 1;
	message.append.round = 1;
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).last.index == 0 && rig_status(&rig).dropped == 1);
	entry.chunk->bytes[entry.size - 1] = '1';
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).last.index == 1 && rig_status(&rig).dropped == 1);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

/* ------------------------------------------------------------ admission */

static void
init(struct rig *rig)
{
	static const uint8_t two[8] = {0, 0, 0, 0, 0, 0, 0, 2};

	rig_init(rig, 1, 3);
	rig->settings.level_max = RAFT_LEVEL_MAX;
	RIG_PUSH(
	    rig->disk.entries, rig->disk.count, rig_entry(1, RAFT_LEVEL, NULL, 0, two, sizeof two));
	rig->disk.term = 1;
}

static void
commit_all(struct rig *rig)
{
	rig_accept(rig, 2, rig_status(rig).last.index);
	CHECK(rig_status(rig).commit.index == rig_status(rig).last.index);
}

/* The leader of three at level 2; entry 2 is its no-op, committed. */
static void
leader(struct rig *rig)
{
	init(rig);
	rig_start_commit(rig, 1);
	rig_elect(rig);
	commit_all(rig);
	CHECK(rig_status(rig).level == 2 && rig_status(rig).last.index == 2);
}

static const struct raft_answer *
answer_of(const struct rig *rig, uint64_t ticket)
{
	for (size_t i = rig->answers_count; i > 0; i--)
		if (rig->answers[i - 1].ticket == ticket)
			return &rig->answers[i - 1].answer;
	return NULL;
}

/* NONE: it waits, or is committed. */
static enum raft_reason
reason_of(const struct rig *rig, uint64_t ticket)
{
	const struct raft_answer *answer = answer_of(rig, ticket);

	if (answer == NULL || answer->verdict == RAFT_COMMITTED)
		return RAFT_REASON_NONE;
	CHECK(answer->verdict == RAFT_REFUSED);
	return answer->reason;
}

static enum raft_reason
propose(struct rig *rig, const struct raft_contract *contract, uint64_t replaces)
{
	static uint64_t ticket = 1000000;
	struct raft_entry entry = contract_entry(0, contract);
	struct raft_proposal proposal = {
	    .ticket = ++ticket, .epoch = replaces, .entries = &entry, .entries_count = 1};

	rig_propose(rig, &proposal);
	raft_chunk_unref(entry.chunk);
	return reason_of(rig, ticket);
}

/* A client's entries, their data given as strings; of the session with that number. */
static void
clients(struct rig *rig, uint64_t ticket, int session, uint64_t serial, const char *const *data,
    size_t count)
{
	struct raft_sid sid = rig_sid(session, false);
	struct raft_entry entries[4];
	struct raft_proposal proposal = {
	    .ticket = ticket, .entries = entries, .entries_count = count};

	for (size_t i = 0; i < count; i++)
		entries[i] = rig_entry(0, RAFT_CLIENT, &sid, serial + i, data[i], strlen(data[i]));
	rig_propose(rig, &proposal);
	for (size_t i = 0; i < count; i++)
		raft_chunk_unref(entries[i].chunk);
}

static enum raft_reason
client(struct rig *rig, const char *data)
{
	static int session;
	uint64_t ticket = (uint64_t)++session;

	clients(rig, ticket, session, 1, &data, 1);
	return reason_of(rig, ticket);
}

static void
test_replaces_the_newest(void)
{
	struct rig rig;

	leader(&rig);
	CHECK(propose(&rig, &lines, 1) == RAFT_REASON_CONTRACT_CHANGED);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE && rig_status(&rig).last.index == 3);
	CHECK(rig_status(&rig).contract == 0);
	/* It is not committed yet, and counts all the same. */
	CHECK(propose(&rig, &netstrings, 0) == RAFT_REASON_CONTRACT_CHANGED);
	CHECK(propose(&rig, &netstrings, 3) == RAFT_REASON_NONE);
	commit_all(&rig);
	CHECK(rig_status(&rig).contract == 4);
	CHECK(propose(&rig, &lines, 3) == RAFT_REASON_CONTRACT_CHANGED);
	/* One that is equal to the present one is as good as any other. */
	CHECK(propose(&rig, &netstrings, 4) == RAFT_REASON_NONE);
	CHECK(rig_status(&rig).last.index == 5);
	rig_free(&rig);
}

static void
test_answer(void)
{
	struct raft_entry entry = contract_entry(0, &lines);
	struct raft_proposal proposal = {.ticket = 7, .entries = &entry, .entries_count = 1};
	const struct raft_answer *answer;
	struct rig rig;

	leader(&rig);
	proposal.fence = 9;
	rig_propose(&rig, &proposal);
	CHECK(reason_of(&rig, 7) == RAFT_REASON_FENCED);
	proposal.fence = 0;
	proposal.uid = 1001;
	rig_propose(&rig, &proposal);
	CHECK(rig.answers_count == 1);
	commit_all(&rig);
	answer = answer_of(&rig, 7);
	CHECK(answer->verdict == RAFT_COMMITTED && answer->count == 1 && answer->serial == 0 &&
	      answer->pos.index == 3 && answer->pos.term == 2);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

static void
test_level(void)
{
	struct rig rig;

	rig_init(&rig, 1, 3);
	rig.settings.level_max = RAFT_LEVEL_MAX;
	rig_start(&rig);
	rig_append(&rig, 2, 1, (struct raft_pos){0, 0}, 1, 1, 1);
	/* Forwarded to a leader that cannot read it, it would end that program. */
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_LEVEL);
	CHECK(rig_count(&rig, RAFT_MSG_PROPOSE) == 0);
	rig_elect(&rig);
	commit_all(&rig);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_LEVEL && rig_status(&rig).last.index == 2);
	rig_free(&rig);
}

/* It may be that the level is in force, and this leader does not know it yet. */
static void
test_young_term(void)
{
	struct rig rig;

	init(&rig);
	rig_start(&rig);
	rig_elect(&rig);
	CHECK(rig_status(&rig).level == 1);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_TERM_YOUNG);
	commit_all(&rig);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	rig_free(&rig);
}

static void
test_shape(void)
{
	struct raft_entry entries[2] = {contract_entry(0, &lines), contract_entry(0, &lines)};
	struct raft_sid sid = rig_sid(1, true);
	uint8_t data[RAFT_CONTRACT_SIZE_MAX];
	size_t size = raft_contract_encode(&lines, data);
	struct raft_entry named = rig_entry(0, RAFT_CONTRACT, &sid, 0, data, size);
	struct raft_entry serial = rig_entry(0, RAFT_CONTRACT, NULL, 1, data, size);
	struct raft_proposal proposal = {.ticket = 1, .entries = entries, .entries_count = 2};
	struct rig rig;

	leader(&rig);
	rig_propose(&rig, &proposal);
	CHECK(reason_of(&rig, 1) == RAFT_REASON_MALFORMED);
	proposal = (struct raft_proposal){.ticket = 2, .entries = &named, .entries_count = 1};
	rig_propose(&rig, &proposal);
	CHECK(reason_of(&rig, 2) == RAFT_REASON_MALFORMED);
	proposal = (struct raft_proposal){.ticket = 3, .entries = &serial, .entries_count = 1};
	rig_propose(&rig, &proposal);
	CHECK(reason_of(&rig, 3) == RAFT_REASON_MALFORMED);
	entries[0].chunk->bytes[RAFT_ENTRY_HEADER_SIZE] = 9;
	proposal = (struct raft_proposal){.ticket = 4, .entries = entries, .entries_count = 1};
	rig_propose(&rig, &proposal);
	CHECK(reason_of(&rig, 4) == RAFT_REASON_MALFORMED && rig_status(&rig).last.index == 2);
	raft_chunk_unref(entries[0].chunk);
	raft_chunk_unref(entries[1].chunk);
	raft_chunk_unref(named.chunk);
	raft_chunk_unref(serial.chunk);
	rig_free(&rig);
}

static void
test_clients(void)
{
	static const char large[] = "0123456789012345678901234567890123456789+";
	struct rig rig;

	leader(&rig);
	CHECK(client(&rig, "a\nb") == RAFT_REASON_NONE && client(&rig, large) == RAFT_REASON_NONE);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	/* Not committed yet: if it never is, neither is what comes after it. */
	CHECK(client(&rig, "a\nb") == RAFT_REASON_CONTRACT);
	CHECK(client(&rig, large) == RAFT_REASON_TOO_LARGE);
	CHECK(client(&rig, "a b") == RAFT_REASON_NONE && client(&rig, "") == RAFT_REASON_NONE);
	commit_all(&rig);
	CHECK(client(&rig, "a\nb") == RAFT_REASON_CONTRACT);
	CHECK(propose(&rig, &netstrings, 5) == RAFT_REASON_NONE);
	CHECK(client(&rig, "a\nb") == RAFT_REASON_NONE && client(&rig, large) == RAFT_REASON_NONE);
	rig_free(&rig);
}

static void
test_batch(void)
{
	static const char *const data[] = {"good", "bad\n", "good"};
	struct rig rig;

	leader(&rig);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	clients(&rig, 1, 1, 1, data, 3);
	CHECK(reason_of(&rig, 1) == RAFT_REASON_CONTRACT && answer_of(&rig, 1)->serial == 1 &&
	      answer_of(&rig, 1)->count == 3 && rig_status(&rig).last.index == 3);
	/* The serials are free for other entries. */
	clients(&rig, 2, 1, 1, &data[2], 1);
	commit_all(&rig);
	CHECK(answer_of(&rig, 2)->verdict == RAFT_COMMITTED && rig_status(&rig).last.index == 4);
	rig_free(&rig);
}

static void
test_duplicates(void)
{
	static const char *const data[] = {"one\n", "two\n", "three\n"};
	static const char *const again[] = {"two\n", "three"};
	const struct raft_answer *answer;
	struct rig rig;

	leader(&rig);
	clients(&rig, 1, 1, 1, data, 2);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	commit_all(&rig);
	/* What is in the log is there, whatever a later contract says. */
	clients(&rig, 2, 1, 1, data, 2);
	answer = answer_of(&rig, 2);
	CHECK(answer->verdict == RAFT_COMMITTED && answer->serial == 1 && answer->count == 2 &&
	      answer->pos.index == 3);
	clients(&rig, 3, 1, 2, data + 1, 2);
	CHECK(rig.answers[rig.answers_count - 2].answer.verdict == RAFT_COMMITTED &&
	      rig.answers[rig.answers_count - 2].answer.serial == 2);
	answer = answer_of(&rig, 3);
	CHECK(answer->verdict == RAFT_REFUSED && answer->reason == RAFT_REASON_CONTRACT &&
	      answer->serial == 3 && answer->count == 1);
	CHECK(rig_status(&rig).last.index == 5);
	/* Only what is new must fit. */
	clients(&rig, 4, 1, 2, again, 2);
	commit_all(&rig);
	CHECK(answer_of(&rig, 4)->verdict == RAFT_COMMITTED && answer_of(&rig, 4)->serial == 3);
	CHECK(rig_status(&rig).last.index == 6);
	rig_free(&rig);
}

static void
test_other_kinds(void)
{
	static const struct raft_session_open open = {.run = "\n", .name = "a\nb"};
	struct raft_sid sid = rig_sid(1, true);
	uint8_t data[RAFT_SESSION_OPEN_SIZE_MAX];
	struct rig rig;

	leader(&rig);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	rig_propose_one(
	    &rig, 5, RAFT_SESSION_OPEN, &sid, data, raft_session_open_encode(&open, data));
	rig_propose_one(&rig, 6, RAFT_NOOP, NULL, NULL, 0);
	CHECK(rig_status(&rig).last.index == 5);
	rig_free(&rig);
}

/* Of another node: a client's entry, or (data NULL) a contract. */
static void
forwarded(struct rig *rig, uint64_t request, uint64_t epoch, const char *data)
{
	struct raft_message message = rig_make(RAFT_MSG_PROPOSE, 2, 1, rig_status(rig).term);
	struct raft_sid sid = rig_sid(100 + (int)request, false);
	struct raft_entry entry = data == NULL
				      ? contract_entry(0, &netstrings)
				      : rig_entry(0, RAFT_CLIENT, &sid, 1, data, strlen(data));

	message.propose.start_number = 2;
	message.propose.request = request;
	message.propose.epoch = epoch;
	message.propose.entries = &entry;
	message.propose.entries_count = 1;
	rig_clear(rig);
	rig_message(rig, &message);
	raft_chunk_unref(entry.chunk);
}

static enum raft_reason
reason_sent(const struct rig *rig)
{
	const struct raft_message *message = rig_find_last(rig, RAFT_MSG_ANSWER, 2);

	return message == NULL ? RAFT_REASON_NONE : message->answer.reason;
}

static void
test_forwarded(void)
{
	struct rig rig;

	leader(&rig);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	forwarded(&rig, 1, 0, "a\nb");
	CHECK(reason_sent(&rig) == RAFT_REASON_CONTRACT && rig_status(&rig).last.index == 3);
	forwarded(&rig, 2, 0, NULL);
	CHECK(reason_sent(&rig) == RAFT_REASON_CONTRACT_CHANGED);
	forwarded(&rig, 3, 3, NULL);
	CHECK(reason_sent(&rig) == RAFT_REASON_NONE && rig_status(&rig).last.index == 4);
	forwarded(&rig, 4, 0, "a\nb");
	CHECK(reason_sent(&rig) == RAFT_REASON_NONE && rig_status(&rig).last.index == 5);
	rig_free(&rig);
}

static void
test_forwards(void)
{
	const struct raft_message *message;
	struct rig rig;

	init(&rig);
	rig_start_commit(&rig, 1);
	rig_append(&rig, 2, 2, (struct raft_pos){1, 1}, 2, 1, 2);
	CHECK(propose(&rig, &lines, 17) == RAFT_REASON_NONE);
	message = rig_find(&rig, RAFT_MSG_PROPOSE, 2);
	CHECK(message != NULL && message->propose.epoch == 17 &&
	      message->propose.entries[0].kind == RAFT_CONTRACT);
	rig_free(&rig);
}

/* ------------------------------------------------- which one a log has */

static void
test_truncated(void)
{
	struct rig rig;

	leader(&rig);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	/* Another leader has no such entry. */
	rig_append(&rig, 3, 3, (struct raft_pos){2, 2}, 3, 1, 3);
	CHECK(rig_status(&rig).last.index == 3 && rig_status(&rig).last.term == 3);
	rig_elect(&rig);
	commit_all(&rig);
	CHECK(rig_status(&rig).contract == 0 && client(&rig, "a\nb") == RAFT_REASON_NONE);
	CHECK(propose(&rig, &lines, 0) == RAFT_REASON_NONE);
	rig_free(&rig);
}

/* Committed or not, on the disk of a node that starts and leads. */
static void
start_with_two(struct rig *rig, uint64_t commit)
{
	init(rig);
	RIG_PUSH(rig->disk.entries, rig->disk.count, contract_entry(1, &netstrings));
	rig_disk_put(rig, 1, RAFT_NOOP);
	RIG_PUSH(rig->disk.entries, rig->disk.count, contract_entry(1, &lines));
	rig_start_commit(rig, commit);
}

static void
test_started(void)
{
	struct rig rig;

	for (uint64_t commit = 1; commit <= 4; commit++) {
		start_with_two(&rig, commit);
		CHECK(rig_status(&rig).contract == (commit == 1 ? 0 : commit == 4 ? 4 : 2));
		rig_elect(&rig);
		CHECK(client(&rig, "a\nb") == RAFT_REASON_CONTRACT);
		commit_all(&rig);
		CHECK(rig_status(&rig).contract == 4);
		CHECK(propose(&rig, &lines, 2) == RAFT_REASON_CONTRACT_CHANGED);
		CHECK(propose(&rig, &lines, 4) == RAFT_REASON_NONE);
		rig_free(&rig);
	}
}

static void
test_follower(void)
{
	struct rig rig;
	struct raft_entry entry = contract_entry(1, &lines);
	struct raft_message message = rig_make(RAFT_MSG_APPEND, 2, 1, 1);

	init(&rig);
	rig_start_commit(&rig, 1);
	message.append = (struct raft_append){.prev = {1, 1},
	    .commit = 1,
	    .round = 1,
	    .last = 2,
	    .entries = &entry,
	    .entries_count = 1};
	rig_message(&rig, &message);
	CHECK(rig_status(&rig).contract == 0 && rig_status(&rig).last.index == 2);
	rig_append(&rig, 2, 1, (struct raft_pos){2, 1}, 1, 0, 2);
	CHECK(rig_status(&rig).contract == 2);
	raft_chunk_unref(entry.chunk);
	rig_free(&rig);
}

/* Of index 9, with a contract of that index. */
static void
install(struct rig *rig, uint64_t contract)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_READY};
	struct raft_snapshot snapshot = {.pos = {9, 1},
	    .level = 2,
	    .contract = {contract, lines},
	    .config = &rig->config,
	    .sessions = raft_sessions_new()};

	raft_sessions_free(rig->ready.sessions);
	rig->ready = (struct rig_snapshot){snapshot.pos, rig->config, raft_sessions_new()};
	event.snapshot = &snapshot;
	rig_event(rig, &event);
}

static void
test_installed(void)
{
	struct rig rig;

	start_with_two(&rig, 2);
	rig_append(&rig, 2, 1, (struct raft_pos){4, 1}, 1, 0, 2);
	install(&rig, 10); /* above the snapshot itself */
	CHECK(rig_status(&rig).last.index == 4);
	install(&rig, 7);
	CHECK(rig_status(&rig).last.index == 9 && rig_status(&rig).contract == 7);
	rig_elect(&rig);
	commit_all(&rig);
	CHECK(client(&rig, "a\nb") == RAFT_REASON_CONTRACT);
	CHECK(propose(&rig, &netstrings, 7) == RAFT_REASON_NONE);
	rig_free(&rig);
}

/* The snapshot's log has no contract: what this node's had above its commit index is gone. */
static void
test_installed_without(void)
{
	struct rig rig;

	start_with_two(&rig, 1);
	rig_append(&rig, 2, 1, (struct raft_pos){4, 1}, 1, 0, 1);
	install(&rig, 0);
	CHECK(rig_status(&rig).last.index == 9 && rig_status(&rig).contract == 0);
	rig_elect(&rig);
	commit_all(&rig);
	CHECK(client(&rig, "a\nb") == RAFT_REASON_NONE);
	rig_free(&rig);
}

static void
test_compacted(void)
{
	struct rig rig;

	start_with_two(&rig, 4);
	rig_compact(&rig, 4);
	CHECK(rig_status(&rig).before.index == 4 && rig_status(&rig).contract == 4);
	rig_elect(&rig);
	CHECK(client(&rig, "a\nb") == RAFT_REASON_CONTRACT);
	rig_free(&rig);
}

int
main(void)
{
	check_run("a contract is read and written as it is documented", test_bytes);
	check_run("what is no contract is refused", test_malformed);
	check_run("the first key in which two contracts differ is named", test_difference);
	check_run(
	    "a contract allows data up to its size, with line no newline and no NUL", test_allows);
	check_run(
	    "a contract entry whose data is no contract is no entry", test_record_of_no_contract);
	check_run(
	    "a contract is taken only if it names the newest one in the log, committed or not",
	    test_replaces_the_newest);
	check_run(
	    "a contract is answered as an entry without serial, and obeys the fence", test_answer);
	check_run("⚠ below level 2 no contract is taken, and none is forwarded", test_level);
	check_run(
	    "no contract is taken before an entry of the own term is committed", test_young_term);
	check_run("a contract comes alone, without session and serial", test_shape);
	check_run(
	    "⚠ a client's entry is taken only if the newest contract allows it, committed or not",
	    test_clients);
	check_run(
	    "of a batch with an entry that the contract forbids nothing is taken", test_batch);
	check_run("serials that are in the log are answered, whatever the contract is now",
	    test_duplicates);
	check_run("entries of other kinds are not held against the contract", test_other_kinds);
	check_run("⚠ what another node forwards is held against the contract, too", test_forwarded);
	check_run("a follower forwards a contract with the index of the one that it replaces",
	    test_forwards);
	check_run("a contract that was truncated is forgotten", test_truncated);
	check_run(
	    "a node that starts knows the contracts of its log, committed or not", test_started);
	check_run("a follower's contract is the last one that is committed", test_follower);
	check_run("a snapshot brings its contract; one of a later entry is not installed",
	    test_installed);
	check_run("a snapshot without contract leaves none", test_installed_without);
	check_run("a contract stays when its entry is compacted away", test_compacted);
	return check_done();
}
