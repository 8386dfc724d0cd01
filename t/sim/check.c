/* SPDX-License-Identifier: ISC */
/*
 * Invariants of one core's updates: role, term, vote, log, commit index, progress.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

void
check_init(struct check *check)
{
	memset(check, 0, sizeof *check);
	check->oracle = raft_sessions_new();
	check->session_digests = calloc(SIM_SESSIONS_MAX, sizeof *check->session_digests);
	must(check->oracle != NULL);
	must(check->session_digests != NULL);
}

void
check_free(struct check *check)
{
	raft_sessions_free(check->oracle);
	free(check->session_digests);
	free(check->terms);
	free(check->commits);
	free(check->rows);
}

struct check_term *
check_term(struct sim *sim, uint64_t term)
{
	struct check *check = &sim->check;
	size_t size = check->terms_size == 0 ? 256 : check->terms_size;

	if (term >= 10000000)
		sim_fail(sim, "term %" PRIu64 " is absurd", term);
	if (term < check->terms_size)
		return &check->terms[term];
	while (size <= term)
		size *= 2;
	check->terms = realloc(check->terms, size * sizeof *check->terms);
	must(check->terms != NULL);
	memset(
	    check->terms + check->terms_size, 0, (size - check->terms_size) * sizeof *check->terms);
	check->terms_size = size;
	return &check->terms[term];
}

struct tnode *
check_committed(const struct sim *sim, uint64_t index)
{
	if (index == 0 || index > sim->check.committed)
		return NULL;
	return sim->check.commits[index - 1].tnode;
}

void
check_start(struct sim *sim, struct node *node, const struct raft_start *start)
{
	struct raft_status *status = &node->status;

	raft_status(node->core, node_now(sim, node), status);
	if (status->term != start->term || !raft_id_equal(&status->vote, &start->vote))
		sim_fail(sim, "n%d starts with another term or vote than its disk has",
		    node->number + 1);
	if (status->last.index != start->last.index || status->last.term != start->last.term)
		sim_fail(sim, "n%d starts with another log than its disk has", node->number + 1);
	if (status->before.index != start->before.index ||
	    status->before.term != start->before.term)
		sim_fail(
		    sim, "n%d starts with another beginning than its disk has", node->number + 1);
	if (status->commit.index != start->commit.index || status->recovering != start->recovering)
		sim_fail(sim, "n%d starts with another commit index or recovery than its disk has",
		    node->number + 1);
	check_sessions(sim, node);
	members_check(sim, node, true);
}

/* One that is no voter in its own log may still lead until that is committed (§4.2.2). */
static void
check_leader_votes(struct sim *sim, struct node *node)
{
	const struct membership *now = members_of(sim, node);

	if ((now->voters >> node->number & 1) != 0)
		return;
	if (now->entry == NULL || now->entry->index <= node->status.commit.index)
		sim_fail(sim, "n%d leads but is no voter", node->number + 1);
}

/* (1) at most one leader a term (§3.4). */
static void
check_one_leader(struct sim *sim, struct node *node)
{
	struct check_term *term = check_term(sim, node->status.term);

	if ((term->barred >> node->number & 1) != 0)
		sim_fail(sim,
		    "n%d is elected for term %" PRIu64
		    " after a voter that forgot its vote for it was "
		    "called clean",
		    node->number + 1, node->status.term);
	if (term->leader != 0 &&
	    (term->leader != node->number + 1 || term->incarnation != node->incarnation))
		sim_fail(sim,
		    "election safety: n%d and n%d (or an earlier life of it) both lead term "
		    "%" PRIu64,
		    term->leader, node->number + 1, node->status.term);
	term->leader = node->number + 1;
	term->incarnation = node->incarnation;
	if (node->disk.term < node->status.term || node->disk.vote != node->number)
		sim_fail(sim, "n%d leads term %" PRIu64 " but its own vote is not on its disk",
		    node->number + 1, node->status.term);
}

