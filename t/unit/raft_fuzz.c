/* SPDX-License-Identifier: ISC */
/*
 * Nonsense at the core's door: well-formed messages and events with any numbers in
 * them, from members and strangers.  Whatever they say, the core must not find
 * a bug in itself, and its term, vote and commit keep their rules.
 */
#include "raft_rig.h"

struct fuzz {
	struct rig rig;
	uint64_t random;
	bool calm;                  /* nobody else leads */
	struct raft_id votes[4096]; /* by term, as on disk */
};

static uint64_t
rnd(struct fuzz *fuzz, uint64_t below)
{
	uint64_t x = fuzz->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return x % below;
}

static bool
coin(struct fuzz *fuzz)
{
	return rnd(fuzz, 2) == 0;
}

/* Mostly near what is there, seldom absurd. */
static uint64_t
near(struct fuzz *fuzz, uint64_t what)
{
	if (rnd(fuzz, 200) == 0)
		return UINT64_MAX - rnd(fuzz, 3);
	return what + 3 - (what > 3 ? rnd(fuzz, 7) : rnd(fuzz, 3));
}

static uint64_t
index_any(struct fuzz *fuzz)
{
	struct raft_status status = rig_status(&fuzz->rig);

	if (rnd(fuzz, 3) == 0)
		return rnd(fuzz, status.last.index + 3);
	return near(fuzz, coin(fuzz) ? status.last.index : status.commit.index);
}

static struct raft_pos
pos_any(struct fuzz *fuzz)
{
	struct raft_pos pos = {index_any(fuzz), 0};

	if (rnd(fuzz, 8) == 0 || !raft_term_at(fuzz->rig.raft, pos.index, &pos.term))
		pos.term = rnd(fuzz, rig_status(&fuzz->rig).term + 2);
	return pos;
}

static size_t
contract_any(struct fuzz *fuzz, uint8_t *bytes)
{
	struct raft_contract contract = {
	    .framing = coin(fuzz) ? RAFT_CONTRACT_LINE : RAFT_CONTRACT_NETSTRING,
	    .reply_max = 1,
	    .entry_max = 1 + rnd(fuzz, 60),
	    .format = "any"};

	return raft_contract_encode(&contract, bytes);
}

/* Mostly it opens the session, or another one of that id. */
static size_t
open_any(struct fuzz *fuzz, uint8_t *bytes)
{
	struct raft_session_open open = {
	    .replaces = coin(fuzz) ? 0 : index_any(fuzz), .name = "any"};

	open.run[0] = (uint8_t)rnd(fuzz, 3);
	return raft_session_open_encode(&open, bytes);
}

static struct raft_entry
entry_any(struct fuzz *fuzz, uint64_t term)
{
	enum raft_kind kind = (enum raft_kind)rnd(fuzz, RAFT_KINDS_COUNT);
	struct raft_sid sid = rig_sid((int)rnd(fuzz, 4), coin(fuzz));
	struct raft_config config =
	    rig_config(3 + (int)rnd(fuzz, 3), (int)rnd(fuzz, 2), coin(fuzz));
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX] = {0};
	size_t size = rnd(fuzz, 40);

	if (kind == RAFT_CONFIG && rnd(fuzz, 5) != 0)
		size = raft_config_encode(&config, bytes);
	if (kind == RAFT_LEVEL)
		bytes[(size = 8) - 1] = RAFT_LEVEL_MAX;
	if (kind == RAFT_CONTRACT)
		size = contract_any(fuzz, bytes);
	if (raft_kind_opens(kind) && rnd(fuzz, 5) != 0)
		size = open_any(fuzz, bytes);
	if (kind == RAFT_ACK) {
		size = RAFT_ACK_SIZE;
		bytes_put_u64(bytes, index_any(fuzz));
	}
	bytes[size] = (uint8_t)rnd(fuzz, 3);
	return rig_entry(term, kind, rnd(fuzz, 5) == 0 ? NULL : &sid,
	    kind == RAFT_CLIENT || kind == RAFT_ACK ? rnd(fuzz, 6) : 0, bytes, size);
}

