/* SPDX-License-Identifier: ISC */
/*
 * The one function in: an event is handed to its file, and what it left to be
 * done is put into the update.
 *
 * The election timer is looked at only when an update is taken, after all events
 * that came with it: a heartbeat that waited in a socket while this node was
 * stopped is heard before.  A leader that was stopped learns from the first TIME
 * event, even without an update, that it has heard nobody for too long.
 */
#include "core.h"

#include <string.h>

void
raft_core_drop(struct raft *raft)
{
	raft->dropped++;
}

const struct raft_config *
raft_core_config(const struct raft *raft)
{
	return &raft_rlog_config(&raft->log)->config;
}

const char *
raft_message_name(enum raft_message_type type)
{
	static const char *const names[] = {
#define M(NAME, name, text) [RAFT_MSG_##NAME] = text,
	    RAFT_MESSAGES(M)
#undef M
	};
	_Static_assert(
	    sizeof names / sizeof names[0] == RAFT_MESSAGES_COUNT, "a name for each message");

	return (unsigned)type < RAFT_MESSAGES_COUNT ? names[type] : "unknown";
}

/* ----------------------------------------------------------- messages */

static bool
message_sane(const struct raft *raft, const struct raft_message *message)
{
	if ((unsigned)message->type >= RAFT_MESSAGES_COUNT || message->term == 0)
		return false;
	if (!raft_id_equal(&message->to, &raft->id) || raft_id_equal(&message->from, &raft->id))
		return false;
	if (!raft_id_valid(&message->from) || raft_id_none(&message->from))
		return false;
	/* Terms rise by ones; one that leaps would soon leave no room for others. */
	return message->term <= raft->term || message->term - raft->term <= RAFT_TERM_JUMP_MAX;
}

static void
step_message(struct raft *raft, const struct raft_message *message)
{
	if (!message_sane(raft, message)) {
		raft_core_drop(raft);
		return;
	}
	switch (message->type) {
	case RAFT_MSG_VOTE:
		raft_election_vote(raft, message);
		break;
	case RAFT_MSG_VOTE_REPLY:
		raft_election_vote_reply(raft, message);
		break;
	case RAFT_MSG_APPEND:
		raft_append_receive(raft, message);
		break;
	case RAFT_MSG_APPEND_REPLY:
		raft_replicate_reply(raft, message);
		break;
	case RAFT_MSG_PROPOSE:
		raft_propose_message(raft, message);
		break;
	case RAFT_MSG_ANSWER:
		raft_forward_answer(raft, message);
		break;
	case RAFT_MSG_READ:
		raft_read_message(raft, message);
		break;
	case RAFT_MSG_READ_REPLY:
		raft_read_reply(raft, message);
		break;
	case RAFT_MSG_TIMEOUT_NOW:
		raft_transfer_timeout_now(raft, message);
		break;
	case RAFT_MSG_TRANSFER:
		raft_transfer_message(raft, message);
		break;
	case RAFT_MESSAGES_COUNT:
		break;
	}
}

/* ------------------------------------------------------------- events */

static void
step_stored(struct raft *raft, uint64_t number)
{
	if (!raft_store_confirm(raft, number)) {
		raft_core_drop(raft);
		return;
	}
	raft_recover_stored(raft);
	raft_election_stored(raft);
	raft_quorum_commit(raft);
	raft_read_confirm(raft);
}

static void
step_event(struct raft *raft, const struct raft_event *event)
{
	switch (event->type) {
	case RAFT_EVENT_TIME:
		raft_leader_check(raft);
		break;
	case RAFT_EVENT_MESSAGE:
		step_message(raft, event->message);
		break;
	case RAFT_EVENT_STORED:
		step_stored(raft, event->stored_number);
		break;
	case RAFT_EVENT_DISK:
		raft->full = event->disk_full;
		raft_leader_disk(raft);
		break;
	case RAFT_EVENT_FETCHED:
		raft_replicate_fetched(raft, event);
		break;
	case RAFT_EVENT_PROPOSE:
		raft_propose_local(raft, event->proposal);
		break;
	case RAFT_EVENT_READ:
		raft_read_local(raft, event->read_ticket);
		break;
	case RAFT_EVENT_UNREACHABLE:
		raft_replicate_unreachable(raft, &event->unreachable);
		break;
	case RAFT_EVENT_TRANSFER:
		raft_transfer_local(raft, event->transfer.ticket, &event->transfer.target);
		break;
	case RAFT_EVENT_COMPACTED:
		raft_snapshot_compacted(raft, &event->compacted);
		break;
	case RAFT_EVENT_SNAPSHOT_READY:
		raft_snapshot_ready(raft, event->snapshot);
		break;
	case RAFT_EVENT_SNAPSHOT_SENT:
		raft_snapshot_sent(raft, &event->sent.peer, event->sent.ok, event->sent.index);
		break;
	case RAFT_EVENTS_COUNT:
		break;
	}
}

/* ------------------------------------------------------------- update */

