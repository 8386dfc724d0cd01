/* SPDX-License-Identifier: ISC */
/* Sending snapshots. */
#include "snap_send.h"

#include <inttypes.h>

#include "local/changes.h"
#include "unix/log.h"
#include "node.h"

enum {
	ASK_AGAIN_MS = 500, /* nothing came back: the peer is asked what it wants */
	GIVE_UP_MS = 20000  /* nothing has moved for so long */
};

static struct snap_transfer *
snap_send_find(struct snap_send *snap_send, const struct raft_id *peer)
{
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
		if (snap_send->transfers[i].used &&
		    raft_id_equal(&snap_send->transfers[i].peer, peer))
			return &snap_send->transfers[i];
	return NULL;
}

static size_t
snap_send_running(const struct snap_send *snap_send)
{
	size_t count = 0;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
		count += snap_send->transfers[i].used && snap_send->transfers[i].running;
	return count;
}

/* The last one lets the snapshot go, so that raft-logd may compact beyond it. */
static void
close_if_idle(struct snap_send *snap_send)
{
	if (!snap_send->opened || snap_send_running(snap_send) > 0)
		return;
	snap_send->opened = false;
	if (snap_send->node->logd.ready)
		logd_snap_read(&snap_send->node->logd, ++snap_send->requests, 0, 0);
}

static void
notice_transfer(const struct snap_send *snap_send, const struct snap_transfer *transfer,
    const char *state, const char *why)
{
	changes_put(snap_send->node->clients.server, "snapshot", transfer->peer.s, why,
	    "state=%s index=%" PRIu64 " bytes=%" PRIu64, state, snap_send->pos.index,
	    snap_send->size);
}

static void
snap_send_finish(
    struct snap_send *snap_send, struct snap_transfer *transfer, bool ok, const char *why)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_SENT};
	event.sent.peer = transfer->peer;
	event.sent.ok = ok;
	event.sent.index = snap_send->pos.index;
	uint64_t took_ms = mono_now().ms - transfer->began_at.ms;
	log_line(ok ? LOG_INFO : LOG_WARN, "snapshot",
	    "peer=%s index=%" PRIu64 " bytes=%" PRIu64 " of=%" PRIu64 " ms=%" PRIu64 " why=%s",
	    transfer->peer.s, snap_send->pos.index, transfer->acked, snap_send->size, took_ms,
	    log_q(why));
	notice_transfer(snap_send, transfer, ok ? "sent" : "failed", why);
	*transfer = (struct snap_transfer){0};
	close_if_idle(snap_send);
	node_step(snap_send->node, &event, 0);
}

/* ------------------------------------------------------------- sending */

static void
send_piece(struct snap_send *snap_send, const struct snap_transfer *transfer, uint64_t offset,
    struct wire_bytes data)
{
	peerd_send_chunk(&snap_send->node->peerd, &transfer->peer,
	    &(struct msg_raft_snap_chunk){
		.term = snap_send->node->term,
		.pos = snap_send->pos,
		.size = snap_send->size,
		.hash = snap_send->hash,
		.offset = offset,
		.data = data,
	    });
}

/* An empty piece: the answer says where to go on. */
static void
snap_send_ask(struct snap_send *snap_send, struct snap_transfer *transfer, struct mono_ms now)
{
	transfer->asked = true;
	transfer->asked_at = now;
	transfer->reading = 0;
	send_piece(snap_send, transfer, 0, (struct wire_bytes){(const uint8_t *)"", 0});
}

/* Reads the next piece, if the window is open. */
static void
read_on(struct snap_send *snap_send, struct snap_transfer *transfer)
{
	if (transfer->asked || transfer->reading != 0 || transfer->sent >= snap_send->size ||
	    transfer->sent - transfer->acked >= (uint64_t)COURIER_WINDOW * COURIER_PIECE_SIZE)
		return;
	transfer->reading = ++snap_send->requests;
	logd_snap_read(
	    &snap_send->node->logd, transfer->reading, transfer->sent, COURIER_PIECE_SIZE);
}