static size_t
entries_any(struct fuzz *fuzz, struct raft_entry *entries, size_t max, uint64_t low, uint64_t high)
{
	size_t count = rnd(fuzz, max + 1);

	for (size_t i = 0; i < count; i++) {
		if (low < high && rnd(fuzz, 4) == 0)
			low++;
		entries[i] = entry_any(fuzz, rnd(fuzz, 50) == 0 ? rnd(fuzz, 9) : low);
	}
	return count;
}

/* ------------------------------------------------------------ messages */

static void
fill_append(
    struct fuzz *fuzz, struct raft_message *message, struct raft_entry *entries, size_t *count)
{
	struct raft_append *append = &message->append;

	append->prev = pos_any(fuzz);
	append->commit = index_any(fuzz);
	append->round = rnd(fuzz, 50);
	append->last = index_any(fuzz);
	append->echo = coin(fuzz) ? 1001 : rnd(fuzz, 3);
	append->clean_commit = index_any(fuzz);
	*count = entries_any(
	    fuzz, entries, 4, append->prev.term > 0 ? append->prev.term : 1, message->term);
	append->entries = entries;
	append->entries_count = *count;
}

static void
fill_reply(struct fuzz *fuzz, struct raft_message *message)
{
	struct raft_append_reply *reply = &message->append_reply;

	reply->ok = rnd(fuzz, 3) != 0;
	reply->recovering = rnd(fuzz, 10) == 0;
	reply->mark_valid = coin(fuzz);
	reply->round = rnd(fuzz, 40);
	reply->start_number = rnd(fuzz, 30) == 0 ? rnd(fuzz, 5) : 7;
	reply->hint = pos_any(fuzz);
	reply->match = coin(fuzz) ? reply->hint.index : index_any(fuzz);
}

static void
fill_answer(struct fuzz *fuzz, struct raft_message *message)
{
	struct raft_answer *answer = &message->answer;

	answer->start_number = coin(fuzz) ? 1001 : rnd(fuzz, 3);
	answer->request = rnd(fuzz, 60);
	answer->verdict = (enum raft_verdict)rnd(fuzz, 4);
	answer->reason = (enum raft_reason)rnd(fuzz, RAFT_REASONS_COUNT + 1);
	answer->serial = rnd(fuzz, 6);
	answer->count = near(fuzz, 1);
	answer->pos = pos_any(fuzz);
}

static void
fuzz_message(struct fuzz *fuzz)
{
	struct raft_status status = rig_status(&fuzz->rig);
	struct raft_message message =
	    rig_make((enum raft_message_type)rnd(fuzz, RAFT_MESSAGES_COUNT), 1 + (int)rnd(fuzz, 6),
		rnd(fuzz, 50) == 0 ? 2 : 1, status.term);
	struct raft_entry entries[4];
	size_t count = 0;

	/* Mostly this term, and what suits the role, so that something comes of it. */
	if (status.role != RAFT_FOLLOWER && rnd(fuzz, 3) != 0)
		message.type =
		    status.role == RAFT_LEADER ? RAFT_MSG_APPEND_REPLY : RAFT_MSG_VOTE_REPLY;
	if (fuzz->calm && message.type == RAFT_MSG_APPEND)
		message.type = RAFT_MSG_VOTE_REPLY;
	if (rnd(fuzz, status.role == RAFT_FOLLOWER ? 12 : 60) == 0)
		message.term =
		    rnd(fuzz, 40) == 0 ? near(fuzz, status.term) : status.term + rnd(fuzz, 3);
	switch (message.type) {
	case RAFT_MSG_VOTE:
		message.vote.pre = coin(fuzz);
		message.vote.transfer = rnd(fuzz, 5) == 0;
		message.vote.last = pos_any(fuzz);
		break;
	case RAFT_MSG_VOTE_REPLY:
		message.vote_reply.pre = coin(fuzz);
		message.vote_reply.granted = rnd(fuzz, 4) != 0;
		message.vote_reply.recovering = rnd(fuzz, 10) == 0;
		message.term = status.term + message.vote_reply.pre;
		break;
	case RAFT_MSG_APPEND:
		fill_append(fuzz, &message, entries, &count);
		break;
	case RAFT_MSG_APPEND_REPLY:
		fill_reply(fuzz, &message);
		break;
	case RAFT_MSG_PROPOSE:
		message.propose.start_number = rnd(fuzz, 3);
		message.propose.request = rnd(fuzz, 1000);
		message.propose.fence = rnd(fuzz, 3) == 0 ? status.term : 0;
		message.propose.epoch = index_any(fuzz);
		message.propose.seen = index_any(fuzz);
		count = entries_any(fuzz, entries, 3, 0, 0);
		message.propose.entries = entries;
		message.propose.entries_count = count;
		break;
	case RAFT_MSG_ANSWER:
		fill_answer(fuzz, &message);
		break;
	case RAFT_MSG_TIMEOUT_NOW:
		break;
	case RAFT_MSG_TRANSFER:
		message.transfer.start_number = rnd(fuzz, 3);
		message.transfer.request = rnd(fuzz, 60);
		message.transfer.target = rig_id((int)rnd(fuzz, 6));
		break;
	case RAFT_MSG_READ:
	case RAFT_MSG_READ_REPLY:
	case RAFT_MESSAGES_COUNT:
		message.read_reply.start_number = coin(fuzz) ? 1001 : rnd(fuzz, 3);
		message.read_reply.request = rnd(fuzz, 60);
		break;
	}
	if (coin(fuzz))
		rig_gather(&fuzz->rig, &message);
	else
		rig_message(&fuzz->rig, &message);
	for (size_t i = 0; i < count; i++)
		raft_chunk_unref(entries[i].chunk);
}

