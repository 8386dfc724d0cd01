/* SPDX-License-Identifier: ISC */
/*
 * What consumers do, and what must hold of their cursors.
 */
#include "sim.h"

enum { READ_MAX = 20 };

/* -------------------------------------------------------------- consumers */

static struct session_info *
cursor_info(struct sim *sim, const struct client *client)
{
	return &sim->clients.sessions[client->session];
}

bool
cursors_rest(struct sim *sim, const struct client *client)
{
	return client->kind == CLIENT_CONSUMER && client->run > 0 &&
	       client->acked == client->length && !rng_chance(&sim->rng, 50000);
}

void
cursors_run(struct sim *sim, struct client *client)
{
	client->session = 1 + SIM_NAMED + (uint32_t)rng_below(&sim->rng, SIM_CURSORS);
	client->located = false;
	client->sets = rng_chance(&sim->rng, 150000);
	if (client->sets)
		client->length = 1;
	client->floor = cursor_info(sim, client)->acked_index;
}

/* The table of the consumer's node has the opening: its owner begins where that says. */
static void
check_located(struct sim *sim, const struct client *client, const struct raft_session *session)
{
	const struct tnode *tnode = check_committed(sim, client->epoch);

	sim->counters[COUNT_CURSORS_LOCATED]++;
	if (client->epoch <= client->floor)
		sim_fail(sim,
		    "a cursor was opened with epoch %" PRIu64 ", but entry %" PRIu64
		    " had moved it before",
		    client->epoch, client->floor);
	if (session->epoch == client->epoch && session->position != tnode->position_after)
		sim_fail(sim,
		    "the owner of epoch %" PRIu64 " begins after entry %" PRIu64 ", but %" PRIu64
		    " are consumed",
		    client->epoch, session->position, tnode->position_after);
}

/* As raft-elect asks raft-logd: until the table there has the opening.  False: not yet. */
static bool
cursor_locate(struct sim *sim, struct client *client)
{
	const struct node *node = &sim->nodes[client->node];
	const struct raft_session *session =
	    raft_sessions_find(raft_sessions_committed(node->core), &cursor_info(sim, client)->sid);

	if (node->status.commit.index < client->epoch)
		return false;
	if (session == NULL || session->serial < client->acked) { /* dropped since */
		client->acked = client->length;
		return false;
	}
	check_located(sim, client, session);
	client->position = session->position;
	client->located = true;
	return true;
}

/* Where the next ACK will bring it; false: there is nothing to acknowledge. */
static bool
cursor_choose(struct sim *sim, struct client *client)
{
	const struct node *node = &sim->nodes[client->node];
	uint64_t commit = node->status.commit.index;

	if (client->sets) {
		client->target = rng_below(&sim->rng, node->issued.last + 1);
		if (rng_chance(&sim->rng, 200000))
			client->target = node->issued.last + 1;
		return true;
	}
	if (commit <= client->position)
		return false;
	client->target = client->position + rng_range(&sim->rng, 1, READ_MAX);
	if (client->target > commit)
		client->target = commit;
	return true;
}

void
cursors_consume(struct sim *sim, struct client *client)
{
	if (!client->located && !cursor_locate(sim, client))
		return;
	/* Some send the ACK again before the first attempt is answered. */
	if (client->open > 0 && !rng_chance(&sim->rng, 50000))
		return;
	/* An ACK without a good answer is sent again as it was: by its serial it is known. */
	if (client->next == client->acked + 1 && !cursor_choose(sim, client))
		return;
	client->back = false;
	client->next = client->acked + 2;
	cursors_ack(sim, client, client->acked + 1, client->target);
}

void
cursors_ack(struct sim *sim, struct client *client, uint64_t serial, uint64_t position)
{
	struct attempt *attempt = attempt_new(sim, client);
	uint8_t data[RAFT_ACK_SIZE];

	for (int i = 0; i < RAFT_ACK_SIZE; i++)
		data[i] = (uint8_t)(position >> (56 - 8 * i));
	attempt->kind = RAFT_ACK;
	attempt->serial = serial;
	attempt->epoch = client->epoch;
	attempt->position = position;
	attempt_send(sim, attempt, 0, data, sizeof data);
}

/* -------------------------------------------------------------- the log */

void
cursors_level(struct sim *sim, const struct node *node, const struct tnode *tnode)
{
	if (!levels_committed(sim, node, tnode, RAFT_LEVEL_CURSORS))
		sim_fail(sim, "entry %" PRIu64 " is a %s, and no level 3 is committed",
		    tnode->index, raft_kind_name(tnode->entry.kind));
}

/* Whether an owner of that epoch has proposed this entry, and was not refused. */
static bool
was_proposed(const struct sim *sim, const struct tnode *tnode, uint64_t epoch)
{
	const struct clients *clients = &sim->clients;

	for (size_t i = clients->attempts_count - 1; i > 0; i--) {
		const struct attempt *attempt = &clients->attempts[i];

		if (attempt->kind == RAFT_ACK && attempt->session == tnode->session &&
		    attempt->epoch == epoch && attempt->serial == tnode->entry.serial &&
		    attempt->position == tnode->position_after && attempt->refused == 0 &&
		    (attempt->fence == 0 || attempt->fence == tnode->entry.term))
			return true;
	}
	return false;
}

void
cursors_entry(
    struct sim *sim, const struct node *node, struct tnode *tnode, uint64_t epoch, uint64_t serial)
{
	cursors_level(sim, node, tnode);
	tnode->position_after = raft_entry_position(&tnode->entry);
	tnode->serial_after = tnode->entry.serial;
	tnode->epoch_after = epoch;
	if (epoch == 0)
		sim_fail(sim, "entry %" PRIu64 " moves a cursor that is not open", tnode->index);
	if (tnode->entry.serial != serial + 1)
		sim_fail(sim,
		    "entry %" PRIu64 " has serial %" PRIu64 " of cursor %" PRIu32
		    " after serial %" PRIu64,
		    tnode->index, tnode->entry.serial, tnode->session, serial);
	if (tnode->position_after >= tnode->index)
		sim_fail(sim,
		    "entry %" PRIu64 " moves a cursor to %" PRIu64 ", beyond the end of the log",
		    tnode->index, tnode->position_after);
	if (!was_proposed(sim, tnode, epoch))
		sim_fail(sim,
		    "entry %" PRIu64 " moves a cursor, which no owner of epoch %" PRIu64
		    " proposed",
		    tnode->index, epoch);
	if (tnode->position_after < tnode->session_prev->position_after)
		sim->counters[COUNT_CURSORS_SET_BACK]++;
}

void
cursors_committed(struct sim *sim, const struct attempt *attempt, const struct tnode *tnode)
{
	struct session_info *info = &sim->clients.sessions[attempt->session];

	if (tnode->position_after != attempt->position || tnode->epoch_after != attempt->epoch)
		sim_fail(sim,
		    "an ACK of position %" PRIu64 " and epoch %" PRIu64
		    " is called committed as entry %" PRIu64 ", which is another",
		    attempt->position, attempt->epoch, tnode->index);
	if (info->acked_index >= tnode->index)
		sim->counters[COUNT_ACKS_AGAIN]++;
	else
		info->acked_index = tnode->index;
	sim->counters[COUNT_ACKS]++;
}
