/* SPDX-License-Identifier: ISC */
/* Receiving snapshots. */
#include "snap_receive.h"

#include <string.h>

#include "node.h"

static void
snap_receive_answer(struct snap_receive *snap_receive, const struct raft_id *to,
    struct raft_pos pos, const struct raft_hash *hash, enum wire_snap_state state, uint64_t offset)
{
	peerd_send_ack(&snap_receive->node->peerd, to,
	    &(struct msg_raft_snap_ack){
		.term = snap_receive->node->term,
		.pos = pos,
		.hash = *hash,
		.state = (uint8_t)state,
		.offset = offset,
	    });
}

void
snap_receive_chunk(struct snap_receive *snap_receive, const struct raft_id *from,
    const struct msg_raft_snap_chunk *chunk)
{
	struct node *node = snap_receive->node;
	if (node->raft == NULL || node->role != RAFT_FOLLOWER || chunk->term != node->term ||
	    !raft_id_equal(from, &node->leader))
		return;
	if (snap_receive->pieces_count == INBOX_PIECES_MAX || !node->logd.ready) {
		snap_receive_answer(
		    snap_receive, from, chunk->pos, &chunk->hash, WIRE_SNAP_NOT_NOW, 0);
		return;
	}
	size_t at = snap_receive->pieces_count++;
	snap_receive->pieces[at].request = ++snap_receive->requests;
	snap_receive->pieces[at].from = *from;
	snap_receive->pieces[at].pos = chunk->pos;
	snap_receive->pieces[at].hash = chunk->hash;
	logd_snap_put(&node->logd, snap_receive->pieces[at].request, chunk);
}

static bool
read_sessions(struct raft_sessions *table, struct wire_bytes run)
{
	struct raft_session session;
	while (run.size > 0)
		if (!wire_session_get(&session, &run) || !raft_sessions_restore(table, &session))
			return false;
	return true;
}

const char *
snap_receive_ready(struct snap_receive *snap_receive, const struct msg_snap_ready *ready)
{
	struct wire_bytes records = ready->records;
	if (ready->config_size > records.size ||
	    !raft_config_decode(&snap_receive->config, records.bytes, ready->config_size))
		return "the configuration of a snapshot is malformed";
	raft_sessions_free(snap_receive->sessions);
	snap_receive->sessions = raft_sessions_new();
	must(snap_receive->sessions != NULL);
	records.bytes += ready->config_size;
	records.size -= ready->config_size;
	if (!read_sessions(snap_receive->sessions, records))
		return "the sessions of a snapshot are malformed";
	snap_receive->pos = ready->pos;
	return NULL;
}

const char *
snap_receive_level(struct snap_receive *snap_receive, const struct msg_snap_level *m)
{
	snap_receive->level = m->level;
	snap_receive->time = m->time;
	return NULL;
}

const char *
snap_receive_contract(struct snap_receive *snap_receive, const struct msg_snap_contract *m)
{
	struct raft_contract_at *at = &snap_receive->contract;
	at->index = m->index;
	if (m->index == 0 ||
	    !raft_contract_decode(&at->contract, m->contract.bytes, m->contract.size))
		return "the contract of a snapshot is malformed";
	return NULL;
}

/* The core takes the sessions over. */
static void
tell_core(struct snap_receive *snap_receive)
{
	struct raft_snapshot snapshot = {
	    .pos = snap_receive->pos,
	    .level = max_u64(snap_receive->level, 1),
	    .time = snap_receive->time,
	    .contract = snap_receive->contract,
	    .config = &snap_receive->config,
	    .sessions = snap_receive->sessions,
	};
	snap_receive->level = snap_receive->time = 0;
	snap_receive->contract = (struct raft_contract_at){0};
	snap_receive->sessions = NULL;
	node_step(snap_receive->node,
	    &(struct raft_event){.type = RAFT_EVENT_SNAPSHOT_READY, .snapshot = &snapshot}, 0);
}

const char *
snap_receive_taken(struct snap_receive *snap_receive, const struct msg_snap_taken *taken)
{
	size_t at = 0;
	/* Nearly in order: the last piece is answered when all is on the disk. */
	while (
	    at < snap_receive->pieces_count && snap_receive->pieces[at].request != taken->request)
		at++;
	if (at == snap_receive->pieces_count || taken->state > WIRE_SNAP_UNWANTED)
		return "it answers a piece of a snapshot that it was not given";
	if (taken->state == WIRE_SNAP_COMPLETE && snap_receive->sessions == NULL)
		return "it has a whole snapshot, and does not say what it stands for";
	snap_receive_answer(snap_receive, &snap_receive->pieces[at].from,
	    snap_receive->pieces[at].pos, &snap_receive->pieces[at].hash,
	    (enum wire_snap_state)taken->state, taken->offset);
	snap_receive->pieces_count--;
	memmove(&snap_receive->pieces[at], &snap_receive->pieces[at + 1],
	    (snap_receive->pieces_count - at) * sizeof snap_receive->pieces[0]);
	if (taken->state == WIRE_SNAP_COMPLETE)
		tell_core(snap_receive);
	return NULL;
}

void
snap_receive_clear(struct snap_receive *snap_receive)
{
	snap_receive->pieces_count = 0;
	snap_receive->level = snap_receive->time = 0;
	snap_receive->contract = (struct raft_contract_at){0};
	raft_sessions_free(snap_receive->sessions);
	snap_receive->sessions = NULL;
}