/* -------------------------------------------------------------- events */

static void
fuzz_propose(struct fuzz *fuzz)
{
	struct raft_entry entries[4];
	struct raft_proposal proposal = {.ticket = 1, .entries = entries};

	proposal.entries_count = entries_any(fuzz, entries, 4, 0, 0);
	proposal.fence = rnd(fuzz, 3);
	proposal.epoch = index_any(fuzz);
	proposal.seen = coin(fuzz) ? 0 : index_any(fuzz);
	rig_propose(&fuzz->rig, &proposal);
	for (size_t i = 0; i < proposal.entries_count; i++)
		raft_chunk_unref(entries[i].chunk);
}

static void
fuzz_fetched(struct fuzz *fuzz)
{
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	struct raft_entry entries[4];
	size_t count = entries_any(fuzz, entries, 4, 1, 2);

	event.fetched.request = rnd(fuzz, 60);
	event.fetched.first_index = index_any(fuzz);
	event.fetched.entries = entries;
	event.fetched.entries_count = count;
	rig_event(&fuzz->rig, &event);
	for (size_t i = 0; i < count; i++)
		raft_chunk_unref(entries[i].chunk);
}

static void
fuzz_stored(struct fuzz *fuzz)
{
	struct raft_event event = {.type = RAFT_EVENT_STORED};

	if (rnd(fuzz, 10) == 0) {
		event.stored_number = UINT64_MAX - rnd(fuzz, 3);
		rig_step(&fuzz->rig, &event);
	}
	rig_store(&fuzz->rig, rnd(fuzz, fuzz->rig.writes_count + 1));
}

static void
fuzz_transfer(struct fuzz *fuzz)
{
	struct raft_event event = {.type = RAFT_EVENT_TRANSFER};

	event.transfer.ticket = 1;
	event.transfer.target = coin(fuzz) ? rig_id(1 + (int)rnd(fuzz, 5)) : (struct raft_id){0};
	rig_event(&fuzz->rig, &event);
}

static void
fuzz_compacted(struct fuzz *fuzz)
{
	struct raft_event event = {.type = RAFT_EVENT_COMPACTED};

	struct raft_status status = rig_status(&fuzz->rig);
	struct rig_disk *disk = &fuzz->rig.disk;

	/* One that cannot be, and now and then a real one. */
	event.compacted = pos_any(fuzz);
	event.compacted.term += 7;
	rig_event(&fuzz->rig, &event);
	if (fuzz->rig.writes_count > 0 || rnd(fuzz, 20) != 0 ||
	    status.commit.index <= disk->before.index + 1)
		return;
	rig_compact(&fuzz->rig,
	    disk->before.index + 1 + rnd(fuzz, status.commit.index - disk->before.index));
}

