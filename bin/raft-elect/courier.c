/* SPDX-License-Identifier: ISC */
/* Sending snapshots. */
#include "courier.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/unix/log.h"
#include "node.h"

enum {
	ASK_AGAIN_MS = 500,  /* nothing came back: the peer is asked what it wants */
	GIVE_UP_MS = 20000   /* nothing has moved for so long */
};

/* What raft_snap_ack says. */
enum { ACK_MORE, ACK_COMPLETE, ACK_DAMAGED, ACK_UNWANTED, ACK_NOT_NOW };

static struct transfer *
find(struct courier *courier, const struct raft_id *peer)
{
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
		if (courier->transfers[i].used && raft_id_equal(&courier->transfers[i].peer, peer))
			return &courier->transfers[i];
	return NULL;
}

static size_t
running(const struct courier *courier)
{
	size_t count = 0;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
		count += courier->transfers[i].used && courier->transfers[i].running;
	return count;
}

/* The last one lets the snapshot go, so that raft-logd may compact beyond it. */
static void
close_if_idle(struct courier *courier)
{
	if (!courier->opened || running(courier) > 0)
		return;
	courier->opened = false;
	if (courier->node->rlog.ready)
		rlog_snap_read(&courier->node->rlog, ++courier->requests, 0, 0);
}

static void
finish(struct courier *courier, struct transfer *transfer, bool ok, const char *why)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_SENT};
	event.sent.peer = transfer->peer;
	event.sent.ok = ok;
	event.sent.index = courier->pos.index;
	uint64_t took_ms = mono_now().ms - transfer->began_at.ms;
	log_line(ok ? LOG_INFO : LOG_WARN, "snapshot", "peer=%s index=%" PRIu64 " bytes=%" PRIu64 " of=%" PRIu64 " ms=%" PRIu64 " why=%s",
	    transfer->peer.s, courier->pos.index, transfer->acked, courier->size, took_ms, log_q(why));
	*transfer = (struct transfer){0};
	close_if_idle(courier);
	node_step(courier->node, &event, 0);
}

/* ------------------------------------------------------------- sending */

static void
send_piece(struct courier *courier, const struct transfer *transfer, uint64_t offset, struct wire_bytes data)
{
	peer_send_chunk(&courier->node->peer, &transfer->peer,
	    &(struct msg_raft_snap_chunk){
	        .term = courier->node->term,
	        .pos = courier->pos,
	        .size = courier->size,
	        .hash = courier->hash,
	        .offset = offset,
	        .data = data,
	    });
}

/* An empty piece: the answer says where to go on. */
static void
ask(struct courier *courier, struct transfer *transfer, struct mono_ms now)
{
	transfer->asked = true;
	transfer->asked_at = now;
	transfer->reading = 0;
	send_piece(courier, transfer, 0, (struct wire_bytes){(const uint8_t *)"", 0});
}

/* Reads the next piece, if the window is open. */
static void
read_on(struct courier *courier, struct transfer *transfer)
{
	if (transfer->asked || transfer->reading != 0 || transfer->sent >= courier->size ||
	    transfer->sent - transfer->acked >= (uint64_t)COURIER_WINDOW * COURIER_PIECE_SIZE)
		return;
	transfer->reading = ++courier->requests;
	rlog_snap_read(&courier->node->rlog, transfer->reading, transfer->sent, COURIER_PIECE_SIZE);
}

void
courier_data(struct courier *courier, const struct msg_snap_data *data)
{
	struct transfer *transfer = NULL;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
		if (courier->transfers[i].used && courier->transfers[i].reading == data->request)
			transfer = &courier->transfers[i];
	if (data->request == 0 || transfer == NULL)
		return;
	transfer->reading = 0;
	if (data->offset != transfer->sent)
		return;
	if (data->data.size == 0) {
		finish(courier, transfer, false, "raft-logd cannot read the snapshot");
		return;
	}
	send_piece(courier, transfer, data->offset, data->data);
	transfer->sent += data->data.size;
	transfer->asked_at = mono_now();
	read_on(courier, transfer);
}

/* ------------------------------------------------------------- answers */

static void
on_more(struct courier *courier, struct transfer *transfer, uint64_t offset)
{
	struct mono_ms now = mono_now();
	if (offset > courier->size)
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
	read_on(courier, transfer);
}

void
courier_ack(struct courier *courier, const struct raft_id *from, const struct msg_raft_snap_ack *ack)
{
	struct transfer *transfer = find(courier, from);
	if (transfer == NULL || !transfer->running || ack->pos.index != courier->pos.index ||
	    memcmp(&ack->hash, &courier->hash, sizeof ack->hash) != 0)
		return;
	switch (ack->state) {
	case ACK_MORE:
		on_more(courier, transfer, ack->offset);
		break;
	case ACK_COMPLETE:
		transfer->acked = courier->size;
		finish(courier, transfer, true, "the peer has it");
		break;
	case ACK_UNWANTED:
		finish(courier, transfer, true, "the peer has this and more");
		break;
	case ACK_DAMAGED:
		finish(courier, transfer, false, "what came to the peer was damaged");
		break;
	case ACK_NOT_NOW:
	default:
		break;
	}
}

