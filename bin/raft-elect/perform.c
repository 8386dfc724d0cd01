/* SPDX-License-Identifier: ISC */
/*
 * Performs an update.  Nothing here decides anything.
 *
 * The core has seen to it that no message depends on a write that is not durable yet, so all may
 * leave at once (§10.2.1); the writes go first because all wait for them, then what goes to the
 * peers beside them.  Without a write it is the clients that wait: their answers go first, by the
 * loop's own order at the end of the turn (what was put last).
 */
#include "perform.h"

#include "node.h"
#include "notice.h"

static void
perform_disk(struct node *node, const struct raft_update *update)
{
	if (update->write.number != 0)
		logd_write(&node->logd, &update->write);
	if (update->commit_changed) {
		node->commit = update->commit;
		logd_commit(&node->logd, update->commit);
	}
	for (size_t i = 0; i < update->fetches_count; i++)
		logd_fetch(&node->logd, &update->fetches[i]);
	if (update->write.number != 0)
		logd_flush(&node->logd);
}

static void
perform_peers(struct node *node, const struct raft_update *update)
{
	bool removed = update->commit_changed && node_now_removed(node);
	if (update->config_changed)
		notice_members(node, "another configuration is in force");
	if (update->config_changed || removed)
		peerd_new_config(&node->peerd);
	else if (update->commit_changed)
		peerd_committed(&node->peerd);
	for (size_t i = 0; i < update->snapshots_count; i++)
		snap_send_begin(&node->snap_send, &update->snapshots[i].peer);
	for (size_t i = 0; i < update->messages_count; i++)
		peerd_send(&node->peerd, &update->messages[i]);
	if (update->write.number != 0)
		peerd_flush(&node->peerd);
}

static void
perform_answer(struct node *node, const struct raft_ticket_answer *a)
{
	static const struct msg_session none;
	struct ticket *ticket = tickets_find(&node->tickets, a->ticket);
	if (ticket == NULL)
		return;
	if (a->answer.verdict == RAFT_COMMITTED && !raft_sid_none(&ticket->open))
		session_open_add(&node->session_opens, a->ticket, &a->answer);
	else
		clients_answer(&node->clients, ticket, &a->answer, &none);
}

static void
perform_clients(struct node *node, const struct raft_update *update)
{
	for (size_t i = 0; i < update->answers_count; i++)
		perform_answer(node, &update->answers[i]);
	for (size_t i = 0; i < update->reads_count; i++) {
		struct ticket *ticket = tickets_find(&node->tickets, update->reads[i].ticket);
		if (ticket)
			clients_read_answer(&node->clients, ticket, &update->reads[i]);
	}
}

struct mono_ms
perform_update(struct node *node)
{
	struct raft_update update = {0};
	raft_step(node->raft,
	    &(struct raft_event){.type = RAFT_EVENT_TIME,
		.now = mono_now(),
		.wall_ms = wall_ms(),
		.boot_ms = boot_ms()},
	    &update);
	node->fed = 0;
	perform_disk(node, &update);
	perform_peers(node, &update);
	perform_clients(node, &update);
	if (update.state_changed)
		node_state_changed(node, raft_role_name(update.was), update.why);
	return update.wake_at;
}
