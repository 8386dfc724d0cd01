/* SPDX-License-Identifier: ISC */
/*
 * The core with any messages, requests and acknowledgements, true or not: no assertion may fire,
 * and this node keeps its promises.
 *
 * The input is a script: settings, then an operation a byte with its arguments.  Messages are
 * encoded and decoded.  The disk (the rig's) is honest and may lose what was not confirmed.
 */
#include "../../bin/raft-elect/codec.h"
#include "../unit/raft_rig.h"
#include "fuzz.h"

enum { NODES = 6, ANCHORS = 8, OPS_MAX = 256, LOG_MAX = 512 };

struct world {
	struct fuzz_input in;
	struct rig rig;
	struct raft_status status; /* after the last step */
	uint64_t seen_request;     /* in what was sent last */
	uint64_t seen_round;
	uint64_t seen_prev[NODES + 1]; /* tried last with each */
	uint64_t write_checked;        /* its number */
	uint64_t commit_safe;          /* told when no write was under way: it is on the disk */
};

/* --------------------------------------------------------------- values */

static uint64_t
pick(struct world *w)
{
	uint8_t b = fuzz_u8(&w->in);
	uint64_t anchors[ANCHORS] = {0, w->status.term, w->status.last.index,
	    w->status.commit.index, w->status.last.term,
	    (uint64_t)w->rig.id.s[1] * 1000 + w->rig.starts, w->seen_request, w->seen_round};

	/* The last one of each row stands for any number at all. */
	if ((b & 31) == 31)
		return fuzz_u64(&w->in);
	return anchors[b >> 5] + (b & 31) - 8;
}

static struct raft_pos
pick_pos(struct world *w)
{
	struct raft_pos pos = {pick(w), 0};

	if (fuzz_u8(&w->in) & 1 || !raft_term_at(w->rig.raft, pos.index, &pos.term))
		pos.term = pick(w);
	return pos;
}

static struct raft_sid
pick_sid(struct world *w)
{
	uint8_t b = fuzz_u8(&w->in);
	static const struct raft_sid none;

	return b % 8 == 0 ? none : rig_sid(b % 8 / 2, b & 1);
}

static size_t
pick_config(struct world *w, uint8_t *out)
{
	uint8_t mask = fuzz_u8(&w->in), learners = fuzz_u8(&w->in), keys = fuzz_u8(&w->in);
	struct raft_config config = {0};

	for (int i = 1; i <= NODES; i++) {
		struct raft_member *member = &config.members[config.count];

		if (!(mask & 1 << i))
			continue;
		member->id = rig_id(i);
		member->role = learners & 1 << i ? RAFT_LEARNER : RAFT_VOTER;
		member->key[0] = (uint8_t)(keys & 1 << i ? 0 : i);
		if (keys & 1)
			memcpy(member->address, "tcp://h:1", 10);
		config.count++;
	}
	return raft_config_encode(&config, out);
}

static void
put_open(struct world *w, struct wire_buf *out)
{
	struct raft_session_open open = {
	    .run = {fuzz_u8(&w->in)}, .replaces = pick(w), .name = "s"};
	uint8_t data[RAFT_SESSION_OPEN_SIZE_MAX];

	wire_buf_put(out, data, raft_session_open_encode(&open, data));
}

/* A record; kind 7 is one of raw data. */
static void
put_contract(struct world *w, struct wire_buf *data)
{
	memcpy(wire_buf_add(data, 20), "\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\x40\1k", 20);
	data->bytes[0] = fuzz_u8(&w->in) & 1; /* lines, or netstrings */
}

