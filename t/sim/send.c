/* SPDX-License-Identifier: ISC */
/*
 * (13) Nothing leaves that depends on what is not yet on disk: every message is
 * held against the disk of its sender at the moment it is sent.
 */
#include "sim.h"

/* On disk, or past it: a later term there is a stronger promise.  One a term, in any case. */
static bool
has_promised(struct sim *sim, struct node *node, uint64_t term, int candidate)
{
	check_promise(sim, node, term, candidate);
	return node->disk.term > term || (node->disk.term == term && node->disk.vote == candidate);
}

static bool
durable_at(const struct node *node, struct raft_pos pos)
{
	if (pos.index == 0)
		return true;
	return pos.index <= node->disk.rows.last &&
	       slog_at(&node->disk.rows, pos.index)->entry.term == pos.term;
}

static void
send_vote(struct sim *sim, struct node *node, const struct raft_message *message)
{
	const struct membership *now = members_of(sim, node);

	if (node->disk.recovering)
		sim_fail(sim, "n%d stands while it recovers", node->number + 1);
	/* Who was removed may still be needed until that is committed (§4.2.2). */
	if ((now->voters >> node->number & 1) == 0 &&
	    (now->entry == NULL || now->entry->index <= node->commit))
		sim_fail(sim, "n%d stands for election, but is no voter", node->number + 1);
	if (message->vote.pre)
		return;
	if (!has_promised(sim, node, message->term, node->number))
		sim_fail(sim,
		    "n%d asks for votes in term %" PRIu64 " before its own vote is on disk",
		    node->number + 1, message->term);
	if (node->role == RAFT_CANDIDATE && node->term == message->term &&
	    !durable_at(node, message->vote.last))
		sim_fail(sim, "n%d stands with entry %" PRIu64 ", which is not on its disk",
		    node->number + 1, message->vote.last.index);
}

static void
send_vote_reply(struct sim *sim, struct node *node, const struct raft_message *message)
{
	const struct raft_vote_reply *reply = &message->vote_reply;
	int candidate = sim_number(&message->to);

	if (!reply->granted) {
		sim->counters[reply->pre ? COUNT_PRE_VOTES_REFUSED : COUNT_VOTES_REFUSED]++;
		return;
	}
	if (node->disk.recovering)
		sim_fail(sim, "n%d grants a %svote while it recovers", node->number + 1,
		    reply->pre ? "pre-" : "");
	if (reply->pre)
		return;
	sim->counters[COUNT_VOTES_GRANTED]++;
	if (!has_promised(sim, node, message->term, candidate))
		sim_fail(sim, "n%d grants its vote of term %" PRIu64 " before that is on disk",
		    node->number + 1, message->term);
}

/* As known here, when that leader still leads. */
static const struct node *
leader_of(struct sim *sim, uint64_t term)
{
	const struct check_term *known = check_term(sim, term);
	const struct node *leader;

	if (known->leader == 0)
		return NULL;
	leader = &sim->nodes[known->leader - 1];
	if (leader->incarnation != known->incarnation || leader->role != RAFT_LEADER ||
	    leader->term != term)
		return NULL;
	return leader;
}

static void
send_append_reply(struct sim *sim, struct node *node, const struct raft_message *message)
{
	const struct raft_append_reply *reply = &message->append_reply;
	const struct slog *rows = &node->disk.rows;
	const struct node *leader = leader_of(sim, message->term);

	if (node->disk.recovering && !reply->recovering)
		sim_fail(sim, "n%d hides that it recovers", node->number + 1);
	if (node->disk.recovering && reply->mark_valid != node->disk.mark_valid)
		sim_fail(sim, "n%d does not say how its mark is", node->number + 1);
	if (!reply->ok) {
		sim->counters[COUNT_APPENDS_REFUSED]++;
		return;
	}
	/* It was true in its term; a later one may have cut the log while the message waited for
	 * the disk. */
	if (node->disk.term > message->term)
		return;
	if (reply->match > rows->last)
		sim_fail(sim, "n%d acknowledges up to %" PRIu64 " but has stored up to %" PRIu64,
		    node->number + 1, reply->match, rows->last);
	if (node->disk.term < message->term)
		sim_fail(sim, "n%d acknowledges in term %" PRIu64 ", which is not on its disk",
		    node->number + 1, message->term);
	if (leader == NULL)
		return;
	if (reply->match > leader->issued.last ||
	    slog_at(&leader->issued, reply->match) != slog_at(rows, reply->match))
		sim_fail(sim,
		    "n%d acknowledges entry %" PRIu64
		    ", but has stored another one than leader n%d",
		    node->number + 1, reply->match, leader->number + 1);
}