static void
count_roles(struct sim *sim, const struct node *node, const struct raft_status *status)
{
	if (node->role == RAFT_LEADER && status->role != RAFT_LEADER) {
		sim->counters[COUNT_STEP_DOWNS]++;
		if ((members_of(sim, node)->voters >> node->number & 1) == 0)
			sim->counters[COUNT_LEADER_REMOVALS]++;
	}
	if (node->role != RAFT_LEADER && status->role == RAFT_LEADER)
		sim->counters[COUNT_ELECTIONS_WON]++;
	if (node->role != RAFT_CANDIDATE && status->role == RAFT_CANDIDATE)
		sim->counters[COUNT_ELECTIONS_BEGUN]++;
	if (node->role != RAFT_LEADER && status->role == RAFT_LEADER &&
	    node->issued.last > sim->check.committed)
		sim->counters[COUNT_OLD_TERM_TAILS]++;
}

void
check_role(struct sim *sim, struct node *node, const struct raft_update *update)
{
	const struct raft_status *status = &node->status;

	if (status->term < node->term)
		sim_fail(sim, "the term of n%d falls from %" PRIu64 " to %" PRIu64,
		    node->number + 1, node->term, status->term);
	if (status->role != node->role || status->term != node->term) {
		if (!update->state_changed)
			sim_fail(sim, "n%d changes its role or term and does not say so",
			    node->number + 1);
		trace_add(sim, node->number, -1, raft_role_name(status->role), "term commit last",
		    status->term, status->commit.index, status->last.index);
		trace_text(sim, node->number, "why", update->why);
		count_roles(sim, node, status);
	}
	if (status->role == RAFT_LEADER)
		check_one_leader(sim, node);
	if (status->role != RAFT_FOLLOWER && node->disk.recovering)
		sim_fail(sim, "n%d is %s while it recovers", node->number + 1,
		    raft_role_name(status->role));
}

void
check_log_cut(struct node *node, uint64_t after)
{
	for (uint64_t index = node->issued.last; index > after; index--) {
		const struct tnode *tnode = slog_at(&node->issued, index);

		node->session_last[tnode->session] = tnode->session_prev;
	}
}

/* At least: a turn of several events may have gone through several terms. */
static uint64_t
truncate_term(const struct node *node, const struct raft_write *write)
{
	uint64_t term = node->term;

	if (!node->gathered)
		return node->status.term;
	if (write->entries_count > 0 && write->entries[0].term > term)
		term = write->entries[0].term;
	return term;
}

/* (4) a leader only appends, (7) nothing committed goes. */
static void
check_truncate(struct sim *sim, struct node *node, const struct raft_write *write)
{
	uint64_t after = write->truncate_after;

	if (after >= node->issued.last) {
		if (after > node->issued.last)
			sim_fail(sim, "n%d truncates its log where it has none", node->number + 1);
		return;
	}
	sim->counters[COUNT_TRUNCATIONS]++;
	if (node->disk.count > 0)
		sim->counters[COUNT_WRITES_OVERLAPPING]++;
	if (node->role == RAFT_LEADER && node->term == node->status.term &&
	    node->status.role == RAFT_LEADER)
		sim_fail(sim, "leader n%d truncates its own log", node->number + 1);
	if (after < node->commit)
		sim_fail(sim, "n%d truncates to %" PRIu64 ", below its commit index %" PRIu64,
		    node->number + 1, after, node->commit);
	/* A late message of a leader that was deposed before it was committed may still do that. */
	if (check_committed(sim, after + 1) == slog_at(&node->issued, after + 1) &&
	    sim->check.commits[after].term <= truncate_term(node, write))
		sim_fail(sim, "n%d truncates entry %" PRIu64 ", which is committed",
		    node->number + 1, after + 1);
	if (members_of(sim, node)->entry != NULL && members_of(sim, node)->entry->index > after)
		sim->counters[COUNT_CONFIGS_CUT]++;
	if (contracts_at(slog_at(&node->issued, node->issued.last)).index > after)
		sim->counters[COUNT_CONTRACTS_CUT]++;
	check_log_cut(node, after);
	node->issued.last = after;
}