static void
put_entry(struct world *w, struct wire_buf *out, uint64_t term, unsigned kind,
    const struct raft_sid *sid, uint64_t serial)
{
	struct wire_buf data = {0};
	uint8_t config[RAFT_CONFIG_SIZE_MAX];
	const uint8_t *raw;

	if (kind == RAFT_CONFIG)
		wire_buf_put(&data, config, pick_config(w, config));
	else if (kind == RAFT_SESSION_OPEN)
		put_open(w, &data);
	else if (kind == RAFT_LEVEL)
		bytes_put_u64(wire_buf_add(&data, 8), RAFT_LEVEL_MAX);
	else if (kind == RAFT_CONTRACT)
		put_contract(w, &data);
	else if (kind != RAFT_NOOP) {
		size_t size = fuzz_bytes(&w->in, &raw, fuzz_u8(&w->in) % 80);

		if (size > 0)
			wire_buf_put(&data, raw, size);
	}
	if (kind >= RAFT_KINDS_COUNT)
		kind = fuzz_u8(&w->in) % RAFT_LEVEL; /* any data fits these */
	raft_entry_header(wire_buf_add(out, RAFT_ENTRY_HEADER_SIZE), term, (enum raft_kind)kind,
	    sid, serial, (uint32_t)data.size);
	wire_buf_put(out, data.bytes == NULL ? (const uint8_t *)"" : data.bytes, data.size);
	wire_buf_free(&data);
}

struct run {
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	uint32_t count;
};

/* Entries as they come in a message; those of a client follow on from each other, mostly. */
static struct run
pick_run(struct world *w, uint64_t term)
{
	struct wire_buf out = {0};
	struct run run = {.count = fuzz_u8(&w->in) % 8};
	uint8_t flags = fuzz_u8(&w->in);
	unsigned kind = flags % 8;
	struct raft_sid sid = pick_sid(w);
	uint64_t serial = pick(w);

	for (uint32_t i = 0; i < run.count; i++) {
		if (flags & 64 && i > 0) {
			kind = fuzz_u8(&w->in) % 8;
			sid = pick_sid(w);
			serial = pick(w);
		}
		if (flags & 128)
			term = pick(w);
		put_entry(w, &out, term, kind, &sid, serial + i);
	}
	struct wire_bytes bytes = {out.bytes, out.size};
	must(wire_entries_get(bytes, run.count, &run.entries, &run.chunk));
	wire_buf_free(&out);
	return run;
}

static void
run_drop(struct run *run)
{
	free(run->entries);
	raft_chunk_unref(run->chunk);
}

/* ----------------------------------------------------------- what holds */

static bool
decode(struct codec_message *in, const struct wire_buf *made)
{
	struct wire_frame frame;

	return frame_whole((struct wire_bytes){made->bytes, made->size}, FRAME_SIZE_MAX, &frame) &&
	       codec_get(in, &frame);
}

static void
sent_check(struct world *w, const struct raft_message *message)
{
	const struct rig_disk *disk = &w->rig.disk;
	struct wire_buf made = {0};
	struct codec_message in;
	const struct raft_entry *entries;
	size_t count;

	codec_put(&made, message, &entries, &count);
	wire_entries_put(&made, entries, count);
	must(decode(&in, &made));
	codec_drop(&in);
	wire_buf_free(&made);
	/* Promises rest on what is durable (§3.8). */
	if (message->type == RAFT_MSG_VOTE_REPLY && message->vote_reply.granted &&
	    !message->vote_reply.pre) {
		must(!disk->recovering);
		must(disk->term >= message->term);
		must(disk->term > message->term || raft_id_equal(&disk->vote, &message->to));
	}
	if (message->type == RAFT_MSG_APPEND_REPLY && message->append_reply.ok)
		must(message->append_reply.match <= rig_disk_last(&w->rig));
	if (message->type == RAFT_MSG_PROPOSE)
		w->seen_request = message->propose.request;
	if (message->type == RAFT_MSG_READ)
		w->seen_request = message->read.request;
	if (message->type == RAFT_MSG_APPEND) {
		w->seen_round = message->append.round;
		for (int i = 1; i <= NODES; i++) {
			struct raft_id id = rig_id(i);

			if (raft_id_equal(&id, &message->to))
				w->seen_prev[i] = message->append.prev.index;
		}
	}
}

