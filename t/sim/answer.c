/* SPDX-License-Identifier: ISC */
/*
 * What clients are told, and whether it is true.
 */
#include "sim.h"

#include <string.h>

static void
count_refusal(struct sim *sim, enum raft_reason reason)
{
	sim->counters[COUNT_REFUSED]++;
	if (reason == RAFT_REASON_GAP)
		sim->counters[COUNT_REFUSED_GAP]++;
	if (reason == RAFT_REASON_EXPIRED)
		sim->counters[COUNT_REFUSED_EXPIRED]++;
	if (reason == RAFT_REASON_OLD_EPOCH)
		sim->counters[COUNT_REFUSED_OLD_EPOCH]++;
	if (reason == RAFT_REASON_FENCED)
		sim->counters[COUNT_REFUSED_FENCED]++;
	if (reason == RAFT_REASON_BUSY)
		sim->counters[COUNT_REFUSED_BUSY]++;
	if (reason == RAFT_REASON_AHEAD)
		sim->counters[COUNT_REFUSED_AHEAD]++;
	if (reason == RAFT_REASON_TOO_LARGE)
		sim->counters[COUNT_REFUSED_TOO_LARGE]++;
	if (reason == RAFT_REASON_LEVEL)
		sim->counters[COUNT_REFUSED_LEVEL]++;
	if (reason == RAFT_REASON_CONTRACT)
		sim->counters[COUNT_REFUSED_CONTRACT]++;
	if (reason == RAFT_REASON_CONTRACT_CHANGED)
		sim->counters[COUNT_REFUSED_CONTRACT_CHANGED]++;
	if (reason == RAFT_REASON_CURSOR_AHEAD)
		sim->counters[COUNT_REFUSED_CURSOR_AHEAD]++;
	if (reason == RAFT_REASON_BEHIND)
		sim->counters[COUNT_REFUSED_BEHIND]++;
}

/* Refused: this attempt is in no log, and never will be (ledger.c watches). */
static void
refused(struct sim *sim, struct attempt *attempt, const struct raft_answer *answer, uint64_t at)
{
	const struct tnode *placed = attempt->placed[at];

	count_refusal(sim, answer->reason);
	if (attempt->kind == RAFT_CONFIG)
		sim->counters[COUNT_CHANGES_REFUSED]++;
	if (attempt->kind == ATTEMPT_TRANSFER)
		sim->counters[COUNT_TRANSFERS_REFUSED]++;
	if (attempt->kind == RAFT_CLIENT || attempt->kind == RAFT_CONTRACT ||
	    attempt->kind == RAFT_ACK)
		attempt->refused |= (uint8_t)(1u << at);
	if (placed != NULL && check_committed(sim, placed->index) == placed)
		sim_fail(sim,
		    "serial %" PRIu64 " was refused (%s), but is committed as entry %" PRIu64,
		    attempt->serial + at, raft_reason_text(answer->reason), placed->index);
	if (placed != NULL && placed->index > sim->check.committed)
		sim_fail(sim,
		    "serial %" PRIu64 " was refused (%s), but a log holds it as entry %" PRIu64,
		    attempt->serial + at, raft_reason_text(answer->reason), placed->index);
}

static bool
is_of(const struct tnode *tnode, const struct attempt *attempt, uint64_t serial)
{
	if (tnode->entry.kind != (enum raft_kind)attempt->kind ||
	    tnode->session != attempt->session)
		return false;
	return attempt->kind == RAFT_NOOP || tnode->entry.serial == serial;
}

/* Committed, but no longer at hand: the newest committed entry of the session is not older. */
static void
committed_somewhere(struct sim *sim, const struct attempt *attempt, uint64_t serial)
{
	const struct session_info *info = &sim->clients.sessions[attempt->session];
	const struct raft_session *session = raft_sessions_find(sim->check.oracle, &info->sid);

	sim->counters[COUNT_DUPLICATES_NO_INDEX]++;
	if (info->drops == 0 && (session == NULL || session->serial < serial))
		sim_fail(sim,
		    "serial %" PRIu64 " of session %" PRIu32 " was called committed but is not",
		    serial, attempt->session);
}

