/* SPDX-License-Identifier: ISC */
/* The conversation with raft-peerd. */
#include "peer.h"

#include "../../lib/unix/log.h"
#include "codec.h"
#include "node.h"

enum {
	OUT_MAX = 64 << 20, /* bytes waiting for raft-peerd */
	SAY_EVERY_MS = 10000,
	/* A removed member is talked to for so long. */
	LINGER_TIMEOUTS = 10,
	LINGER_MIN_MS = 5000
};

static void
on_up(const struct msg_hello_reply *reply, void *arg)
{
	struct peer *peer = arg;
	(void)reply;
	link_settled(&peer->link);
	peer_tell_config(peer);
}

/* A peer that sends rubbish is mentioned, now and then. */
static void
count_malformed(struct peer *peer, const struct raft_id *from)
{
	struct mono_ms now = mono_now();
	peer->malformed++;
	if (peer->malformed_said > 0 && now.ms - peer->said_at.ms < SAY_EVERY_MS)
		return;
	log_warn("malformed", "from=%s count=%llu why=%s", from->s,
	    (unsigned long long)(peer->malformed - peer->malformed_said),
	    log_q("its messages can't be understood and are dropped"));
	peer->malformed_said = peer->malformed;
	peer->said_at = now;
}

/* Snapshots do not concern the core.  False: it is another frame, or malformed. */
static bool
on_bulk(struct peer *peer, const struct msg_peer_recv *m)
{
	struct msg_raft_snap_chunk chunk;
	struct msg_raft_snap_ack ack;
	uint16_t number;
	const uint8_t *body;
	size_t size, frame_size;
	if (frame_get(m->frame.bytes, m->frame.size, FRAME_SIZE_MAX, &number, &body, &size, &frame_size) != 1 ||
	    frame_size != m->frame.size)
		return false;
	if (number == MSG_RAFT_SNAP_CHUNK && msg_raft_snap_chunk_get(&chunk, body, size)) {
		inbox_chunk(&peer->node->inbox, &m->from, &chunk);
		return true;
	}
	if (number == MSG_RAFT_SNAP_ACK && msg_raft_snap_ack_get(&ack, body, size)) {
		courier_ack(&peer->node->courier, &m->from, &ack);
		return true;
	}
	return false;
}

static const char *
on_recv(struct peer *peer, const uint8_t *body, size_t size)
{
	struct msg_peer_recv m;
	struct codec_message in;
	if (!msg_peer_recv_get(&m, body, size) || raft_id_none(&m.from))
		return "a malformed peer_recv";
	if (on_bulk(peer, &m))
		return NULL;
	if (raft_id_equal(&m.from, &peer->node->conf->node.id) || !codec_get(&in, m.frame)) {
		count_malformed(peer, &m.from);
		return NULL;
	}
	in.message.from = m.from;
	in.message.to = peer->node->conf->node.id;
	node_step(peer->node,
	    &(struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &in.message}, size);
	codec_drop(&in);
	return NULL;
}

static const char *
on_lost(struct peer *peer, const uint8_t *body, size_t size)
{
	struct msg_peer_lost m;
	if (!msg_peer_lost_get(&m, body, size) || raft_id_none(&m.peer))
		return "a malformed peer_lost";
	node_step(peer->node,
	    &(struct raft_event){.type = RAFT_EVENT_UNREACHABLE, .unreachable = m.peer}, 0);
	return NULL;
}

static const char *
on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	switch (number) {
	case MSG_PEER_RECV:
		return on_recv(arg, body, size);
	case MSG_PEER_LOST:
		return on_lost(arg, body, size);
	default:
		return "it sent a frame of an unknown kind";
	}
}

static void
on_down(const char *why, void *arg)
{
	struct peer *peer = arg;
	(void)why;
	peer->lossy = false;
	node_peers_lost(peer->node);
}

bool
peer_open(struct peer *peer, struct node *node, char *why)
{
	static const struct link_calls calls = {on_up, on_frame, on_down};
	peer->node = node;
	return link_open(
	    &peer->link, node->loop, node->conf->node.run, "peer", "raft-peerd", &calls, peer, why);
}