/* What was committed before is never cut. */
static void
writes_check(struct world *w)
{
	const struct rig *rig = &w->rig;

	for (size_t i = 0; i < rig->writes_count; i++) {
		const struct raft_write *write = &rig->writes[i].w;

		if (write->number <= w->write_checked)
			continue;
		w->write_checked = write->number;
		must(!write->truncate || write->truncate_after >= w->status.commit.index);
	}
}

/* After each step that had an update. */
static void
check(struct world *w)
{
	struct raft_status now = rig_status(&w->rig);
	struct rig *rig = &w->rig;

	must(check_failures == 0);
	must(now.term >= w->status.term);
	must(now.commit.index >= w->status.commit.index);
	must(now.commit.index <= now.last.index);
	must(now.durable <= now.last.index);
	/* What the log was said to hold for ever, it holds. */
	uint64_t term = 0;
	if (w->status.commit.index >= now.before.index) {
		must(raft_term_at(rig->raft, w->status.commit.index, &term));
		must(term == w->status.commit.term);
	}
	must(now.term > w->status.term || raft_id_none(&w->status.vote) ||
	     raft_id_equal(&now.vote, &w->status.vote));
	writes_check(w);
	for (size_t i = 0; i < rig->sent_count; i++)
		sent_check(w, &rig->sent[i].m);
	rig_sent_clear(rig);
	rig->answers_count = 0;
	rig->reads_count = 0;
	if (rig->fetches_count > 64)
		rig->fetches_count = 0;
	if (rig->snapshots_count > 64)
		rig->snapshots_count = 0;
	if (rig->writes_count == 0)
		w->commit_safe = rig->commit;
	w->status = now;
}

/* ----------------------------------------------------------- operations */

/* One step, with an update or, where the byte says so, without. */
static void
step(struct world *w, struct raft_event *event)
{
	event->now.ms = w->rig.now;
	if (fuzz_u8(&w->in) & 1) {
		raft_step(w->rig.raft, event, NULL);
		return;
	}
	rig_step(&w->rig, event);
	check(w);
}

static void
deliver(struct world *w, const struct raft_message *message)
{
	struct wire_buf made = {0};
	struct codec_message in;
	const struct raft_entry *entries;
	size_t count;

	codec_put(&made, message, &entries, &count);
	wire_entries_put(&made, entries, count);
	if (decode(&in, &made)) {
		struct raft_event event = {.type = RAFT_EVENT_MESSAGE, .message = &in.message};

		in.message.from = message->from;
		in.message.to = message->to;
		step(w, &event);
		codec_drop(&in);
	}
	wire_buf_free(&made);
}

static struct raft_message
message_make(struct world *w, enum raft_message_type type)
{
	return rig_make(type, 1 + fuzz_u8(&w->in) % NODES, 1, pick(w));
}

static void
op_vote(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_VOTE);
	uint8_t flags = fuzz_u8(&w->in);

	m.vote = (struct raft_vote){flags & 1, flags & 2, pick_pos(w)};
	deliver(w, &m);
}

static void
op_vote_reply(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_VOTE_REPLY);
	uint8_t flags = fuzz_u8(&w->in);

	m.vote_reply =
	    (struct raft_vote_reply){flags & 1, flags & 2, flags & 4, flags >> 3, flags >> 5};
	deliver(w, &m);
}

static void
op_append(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_APPEND);
	struct raft_append *append = &m.append;

	append->prev = pick_pos(w);
	append->commit = pick(w);
	append->round = pick(w);
	append->last = pick(w);
	append->echo = pick(w);
	append->clean_commit = pick(w);
	append->timeout = append->grace = append->round;
	struct run run = pick_run(w, m.term);
	append->entries = run.entries;
	append->entries_count = run.count;
	deliver(w, &m);
	run_drop(&run);
}