/* A snapshot replaces the whole log, only with what is committed, and only where it is news. */
static void
check_install(struct sim *sim, struct node *node, struct raft_pos pos)
{
	struct tnode *tnode = check_committed(sim, pos.index);
	uint64_t common;

	if (tnode == NULL || tnode->entry.term != pos.term)
		sim_fail(sim,
		    "n%d installs a snapshot of entry %" PRIu64 ", which is not committed",
		    node->number + 1, pos.index);
	if (pos.index <= node->commit)
		sim_fail(sim,
		    "n%d installs a snapshot of entry %" PRIu64 ", below its commit index %" PRIu64,
		    node->number + 1, pos.index, node->commit);
	if (node->status.role != RAFT_FOLLOWER)
		sim_fail(sim, "%s n%d installs a snapshot", raft_role_name(node->status.role),
		    node->number + 1);
	if (pos.index <= node->issued.last && slog_at(&node->issued, pos.index) == tnode)
		sim_fail(sim, "n%d installs a snapshot of entry %" PRIu64 ", which it has",
		    node->number + 1, pos.index);
	check_log_cut(node, slog_below(&node->issued, tnode));
	common = slog_set(&node->issued, tnode);
	node_session_rows(node, common);
}

/* Events gather: a candidate may have been elected and have stepped down within one update. */
static void
check_brief_leader(struct sim *sim, struct node *node, uint64_t number)
{
	struct check_term *term = check_term(sim, number);

	if (term->leader != 0 || node->role != RAFT_CANDIDATE || node->term != number)
		return;
	term->leader = node->number + 1;
	term->incarnation = node->incarnation;
}

/* (5) the same index and term have the same history; new ones come from that term's leader. */
static struct tnode *
check_entry(struct sim *sim, struct node *node, const struct raft_entry *entry)
{
	uint64_t index = node->issued.last + 1;
	struct tnode *parent = slog_at(&node->issued, node->issued.last);
	struct tnode *tnode = tree_find(&sim->tree, index, entry->term);

	if (parent != NULL && parent->entry.term > entry->term)
		sim_fail(sim,
		    "n%d appends term %" PRIu64 " after term %" PRIu64 " at index %" PRIu64,
		    node->number + 1, entry->term, parent->entry.term, index);
	if (tnode == NULL) {
		check_brief_leader(sim, node, entry->term);
		if (check_term(sim, entry->term)->leader != node->number + 1)
			sim_fail(sim,
			    "n%d makes entry %" PRIu64 " of term %" PRIu64
			    ", which it does not lead",
			    node->number + 1, index, entry->term);
		tnode = tree_add(&sim->tree, parent, index, entry);
		members_entry(sim, node, tnode);
		ledger_entry(sim, node, tnode);
		levels_entry(sim, node, tnode);
		contracts_entry(sim, node, tnode);
	} else if (tnode->parent != parent) {
		sim_fail(sim,
		    "log matching: entry %" PRIu64 " of term %" PRIu64
		    " at n%d has another past than elsewhere",
		    index, entry->term, node->number + 1);
	} else if (tnode->hash != tree_hash(entry)) {
		sim_fail(sim,
		    "log matching: entry %" PRIu64 " of term %" PRIu64
		    " at n%d has other bytes than elsewhere",
		    index, entry->term, node->number + 1);
	}
	slog_push(&node->issued, tnode);
	node->session_last[tnode->session] = tnode;
	return tnode;
}

/* (2) the term never falls, (3) one vote a term: of what is to be on disk. */
static void
check_hard_state(struct sim *sim, struct node *node, const struct raft_write *write)
{
	int vote = sim_number(&write->vote);

	if (write->number != node->write_number + 1)
		sim_fail(sim, "n%d numbers its write %" PRIu64 " after %" PRIu64, node->number + 1,
		    write->number, node->write_number);
	if (write->term < node->write_term)
		sim_fail(sim, "n%d writes term %" PRIu64 " over term %" PRIu64, node->number + 1,
		    write->term, node->write_term);
	if (write->term == node->write_term && node->write_vote != DISK_NOBODY &&
	    vote != node->write_vote)
		sim_fail(
		    sim, "n%d changes its vote in term %" PRIu64, node->number + 1, write->term);
	node->write_number = write->number;
	node->write_term = write->term;
	node->write_vote = vote;
}