static void
send_entries(struct sim *sim, struct node *node, const struct raft_append *append)
{
	uint64_t size = 0;

	if (append->prev.index + append->entries_count > node->issued.last ||
	    (append->prev.index > 0 &&
		slog_at(&node->issued, append->prev.index)->entry.term != append->prev.term))
		sim_fail(
		    sim, "leader n%d sends after a place that is not in its log", node->number + 1);
	for (size_t i = 0; i < append->entries_count; i++) {
		const struct tnode *tnode = slog_at(&node->issued, append->prev.index + 1 + i);

		size += append->entries[i].size;
		if (append->entries[i].term != tnode->entry.term ||
		    tree_hash(&append->entries[i]) != tnode->hash)
			sim_fail(sim, "leader n%d sends another entry %" PRIu64 " than it has",
			    node->number + 1, tnode->index);
	}
	if (append->entries_count > 1 && size > sim->profile.message_size_max)
		sim_fail(sim, "leader n%d sends %" PRIu64 " bytes in one message", node->number + 1,
		    size);
}

static void
send_append(struct sim *sim, struct node *node, const struct raft_message *message)
{
	const struct raft_append *append = &message->append;
	int to = sim_number(&message->to);
	uint64_t bound = append->prev.index + append->entries_count;

	if (node->disk.term < message->term)
		sim_fail(sim, "n%d leads term %" PRIu64 ", which is not on its disk",
		    node->number + 1, message->term);
	if (node->role != RAFT_LEADER || node->term != message->term)
		return; /* it led, earlier in this turn */
	if (append->commit > node->commit)
		sim_fail(sim, "leader n%d tells commit index %" PRIu64 ", its own is %" PRIu64,
		    node->number + 1, append->commit, node->commit);
	if (append->commit > bound && append->commit > node->match[to] &&
	    (members_of(sim, node)->members >> to & 1) != 0)
		sim_fail(sim,
		    "leader n%d tells n%d a commit index that it may not have the entries of",
		    node->number + 1, to + 1);
	send_entries(sim, node, append);
}

void
check_send(struct sim *sim, struct node *node, const struct raft_message *message)
{
	if (!raft_id_equal(&message->from, &node->id) || raft_id_equal(&message->to, &node->id) ||
	    sim_number(&message->to) == DISK_NOBODY)
		sim_fail(sim, "n%d sends a message with a wrong address", node->number + 1);
	switch (message->type) {
	case RAFT_MSG_VOTE:
		send_vote(sim, node, message);
		break;
	case RAFT_MSG_VOTE_REPLY:
		send_vote_reply(sim, node, message);
		break;
	case RAFT_MSG_APPEND:
		send_append(sim, node, message);
		break;
	case RAFT_MSG_APPEND_REPLY:
		send_append_reply(sim, node, message);
		break;
	case RAFT_MSG_PROPOSE:
	case RAFT_MSG_ANSWER:
	case RAFT_MSG_READ:
	case RAFT_MSG_READ_REPLY:
	case RAFT_MSG_TIMEOUT_NOW:
	case RAFT_MSG_TRANSFER:
	case RAFT_MESSAGES_COUNT:
		break;
	}
}