/* What a right leader sends: it follows on from the log. */
static void
op_append_right(struct world *w)
{
	struct raft_message m =
	    rig_make(RAFT_MSG_APPEND, 2, 1, w->status.term == 0 ? 1 : w->status.term);
	struct raft_append *append = &m.append;

	if (!raft_id_none(&w->status.leader))
		m.from = w->status.leader;
	append->prev = w->status.last;
	append->round = ++w->seen_round;
	append->echo = (uint64_t)w->rig.id.s[1] * 1000 + w->rig.starts;
	struct run run = pick_run(w, m.term);
	append->last = append->prev.index + run.count;
	append->commit = append->last - fuzz_u8(&w->in) % 4;
	append->clean_commit = fuzz_u8(&w->in) & 1 ? append->commit : 0;
	append->entries = run.entries;
	append->entries_count = run.count;
	deliver(w, &m);
	run_drop(&run);
}

static void
op_append_reply(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_APPEND_REPLY);
	uint8_t flags = fuzz_u8(&w->in);

	m.append_reply = (struct raft_append_reply){flags & 1, flags & 2, flags & 4, pick(w),
	    pick(w), pick(w), pick_pos(w), flags >> 3, flags >> 5, flags >> 6};
	deliver(w, &m);
}

/*
 * A right reply: all is taken, up to the end or a little less; or what was tried last is refused.
 */
static void
op_accept(struct world *w)
{
	uint8_t who = fuzz_u8(&w->in), less = fuzz_u8(&w->in);
	struct raft_message m = rig_make(RAFT_MSG_APPEND_REPLY, 2 + who % 4, 1, w->status.term);
	struct raft_append_reply *reply = &m.append_reply;

	reply->ok = !(who & 4);
	reply->recovering = who & 8;
	reply->mark_valid = who & 16;
	reply->round = w->seen_round;
	reply->start_number = less & 64 ? 2 : 1;
	reply->hint.index = w->status.last.index - less % 4;
	reply->match = reply->ok ? reply->hint.index - less / 4 % 4 : w->seen_prev[2 + who % 4];
	if (reply->ok && reply->match > reply->hint.index)
		return;
	raft_term_at(w->rig.raft, reply->hint.index, &reply->hint.term);
	deliver(w, &m);
}

static void
op_propose(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_PROPOSE);
	struct raft_propose *propose = &m.propose;

	propose->start_number = pick(w);
	propose->request = pick(w);
	propose->fence = pick(w);
	propose->epoch = pick(w);
	propose->seen = pick(w);
	struct run run = pick_run(w, 0);
	propose->entries = run.entries;
	propose->entries_count = run.count;
	deliver(w, &m);
	run_drop(&run);
}

static void
op_answer(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_ANSWER);
	struct raft_answer *answer = &m.answer;

	answer->start_number = pick(w);
	answer->request = pick(w);
	answer->verdict = (enum raft_verdict)(fuzz_u8(&w->in) % RAFT_VERDICTS_COUNT);
	answer->reason = (enum raft_reason)(fuzz_u8(&w->in) % RAFT_REASONS_COUNT);
	answer->serial = pick(w);
	answer->count = pick(w);
	answer->pos = pick_pos(w);
	answer->epoch = pick(w);
	deliver(w, &m);
}

static void
op_read(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_READ);

	m.read = (struct raft_read){pick(w), pick(w)};
	deliver(w, &m);
}

static void
op_read_reply(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_READ_REPLY);

	m.read_reply = (struct raft_read_reply){pick(w), pick(w), fuzz_u8(&w->in) & 1, pick(w)};
	deliver(w, &m);
}

static void
op_time(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_TIME};

	w->rig.now += (uint64_t)fuzz_u8(&w->in) * 10;
	step(w, &event);
}

/* The first so many writes are durable. */
static void
op_stored(struct world *w)
{
	size_t count = fuzz_u8(&w->in);

	if (w->rig.writes_count == 0)
		return;
	rig_store(&w->rig, count < w->rig.writes_count ? count + 1 : w->rig.writes_count);
	check(w);
}