static void
committed(struct sim *sim, struct attempt *attempt, const struct raft_answer *answer, uint64_t at)
{
	uint64_t serial = attempt->serial + at;
	uint64_t index = answer->pos.index + (serial - answer->serial);
	const struct tnode *tnode = check_committed(sim, index);

	if (attempt->kind == RAFT_NOOP)
		sim->counters[COUNT_BARRIERS]++;
	if (attempt->kind == RAFT_CONFIG || attempt->kind == ATTEMPT_TRANSFER)
		admin_committed(sim, attempt, answer);
	if (attempt->kind == RAFT_CONTRACT)
		contracts_committed(sim, attempt, answer);
	if (attempt->kind != RAFT_CLIENT && attempt->kind != RAFT_ACK && attempt->kind != RAFT_NOOP)
		return;
	if (answer->pos.index == 0) {
		committed_somewhere(sim, attempt, serial);
		return;
	}
	if (tnode == NULL)
		sim_fail(sim,
		    "serial %" PRIu64 " of session %" PRIu32 " was called committed at %" PRIu64
		    ", but only %" PRIu64 " entries are",
		    serial, attempt->session, index, sim->check.committed);
	if (!is_of(tnode, attempt, serial))
		sim_fail(sim,
		    "serial %" PRIu64 " of session %" PRIu32 " was called committed at %" PRIu64
		    ", but there is another entry",
		    serial, attempt->session, index);
	if (index == answer->pos.index && tnode->entry.term != answer->pos.term)
		sim_fail(sim, "an answer names term %" PRIu64 " for entry %" PRIu64,
		    answer->pos.term, index);
	if (attempt->kind == RAFT_CLIENT && tnode->attempt != attempt - sim->clients.attempts)
		sim->counters[COUNT_DUPLICATES_ANSWERED]++;
	if (attempt->kind == RAFT_ACK)
		cursors_committed(sim, attempt, tnode);
}

static void
opened(struct sim *sim, const struct attempt *attempt, const struct raft_answer *answer)
{
	const struct client *client = &sim->clients.at[attempt->client];
	const struct tnode *tnode = check_committed(sim, answer->epoch);
	struct raft_session_open open;

	if (tnode == NULL || tnode->entry.kind != (enum raft_kind)attempt->kind ||
	    tnode->session != attempt->session)
		sim_fail(sim,
		    "a session was called open with epoch %" PRIu64
		    ", but no such entry is committed",
		    answer->epoch);
	must(raft_session_open_decode(
	    &open, raft_entry_data(&tnode->entry), raft_entry_data_size(&tnode->entry)));
	if (attempt->run == client->run && memcmp(open.run, client->run_id, sizeof open.run) != 0)
		sim_fail(sim, "epoch %" PRIu64 " was given to a run that did not open it",
		    answer->epoch);
	if (tnode->serial_after > answer->last_serial)
		sim_fail(sim,
		    "session %" PRIu32 " was opened with last serial %" PRIu64
		    ", but it has %" PRIu64,
		    attempt->session, answer->last_serial, tnode->serial_after);
}

/* Each serial once. */
static void
mark_answered(struct sim *sim, struct attempt *attempt, const struct raft_answer *answer)
{
	uint64_t first = answer->serial - attempt->serial;

	if (answer->count == 0 || first >= attempt->count || answer->count > attempt->count - first)
		sim_fail(sim, "an answer to serials that were not proposed: %" PRIu64 ", %" PRIu64,
		    answer->serial, answer->count);
	for (uint64_t at = first; at < first + answer->count; at++) {
		if ((attempt->answered & 1u << at) != 0)
			sim_fail(sim, "serial %" PRIu64 " of one attempt is answered twice",
			    attempt->serial + at);
		attempt->answered |= (uint8_t)(1u << at);
		if (answer->verdict == RAFT_REFUSED)
			refused(sim, attempt, answer, at);
		else if (answer->verdict == RAFT_COMMITTED)
			committed(sim, attempt, answer, at);
		else
			sim->counters[COUNT_UNKNOWN]++;
	}
}

static void
client_opened(struct client *client, const struct raft_answer *answer)
{
	if (answer->verdict == RAFT_COMMITTED) {
		client->opened = true;
		client->epoch = answer->epoch;
		client->acked = answer->last_serial;
		client->next = client->acked + 1;
		client->length += client->acked;
	} else if (answer->verdict == RAFT_REFUSED && answer->reason == RAFT_REASON_OLD_EPOCH) {
		client->refresh = true;
	}
}

/* Its client goes on: a prefix is acknowledged, or it must go back. */
static void
client_hears(struct sim *sim, struct client *client, const struct attempt *attempt,
    const struct raft_answer *answer)
{
	client->progress_us = sim->world.now_us;
	if (raft_kind_opens((enum raft_kind)attempt->kind)) {
		client_opened(client, answer);
		return;
	}
	if (attempt->kind != RAFT_CLIENT && attempt->kind != RAFT_ACK)
		return;
	if (answer->verdict != RAFT_COMMITTED)
		client->back = true;
	else if (answer->serial <= client->acked + 1 &&
		 answer->serial + answer->count - 1 > client->acked)
		client->acked = answer->serial + answer->count - 1;
	if (client->next <= client->acked)
		client->next = client->acked + 1;
	if (attempt->kind == RAFT_ACK && attempt->serial == client->acked)
		client->position = attempt->position;
	if (answer->reason == RAFT_REASON_OLD_EPOCH || answer->reason == RAFT_REASON_CURSOR_AHEAD ||
	    (answer->reason == RAFT_REASON_EXPIRED && client->acked > 0))
		client->acked = client->length; /* its run has ended */
}