struct tnode **
check_write(struct sim *sim, struct node *node, const struct raft_write *write)
{
	struct check *check = &sim->check;

	check_hard_state(sim, node, write);
	node->before_write = *members_of(sim, node);
	if (write->install)
		check_install(sim, node, write->install_pos);
	if (write->truncate)
		check_truncate(sim, node, write);
	if (write->entries_count > 0 && write->first_index != node->issued.last + 1)
		sim_fail(sim, "n%d writes from index %" PRIu64 " behind %" PRIu64, node->number + 1,
		    write->first_index, node->issued.last);
	if (write->entries_count > check->rows_size) {
		check->rows_size = 2 * write->entries_count;
		check->rows = realloc(check->rows, check->rows_size * sizeof(struct tnode *));
		must(check->rows != NULL);
	}
	for (size_t i = 0; i < write->entries_count; i++) {
		if (write->entries[i].term > write->term)
			sim_fail(sim, "n%d writes an entry of term %" PRIu64 " with term %" PRIu64,
			    node->number + 1, write->entries[i].term, write->term);
		check->rows[i] = check_entry(sim, node, &write->entries[i]);
	}
	return check->rows;
}

static size_t
count_held(const struct sim *sim, uint16_t voters, const struct tnode *tnode)
{
	size_t held = 0;

	for (size_t i = 0; i < sim->nodes_count; i++)
		held += (voters >> i & 1) != 0 && disk_held(&sim->nodes[i].disk, tnode);
	return held;
}

/*
 * A count over all disks: is it on a majority of the leader's voters?  Its configuration may have
 * changed in this very update, after the commit.
 */
static void
check_quorum(struct sim *sim, struct node *node, const struct tnode *tnode)
{
	const struct membership *now = members_of(sim, node);
	size_t held = count_held(sim, now->voters, tnode);

	if (2 * held > members_count(now->voters))
		return;
	if (now->entry != node->before_write.entry &&
	    2 * count_held(sim, node->before_write.voters, tnode) >
		members_count(node->before_write.voters))
		return;
	sim_fail(sim,
	    "n%d commits entry %" PRIu64 " of term %" PRIu64
	    ", which %zu of %zu voters have on disk",
	    node->number + 1, tnode->index, tnode->entry.term, held, members_count(now->voters));
}

/* (6) leaders of later terms that are already there have it too. */
static void
check_later_leaders(struct sim *sim, const struct tnode *tnode)
{
	for (size_t i = 0; i < sim->nodes_count; i++) {
		struct node *node = &sim->nodes[i];

		if (node->core == NULL || node->role != RAFT_LEADER ||
		    node->term <= tnode->entry.term)
			continue;
		if (node->issued.last < tnode->index ||
		    slog_at(&node->issued, tnode->index) != tnode)
			sim_fail(sim,
			    "leader completeness: entry %" PRIu64 " of term %" PRIu64
			    " is committed, leader n%d of term %" PRIu64 " lacks it",
			    tnode->index, tnode->entry.term, node->number + 1, node->term);
	}
}

static void
commit_extend(struct sim *sim, struct node *node, uint64_t commit)
{
	struct tnode *top = slog_at(&node->issued, commit);
	struct check_term *term = check_term(sim, top->entry.term);

	if (term->leader != node->number + 1 || term->incarnation != node->incarnation)
		sim_fail(sim,
		    "n%d commits entry %" PRIu64 " of term %" PRIu64
		    ", which is not of its own leadership (§3.6.2)",
		    node->number + 1, commit, top->entry.term);
	check_quorum(sim, node, top);
	check_later_leaders(sim, top);
	for (uint64_t index = sim->check.committed + 1; index <= commit; index++)
		ledger_commit(sim, slog_at(&node->issued, index), top->entry.term);
}

