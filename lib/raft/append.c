/* SPDX-License-Identifier: ISC */
/*
 * AppendEntries, received (§3.5).
 *
 * `verified` is how far this log is known to equal the present leader's in the
 * present term; the reply says min(verified, durable) as its match and verified
 * as its hint, so that a leader can tell a slow disk from a lost message.  Ours:
 * replies are due at most once an update: at once for a new round or a refusal,
 * else when what is durable has moved.
 */
#include "core.h"

void
raft_append_reset(struct raft *raft)
{
	/* What is before the log was committed, and every leader has what was committed. */
	raft->verified = raft->log.before.index;
	raft->commit_told = 0;
	raft->round_seen = 0;
	raft->round_replied = 0;
	raft->match_replied = 0;
	raft->reply_due = false;
	raft_recover_reset(raft);
	must(raft->verified <= raft->commit);
}

static uint64_t
append_match(const struct raft *raft)
{
	return raft->verified < raft->store.durable ? raft->verified : raft->store.durable;
}

static struct raft_append_reply *
reply_start(struct raft *raft, const struct raft_id *to)
{
	struct raft_message *message = raft_out_message(raft, RAFT_MSG_APPEND_REPLY, to);
	struct raft_append_reply *reply = &message->append_reply;

	reply->recovering = raft->recover.active;
	reply->mark_valid = raft->recover.active && raft->recover.mark_valid;
	reply->round = raft->round_seen;
	reply->start_number = raft->start_number;
	reply->level = raft->settings.level_max;
	/* ⚠ A leader that is below level 2 could not read it. */
	reply->clock = raft->level >= RAFT_LEVEL_STAMPS ? raft->wall_ms : 0;
	/* Not without a clock: fields that may be missing end with the first one that is. */
	reply->first =
	    raft->level >= RAFT_LEVEL_FIRST && reply->clock > 0 ? raft->log.before.index + 1 : 0;
	return reply;
}

void
raft_append_acknowledge(struct raft *raft)
{
	struct raft_append_reply *reply;

	if (raft->role != RAFT_FOLLOWER || raft_id_none(&raft->leader))
		return;
	if (!raft->reply_due && append_match(raft) <= raft->match_replied)
		return;
	reply = reply_start(raft, &raft->leader);
	reply->ok = true;
	reply->match = append_match(raft);
	reply->hint = raft_rlog_pos(&raft->log, raft->verified);
	must(reply->match <= raft->store.durable && reply->match <= reply->hint.index);
	must(reply->match >= raft->match_replied);
	raft->reply_due = false;
	raft->round_replied = raft->round_seen;
	raft->match_replied = reply->match;
}

/* The sender is of an old term, and learns it. */
static void
append_refuse_term(struct raft *raft, const struct raft_message *message)
{
	struct raft_append_reply *reply = reply_start(raft, &message->from);

	must(message->term < raft->term);
	reply->round = 0;
	reply->match = message->append.prev.index;
	reply->hint = raft_rlog_pos(&raft->log, raft->log.before.index);
}

/* No entry of ours stands at prev: the highest place at which one may (§5.3 of the paper, by
 * terms). */
static void
append_refuse(struct raft *raft, const struct raft_message *message)
{
	struct raft_pos prev = message->append.prev;
	struct raft_append_reply *reply = reply_start(raft, &message->from);
	struct raft_pos below = {prev.index - 1, prev.term};

	must(prev.index > raft->commit);
	reply->match = prev.index;
	reply->hint = raft_rlog_agree(&raft->log, below);
	if (reply->hint.index < raft->commit)
		reply->hint = raft_rlog_pos(&raft->log, raft->commit);
	must(reply->hint.index < prev.index);
	must(raft->round_replied <= raft->round_seen);
	raft->round_replied = raft->round_seen;
}

/* From outside: what a leader can never send. */
static bool
append_sane(const struct raft_message *message)
{
	const struct raft_append *append = &message->append;
	uint64_t term = append->prev.term;

	if ((append->prev.index == 0) != (append->prev.term == 0) ||
	    append->prev.term > message->term)
		return false;
	if (append->entries_count > UINT64_MAX - append->prev.index)
		return false;
	for (size_t i = 0; i < append->entries_count; i++) {
		const struct raft_entry *entry = &append->entries[i];
		struct raft_config config;

		if (entry->term < term || entry->term == 0 || entry->term > message->term)
			return false;
		if (entry->size < RAFT_ENTRY_HEADER_SIZE ||
		    entry->size < raft_entry_header_size(entry) ||
		    (unsigned)entry->kind >= RAFT_KINDS_COUNT)
			return false;
		if (!raft_entry_data_valid(entry))
			return false;
		if (entry->kind == RAFT_CONFIG &&
		    !raft_config_decode(
			&config, raft_entry_data(entry), raft_entry_data_size(entry)))
			return false;
		term = entry->term;
	}
	return true;
}

/* The part of an append that is above the beginning of this log. */
struct append_run {
	struct raft_pos prev;
	const struct raft_entry *entries;
	size_t count;
};

/* False when it contradicts the beginning, which is committed. */
static bool
run_above_before(const struct raft *raft, struct append_run *run)
{
	struct raft_pos before = raft->log.before;
	uint64_t skip;

	if (run->prev.index >= before.index)
		return true;
	must(before.index <= raft->commit);
	skip = before.index - run->prev.index;
	if (skip > run->count) {
		run->prev = before;
		run->count = 0;
		return true;
	}
	if (run->entries[skip - 1].term != before.term)
		return false;
	run->prev = before;
	run->entries += skip;
	run->count -= skip;
	return true;
}