/* Time passes until this node would stand; then all vote for it. */
static void
op_elect(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_TIME};

	w->rig.now += 2 * RIG_E;
	step(w, &event);
	if (w->rig.writes_count > 0)
		op_stored(w);
	for (int i = 2; i < NODES; i++) {
		bool pre = w->status.role == RAFT_PRE_CANDIDATE;
		struct raft_message m = rig_make(RAFT_MSG_VOTE_REPLY, i, 1, w->status.term + pre);

		if (!pre && w->status.role != RAFT_CANDIDATE)
			continue;
		m.vote_reply = (struct raft_vote_reply){pre, true, false, 0, 0};
		deliver(w, &m);
	}
}

/* A report of a write that is not under way: of an earlier connection, or of none. */
static void
op_stored_wrong(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_STORED, .stored_number = pick(w)};

	for (size_t i = 0; i < w->rig.writes_count; i++)
		if (w->rig.writes[i].w.number == event.stored_number)
			return;
	step(w, &event);
}

static void
op_disk(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_DISK, .disk_full = fuzz_u8(&w->in) & 1};

	step(w, &event);
}

/* What was asked for, from the disk; some of it, or nothing. */
static void
op_fetched(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	uint64_t count = fuzz_u8(&w->in) % 8;

	if (w->rig.fetches_count == 0)
		return;
	struct raft_fetch fetch = w->rig.fetches[--w->rig.fetches_count];
	event.fetched.request = fetch.request;
	event.fetched.first_index = fetch.first_index;
	uint64_t before = w->rig.disk.before.index;

	if (fetch.first_index > before && fetch.first_index <= rig_disk_last(&w->rig)) {
		uint64_t there = rig_disk_last(&w->rig) - fetch.first_index + 1;

		event.fetched.entries = w->rig.disk.entries + (fetch.first_index - before - 1);
		event.fetched.entries_count = count < there ? count : there;
	}
	step(w, &event);
}

static void
op_fetched_wrong(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	struct run run = pick_run(w, w->status.term);

	event.fetched.request = w->rig.fetches_count > 0 ? w->rig.fetches[0].request : pick(w);
	event.fetched.first_index = pick(w);
	event.fetched.entries = run.entries;
	event.fetched.entries_count = run.count;
	step(w, &event);
	run_drop(&run);
}

static void
op_client(struct world *w)
{
	struct raft_proposal proposal = {.ticket = pick(w), .seen = w->status.commit.index};
	uint8_t flags = fuzz_u8(&w->in);
	struct raft_event event = {.type = RAFT_EVENT_PROPOSE, .proposal = &proposal};

	if (flags & 1)
		proposal.fence = pick(w);
	if (flags & 2)
		proposal.epoch = pick(w);
	if (flags & 4)
		proposal.seen = pick(w);
	struct run run = pick_run(w, flags & 8 ? pick(w) : 0);
	proposal.entries = run.entries;
	proposal.entries_count = run.count;
	step(w, &event);
	run_drop(&run);
}

static void
op_client_read(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_READ, .read_ticket = pick(w)};

	step(w, &event);
}

static void
op_unreachable(struct world *w)
{
	struct raft_event event = {
	    .type = RAFT_EVENT_UNREACHABLE, .unreachable = rig_id(1 + fuzz_u8(&w->in) % NODES)};

	step(w, &event);
}

/*
 * Killed, and started again: of the writes under way some are on the disk.  Where the byte
 * says so the disk has lost more, and raft-logd has seen it.
 */