/* ------------------------------------------------------------ beginnings */

static void
run(struct courier *courier, struct transfer *transfer)
{
	struct mono_ms now = mono_now();
	transfer->running = true;
	transfer->began_at = transfer->moved_at = now;
	transfer->acked = transfer->sent = 0;
	transfer->pace_ms = ASK_AGAIN_MS;
	log_info("snapshot", "peer=%s index=%" PRIu64 " size=%" PRIu64 " why=%s", transfer->peer.s, courier->pos.index,
	    courier->size, log_q("the peer needs entries that are compacted away"));
	ask(courier, transfer, now);
}

/* Who waits begins, with the snapshot that is open, or asks raft-logd for one. */
static void
begin_waiting(struct courier *courier)
{
	struct raft_status status;
	bool waits = false;
	raft_status(courier->node->raft, mono_now(), &status);
	bool fits = courier->opened && courier->pos.index >= status.before.index;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
		struct transfer *transfer = &courier->transfers[i];
		if (!transfer->used || transfer->running)
			continue;
		waits = true;
		if (fits && running(courier) < COURIER_AT_ONCE)
			run(courier, transfer);
	}
	if (!waits || fits || courier->opening || running(courier) > 0 || !courier->node->rlog.ready)
		return;
	courier->opening = true;
	courier->opened = false;
	courier->open_request = ++courier->requests;
	rlog_snap_open(&courier->node->rlog, courier->open_request);
}

void
courier_begin(struct courier *courier, const struct raft_id *peer)
{
	struct transfer *transfer = find(courier, peer);
	for (size_t i = 0; i < RAFT_MEMBERS_MAX && transfer == NULL; i++)
		if (!courier->transfers[i].used)
			transfer = &courier->transfers[i];
	if (transfer == NULL || transfer->used)
		return;
	*transfer = (struct transfer){.used = true, .peer = *peer, .moved_at = mono_now()};
}

void
courier_opened(struct courier *courier, const struct msg_snap_opened *opened)
{
	if (!courier->opening || opened->request != courier->open_request)
		return;
	courier->opening = false;
	courier->opened = opened->found;
	courier->pos = opened->pos;
	courier->size = opened->size;
	courier->hash = opened->hash;
	for (size_t i = 0; i < RAFT_MEMBERS_MAX && !opened->found; i++)
		if (courier->transfers[i].used)
			finish(courier, &courier->transfers[i], false, "raft-logd has no snapshot");
}

/* What is on a slow way, a window of pieces, is not to be asked for. */
static uint64_t
patience_ms(const struct transfer *transfer)
{
	uint64_t window_ms = COURIER_WINDOW * transfer->pace_ms;
	return transfer->asked || window_ms < ASK_AGAIN_MS ? ASK_AGAIN_MS : window_ms;
}

static void
look(struct courier *courier, struct transfer *transfer, struct mono_ms now)
{
	if (now.ms - transfer->moved_at.ms >= GIVE_UP_MS)
		finish(courier, transfer, false, "nothing has moved for 20 seconds");
	else if (transfer->running && now.ms - transfer->asked_at.ms >= patience_ms(transfer))
		ask(courier, transfer, now);
}

uint64_t
courier_turn(struct courier *courier, struct mono_ms now)
{
	bool any = false;
	if (courier->node->raft == NULL || courier->node->role != RAFT_LEADER) {
		courier_clear(courier);
		return UINT64_MAX;
	}
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
		if (courier->transfers[i].used)
			look(courier, &courier->transfers[i], now);
		any = any || courier->transfers[i].used;
	}
	if (!any)
		return UINT64_MAX;
	begin_waiting(courier);
	return now.ms + ASK_AGAIN_MS / 2;
}

void
courier_clear(struct courier *courier)
{
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
		courier->transfers[i] = (struct transfer){0};
	courier->opening = false;
	close_if_idle(courier);
}

void
courier_status(const struct courier *courier, struct wire_buf *text)
{
	char line[256];
	for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
		const struct transfer *t = &courier->transfers[i];
		if (!t->used || !t->running)
			continue;
		uint64_t ms = mono_now().ms - t->began_at.ms;
		int size = snprintf(line, sizeof line,
		    "part=transfer peer=%s index=%" PRIu64 " bytes=%" PRIu64 " of=%" PRIu64 " ms=%" PRIu64 " bytes_per_s=%" PRIu64 "\n",
		    t->peer.s, courier->pos.index, t->acked, courier->size, ms, ms > 0 ? t->acked * 1000 / ms : 0);
		wire_buf_put(text, line, (size_t)size);
	}
}
