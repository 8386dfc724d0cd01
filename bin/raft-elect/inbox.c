/* SPDX-License-Identifier: ISC */
/* Receiving snapshots. */
#include "inbox.h"

#include <string.h>

#include "node.h"

enum { TAKEN_COMPLETE = 1, TAKEN_LAST = 3, ACK_NOT_NOW = 4 };

static void
answer(struct inbox *inbox, const struct raft_id *to, struct raft_pos pos, const struct wire_hash *hash,
    unsigned state, uint64_t offset)
{
	peer_send_ack(&inbox->node->peer, to,
	    &(struct msg_raft_snap_ack){
	        .term = inbox->node->term,
	        .pos = pos,
	        .hash = *hash,
	        .state = (uint8_t)state,
	        .offset = offset,
	    });
}

void
inbox_chunk(struct inbox *inbox, const struct raft_id *from, const struct msg_raft_snap_chunk *chunk)
{
	struct node *node = inbox->node;
	if (node->raft == NULL || node->role != RAFT_FOLLOWER || chunk->term != node->term ||
	    !raft_id_equal(from, &node->leader))
		return;
	if (inbox->pieces_count == INBOX_PIECES_MAX || !node->rlog.ready) {
		answer(inbox, from, chunk->pos, &chunk->hash, ACK_NOT_NOW, 0);
		return;
	}
	size_t at = inbox->pieces_count++;
	inbox->pieces[at].request = ++inbox->requests;
	inbox->pieces[at].from = *from;
	inbox->pieces[at].pos = chunk->pos;
	inbox->pieces[at].hash = chunk->hash;
	rlog_snap_put(&node->rlog, inbox->pieces[at].request, chunk);
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
inbox_ready(struct inbox *inbox, const struct msg_snap_ready *ready)
{
	struct wire_bytes records = ready->records;
	if (ready->config_size > records.size ||
	    !raft_config_decode(&inbox->config, records.bytes, ready->config_size))
		return "the configuration of a snapshot is malformed";
	raft_sessions_free(inbox->sessions);
	inbox->sessions = raft_sessions_new();
	must(inbox->sessions != NULL);
	records.bytes += ready->config_size;
	records.size -= ready->config_size;
	if (!read_sessions(inbox->sessions, records))
		return "the sessions of a snapshot are malformed";
	inbox->pos = ready->pos;
	return NULL;
}

/* The core takes the sessions over. */
static void
tell_core(struct inbox *inbox)
{
	struct raft_snapshot snapshot = {inbox->pos, &inbox->config, inbox->sessions};
	inbox->sessions = NULL;
	node_step(inbox->node, &(struct raft_event){.type = RAFT_EVENT_SNAPSHOT_READY, .snapshot = &snapshot}, 0);
}

const char *
inbox_taken(struct inbox *inbox, const struct msg_snap_taken *taken)
{
	size_t at = 0;
	/* Nearly in order: the last piece is answered when all is on the disk. */
	while (at < inbox->pieces_count && inbox->pieces[at].request != taken->request)
		at++;
	if (at == inbox->pieces_count || taken->state > TAKEN_LAST)
		return "it answers a piece of a snapshot that it was not given";
	if (taken->state == TAKEN_COMPLETE && inbox->sessions == NULL)
		return "it has a whole snapshot, and does not say what it stands for";
	answer(inbox, &inbox->pieces[at].from, inbox->pieces[at].pos, &inbox->pieces[at].hash, taken->state, taken->offset);
	inbox->pieces_count--;
	memmove(&inbox->pieces[at], &inbox->pieces[at + 1], (inbox->pieces_count - at) * sizeof inbox->pieces[0]);
	if (taken->state == TAKEN_COMPLETE)
		tell_core(inbox);
	return NULL;
}

void
inbox_clear(struct inbox *inbox)
{
	inbox->pieces_count = 0;
	raft_sessions_free(inbox->sessions);
	inbox->sessions = NULL;
}