static void
op_restart(struct world *w)
{
	struct rig *rig = &w->rig;
	uint8_t kept = fuzz_u8(&w->in), lost = fuzz_u8(&w->in);
	uint64_t commit = w->commit_safe;

	for (size_t i = 0; i < rig->writes_count && i < kept % 4; i++)
		rig_disk_write(rig, &rig->writes[i]);
	rig_writes_clear(rig);
	if (lost & 1 && rig->disk.count > 0) {
		rig_disk_cut(rig, rig->disk.count - 1 - (lost / 8) % rig->disk.count);
		rig->disk.recovering = true;
		rig->mark_valid = lost & 2;
		rig->mark_term = rig->mark_valid ? rig->disk.term : 0;
	}
	if (commit > rig_disk_last(rig) || lost & 4)
		commit = commit > rig_disk_last(rig) ? rig_disk_last(rig) : commit / 2;
	if (commit < rig->disk.before.index)
		commit = rig->disk.before.index;
	rig_clear(rig);
	rig_start_commit(rig, commit);
	w->commit_safe = commit;
	w->write_checked = 0;
	w->seen_round = 0;
	w->status = rig_status(rig);
}

/* ---------------------------------------- leadership, members, snapshots */

static void
op_timeout_now(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_TIMEOUT_NOW);

	/* Mostly one of the leader that this node knows. */
	if (fuzz_u8(&w->in) & 3 && !raft_id_none(&w->status.leader)) {
		m.from = w->status.leader;
		m.term = w->status.term;
	}
	deliver(w, &m);
}

static struct raft_id
pick_id(struct world *w)
{
	static const struct raft_id nobody;
	uint8_t number = fuzz_u8(&w->in) % (NODES + 2);

	return number > NODES ? nobody : rig_id(number);
}

static void
op_transfer_asked(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_TRANSFER);

	m.transfer = (struct raft_transfer){pick(w), pick(w), pick_id(w)};
	deliver(w, &m);
}

static void
op_transfer(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_TRANSFER};

	event.transfer.ticket = pick(w);
	event.transfer.target = pick_id(w);
	step(w, &event);
}

static struct raft_entry
pick_change(struct world *w)
{
	struct raft_change change = {
	    .op = (enum raft_change_op)(1 + fuzz_u8(&w->in) % 7), .member.id = pick_id(w)};
	uint8_t data[RAFT_CHANGE_SIZE_MAX], like = fuzz_u8(&w->in);

	change.member.key[0] = like % 8;
	if (like & 8)
		memcpy(change.member.address, "tcp://h:1", 10);
	if (like & 16)
		change.member.address[6] = (char)('0' + like / 32);
	if (like & 32)
		change.member.key_next[0] = like / 64;
	return rig_entry(0, RAFT_CONFIG, NULL, 0, data, raft_change_encode(&change, data));
}

static void
op_change(struct world *w)
{
	struct raft_entry entry = pick_change(w);
	struct raft_proposal proposal = {.ticket = pick(w), .entries = &entry, .entries_count = 1};
	struct raft_event event = {.type = RAFT_EVENT_PROPOSE, .proposal = &proposal};

	step(w, &event);
	raft_chunk_unref(entry.chunk);
}

static void
op_change_asked(struct world *w)
{
	struct raft_message m = message_make(w, RAFT_MSG_PROPOSE);
	struct raft_entry entry = pick_change(w);

	m.term = w->status.term;
	m.propose.start_number = pick(w);
	m.propose.request = pick(w);
	m.propose.entries = &entry;
	m.propose.entries_count = 1;
	deliver(w, &m);
	raft_chunk_unref(entry.chunk);
}

/* raft-logd cuts the beginning, as far as it knows that it is committed. */
static void
op_compact(struct world *w)
{
	struct rig *rig = &w->rig;
	uint64_t before = rig->disk.before.index, last = rig_disk_last(rig);
	uint64_t safe = w->commit_safe < last ? w->commit_safe : last;
	uint64_t keep = fuzz_u8(&w->in) % 4;
	struct raft_event event = {.type = RAFT_EVENT_COMPACTED};

	for (size_t i = 0; i < rig->writes_count; i++)
		if (rig->writes[i].w.install || rig->writes[i].w.truncate)
			return;
	if (safe < before + keep + 1)
		return;
	rig_disk_compact(rig, safe - keep);
	event.compacted = rig->disk.before;
	step(w, &event);
}

