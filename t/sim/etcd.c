/* SPDX-License-Identifier: ISC */
/*
 * The trace in etcd's form: what each event of a core is to the specification.
 *
 * A pre-candidate is still what it was: the specification has no pre-vote.
 */
#include "etcd.h"

#include "etcd_inside.h"

#include <stdlib.h>
#include <string.h>

struct etcd *
etcd_new(FILE *out)
{
	struct etcd *etcd = calloc(1, sizeof *etcd);

	must(etcd != NULL);
	etcd->line.out = out;
	return etcd;
}

void
etcd_free(struct etcd *etcd)
{
	if (etcd == NULL)
		return;
	free(etcd->messages);
	free(etcd);
}

struct etcd_node *
etcd_of(struct sim *sim, const struct node *node)
{
	return &sim->trace.etcd->nodes[node->number];
}

uint64_t
etcd_commit(const struct etcd_node *self, const struct raft_status *status)
{
	return status->commit.index > self->now.commit ? status->commit.index : self->now.commit;
}

void
etcd_beyond(struct sim *sim, const struct node *node, const char *why)
{
	if (sim->trace.etcd->beyond)
		return;
	sim->trace.etcd->beyond = true;
	etcd_line_beyond(&sim->trace.etcd->line, sim->world.now_us, node->number, why);
}

static void
tell(struct sim *sim, const struct node *node, enum etcd_event event)
{
	struct etcd_node *self = etcd_of(sim, node);

	etcd_line_event(&sim->trace.etcd->line, sim->world.now_us, node->number, event, &self->now);
	self->dirty = self->dirty || event != ETCD_READY;
}

static uint16_t
members_of_role(const struct raft_config *config, enum raft_member_role role)
{
	uint16_t set = 0;

	for (size_t i = 0; i < config->count; i++)
		if (config->members[i].role == role)
			set |= (uint16_t)(1u << sim_number(&config->members[i].id));
	return set;
}

/* ---------------------------------------------------------------- start */

static bool
starts_as_stored(const struct etcd_node *self)
{
	return self->now.term == self->stored.term && self->now.vote == self->stored.vote &&
	       self->now.last == self->stored.last && self->now.commit == self->stored.commit &&
	       self->now.voters == self->stored.voters;
}

static void
known_config(struct etcd_node *self, const struct raft_config *config)
{
	self->voters_next = members_of_role(config, RAFT_VOTER);
	self->learners_next = members_of_role(config, RAFT_LEARNER);
}

void
etcd_start(struct sim *sim, struct node *node)
{
	struct raft_status status;
	struct etcd_node *self;

	if (sim->trace.etcd == NULL)
		return;
	self = etcd_of(sim, node);
	raft_status(node->core, node_now(sim, node), &status);
	known_config(self, raft_config_now(node->core));
	if (!self->begun)
		self->now.voters = self->voters_next;
	self->now.role = ETCD_FOLLOWER;
	self->now.term = status.term;
	self->now.vote = sim_number(&status.vote);
	self->now.last = status.last.index;
	self->now.commit = etcd_commit(self, &status);
	if (self->now.commit > status.last.index)
		self->now.commit = status.last.index;
	self->durable = status.durable;
	self->tell_self = false;
	if (self->begun && !starts_as_stored(self))
		etcd_beyond(
		    sim, node, "not all was on the disk, which the specification stores at once");
	tell(sim, node, ETCD_INIT);
	self->begun = true;
	self->stored = self->now;
	self->dirty = false;
}

/* ----------------------------------------------------------------- role */

static enum etcd_role
role_of(const struct etcd_state *before, const struct raft_status *status)
{
	if (status->role == RAFT_LEADER)
		return ETCD_LEADER;
	if (status->role == RAFT_CANDIDATE)
		return ETCD_CANDIDATE;
	if (before->role == ETCD_CANDIDATE && before->term == status->term &&
	    raft_id_none(&status->leader))
		return ETCD_CANDIDATE;
	return ETCD_FOLLOWER;
}

static void
becomes_follower(struct sim *sim, const struct node *node, uint64_t term)
{
	struct etcd_state *now = &etcd_of(sim, node)->now;

	if (term > now->term)
		now->vote = ETCD_NOBODY;
	now->term = term;
	now->role = ETCD_FOLLOWER;
	tell(sim, node, ETCD_BECOME_FOLLOWER);
}

static void
becomes_candidate(struct sim *sim, struct node *node)
{
	struct etcd_state *now = &etcd_of(sim, node)->now;

	now->term++;
	now->vote = node->number;
	now->role = ETCD_CANDIDATE;
	tell(sim, node, ETCD_BECOME_CANDIDATE);
	etcd_sent_self(sim, node, ETCD_MSG_VOTE_RESP);
}