/* (7) committed entries never change, (8) the index never falls, (9) only over the own term. */
static void
check_commit(struct sim *sim, struct node *node, const struct raft_update *update)
{
	uint64_t commit = node->status.commit.index;

	if (commit < node->commit)
		sim_fail(sim, "the commit index of n%d falls from %" PRIu64 " to %" PRIu64,
		    node->number + 1, node->commit, commit);
	if (commit == node->commit)
		return;
	if (!update->commit_changed || update->commit.index != commit)
		sim_fail(sim, "n%d moves its commit index and does not say so", node->number + 1);
	if (commit > node->issued.last)
		sim_fail(sim, "n%d commits index %" PRIu64 " beyond its log's end %" PRIu64,
		    node->number + 1, commit, node->issued.last);
	if (update->commit.term != slog_at(&node->issued, commit)->entry.term)
		sim_fail(sim, "n%d tells a wrong term with its commit index %" PRIu64,
		    node->number + 1, commit);
	if (commit > sim->check.committed)
		commit_extend(sim, node, commit);
	if (slog_at(&node->issued, commit) != check_committed(sim, commit))
		sim_fail(sim,
		    "state machine safety: n%d commits entry %" PRIu64 " of term %" PRIu64
		    ", but it was committed with term %" PRIu64,
		    node->number + 1, commit, update->commit.term,
		    check_committed(sim, commit)->entry.term);
	node->commit = commit;
	if (commit % 8 == 0)
		check_sessions(sim, node);
}

/* (6) leader completeness (§3.6.3): what earlier terms committed is in a new leader's log. */
static void
check_completeness(struct sim *sim, struct node *node)
{
	uint64_t index = sim->check.committed;

	while (index > 0 && sim->check.commits[index - 1].term >= node->status.term)
		index--;
	if (index == 0)
		return;
	if (node->issued.last < index ||
	    slog_at(&node->issued, index) != check_committed(sim, index))
		sim_fail(sim,
		    "leader completeness: n%d leads term %" PRIu64 " without entry %" PRIu64
		    ", committed in term %" PRIu64,
		    node->number + 1, node->status.term, index, sim->check.commits[index - 1].term);
}

/* (10) match rises, during a peer's life, and is durable there, unless it lost what it had. */
static void
check_progress(struct sim *sim, struct node *node, const struct raft_peer_status *peer)
{
	int number = sim_number(&peer->id);
	struct disk *disk = &sim->nodes[number].disk;
	bool excused = disk->recovering || peer->recovering || disk->term > node->status.term;
	uint64_t was = node->match[number];
	bool reborn = node->reborn[number];

	if (number == node->number)
		return;
	node->match[number] = peer->match;
	node->reborn[number] = false;
	if (peer->next <= peer->match)
		sim_fail(sim,
		    "leader n%d has next %" PRIu64 " for n%d, which matches up to %" PRIu64,
		    node->number + 1, peer->next, number + 1, peer->match);
	if (peer->match == was || excused)
		return;
	if (peer->match < was && !reborn)
		sim_fail(sim, "match of n%d at leader n%d falls from %" PRIu64 " to %" PRIu64,
		    number + 1, node->number + 1, was, peer->match);
	if (peer->match > disk->rows.last || peer->match > node->issued.last ||
	    slog_at(&disk->rows, peer->match) != slog_at(&node->issued, peer->match))
		sim_fail(sim,
		    "leader n%d believes that n%d has stored up to %" PRIu64 ", but it has not",
		    node->number + 1, number + 1, peer->match);
}

static void
check_leader(struct sim *sim, struct node *node)
{
	const struct raft_status *status = &node->status;

	if (node->role != RAFT_LEADER || node->term != status->term) {
		memset(node->match, 0, sizeof node->match);
		check_completeness(sim, node);
	}
	for (size_t i = 0; i < status->peers_count; i++)
		check_progress(sim, node, &status->peers[i]);
}

/* The log begins where the disk's does, or where it will once it is told or has installed. */
static void
check_before(struct sim *sim, const struct node *node)
{
	struct raft_pos before = node->status.before;
	bool installing = node->disk.rows.last < before.index;

	if (before.index == 0)
		return;
	if (before.index > node->commit ||
	    (before.index > node->disk.cut && !installing && node->disk.count == 0))
		sim_fail(sim,
		    "the log of n%d begins after entry %" PRIu64 ", on disk after %" PRIu64,
		    node->number + 1, before.index, node->disk.cut);
	if (slog_at(&node->issued, before.index)->entry.term != before.term)
		sim_fail(
		    sim, "n%d has a wrong term before its log's first entry", node->number + 1);
}

