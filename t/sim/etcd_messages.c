/* SPDX-License-Identifier: ISC */
/*
 * Messages, as the specification has them: one reply for each request, due from the moment
 * of the request; a leader that answers itself; no message twice.
 *
 * What changes nothing at the receiver, or what the core leaves alone on purpose, is left
 * out: to the specification it is lost.  Ours coalesces replies; a reply that comes is then told
 * as the one to the last request that it covers.
 */
#include "etcd.h"
#include "etcd_inside.h"

#include <stdlib.h>

void
etcd_put(struct etcd *etcd, const struct etcd_message *message)
{
	if (etcd->count == etcd->size) {
		etcd->size = etcd->size == 0 ? 256 : 2 * etcd->size;
		etcd->messages = realloc(etcd->messages, etcd->size * sizeof *etcd->messages);
		must(etcd->messages != NULL);
	}
	etcd->messages[etcd->count++] = *message;
}

static void
remove_at(struct etcd *etcd, size_t i)
{
	etcd->count--;
	for (; i < etcd->count; i++)
		etcd->messages[i] = etcd->messages[i + 1];
}

static bool
on_way(const struct etcd_message *a, const struct etcd_message *b)
{
	return a->type == b->type && a->from == b->from && a->to == b->to && a->sent == b->sent &&
	       a->term == b->term && a->reject == b->reject;
}

bool
etcd_take(struct etcd *etcd, const struct etcd_message *message)
{
	for (size_t i = etcd->count; i-- > 0;) {
		const struct etcd_message *at = &etcd->messages[i];

		if (on_way(at, message) && at->entries == message->entries &&
		    at->log_term == message->log_term && at->index == message->index &&
		    at->commit == message->commit) {
			remove_at(etcd, i);
			return true;
		}
	}
	return false;
}

/* Of replies like this one that came to be sent: the one of the highest index up to index_max. */
static bool
take_best(struct etcd *etcd, struct etcd_message *reply, uint64_t index_max)
{
	size_t best = etcd->count;

	for (size_t i = etcd->count; i-- > 0;) {
		const struct etcd_message *at = &etcd->messages[i];

		if (on_way(at, reply) && at->index <= index_max &&
		    (best == etcd->count || at->index > etcd->messages[best].index))
			best = i;
	}
	if (best == etcd->count)
		return false;
	*reply = etcd->messages[best];
	remove_at(etcd, best);
	return true;
}

static void
tell_received(struct sim *sim, struct etcd_node *self, const struct etcd_message *message)
{
	etcd_line_received(&sim->trace.etcd->line, sim->world.now_us, &self->now, message);
	self->dirty = true;
}

/* ------------------------------------------------------------ requests */

/* Of the others nothing but who and when. */
static struct etcd_message
from_raft(const struct raft_message *message)
{
	struct etcd_message out = {.from = sim_number(&message->from),
	    .to = sim_number(&message->to),
	    .term = message->term,
	    .sent = true};

	if (message->type == RAFT_MSG_APPEND) {
		out.type = ETCD_MSG_APP;
		out.index = message->append.prev.index;
		out.log_term = message->append.prev.term;
		out.entries = message->append.entries_count;
		out.commit = message->append.commit;
	} else if (message->type == RAFT_MSG_APPEND_REPLY) {
		out.type = ETCD_MSG_APP_RESP;
		out.index = message->append_reply.match;
		out.reject = !message->append_reply.ok;
	} else if (message->type == RAFT_MSG_VOTE) {
		out.type = ETCD_MSG_VOTE;
		out.index = message->vote.last.index;
		out.log_term = message->vote.last.term;
	} else if (message->type == RAFT_MSG_VOTE_REPLY) {
		out.type = ETCD_MSG_VOTE_RESP;
		out.reject = !message->vote_reply.granted;
	}
	return out;
}

static void
reply_due(struct etcd *etcd, enum etcd_type type, const struct etcd_message *request, uint64_t term,
    uint64_t index, bool reject)
{
	struct etcd_message reply = {.type = type,
	    .from = request->to,
	    .to = request->from,
	    .term = term,
	    .index = index,
	    .reject = reject};

	etcd_put(etcd, &reply);
}

static bool
unchanged(const struct etcd_node *self, const struct raft_status *status)
{
	return status->term == self->now.term && status->last.index == self->now.last &&
	       status->commit.index <= self->now.commit &&
	       sim_number(&status->vote) == self->now.vote;
}

static bool
prev_matches(
    const struct node *node, const struct raft_status *status, const struct etcd_message *app)
{
	uint64_t term;

	if (app->index < status->before.index)
		return true;
	return raft_term_at(node->core, app->index, &term) && term == app->log_term;
}

/* Up to the commit index the specification looks at nothing, beyond it not at what is in memory
 * only. */
static bool
taken_otherwise(
    const struct etcd_node *self, const struct raft_status *status, const struct etcd_message *app)
{
	uint64_t end = app->index + app->entries;
	uint64_t commit = app->commit > self->now.commit ? app->commit : self->now.commit;

	if (app->index < self->now.commit)
		return status->last.index != self->now.last ||
		       status->commit.index > self->now.commit;
	return status->last.index < end || etcd_commit(self, status) != commit;
}

