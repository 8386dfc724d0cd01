/* SPDX-License-Identifier: ISC */
/* The conversation with raft-peerd. */
#include "peerd.h"

#include "prog/daemon.h"
#include "unix/log.h"
#include "unix/sock.h"
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
peerd_on_up(void *arg)
{
	struct peerd_link *peerd = arg;
	link_settled(peerd->link);
	peerd_tell_config(peerd);
}

/* A peer that sends rubbish is mentioned, now and then. */
static void
count_malformed(struct peerd_link *peerd, const struct raft_id *from)
{
	struct mono_ms now = mono_now();
	peerd->malformed++;
	if (peerd->malformed_said > 0 && now.ms - peerd->said_at.ms < SAY_EVERY_MS)
		return;
	log_warn("malformed", "from=%s count=%llu why=%s", from->s,
	    (unsigned long long)(peerd->malformed - peerd->malformed_said),
	    log_q("its messages can't be understood and are dropped"));
	peerd->malformed_said = peerd->malformed;
	peerd->said_at = now;
}

/*
 * An entry of a newer level in an append of a leader that is not deposed: this node could neither
 * store it nor acknowledge anything after it.
 */
static void
die_if_newer(const struct node *node, const struct raft_id *from, const struct wire_frame *frame)
{
	struct msg_raft_append_lead m;
	char why[WIRE_NEWER_SIZE];
	if (wire_append_get(&m, frame) && node->raft && m.term >= node->term &&
	    wire_entries_newer(m.entries, m.count, m.prev.index + 1, why))
		daemon_die(EXIT_CONFIG, "from %s: %s", from->s, why);
}

/* False: malformed, or of no kind that raft-elects send.  Snapshots do not concern the core. */
static bool
on_peer_frame(struct peerd_link *peerd, const struct raft_id *from, const struct wire_frame *frame)
{
	struct node *node = peerd->node;
	struct msg_raft_snap_chunk chunk;
	struct msg_raft_snap_ack ack;
	struct codec_message in;
	if (frame->number == MSG_RAFT_SNAP_CHUNK) {
		if (!msg_raft_snap_chunk_get(&chunk, frame->body, frame->size))
			return false;
		snap_receive_chunk(&node->snap_receive, from, &chunk);
	} else if (frame->number == MSG_RAFT_SNAP_ACK) {
		if (!msg_raft_snap_ack_get(&ack, frame->body, frame->size))
			return false;
		snap_send_ack(&node->snap_send, from, &ack);
	} else {
		if (!codec_get(&in, frame)) {
			die_if_newer(node, from, frame);
			return false;
		}
		in.message.from = *from;
		in.message.to = node->conf->node.id;
		node_step(node,
		    &(struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &in.message},
		    frame->size);
		codec_drop(&in);
	}
	return true;
}

static const char *
peerd_on_recv(struct peerd_link *peerd, const struct msg_peer_recv *m)
{
	struct wire_frame frame;
	if (raft_id_none(&m->from))
		return "a malformed peer_recv";
	if (raft_id_equal(&m->from, &peerd->node->conf->node.id) ||
	    !frame_whole(m->frame, FRAME_SIZE_MAX, &frame) ||
	    !on_peer_frame(peerd, &m->from, &frame))
		count_malformed(peerd, &m->from);
	return NULL;
}

static const char *
peerd_on_lost(struct peerd_link *peerd, const struct msg_peer_lost *m)
{
	if (raft_id_none(&m->peer))
		return "a malformed peer_lost";
	node_step(peerd->node,
	    &(struct raft_event){.type = RAFT_EVENT_UNREACHABLE, .unreachable = m->peer}, 0);
	return NULL;
}

static const char *
peerd_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	switch (number) {
		WIRE_CASE(PEER_RECV, peer_recv, peerd_on_recv)
		WIRE_CASE(PEER_LOST, peer_lost, peerd_on_lost)
	default:
		return "it sent a frame of an unknown kind";
	}
}

static void
peerd_on_down(bool was_up, const char *why, void *arg)
{
	struct peerd_link *peerd = arg;
	(void)why;
	if (!was_up)
		return;
	peerd->lossy = false;
	node_peers_lost(peerd->node);
}

bool
peerd_open(struct peerd_link *peerd, struct node *node, char *why)
{
	static const struct link_calls calls = {
	    .up = peerd_on_up, .frame = peerd_on_frame, .down = peerd_on_down};
	char path[SOCK_PATH_MAX];
	if (!sock_path(path, node->conf->node.run, "peer", why))
		return false;
	peerd->node = node;
	peerd->link = link_new(node->loop, path, WIRE_ELECTOR, "raft-elect", &calls, peerd);
	link_log(peerd->link, "raft-peerd");
	return true;
}