static uint64_t
wake_leader(const struct raft *raft)
{
	uint64_t at = raft->heartbeat_at.ms;

	for (size_t i = 0; i < raft->peers_count; i++)
		if (raft->peers[i].commit_at.ms != 0)
			at = min_u64(at, raft->peers[i].commit_at.ms);
	if (raft->transfer.active)
		at = min_u64(at, raft->transfer.deadline.ms);
	if (raft_quorum_sole_voter(raft))
		return raft->peers_count > 0 ? at : UINT64_MAX;
	at = min_u64(at, raft_quorum_heard(raft).ms + raft->settings.election_timeout_ms);
	if (raft->store.writes.count > 0)
		at = min_u64(at, raft->now.ms - raft_store_silence_ms(raft, raft->now) +
				     raft->settings.store_timeout_ms + 1);
	return at;
}

static struct mono_ms
step_wake_at(const struct raft *raft)
{
	uint64_t at = raft->role == RAFT_LEADER ? wake_leader(raft) : raft->election_at.ms;

	if (raft->forwards.queue.count > 0)
		at = min_u64(at, raft_forward_deadline(raft));
	if (raft->reads.forwards_count > 0)
		at = min_u64(at, raft->reads.forwards[0].deadline.ms);
	return (struct mono_ms){at};
}

static void
step_tick(struct raft *raft)
{
	raft_leader_tick(raft);
	raft_transfer_tick(raft);
	raft_election_tick(raft);
	raft_forward_tick(raft);
	raft_read_tick(raft);
}

static void
step_check(const struct raft *raft)
{
	must(raft->log.before.index <= raft->commit);
	must(raft->commit <= raft->log.last);
	must(raft->store.durable <= raft->store.written);
	must(raft->store.written == raft->log.last);
	must(raft->log.tail_first + raft->log.tail.count == raft->log.last + 1);
	must(raft->log.tail_first <= raft->commit + 1);
	must(raft->verified <= raft->log.last);
	must(raft->role != RAFT_LEADER || raft_id_equal(&raft->leader, &raft->id));
	must((raft->role == RAFT_LEADER) == (raft->sessions_last != NULL));
	must(raft->log.before.index <= raft->verified);
	must(raft->uncommitted_size <= raft->log.tail_bytes);
	must((raft->uncommitted_size == 0) == (raft->commit == raft->log.last));
	must(raft->log.configs[0].index <= raft->commit);
	must(raft->contract.index <= raft->commit);
	must(raft->role != RAFT_LEADER || raft->contract.index <= raft->contract_last.index);
	must(raft->log.configs_count == 1 || raft->log.configs[1].index > raft->commit);
	must(raft->role == RAFT_FOLLOWER || raft_id_equal(&raft->vote, &raft->id) ||
	     raft->role == RAFT_PRE_CANDIDATE);
	must(raft->role == RAFT_LEADER || raft->pendings.count == 0);
	must(raft->role == RAFT_LEADER || raft->reads.waits_count == 0);
	must(raft->role == RAFT_LEADER || !raft->transfer.active);
	must(raft->recover.contact ||
	     (raft->recover.target == 0 && raft->recover.clean_commit == 0));
}

/* What is handed out agrees with what this node holds. */
static void
update_check(const struct raft *raft, const struct raft_update *update)
{
	must(update->write.number == 0 || update->write.number == raft->store.number);
	must(update->write.number == 0 || update->write.term == raft->term);
	/* A wake that is due already would make the loop spin. */
	must(update->wake_at.ms > raft->now.ms);
}

static void
update_take(struct raft *raft, struct raft_update *update)
{
	memset(update, 0, sizeof *update);
	step_tick(raft);
	raft_replicate_flush(raft);
	raft_change_leave(raft);
	raft_append_acknowledge(raft);
	raft_store_take(raft, &update->write);
	raft_out_take(raft, update);
	update->commit_changed = raft->commit_changed;
	update->commit = raft_rlog_pos(&raft->log, raft->commit);
	update->state_changed = raft->state_changed;
	update->config_changed = raft->config_changed;
	update->was = raft->was;
	update->why = raft->state_changed ? raft->why : "";
	update->wake_at = step_wake_at(raft);
	raft->commit_changed = false;
	raft->state_changed = false;
	raft->config_changed = false;
	raft->was = raft->role;
	step_check(raft);
	update_check(raft, update);
}

/* What the last update pointed to is no longer needed. */
static void
update_release(struct raft *raft)
{
	uint64_t keep_after =
	    raft->commit < raft->store.durable ? raft->commit : raft->store.durable;

	if (!raft->out.taken)
		return;
	raft_replicate_release(raft);
	raft_out_release(raft);
	raft_rlog_trim(
	    &raft->log, keep_after, raft->uncommitted_size + raft->settings.tail_size_max);
}

void
raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update)
{
	update_release(raft);
	must(event->now.ms >= raft->now.ms);
	must(event->wall_ms <= RAFT_TIME_MAX);
	raft->now = event->now;
	raft->wall_ms = event->wall_ms;
	raft->boot_ms = event->boot_ms;
	step_event(raft, event);
	if (update != NULL)
		update_take(raft, update);
}