static void
received_app(struct sim *sim, struct node *node, const struct etcd_message *app,
    const struct raft_status *status)
{
	struct etcd_node *self = etcd_of(sim, node);
	uint64_t commit = self->now.commit;
	bool refused = app->term < self->now.term || !prev_matches(node, status, app);

	if (!refused && taken_otherwise(self, status, app)) {
		if (unchanged(self, status)) {
			etcd_put(sim->trace.etcd, app);
			return;
		}
		etcd_beyond(sim, node, "entries were taken otherwise than etcd takes them");
	}
	tell_received(sim, self, app);
	if (refused)
		reply_due(sim->trace.etcd, ETCD_MSG_APP_RESP, app, status->term, app->index, true);
	else
		reply_due(sim->trace.etcd, ETCD_MSG_APP_RESP, app, status->term,
		    app->index < commit ? commit : app->index + app->entries, false);
}

static bool
etcd_would_grant(
    const struct etcd_node *self, const struct node *node, const struct etcd_message *vote)
{
	int promised = vote->term > self->now.term ? ETCD_NOBODY : self->now.vote;
	uint64_t last_term = 0;

	raft_term_at(node->core, self->now.last, &last_term);
	return vote->term >= self->now.term &&
	       (promised == ETCD_NOBODY || promised == vote->from) &&
	       (vote->log_term > last_term ||
		   (vote->log_term == last_term && vote->index >= self->now.last));
}

static void
received_vote(struct sim *sim, struct node *node, const struct etcd_message *vote,
    const struct raft_status *status)
{
	struct etcd_node *self = etcd_of(sim, node);
	bool granted = status->term == vote->term && sim_number(&status->vote) == vote->from;
	bool etcd_granted = etcd_would_grant(self, node, vote);

	/* A leader is near (§4.2.3), or known in this term, or this log is not whole. */
	if (unchanged(self, status) && (vote->term > status->term || granted != etcd_granted)) {
		etcd_put(sim->trace.etcd, vote);
		return;
	}
	if (granted != etcd_granted)
		etcd_beyond(sim, node, "a vote is refused that etcd would grant");
	tell_received(sim, self, vote);
	reply_due(sim->trace.etcd, ETCD_MSG_VOTE_RESP, vote, status->term, 0, !granted);
}

/* ------------------------------------------------------------- replies */

/* As much as the core took over: from an earlier incarnation nothing. */
static uint64_t
match_of(const struct raft_status *status, int peer)
{
	for (size_t i = 0; i < status->peers_count; i++)
		if (sim_number(&status->peers[i].id) == peer)
			return status->peers[i].match;
	return 0;
}

static void
received_app_resp(struct sim *sim, struct node *node, struct etcd_message *reply,
    const struct raft_status *status)
{
	struct etcd_node *self = etcd_of(sim, node);
	uint64_t *match = &self->match[reply->from];
	bool news = reply->term > self->now.term;

	if (!news && (reply->term < self->now.term || self->now.role != ETCD_LEADER))
		return;
	if (!take_best(sim->trace.etcd, reply,
		news || reply->reject ? reply->index : match_of(status, reply->from)))
		return;
	tell_received(sim, self, reply);
	if (!news && !reply->reject && reply->index > *match)
		*match = reply->index;
}

static void
received_vote_resp(struct sim *sim, struct node *node, struct etcd_message *reply)
{
	struct etcd_node *self = etcd_of(sim, node);

	if (reply->term < self->now.term ||
	    (reply->term == self->now.term && self->now.role != ETCD_CANDIDATE))
		return;
	if (take_best(sim->trace.etcd, reply, 0))
		tell_received(sim, self, reply);
}

void
etcd_received(struct sim *sim, struct node *node, const struct raft_message *message,
    const struct raft_status *status)
{
	struct etcd_message etcd = from_raft(message);

	switch (message->type) {
	case RAFT_MSG_APPEND:
		if (etcd_take(sim->trace.etcd, &etcd))
			received_app(sim, node, &etcd, status);
		break;
	case RAFT_MSG_APPEND_REPLY:
		received_app_resp(sim, node, &etcd, status);
		break;
	case RAFT_MSG_VOTE:
		if (!message->vote.pre && etcd_take(sim->trace.etcd, &etcd))
			received_vote(sim, node, &etcd, status);
		break;
	case RAFT_MSG_VOTE_REPLY:
		if (!message->vote_reply.pre)
			received_vote_resp(sim, node, &etcd);
		break;
	default: /* proposals, reads, their answers, hand-overs: not in the specification */
		break;
	}
}