void
peerd_tell_config(struct peerd_link *peerd)
{
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	struct raft_config all;
	if (!link_up(peerd->link) || peerd->node->raft == NULL)
		return;
	peerd->told_index = raft_config_index(peerd->node->raft);
	removed_all(&peerd->removed, &all);
	if (all.count == 0)
		return;
	size_t size = raft_config_encode(&all, bytes);
	msg_peer_config_put(link_out(peerd->link), &(struct msg_peer_config){
						       .cluster = peerd->node->cluster,
						       .index = peerd->told_index,
						       .config = {bytes, size},
						   });
}

/*
 * The members that raft-peerd is given.  To a node that was removed only itself is left: each of
 * the others would refuse its connections and log that.  (They linger for a while, for what it may
 * still owe them.)  Empty when the key of this node is not known; raft-peerd is then not told, and
 * one that has just been started connects to no peer.
 */
static void
peerd_members(const struct peerd_link *peerd, struct raft_config *members)
{
	const struct node *node = peerd->node;
	const struct raft_id *self = &node->conf->node.id;
	*members = *raft_config_now(node->raft);
	if (node->removed == 0)
		return;
	const struct raft_member *own = removed_find(&peerd->removed, self);
	if (own == NULL && node->conf->cluster.have_members)
		own = raft_config_find(&node->conf->cluster.members, self);
	*members = (struct raft_config){0};
	if (own == NULL)
		return;
	members->members[members->count++] = *own;
	members->members[0].role = RAFT_VOTER;
}

void
peerd_new_config(struct peerd_link *peerd)
{
	struct raft_config members;
	peerd_members(peerd, &members);
	uint64_t linger_ms = LINGER_TIMEOUTS * peerd->node->conf->elect.election_timeout_ms;
	removed_take(&peerd->removed, &members,
	    (struct mono_ms){
		mono_now().ms + (linger_ms > LINGER_MIN_MS ? linger_ms : LINGER_MIN_MS)});
	peerd_tell_config(peerd);
}

void
peerd_committed(struct peerd_link *peerd)
{
	if (raft_config_index(peerd->node->raft) != peerd->told_index)
		peerd_tell_config(peerd);
}

uint64_t
peerd_turn(struct peerd_link *peerd, struct mono_ms now)
{
	if (removed_expire(&peerd->removed, now))
		peerd_tell_config(peerd);
	return removed_next_ms(&peerd->removed);
}

/* Said once, until it has drained; the core probes again when it hears nothing. */
static bool
too_much_waits(struct peerd_link *peerd)
{
	size_t size = link_out_size(peerd->link);
	if (!peerd->lossy && size > OUT_MAX) {
		peerd->lossy = true;
		log_warn("peer", "state=full why=%s",
		    log_q("raft-peerd does not take its messages; they are dropped"));
		node_peers_lost(peerd->node);
	} else if (peerd->lossy && size < OUT_MAX / 2) {
		peerd->lossy = false;
		log_info("peer", "state=drained");
	}
	return peerd->lossy;
}

void
peerd_send(struct peerd_link *peerd, const struct raft_message *message)
{
	const struct raft_entry *entries;
	size_t count;
	if (!link_up(peerd->link) || too_much_waits(peerd))
		return;
	peerd->scratch.size = 0;
	codec_put(&peerd->scratch, message, &entries, &count);
	struct wire_buf *out = link_out(peerd->link);
	msg_peer_send_put(
	    out, &(struct msg_peer_send){
		     .to = message->to,
		     .class = WIRE_CONSENSUS,
		     .frame = {NULL, peerd->scratch.size + wire_entries_size(entries, count)},
		 });
	wire_buf_put(out, peerd->scratch.bytes, peerd->scratch.size);
	wire_entries_put(out, entries, count);
}

/* The frame in scratch. */
static void
send_bulk(struct peerd_link *peerd, const struct raft_id *to)
{
	msg_peer_send_put(
	    link_out(peerd->link), &(struct msg_peer_send){
				       .to = *to,
				       .class = WIRE_BULK,
				       .frame = {peerd->scratch.bytes, peerd->scratch.size},
				   });
}

void
peerd_send_chunk(
    struct peerd_link *peerd, const struct raft_id *to, const struct msg_raft_snap_chunk *chunk)
{
	if (!link_up(peerd->link) || too_much_waits(peerd))
		return;
	peerd->scratch.size = 0;
	msg_raft_snap_chunk_put(&peerd->scratch, chunk);
	send_bulk(peerd, to);
}

void
peerd_send_ack(
    struct peerd_link *peerd, const struct raft_id *to, const struct msg_raft_snap_ack *ack)
{
	if (!link_up(peerd->link) || too_much_waits(peerd))
		return;
	peerd->scratch.size = 0;
	msg_raft_snap_ack_put(&peerd->scratch, ack);
	send_bulk(peerd, to);
}

void
peerd_flush(struct peerd_link *peerd)
{
	if (link_up(peerd->link))
		link_flush(peerd->link);
}