/* A whole one, as its head says; what it says may be a lie. */
static void
op_snapshot_ready(struct world *w)
{
	struct raft_pos pos = pick_pos(w);
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX], flags = fuzz_u8(&w->in);
	struct raft_config config;
	size_t size = pick_config(w, bytes);
	struct raft_sessions *sessions;

	if (pos.index == 0 || pos.index > INT64_MAX || pos.term == 0 || pos.term > INT64_MAX ||
	    !raft_config_decode(&config, bytes, size))
		return;
	sessions = raft_sessions_new();
	must(sessions != NULL);
	if (flags & 1) {
		struct raft_session session = {
		    .sid = pick_sid(w), .serial = pick(w), .last_index = pos.index};

		raft_sessions_restore(sessions, &session);
	}
	rig_snapshot_ready(&w->rig, pos, &config, sessions);
	check(w);
}

static void
op_snapshot_sent(struct world *w)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_SENT};
	uint8_t how = fuzz_u8(&w->in);

	event.sent.peer = pick_id(w);
	if (how & 4 && w->rig.snapshots_count > 0)
		event.sent.peer = w->rig.snapshots[--w->rig.snapshots_count].peer;
	event.sent.ok = how & 1;
	event.sent.index = how & 2 ? w->rig.disk.before.index : pick(w);
	step(w, &event);
}

#define OPS(O)                                                                                     \
	O(vote)                                                                                    \
	O(vote_reply)                                                                              \
	O(append)                                                                                  \
	O(append_right)                                                                            \
	O(append_reply)                                                                            \
	O(accept)                                                                                  \
	O(propose)                                                                                 \
	O(answer)                                                                                  \
	O(read)                                                                                    \
	O(read_reply)                                                                              \
	O(time)                                                                                    \
	O(elect)                                                                                   \
	O(stored)                                                                                  \
	O(stored_wrong)                                                                            \
	O(disk)                                                                                    \
	O(fetched)                                                                                 \
	O(fetched_wrong)                                                                           \
	O(client)                                                                                  \
	O(client_read)                                                                             \
	O(unreachable)                                                                             \
	O(restart)                                                                                 \
	O(timeout_now)                                                                             \
	O(transfer_asked)                                                                          \
	O(transfer)                                                                                \
	O(change)                                                                                  \
	O(change_asked)                                                                            \
	O(compact)                                                                                 \
	O(snapshot_ready)                                                                          \
	O(snapshot_sent)
static void (*const ops[])(struct world *w) = {
#define O(name) op_##name,
    OPS(O)
#undef O
};
enum { OPS_COUNT = sizeof ops / sizeof ops[0] };

/* --------------------------------------------------------------- script */

static void
begin(struct world *w)
{
	struct rig *rig = &w->rig;
	uint8_t shape = fuzz_u8(&w->in), limits = fuzz_u8(&w->in);
	int members = 1 + shape % 5;

	rig_init(rig, 1, members);
	rig->settings.level_max = RAFT_LEVEL_MAX;
	rig->config = rig_config(members, shape / 8 % 8 % members, shape & 64);
	if (shape & 128)
		rig->settings.addresses = rig_config(members, shape / 8 % 8 % members, true);
	if (limits & 1)
		rig->settings.message_size_max = 100;
	if (limits & 2)
		rig->settings.window_messages_max = 2;
	if (limits & 4)
		rig->settings.uncommitted_size_max = 400;
	if (limits & 8)
		rig->settings.tail_size_max = 0;
	if (limits & 16)
		rig->settings.entry_size_max = 16;
	for (unsigned i = 0; i < limits / 32; i++)
		rig_disk_put(rig, 1 + i / 2, RAFT_NOOP);
	rig->hold_writes = true;
	rig_start(rig);
	w->status = rig_status(rig);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct world w;

	check_failures = 0;
	memset(&w, 0, sizeof w);
	w.in = (struct fuzz_input){bytes, size};
	begin(&w);
	for (int i = 0; i < OPS_MAX && w.in.left > 0 && w.rig.disk.count < LOG_MAX; i++)
		ops[fuzz_u8(&w.in) % OPS_COUNT](&w);
	rig_free(&w.rig);
	return 0;
}