static void
fuzz_snapshot(struct fuzz *fuzz)
{
	struct raft_config config = rig_config(3 + (int)rnd(fuzz, 3), 0, coin(fuzz));
	struct raft_pos pos = pos_any(fuzz);

	if (coin(fuzz))
		pos.index += 5;
	rig_snapshot_ready(&fuzz->rig, pos, &config, raft_sessions_new());
}

static void
fuzz_sent(struct fuzz *fuzz)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_SENT};

	event.sent.peer = rig_id(1 + (int)rnd(fuzz, 5));
	event.sent.ok = coin(fuzz);
	event.sent.index = index_any(fuzz);
	rig_event(&fuzz->rig, &event);
}

static void
fuzz_step(struct fuzz *fuzz)
{
	switch (rnd(fuzz, 34)) {
	case 10:
		if (rnd(fuzz, 8) == 0)
			fuzz_transfer(fuzz);
		break;
	case 11:
		fuzz_compacted(fuzz);
		break;
	case 12:
		fuzz_snapshot(fuzz);
		break;
	case 13:
		fuzz_sent(fuzz);
		break;
	case 0:
	case 1:
		rig_time(
		    &fuzz->rig, rnd(fuzz, rig_status(&fuzz->rig).role == RAFT_LEADER ? 100 : 2) == 0
				    ? rnd(fuzz, 3000)
				    : rnd(fuzz, 100));
		break;
	case 2:
	case 3:
	case 4:
		fuzz_stored(fuzz);
		break;
	case 5:
		fuzz_propose(fuzz);
		break;
	case 6:
		rig_read(&fuzz->rig, 1);
		break;
	case 7:
		fuzz_fetched(fuzz);
		break;
	case 8:
		rig_unreachable(&fuzz->rig, 1 + (int)rnd(fuzz, 5));
		break;
	case 9:
		if (rnd(fuzz, 20) == 0)
			rig_disk_full(&fuzz->rig, rnd(fuzz, 6) == 0);
		break;
	default:
		fuzz_message(fuzz);
		break;
	}
}

static void
fuzz_check(struct fuzz *fuzz, uint64_t term, uint64_t commit)
{
	struct raft_status status = rig_status(&fuzz->rig);
	struct rig_disk *disk = &fuzz->rig.disk;

	CHECK(status.term >= term);
	CHECK(status.commit.index >= commit && status.commit.index <= status.last.index);
	CHECK(status.durable <= status.last.index);
	if (disk->term >= 4096 || raft_id_none(&disk->vote))
		return;
	if (raft_id_none(&fuzz->votes[disk->term]))
		fuzz->votes[disk->term] = disk->vote;
	CHECK(raft_id_equal(&fuzz->votes[disk->term], &disk->vote));
}

static void
test_nonsense(void)
{
	const char *seed = getenv("RAFT_SEED");
	uint64_t leads = 0;

	for (uint64_t run = 0; run < 30 && check_failures == 0; run++) {
		struct fuzz *fuzz = calloc(1, sizeof *fuzz);

		must(fuzz != NULL);
		fuzz->random = run + (seed == NULL ? 0 : strtoull(seed, NULL, 10));
		rig_init(&fuzz->rig, 1, 3);
		fuzz->rig.hold_writes = true;
		fuzz->rig.settings.tail_size_max = 500;
		fuzz->rig.disk.recovering = run % 5 == 4;
		fuzz->rig.mark_valid = run % 2 == 0;
		rig_start(&fuzz->rig);
		for (int i = 0; i < 10000; i++) {
			struct raft_status status = rig_status(&fuzz->rig);

			fuzz->calm = i / 200 % 2 == 0;
			fuzz_step(fuzz);
			fuzz_check(fuzz, status.term, status.commit.index);
			rig_clear(&fuzz->rig);
			leads += status.role == RAFT_LEADER;
		}
		rig_free(&fuzz->rig);
		free(fuzz);
	}
	/* Else it was all refused at the door. */
	CHECK(leads > 10000);
}

int
main(void)
{
	check_run("whatever well-formed nonsense says, the core keeps its rules", test_nonsense);
	return check_done();
}