static void
becomes_leader(struct sim *sim, struct node *node)
{
	struct etcd_node *self = etcd_of(sim, node);

	etcd_received_own_vote(sim, node);
	self->now.role = ETCD_LEADER;
	memset(self->match, 0, sizeof self->match);
	self->match[node->number] = self->now.last;
	self->term_first = self->now.last + 1;
	tell(sim, node, ETCD_BECOME_LEADER);
}

/* heard: the term of the message that a line was just written of; 0: of none. */
static void
role_changes(struct sim *sim, struct node *node, const struct raft_status *status, uint64_t heard)
{
	struct etcd_state *now = &etcd_of(sim, node)->now;
	enum etcd_role role = role_of(now, status);
	uint64_t follows =
	    status->term - (status->role == RAFT_CANDIDATE && status->term > now->term);

	if (follows > now->term) {
		if (heard < follows)
			etcd_beyond(sim, node,
			    "a term was heard of in a message that the specification has not");
		becomes_follower(sim, node, follows);
	} else if (now->role == ETCD_LEADER && role != ETCD_LEADER) {
		becomes_follower(sim, node, now->term);
	} else if (now->role == ETCD_CANDIDATE && role == ETCD_FOLLOWER) {
		if (heard == 0)
			etcd_beyond(
			    sim, node, "a leader was heard of in a message that was left out");
		becomes_follower(sim, node, now->term);
	}
	if (role == ETCD_CANDIDATE && status->term > now->term)
		becomes_candidate(sim, node);
	if (role == ETCD_LEADER && now->role != ETCD_LEADER)
		becomes_leader(sim, node);
	now->vote = sim_number(&status->vote);
}

/* ------------------------------------------------------------------ log */

struct config_news {
	const char *op;
	int member;
};

static int
lowest(uint16_t set)
{
	int number = 0;

	while ((set >> number & 1) == 0)
		number++;
	return number;
}

/* False when no server comes, goes or changes its role. */
static bool
config_news(struct etcd_node *self, const struct raft_entry *entry, struct config_news *news)
{
	uint16_t voters = self->voters_next, learners = self->learners_next;
	struct raft_config config;
	uint16_t changed;

	if (entry->kind != RAFT_CONFIG ||
	    !raft_config_decode(&config, raft_entry_data(entry), raft_entry_data_size(entry)))
		return false;
	known_config(self, &config);
	changed = (uint16_t)((voters ^ self->voters_next) | (learners ^ self->learners_next));
	if (changed == 0)
		return false;
	news->member = lowest(changed);
	news->op = (self->voters_next & changed) != 0     ? "AddNewServer"
		   : (self->learners_next & changed) != 0 ? "AddLearner"
							  : "RemoveServer";
	return true;
}

static void
log_grows(struct sim *sim, struct node *node, uint64_t last)
{
	struct etcd_node *self = etcd_of(sim, node);

	while (self->now.last < last) {
		const struct raft_entry *entry = raft_entry_at(node->core, self->now.last + 1);
		struct config_news news;

		must(entry != NULL);
		self->now.last++;
		self->tell_self = true;
		if (!config_news(self, entry, &news)) {
			tell(sim, node, ETCD_REPLICATE);
			continue;
		}
		etcd_beyond(sim, node, "a configuration is in force before it is committed");
		etcd_line_change(&sim->trace.etcd->line, sim->world.now_us, node->number,
		    &self->now, news.op, news.member);
	}
}

static void
log_follows(struct etcd_node *self, const struct node *node, const struct raft_status *status)
{
	self->now.last = status->last.index;
	known_config(self, raft_config_now(node->core));
}

/* --------------------------------------------------------------- commit */

static bool
majority_has(const struct etcd_node *self, uint64_t index)
{
	unsigned have = 0, all = 0;

	for (int i = 0; i < SIM_NODES_MAX; i++) {
		if ((self->now.voters >> i & 1) == 0)
			continue;
		all++;
		have += self->match[i] >= index;
	}
	return 2 * have > all;
}

static void
config_applied(struct sim *sim, const struct node *node, uint16_t voters)
{
	struct etcd_node *self = etcd_of(sim, node);

	etcd_line_apply(
	    &sim->trace.etcd->line, sim->world.now_us, node->number, &self->now, voters);
	self->now.voters = voters;
	self->dirty = true;
}