void
snap_send_data(struct snap_send *snap_send, const struct msg_snap_data *data)
{
	struct snap_transfer *transfer = NULL;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
		if (snap_send->transfers[i].used &&
		    snap_send->transfers[i].reading == data->request)
			transfer = &snap_send->transfers[i];
	if (data->request == 0 || transfer == NULL)
		return;
	transfer->reading = 0;
	if (data->offset != transfer->sent)
		return;
	if (data->data.size == 0) {
		snap_send_finish(snap_send, transfer, false, "raft-logd cannot read the snapshot");
		return;
	}
	send_piece(snap_send, transfer, data->offset, data->data);
	transfer->sent += data->data.size;
	transfer->asked_at = mono_now();
	read_on(snap_send, transfer);
}

/* ------------------------------------------------------------- answers */

static void
on_more(struct snap_send *snap_send, struct snap_transfer *transfer, uint64_t offset)
{
	struct mono_ms now = mono_now();
	if (offset > snap_send->size)
		return;
	if (transfer->asked) {
		/* It names the place, which may be behind what was thought. */
		transfer->asked = false;
		if (offset > transfer->acked)
			transfer->moved_at = now;
		transfer->acked = transfer->sent = offset;
		transfer->asked_at = now;
	} else if (offset > transfer->acked) {
		transfer->acked = offset;
		transfer->pace_ms = now.ms - transfer->moved_at.ms;
		transfer->moved_at = transfer->asked_at = now;
		if (transfer->sent < offset)
			transfer->sent = offset;
	}
	read_on(snap_send, transfer);
}

void
snap_send_ack(
    struct snap_send *snap_send, const struct raft_id *from, const struct msg_raft_snap_ack *ack)
{
	struct snap_transfer *transfer = snap_send_find(snap_send, from);
	if (transfer == NULL || !transfer->running || ack->pos.index != snap_send->pos.index ||
	    !raft_hash_equal(&ack->hash, &snap_send->hash))
		return;
	switch (ack->state) {
	case WIRE_SNAP_MORE:
		on_more(snap_send, transfer, ack->offset);
		break;
	case WIRE_SNAP_COMPLETE:
		transfer->acked = snap_send->size;
		snap_send_finish(snap_send, transfer, true, "the peer has it");
		break;
	case WIRE_SNAP_UNWANTED:
		snap_send_finish(snap_send, transfer, true, "the peer has this and more");
		break;
	case WIRE_SNAP_DAMAGED:
		snap_send_finish(snap_send, transfer, false, "what came to the peer was damaged");
		break;
	case WIRE_SNAP_NOT_NOW:
	default:
		break;
	}
}

/* ------------------------------------------------------------ beginnings */

static void
snap_send_run(struct snap_send *snap_send, struct snap_transfer *transfer)
{
	struct mono_ms now = mono_now();
	transfer->running = true;
	transfer->began_at = transfer->moved_at = now;
	transfer->acked = transfer->sent = 0;
	transfer->pace_ms = ASK_AGAIN_MS;
	log_info("snapshot", "peer=%s index=%" PRIu64 " size=%" PRIu64 " why=%s", transfer->peer.s,
	    snap_send->pos.index, snap_send->size,
	    log_q("the peer needs entries that are compacted away"));
	notice_transfer(
	    snap_send, transfer, "sending", "the peer needs entries that are compacted away");
	snap_send_ask(snap_send, transfer, now);
}

/* Who waits begins, with the snapshot that is open, or asks raft-logd for one. */
static void
begin_waiting(struct snap_send *snap_send)
{
	struct raft_status status;
	bool waits = false;
	raft_status(snap_send->node->raft, mono_now(), &status);
	bool fits = snap_send->opened && snap_send->pos.index >= status.before.index;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
		struct snap_transfer *transfer = &snap_send->transfers[i];
		if (!transfer->used || transfer->running)
			continue;
		waits = true;
		if (fits && snap_send_running(snap_send) < COURIER_AT_ONCE)
			snap_send_run(snap_send, transfer);
	}
	if (!waits || fits || snap_send->opening || snap_send_running(snap_send) > 0 ||
	    !snap_send->node->logd.ready)
		return;
	snap_send->opening = true;
	snap_send->opened = false;
	snap_send->open_request = ++snap_send->requests;
	logd_snap_open(&snap_send->node->logd, snap_send->open_request);
}