void
check_update(struct sim *sim, struct node *node, const struct raft_update *update)
{
	const struct raft_status *status = &node->status;
	struct raft_pos last = slog_last(&node->issued);

	if (last.index != status->last.index || last.term != status->last.term)
		sim_fail(sim, "n%d has %" PRIu64 " entries but wrote %" PRIu64, node->number + 1,
		    status->last.index, last.index);
	if (status->durable > node->disk.rows.last ||
	    slog_at(&node->issued, status->durable) != slog_at(&node->disk.rows, status->durable))
		sim_fail(sim, "n%d believes that it has stored up to %" PRIu64 ", but it has not",
		    node->number + 1, status->durable);
	check_commit(sim, node, update);
	check_before(sim, node);
	levels_check(sim, node);
	contracts_check(sim, node);
	members_check(sim, node, update->config_changed);
	if (status->role == RAFT_LEADER) {
		check_leader(sim, node);
		check_leader_votes(sim, node);
	}
	node->role = status->role;
	node->term = status->term;
	if (sim->step % 4096 == 0)
		check_deep(sim, node);
}

/*
 * (3) one vote a term, for ever: restarts and losses included, but for a vote that was forgotten,
 * that nobody can tell of, and that can't elect anybody any more.
 */
void
check_promise(struct sim *sim, struct node *node, uint64_t term, int candidate)
{
	struct check_term *held = check_term(sim, term);
	int *promised = &held->promised[node->number];
	bool barred = *promised != 0 && (held->barred >> (*promised - 1) & 1) != 0;

	if (*promised != 0 && *promised != candidate + 1 && !barred)
		sim_fail(sim, "n%d votes for n%d in term %" PRIu64 ", but has voted for n%d",
		    node->number + 1, candidate + 1, term, *promised);
	sim->counters[COUNT_VOTES_TWICE] += barred && *promised != candidate + 1;
	*promised = candidate + 1;
}

/*
 * Votes above its term that it has lost with its mark: whoever had them must not be elected from
 * now on, for the entry that made this node clean is on a majority without it, none of which can
 * vote for them.
 */
static void
check_forgotten(struct sim *sim, struct node *node)
{
	const struct disk *disk = &node->disk;

	if (disk->mark_valid)
		return;
	for (uint64_t term = disk->term + 1; term <= disk->forgotten; term++) {
		struct check_term *held = check_term(sim, term);
		int promised = held->promised[node->number];

		if (promised == 0)
			continue;
		sim->counters[COUNT_VOTES_FORGOTTEN]++;
		if (held->leader == promised)
			sim_fail(sim,
			    "n%d ends its recovery in term %" PRIu64
			    ", but has voted for n%d, which led "
			    "term %" PRIu64,
			    node->number + 1, disk->term, promised, term);
		if (promised == node->number + 1) /* it stood, and that life is over */
			held->promised[node->number] = 0;
		else
			held->barred |= (uint16_t)(1u << (promised - 1));
	}
}

/* What its log lost and was committed must be back. */
void
check_recovered(struct sim *sim, struct node *node)
{
	const struct disk *disk = &node->disk;
	const struct tnode *tnode = disk->lost_tail;

	check_forgotten(sim, node);
	while (tnode != NULL && check_committed(sim, tnode->index) != tnode)
		tnode = tnode->parent;
	if (tnode == NULL)
		return;
	if (disk->rows.last < tnode->index || slog_at(&disk->rows, tnode->index) != tnode)
		sim_fail(sim,
		    "n%d ends its recovery without entry %" PRIu64
		    ", which it once had and which is committed",
		    node->number + 1, tnode->index);
}

/* The core's own view of its log, entry by entry. */
void
check_deep(struct sim *sim, struct node *node)
{
	struct raft_status status;

	raft_status(node->core, node_now(sim, node), &status);
	members_check(sim, node, true);
	for (uint64_t index = status.before.index + (status.before.index == 0);
	     index <= node->issued.last; index++) {
		const struct tnode *tnode = slog_at(&node->issued, index);
		const struct raft_entry *entry = raft_entry_at(node->core, index);
		uint64_t term;

		if (!raft_term_at(node->core, index, &term) || term != tnode->entry.term)
			sim_fail(sim, "n%d has forgotten the term of entry %" PRIu64,
			    node->number + 1, index);
		if (entry != NULL && tree_hash(entry) != tnode->hash)
			sim_fail(sim, "n%d holds other bytes for entry %" PRIu64, node->number + 1,
			    index);
	}
}