void
peer_tell_config(struct peer *peer)
{
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	struct raft_config all;
	if (!link_is_up(&peer->link) || peer->node->raft == NULL)
		return;
	peer->told_index = raft_config_index(peer->node->raft);
	leavers_all(&peer->leavers, &all);
	size_t size = raft_config_encode(&all, bytes);
	msg_peer_config_put(conn_out(peer->link.conn),
	    &(struct msg_peer_config){
		.cluster = peer->node->cluster,
		.index = peer->told_index,
		.config = {bytes, size},
	    });
}

void
peer_new_config(struct peer *peer)
{
	uint64_t linger_ms = LINGER_TIMEOUTS * peer->node->conf->elect.election_timeout_ms;
	leavers_take(&peer->leavers, raft_config_now(peer->node->raft),
	    (struct mono_ms){mono_now().ms + (linger_ms > LINGER_MIN_MS ? linger_ms : LINGER_MIN_MS)});
	peer_tell_config(peer);
}

void
peer_committed(struct peer *peer)
{
	if (raft_config_index(peer->node->raft) != peer->told_index)
		peer_tell_config(peer);
}

uint64_t
peer_turn(struct peer *peer, struct mono_ms now)
{
	if (leavers_expire(&peer->leavers, now))
		peer_tell_config(peer);
	return leavers_next_ms(&peer->leavers);
}

/* Said once, until it has drained; the core probes again when it hears nothing. */
static bool
too_much_waits(struct peer *peer)
{
	size_t size = conn_out_size(peer->link.conn);
	if (!peer->lossy && size > OUT_MAX) {
		peer->lossy = true;
		log_warn("peer", "state=full why=%s", log_q("raft-peerd does not take its messages; they are dropped"));
		node_peers_lost(peer->node);
	} else if (peer->lossy && size < OUT_MAX / 2) {
		peer->lossy = false;
		log_info("peer", "state=drained");
	}
	return peer->lossy;
}

void
peer_send(struct peer *peer, const struct raft_message *message)
{
	const struct raft_entry *entries;
	size_t count;
	if (!link_is_up(&peer->link) || too_much_waits(peer))
		return;
	peer->scratch.size = 0;
	codec_put(&peer->scratch, message, &entries, &count);
	struct wire_buf *out = conn_out(peer->link.conn);
	msg_peer_send_put(out,
	    &(struct msg_peer_send){
	        .to = message->to,
	        .class = WIRE_CONSENSUS,
	        .frame = {NULL, peer->scratch.size + wire_entries_size(entries, count)},
	    });
	wire_buf_put(out, peer->scratch.bytes, peer->scratch.size);
	wire_entries_put(out, entries, count);
}

/* The frame in scratch. */
static void
send_bulk(struct peer *peer, const struct raft_id *to)
{
	msg_peer_send_put(conn_out(peer->link.conn),
	    &(struct msg_peer_send){
	        .to = *to,
	        .class = WIRE_BULK,
	        .frame = {peer->scratch.bytes, peer->scratch.size},
	    });
}

void
peer_send_chunk(struct peer *peer, const struct raft_id *to, const struct msg_raft_snap_chunk *chunk)
{
	if (!link_is_up(&peer->link) || too_much_waits(peer))
		return;
	peer->scratch.size = 0;
	msg_raft_snap_chunk_put(&peer->scratch, chunk);
	send_bulk(peer, to);
}

void
peer_send_ack(struct peer *peer, const struct raft_id *to, const struct msg_raft_snap_ack *ack)
{
	if (!link_is_up(&peer->link) || too_much_waits(peer))
		return;
	peer->scratch.size = 0;
	msg_raft_snap_ack_put(&peer->scratch, ack);
	send_bulk(peer, to);
}

void
peer_flush(struct peer *peer)
{
	if (link_is_up(&peer->link))
		conn_flush(peer->link.conn);
}