void
snap_send_begin(struct snap_send *snap_send, const struct raft_id *peer)
{
	struct snap_transfer *transfer = snap_send_find(snap_send, peer);
	for (size_t i = 0; i < RAFT_MEMBERS_MAX && transfer == NULL; i++)
		if (!snap_send->transfers[i].used)
			transfer = &snap_send->transfers[i];
	if (transfer == NULL || transfer->used)
		return;
	*transfer = (struct snap_transfer){.used = true, .peer = *peer, .moved_at = mono_now()};
}

void
snap_send_opened(struct snap_send *snap_send, const struct msg_snap_opened *opened)
{
	if (!snap_send->opening || opened->request != snap_send->open_request)
		return;
	snap_send->opening = false;
	snap_send->opened = opened->found;
	snap_send->pos = opened->pos;
	snap_send->size = opened->size;
	snap_send->hash = opened->hash;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX && !opened->found; i++)
		if (snap_send->transfers[i].used)
			snap_send_finish(snap_send, &snap_send->transfers[i], false,
			    "raft-logd has no snapshot");
}

/* What is on a slow way, a window of pieces, is not to be asked for. */
static uint64_t
snap_send_patience_ms(const struct snap_transfer *transfer)
{
	uint64_t window_ms = COURIER_WINDOW * transfer->pace_ms;
	return transfer->asked || window_ms < ASK_AGAIN_MS ? ASK_AGAIN_MS : window_ms;
}

static void
snap_send_look(struct snap_send *snap_send, struct snap_transfer *transfer, struct mono_ms now)
{
	if (now.ms - transfer->moved_at.ms >= GIVE_UP_MS)
		snap_send_finish(snap_send, transfer, false, "nothing has moved for 20 seconds");
	else if (transfer->running &&
		 now.ms - transfer->asked_at.ms >= snap_send_patience_ms(transfer))
		snap_send_ask(snap_send, transfer, now);
}

uint64_t
snap_send_turn(struct snap_send *snap_send, struct mono_ms now)
{
	bool any = false;
	if (snap_send->node->raft == NULL || snap_send->node->role != RAFT_LEADER) {
		snap_send_clear(snap_send);
		return UINT64_MAX;
	}
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
		if (snap_send->transfers[i].used)
			snap_send_look(snap_send, &snap_send->transfers[i], now);
		any = any || snap_send->transfers[i].used;
	}
	if (!any)
		return UINT64_MAX;
	begin_waiting(snap_send);
	return now.ms + ASK_AGAIN_MS / 2;
}

void
snap_send_clear(struct snap_send *snap_send)
{
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
		if (snap_send->transfers[i].running)
			notice_transfer(snap_send, &snap_send->transfers[i], "failed",
			    "this node leads no longer");
		snap_send->transfers[i] = (struct snap_transfer){0};
	}
	snap_send->opening = false;
	close_if_idle(snap_send);
}

void
snap_send_status(const struct snap_send *snap_send, struct wire_buf *text)
{
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
		const struct snap_transfer *t = &snap_send->transfers[i];
		if (!t->used || !t->running)
			continue;
		uint64_t ms = mono_now().ms - t->began_at.ms;
		wire_buf_printf(text,
		    "part=transfer peer=%s index=%" PRIu64 " bytes=%" PRIu64 " of=%" PRIu64
		    " ms=%" PRIu64 " bytes_per_s=%" PRIu64 "\n",
		    t->peer.s, snap_send->pos.index, t->acked, snap_send->size, ms,
		    ms > 0 ? t->acked * 1000 / ms : 0);
	}
}
