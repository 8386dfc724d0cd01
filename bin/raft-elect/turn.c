/* SPDX-License-Identifier: ISC */
/*
 * Performs an update.  Nothing here decides anything.
 *
 * The core has seen to it that no message depends on a write that is not durable yet, so all may leave
 * at once (§10.2.1); the writes go first because all wait for them, then what goes to the peers beside
 * them.  Without a write it is the clients that wait: their answers go first, by the loop's own order
 * at the end of the turn (what was put last).
 */
#include "turn.h"

#include "node.h"

static void
perform_disk(struct node *node, const struct raft_update *update)
{
	if (update->write.number != 0)
		rlog_write(&node->rlog, &update->write);
	if (update->commit_changed) {
		node->commit = update->commit;
		rlog_commit(&node->rlog, update->commit);
	}
	for (size_t i = 0; i < update->fetches_count; i++)
		rlog_fetch(&node->rlog, &update->fetches[i]);
	if (update->write.number != 0)
		rlog_flush(&node->rlog);
}

static void
perform_peers(struct node *node, const struct raft_update *update)
{
	if (update->config_changed)
		peer_new_config(&node->peer);
	else if (update->commit_changed)
		peer_committed(&node->peer);
	for (size_t i = 0; i < update->snapshots_count; i++)
		courier_begin(&node->courier, &update->snapshots[i].peer);
	for (size_t i = 0; i < update->messages_count; i++)
		peer_send(&node->peer, &update->messages[i]);
	if (update->write.number != 0)
		peer_flush(&node->peer);
}

static void
perform_answer(struct node *node, const struct raft_ticket_answer *a)
{
	static const struct wire_hash none;
	struct ticket *ticket = tickets_find(&node->tickets, a->ticket);
	if (ticket == NULL)
		return;
	if (a->answer.verdict == RAFT_COMMITTED && !raft_sid_none(&ticket->open))
		opens_add(&node->opens, a->ticket, &a->answer);
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
turn_perform(struct node *node)
{
	struct raft_update update = {0};
	raft_step(node->raft, &(struct raft_event){.type = RAFT_EVENT_TIME, .now = mono_now()}, &update);
	node->fed = 0;
	perform_disk(node, &update);
	perform_peers(node, &update);
	perform_clients(node, &update);
	if (update.state_changed)
		node_state_changed(node, raft_role_name(update.was), update.why);
	return update.wake_at;
}