void
etcd_installed(struct sim *sim, struct node *node, uint64_t index, const struct raft_status *status)
{
	struct etcd_node *self = etcd_of(sim, node);
	struct etcd_message snap = {0};

	for (size_t i = sim->trace.etcd->count; i-- > 0;) {
		const struct etcd_message *at = &sim->trace.etcd->messages[i];

		if (at->type == ETCD_MSG_SNAP && at->to == node->number && at->entries == index)
			snap = *at;
	}
	if (snap.entries == 0 || unchanged(self, status))
		return;
	must(etcd_take(sim->trace.etcd, &snap));
	if (self->now.commit > 0 || snap.term < self->now.term)
		etcd_beyond(sim, node, "a snapshot replaces a log that has committed entries");
	tell_received(sim, self, &snap);
	reply_due(sim->trace.etcd, ETCD_MSG_APP_RESP, &snap, status->term, index, false);
}

/* -------------------------------------------------------------- itself */

static struct etcd_message
self_reply(const struct node *node, const struct etcd_node *self, enum etcd_type type)
{
	return (struct etcd_message){.type = type,
	    .from = node->number,
	    .to = node->number,
	    .term = self->now.term,
	    .index = type == ETCD_MSG_APP_RESP ? self->now.last : 0,
	    .sent = true};
}

void
etcd_sent_self(struct sim *sim, struct node *node, enum etcd_type type)
{
	struct etcd_node *self = etcd_of(sim, node);
	struct etcd_message reply = self_reply(node, self, type);

	etcd_put(sim->trace.etcd, &reply);
	etcd_line_sent(&sim->trace.etcd->line, sim->world.now_us, &self->now, &reply, 0, 0);
	self->dirty = true;
}

void
etcd_received_self(struct sim *sim, struct node *node, const struct raft_status *status)
{
	struct etcd_node *self = etcd_of(sim, node);
	struct etcd_message reply = self_reply(node, self, ETCD_MSG_APP_RESP);

	if (self->now.role != ETCD_LEADER || status->durable <= self->match[node->number] ||
	    !take_best(sim->trace.etcd, &reply, status->durable))
		return;
	tell_received(sim, self, &reply);
	if (reply.index > self->match[node->number])
		self->match[node->number] = reply.index;
}

void
etcd_received_own_vote(struct sim *sim, struct node *node)
{
	struct etcd_node *self = etcd_of(sim, node);
	struct etcd_message reply = self_reply(node, self, ETCD_MSG_VOTE_RESP);

	if (take_best(sim->trace.etcd, &reply, 0))
		tell_received(sim, self, &reply);
}

/* --------------------------------------------------------------- sent */

static void
sent_app(struct sim *sim, struct node *node, struct etcd_message *app)
{
	struct etcd_node *self = etcd_of(sim, node);
	uint64_t next = 0, match = 0;

	if (self->now.role != ETCD_LEADER || app->term != self->now.term)
		return;
	for (size_t i = 0; i < node->status.peers_count; i++)
		if (sim_number(&node->status.peers[i].id) == app->to) {
			match = node->status.peers[i].match;
			next = node->status.peers[i].next;
		}
	if (app->index < self->match[app->to])
		etcd_beyond(sim, node, "a peer that was started again is asked from the beginning");
	if ((self->now.voters >> app->to & 1) == 0)
		etcd_beyond(sim, node, "entries go to a learner, or to one that is no member yet");
	if (app->commit < self->now.commit && app->commit < app->index + app->entries)
		etcd_beyond(
		    sim, node, "a leader that was started again knows less to be committed");
	etcd_put(sim->trace.etcd, app);
	etcd_line_sent(&sim->trace.etcd->line, sim->world.now_us, &self->now, app, match, next);
	self->dirty = true;
}

static void
sent_replies(struct sim *sim, struct node *node, const struct etcd_message *reply)
{
	struct etcd_node *self = etcd_of(sim, node);

	for (size_t i = 0; i < sim->trace.etcd->count; i++) {
		struct etcd_message *at = &sim->trace.etcd->messages[i];

		if (at->sent || at->type != reply->type || at->from != reply->from ||
		    at->to != reply->to || at->term != reply->term || at->reject != reply->reject ||
		    at->index > reply->index)
			continue;
		at->sent = true;
		at->hint = reply->hint;
		etcd_line_sent(&sim->trace.etcd->line, sim->world.now_us, &self->now, at, 0, 0);
		self->dirty = true;
	}
}

void
etcd_sent(struct sim *sim, struct node *node, const struct raft_message *message)
{
	struct etcd_node *self = etcd_of(sim, node);
	struct etcd_message etcd = from_raft(message);

	switch (message->type) {
	case RAFT_MSG_APPEND:
		sent_app(sim, node, &etcd);
		break;
	case RAFT_MSG_APPEND_REPLY:
		etcd.hint = etcd.reject ? message->append_reply.hint.index : 0;
		sent_replies(sim, node, &etcd);
		break;
	case RAFT_MSG_VOTE:
		if (message->vote.pre || self->now.role != ETCD_CANDIDATE ||
		    etcd.term != self->now.term)
			break;
		etcd_put(sim->trace.etcd, &etcd);
		etcd_line_sent(&sim->trace.etcd->line, sim->world.now_us, &self->now, &etcd, 0, 0);
		self->dirty = true;
		break;
	case RAFT_MSG_VOTE_REPLY:
		if (!message->vote_reply.pre)
			sent_replies(sim, node, &etcd);
		break;
	default:
		break;
	}
}