enum {
	OP_BASE = -1,
#define O(name) OP_##name,
	OPS(O)
#undef O
};

static void
seeds(void)
{
	static const uint8_t leads[] = {2, 0, OP_elect, 0, 0, 0, 0, 0, 0, OP_stored, 9, OP_elect, 0,
	    0, 0, 0, 0, 0, 0, OP_stored, 9, OP_accept, 0, 0, 0, OP_accept, 1, 0, 0, OP_client, 1, 0,
	    2, 2, 2, 9, 1, 'a', 1, 'b', 0, OP_stored, 9, OP_accept, 0, 0, 0, OP_client_read, 9, 0,
	    OP_time, 20, 0, OP_accept, 0, 0, 0, OP_restart, 1, 0, OP_elect, 0, 0, 0, 0, 0, 0};
	static const uint8_t follows[] = {2, 96, OP_append_right, 3, 0, 0, 8, 0, 0, 0, OP_stored, 9,
	    OP_append_right, 2, 2, 2, 9, 1, 'a', 1, 'b', 0, 1, 0, OP_stored, 9, OP_client, 1, 0, 1,
	    2, 2, 9, 1, 'c', 0, OP_answer, 1, 40, 168, 200, 0, 0, 9, 9, 9, 0, 9, 0, OP_vote, 2, 41,
	    0, 72, 0, 0, OP_stored, 9, OP_restart, 1, 9, OP_append_right, 3, 0, 0, 8, 0, 1, 0};

	static const uint8_t helps[] = {2, 224, OP_elect, 0, 0, 0, 0, 0, 0, OP_stored, 9, OP_elect,
	    0, 0, 0, 0, 0, 0, 0, OP_stored, 9, OP_accept, 4, 5, 0, OP_time, 11, 0, OP_accept, 8, 4,
	    0, OP_accept, 1, 0, 0, OP_stored, 9, OP_accept, 1, 0, 0, OP_time, 11, 0, OP_accept, 8,
	    0, 0, OP_accept, 1, 0, 0, OP_time, 11, 0};

	/* A leader adds a member, makes it a voter, cuts its log, and hands over. */
	static const uint8_t leads_on[] = {2, 0, OP_elect, 0, 0, 0, 0, 0, 0, OP_stored, 9, OP_elect,
	    0, 0, 0, 0, 0, 0, 0, OP_stored, 9, OP_accept, 0, 0, 0, OP_change, 0, 5, 8 | 5, 9, 0,
	    OP_stored, 9, OP_accept, 0, 0, 0, OP_accept, 3, 0, 0, OP_change, 1, 5, 0, 9, 0,
	    OP_stored, 9, OP_accept, 0, 0, 0, OP_compact, 0, 0, OP_time, 11, 0, OP_snapshot_sent, 7,
	    0, 0, OP_transfer, 9, 2, 0, OP_time, 11, 0, OP_vote, 1, 41, 2, 72, 0, 0, OP_stored, 9};
	/* A follower takes a snapshot, dies, stands when it is told to. */
	static const uint8_t takes[] = {2, 96, OP_append_right, 3, 0, 0, 8, 0, 0, 0, OP_stored, 9,
	    OP_snapshot_ready, 72 + 5, 1, 40, 1, 14, 0, 0, 2, 9, OP_stored, 9, OP_append_right, 1,
	    0, 0, 8, 0, 0, 0, OP_restart, 1, 0, OP_append_right, 1, 0, 0, 8, 0, 0, 0, OP_stored, 9,
	    OP_timeout_now, 1, 40, 1, 0, OP_stored, 9};

	fuzz_seed(leads, sizeof leads);
	fuzz_seed(leads_on, sizeof leads_on);
	fuzz_seed(takes, sizeof takes);
	fuzz_seed(helps, sizeof helps);
	fuzz_seed(follows, sizeof follows);
}