/* Skips what is there already; only a real conflict may cut (§3.5). */
static void
run_skip_equal(const struct raft *raft, struct append_run *run)
{
	while (run->count > 0 && run->prev.index < raft->log.last) {
		uint64_t term = 0;

		if (!raft_rlog_term_at(&raft->log, run->prev.index + 1, &term) ||
		    term != run->entries->term)
			return;
		run->prev.index++;
		run->prev.term = term;
		run->entries++;
		run->count--;
	}
	must(run->prev.index <= raft->log.last);
}

/*
 * It can only come from a broken node: what is committed is for ever, and a
 * leader's own log only grows.
 */
static void
append_conflict(struct raft *raft, const struct raft_id *from)
{
	raft_why_start(raft, "");
	raft_why_id(raft, from);
	raft_why_text(raft, " sent an entry that contradicts the log up to ");
	raft_why_number(raft, raft->commit > raft->verified ? raft->commit : raft->verified);
	raft->state_changed = true;
	raft_core_drop(raft);
}

static void
run_append(struct raft *raft, const struct append_run *run)
{
	bool config = false;

	must(run->count > 0 && !raft->full);
	must(raft_rlog_pos(&raft->log, run->prev.index).term == run->prev.term);
	if (run->prev.index < raft->log.last) {
		size_t configs = raft->log.configs_count;
		uint64_t bytes;

		must(run->prev.index >= raft->commit && run->prev.index >= raft->verified);
		bytes = raft_rlog_truncate(&raft->log, run->prev.index);
		must(bytes > 0 && bytes <= raft->uncommitted_size);
		raft->uncommitted_size -= bytes;
		raft_store_truncated(&raft->store, run->prev.index);
		config = raft->log.configs_count != configs;
	}
	for (size_t i = 0; i < run->count; i++) {
		raft_rlog_append(&raft->log, &run->entries[i]);
		raft->uncommitted_size += run->entries[i].size;
		config |= run->entries[i].kind == RAFT_CONFIG;
	}
	if (config)
		raft_peers_update(raft);
	must(raft->log.last == run->prev.index + run->count);
	must(raft_rlog_last(&raft->log).term <= raft->term);
}

/* False when it made no sense and was dropped. */
static bool
append_entries(struct raft *raft, const struct raft_message *message)
{
	struct append_run run = {
	    message->append.prev, message->append.entries, message->append.entries_count};
	uint64_t end;

	run_skip_equal(raft, &run);
	if (run.count > 0 && run.prev.index < raft->log.last &&
	    (run.prev.index < raft->commit || run.prev.index < raft->verified)) {
		append_conflict(raft, &message->from);
		return false;
	}
	/* A full disk takes no entries; what is there already is still worth saying. */
	end = run.prev.index + (raft->full ? 0 : run.count);
	if (run.count > 0 && !raft->full)
		run_append(raft, &run);
	must(end <= raft->log.last);
	if (end > raft->verified)
		raft->verified = end;
	return true;
}

/* The message is of the present term and from its leader. */
static void
append_from_leader(struct raft *raft, const struct raft_message *message)
{
	struct raft_message above = *message;
	struct append_run run = {
	    message->append.prev, message->append.entries, message->append.entries_count};
	uint64_t term = 0;
	uint64_t commit;

	must(raft->role == RAFT_FOLLOWER && message->term == raft->term);
	must(raft_id_equal(&raft->leader, &message->from));
	raft->heard_at = raft->now;
	raft_election_timer_reset(raft);
	if (message->append.round > raft->round_seen)
		raft->round_seen = message->append.round;
	raft->commit_told = max_u64(raft->commit_told, message->append.commit);
	raft_recover_contact(raft, &message->append);
	raft_lead_heard(&raft->lead.heard, message->append.timeout, message->append.grace);

	if (!run_above_before(raft, &run)) {
		append_conflict(raft, &message->from);
		return;
	}
	above.append.prev = run.prev;
	above.append.entries = run.entries;
	above.append.entries_count = run.count;
	if (!raft_rlog_term_at(&raft->log, run.prev.index, &term) || term != run.prev.term) {
		if (run.prev.index <= raft->commit)
			append_conflict(raft, &message->from);
		else
			append_refuse(raft, &above);
		return;
	}
	if (!append_entries(raft, &above))
		return;
	commit = message->append.commit < raft->verified ? message->append.commit : raft->verified;
	if (commit > raft->commit)
		raft_commit_advance(raft, commit);
	if (raft->round_seen > raft->round_replied)
		raft->reply_due = true;
	raft_recover_check(raft);
}

void
raft_append_receive(struct raft *raft, const struct raft_message *message)
{
	if (!append_sane(message)) {
		raft_core_drop(raft);
		return;
	}
	if (message->term < raft->term) {
		append_refuse_term(raft, message);
		return;
	}
	/* Two leaders in one term can't be: one of them is broken, and the first one stays. */
	if (message->term == raft->term && !raft_id_none(&raft->leader) &&
	    !raft_id_equal(&raft->leader, &message->from)) {
		raft_core_drop(raft);
		return;
	}
	if (message->term > raft->term) {
		raft_role_higher_term(raft, message, &message->from);
	} else if (raft->role != RAFT_FOLLOWER || raft_id_none(&raft->leader)) {
		raft_why_start(raft, "");
		raft_why_id(raft, &message->from);
		raft_why_text(raft, " leads term ");
		raft_why_number(raft, message->term);
		raft_role_follow(raft, message->term, &message->from);
	}
	append_from_leader(raft, message);
}