/* Entries that were just committed are in memory, unless they came as a snapshot. */
static void
configs_apply(struct sim *sim, const struct node *node, uint64_t from)
{
	const struct etcd_node *self = etcd_of(sim, node);

	for (uint64_t i = from + 1; i <= self->now.commit; i++) {
		const struct raft_entry *entry = raft_entry_at(node->core, i);
		struct raft_config config = {0};

		if (entry == NULL)
			config = *raft_config_now(node->core);
		else if (entry->kind != RAFT_CONFIG ||
			 !raft_config_decode(
			     &config, raft_entry_data(entry), raft_entry_data_size(entry)))
			continue;
		if (members_of_role(&config, RAFT_VOTER) != self->now.voters)
			config_applied(sim, node, members_of_role(&config, RAFT_VOTER));
	}
}

static void
commit_rises(struct sim *sim, struct node *node, uint64_t commit)
{
	struct etcd_node *self = etcd_of(sim, node);
	uint64_t from = self->now.commit;

	if (commit <= from)
		return;
	if (self->now.role == ETCD_LEADER &&
	    (!majority_has(self, commit) ||
		(commit < self->now.last && majority_has(self, commit + 1))))
		etcd_beyond(sim, node, "the specification would commit another entry");
	self->now.commit = commit;
	if (self->now.role == ETCD_LEADER)
		tell(sim, node, ETCD_COMMIT);
	configs_apply(sim, node, from);
}

/* --------------------------------------------------------------- events */

static bool
changed_unsaid(
    const struct etcd_state *now, const struct raft_event *event, const struct raft_status *status)
{
	return event->type == RAFT_EVENT_MESSAGE && status->role == RAFT_FOLLOWER &&
	       (status->last.index != now->last || status->commit.index > now->commit ||
		   (status->term == now->term && sim_number(&status->vote) != now->vote));
}

void
etcd_step(struct sim *sim, struct node *node, const struct raft_event *event)
{
	struct raft_status status;
	struct etcd_node *self;
	uint64_t heard = 0, order;

	if (sim->trace.etcd == NULL)
		return;
	self = etcd_of(sim, node);
	raft_status(node->core, node_now(sim, node), &status);
	order = sim->trace.etcd->line.count;
	if (event->type == RAFT_EVENT_MESSAGE)
		etcd_received(sim, node, event->message, &status);
	else if (event->type == RAFT_EVENT_SNAPSHOT_READY)
		etcd_installed(sim, node, event->snapshot->pos.index, &status);
	if (sim->trace.etcd->line.count != order && event->type == RAFT_EVENT_MESSAGE)
		heard = event->message->term;
	if (heard == 0 && changed_unsaid(&self->now, event, &status))
		etcd_beyond(sim, node, "a message that came twice has changed something");
	etcd_received_self(sim, node, &status);
	self->durable = status.durable;
	role_changes(sim, node, &status, heard);
	if (self->now.role == ETCD_LEADER)
		log_grows(sim, node, status.last.index);
	else
		log_follows(self, node, &status);
	commit_rises(sim, node, status.commit.index);
}

static bool
state_equal(const struct etcd_state *a, const struct etcd_state *b)
{
	return a->term == b->term && a->vote == b->vote && a->commit == b->commit &&
	       a->last == b->last && a->voters == b->voters;
}

void
etcd_update(struct sim *sim, struct node *node, const struct raft_update *update)
{
	struct etcd_node *self;

	if (sim->trace.etcd == NULL)
		return;
	self = etcd_of(sim, node);
	if (self->tell_self && self->now.role == ETCD_LEADER)
		etcd_sent_self(sim, node, ETCD_MSG_APP_RESP);
	self->tell_self = false;
	for (size_t i = 0; i < update->messages_count; i++)
		etcd_sent(sim, node, &update->messages[i]);
	if (!self->dirty && state_equal(&self->now, &self->stored))
		return;
	tell(sim, node, ETCD_READY);
	self->stored = self->now;
	self->dirty = false;
}

void
etcd_snapshot(struct sim *sim, struct node *node, size_t to, uint64_t index)
{
	struct etcd_node *self;
	struct etcd_message snap = {
	    .type = ETCD_MSG_SNAP, .to = (int)to, .entries = index, .sent = true};

	if (sim->trace.etcd == NULL)
		return;
	self = etcd_of(sim, node);
	if (self->now.role != ETCD_LEADER)
		return;
	snap.from = node->number;
	snap.term = self->now.term;
	etcd_put(sim->trace.etcd, &snap);
	etcd_line_sent(&sim->trace.etcd->line, sim->world.now_us, &self->now, &snap, 0, 0);
	self->dirty = true;
}