void
client_answer(struct sim *sim, struct node *node, const struct raft_ticket_answer *ticket)
{
	struct clients *clients = &sim->clients;
	const struct raft_answer *answer = &ticket->answer;
	struct attempt *attempt = &clients->attempts[ticket->ticket];
	struct client *client;

	if (ticket->ticket == 0 || ticket->ticket >= clients->attempts_count)
		sim_fail(sim, "an answer to a ticket that nobody has: %" PRIu64, ticket->ticket);
	if (attempt->node != node->number || attempt->incarnation != node->incarnation)
		sim_fail(sim, "n%d answers what another elector was asked", node->number + 1);
	trace_add(sim, node->number, -1, raft_verdict_text(answer->verdict), "attempt serial index",
	    ticket->ticket, answer->serial, answer->pos.index);
	attempt->answer = *answer;
	mark_answered(sim, attempt, answer);
	if (answer->verdict == RAFT_COMMITTED) {
		clients->acknowledged += answer->count;
		sim->counters[COUNT_ACKNOWLEDGED] += answer->count;
		if (raft_kind_opens((enum raft_kind)attempt->kind))
			opened(sim, attempt, answer);
		if (node->role != RAFT_LEADER)
			sim->counters[COUNT_FORWARDED]++;
	}
	client = &clients->at[attempt->client];
	client->rests = answer->verdict != RAFT_COMMITTED;
	if (answer->verdict == RAFT_COMMITTED && answer->pos.index > client->highest)
		client->highest = answer->pos.index;
	if (client->run != attempt->run)
		return;
	if (attempt->answered == (1u << attempt->count) - 1)
		client->open--;
	client_hears(sim, client, attempt, answer);
}

/* (16) a read sees everything that was committed, and so all that was acknowledged, before it
 * began. */
void
client_read_answer(struct sim *sim, struct node *node, const struct raft_read_answer *answer)
{
	struct clients *clients = &sim->clients;
	struct client_read *read = &clients->reads[answer->ticket];

	if (answer->ticket == 0 || answer->ticket >= clients->reads_count || read->answered)
		sim_fail(sim, "an answer to a read that nobody made: %" PRIu64, answer->ticket);
	if (read->node != node->number || read->incarnation != node->incarnation)
		sim_fail(
		    sim, "n%d answers a read that another elector was asked", node->number + 1);
	read->answered = true;
	read->ok = answer->ok;
	read->index = answer->index;
	clients->at[read->client].rests = !answer->ok;
	trace_add(sim, node->number, -1, "read-answer", "ticket ok index", answer->ticket,
	    answer->ok, answer->index);
	if (!answer->ok) {
		sim->counters[COUNT_READS_FAILED]++;
		return;
	}
	sim->counters[COUNT_READS_OK]++;
	if (answer->index < read->floor)
		sim_fail(sim,
		    "a read is answered with index %" PRIu64 ", but %" PRIu64
		    " was committed before it began",
		    answer->index, read->floor);
	if (answer->index > sim->check.committed)
		sim_fail(sim, "a read is answered with index %" PRIu64 ", which is not committed",
		    answer->index);
}

void
client_node_lost(struct sim *sim, size_t number)
{
	struct clients *clients = &sim->clients;

	for (size_t i = 0; i < clients->count; i++) {
		struct client *client = &clients->at[i];

		if (client->node != number || client->run == 0)
			continue;
		client->run++;
		client->open = 0;
		client->back = true;
	}
}

static bool
owed(const struct sim *sim, size_t number, uint32_t incarnation, uint64_t at_us, uint64_t us)
{
	const struct node *node = &sim->nodes[number];

	return node_serves(node) && node->incarnation == incarnation &&
	       sim->world.now_us - at_us > us;
}

void
client_check_answered(struct sim *sim, uint64_t us)
{
	struct clients *clients = &sim->clients;

	for (size_t i = 1; i < clients->attempts_count; i++) {
		const struct attempt *attempt = &clients->attempts[i];

		if (attempt->answered != (1u << attempt->count) - 1 &&
		    owed(sim, attempt->node, attempt->incarnation, attempt->at_us, us))
			sim_fail(sim, "attempt %zu at n%d is never answered", i, attempt->node + 1);
	}
	for (size_t i = 1; i < clients->reads_count; i++) {
		const struct client_read *read = &clients->reads[i];

		if (!read->answered && owed(sim, read->node, read->incarnation, read->at_us, us))
			sim_fail(sim, "read %zu at n%d is never answered", i, read->node + 1);
	}
}
