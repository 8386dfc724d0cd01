/* SPDX-License-Identifier: ISC */
/*
 * Messages from the network, by kind.  What does not authenticate is refused: counted, named in
 * one line now and then, and a connection that goes on with it is closed.
 */
#include "inbound.h"

#include <inttypes.h>
#include <string.h>

#include "serve.h"
#include "peer.h"
#include "pipes.h"
#include "peers.h"

enum {
	PIPE_REFUSALS_MAX = 16,
	HELLO_FIRST_MS = 20,
	HELLO_LAST_MS = 500,
	TWIN_HELLOS = 5,
	HINT_MS = 250
};

/* Where a message came from, and what it says of itself. */
struct arrival {
	struct peerd *peerd;
	struct pipe *pipe;
	struct peer *peer; /* the sender, as it says */
	struct envelope envelope;
	uint8_t *bytes;
	size_t size;
	size_t head;
};

static void
log_refusal(struct arrival *a, uint64_t muted, const char *why)
{
	char address[PULL_ADDRESS_SIZE], fingerprint[FINGERPRINT_SIZE] = "none";
	pull_address(a->pipe->id, address);
	if (a->peer)
		peerd_fingerprint(fingerprint, a->peer->member.key);
	log_warn("refused", "from=%s address=%s fingerprint=%s muted=%" PRIu64 " why=%s",
	    a->envelope.sender.s[0] ? a->envelope.sender.s : "unknown", address, fingerprint, muted,
	    log_q(why));
}

/* The message is dropped; the connection stays, unless it goes on like that. */
static void
inbound_refuse(struct arrival *a, const char *why)
{
	struct throttle *throttle = a->peer ? &a->peer->refused : &a->peerd->refused;
	uint64_t muted;
	a->peerd->refusals++;
	if (a->peer)
		a->peer->refusals++;
	if (throttle_pass(throttle, mono_now(), &muted))
		log_refusal(a, muted, why);
	if (++a->pipe->refusals >= PIPE_REFUSALS_MAX)
		pipe_close(a->pipe);
}

/* No raft-peerd sends this, or something was altered on the way: the connection is closed. */
static void
refuse_pipe(struct arrival *a, const char *why)
{
	inbound_refuse(a, why);
	pipe_close(a->pipe);
}

/* ------- handshakes --------------------------------------------------------------- */

/* Both handshake messages name receiver and cluster: a wrong address is told from a wrong key. */
static bool
is_for_us(struct arrival *a)
{
	char why[256];
	const struct envelope *e = &a->envelope;
	if (!raft_id_equal(&e->receiver, &a->peerd->self)) {
		snprintf(why, sizeof why,
		    "it takes this node for %s: a wrong address in its members list",
		    e->receiver.s);
		inbound_refuse(a, why);
		return false;
	}
	if (memcmp(e->cluster, a->peerd->cluster.b, sizeof e->cluster) != 0) {
		char theirs[2 * ENVELOPE_TAG_SIZE + 1], ours[2 * ENVELOPE_TAG_SIZE + 1];
		seal_hex(theirs, e->cluster, ENVELOPE_TAG_SIZE);
		seal_hex(ours, a->peerd->cluster.b, ENVELOPE_TAG_SIZE);
		snprintf(
		    why, sizeof why, "it is of another cluster: %s, and this is %s", theirs, ours);
		inbound_refuse(a, why);
		return false;
	}
	return true;
}

static void
send_reply(struct arrival *a, const uint8_t *message)
{
	struct envelope envelope = {
	    .kind = ENVELOPE_REPLY,
	    .class = a->envelope.class,
	    .sender = a->peerd->self,
	    .receiver = a->envelope.sender,
	    .handshake = a->envelope.handshake,
	};
	uint8_t bytes[ENVELOPE_REPLY_SIZE];
	struct route *route = &a->peer->routes[WIRE_CONSENSUS];
	memcpy(envelope.cluster, a->peerd->cluster.b, sizeof envelope.cluster);
	size_t head = envelope_put(bytes, &envelope);
	memcpy(bytes + head, message, CHANNEL_REPLY_SIZE);
	route_notice(route, bytes, sizeof bytes);
	/* It is there, so it can be reached; and it may be new, so our own hello may have been
	 * lost. */
	route_hasten(route);
	if (route->state == ROUTE_GREETING)
		route_greet(route);
}

/*
 * Good hellos that come to nothing, while the node of that name is at its address and gets the
 * replies: either the replies are late, or somebody else has its key.  (A hello that is replayed
 * comes with the same number.)
 */
static void
look_for_twin(struct arrival *a)
{
	struct pipe *pipe = a->pipe;
	const struct pipe *own = pipes_of(a->peerd->pipes, a->peer, WIRE_CONSENSUS);
	if (pipe->peer || a->envelope.class != WIRE_CONSENSUS ||
	    a->envelope.handshake == pipe->handshake)
		return;
	pipe->handshake = a->envelope.handshake;
	pipe->hellos++;
	if (pipe->hellos < TWIN_HELLOS || a->peer->routes[WIRE_CONSENSUS].state != ROUTE_OPEN ||
	    own == NULL)
		return;
	char address[PULL_ADDRESS_SIZE];
	pull_address(pipe->id, address);
	peer_doubt(a->peer, own->id, address);
}

/* A stranger's hellos are looked at more and more rarely; a raft-peerd sends them so. */
static bool
hello_allowed(struct pipe *pipe, struct mono_ms now)
{
	if (now.ms < pipe->hello_next.ms)
		return false;
	pipe->hello_delay_ms = pipe->hello_delay_ms ? 2 * pipe->hello_delay_ms : HELLO_FIRST_MS;
	if (pipe->hello_delay_ms > HELLO_LAST_MS)
		pipe->hello_delay_ms = HELLO_LAST_MS;
	pipe->hello_next.ms = now.ms + pipe->hello_delay_ms;
	return true;
}

/* With whichever key the peer has; NULL: with none of them, or not for ours. */
static const uint8_t *
inbound_answer(
    struct arrival *a, const struct channel_reply *reply, uint8_t *message, struct channel_rx *rx)
{
	struct channel_names names = {
	    .initiator = a->envelope.sender,
	    .responder = a->peerd->self,
	    .class = a->envelope.class,
	};
	names.cluster = a->peerd->cluster;
	for (unsigned i = 0; i < peer_keys_count(a->peer); i++) {
		const uint8_t *key = peer_key(a->peer, i);
		if (channel_answer(
			&names, &a->peerd->pair, key, a->bytes + a->head, reply, message, rx))
			return key;
	}
	return NULL;
}

static void
refuse_key(struct arrival *a)
{
	/* Of our two keys it took the one that is not here: it tries the other next. */
	if (!a->peerd->two_keys)
		inbound_refuse(a, "its handshake is not made with the key that the members list "
				  "has for it, or not for ours");
}

static void
inbound_on_hello(struct arrival *a)
{
	struct mono_ms now = mono_now();
	if (!hello_allowed(a->pipe, now) || !is_for_us(a))
		return;
	struct channel_reply reply = {.session = seal_random_u64(), .start = a->peerd->start};
	struct channel_rx rx;
	uint8_t message[CHANNEL_REPLY_SIZE];
	const uint8_t *key = inbound_answer(a, &reply, message, &rx);
	if (key == NULL) {
		refuse_key(a);
		return;
	}
	struct incoming *waiting = peer_waiting(a->peer, (enum wire_class)a->envelope.class);
	*waiting =
	    (struct incoming){.valid = true, .born = now, .session = reply.session, .rx = rx};
	memcpy(waiting->key, key, sizeof waiting->key);
	seal_wipe(&rx, sizeof rx);
	peer_showed(a->peer, key);
	send_reply(a, message);
	look_for_twin(a);
}

static void
inbound_on_reply(struct arrival *a)
{
	uint64_t start;
	if (!is_for_us(a))
		return;
	struct route *route = &a->peer->routes[a->envelope.class];
	/* One for an earlier handshake is late, which is no offence. */
	if (!route_reply(route, a->envelope.handshake, a->bytes + a->head, &start))
		return;
	peer_heard(a->peer);
	if (!peer_started(a->peer, start, route->greeted))
		route_hint(route, route->session);
}

/* ------- sealed messages ------------------------------------------------------------ */

static void
send_hint(struct arrival *a)
{
	struct mono_ms now = mono_now();
	struct envelope envelope = {
	    .kind = ENVELOPE_HINT,
	    .class = a->envelope.class,
	    .sender = a->peerd->self,
	    .session = a->envelope.session,
	};
	uint8_t bytes[ENVELOPE_HINT_SIZE];
	if (now.ms - a->peer->hinted.ms < HINT_MS)
		return;
	a->peer->hinted = now;
	envelope_put(bytes, &envelope);
	route_notice(&a->peer->routes[WIRE_CONSENSUS], bytes, sizeof bytes);
}

static void
send_pong(struct peer *peer, uint64_t number)
{
	struct wire_buf buf = {0};
	struct msg_peer_pong pong = {.number = number};
	msg_peer_pong_put(&buf, &pong);
	route_send_own(&peer->routes[WIRE_CONSENSUS], &buf);
}

/* One frame of an authenticated message.  False: no frame that is known. */
static bool
take_frame(struct arrival *a, const struct wire_frame *frame)
{
	struct msg_peer_start start;
	struct msg_peer_ping ping;
	struct msg_peer_pong pong;
	struct msg_peer_members members;
	switch (frame->number) {
	case MSG_PEER_START:
		/* Of use only in the first message of a session. */
		return msg_peer_start_get(&start, frame->body, frame->size);
	case MSG_PEER_PING:
		if (!msg_peer_ping_get(&ping, frame->body, frame->size))
			return false;
		send_pong(a->peer, ping.number);
		return true;
	case MSG_PEER_PONG:
		if (!msg_peer_pong_get(&pong, frame->body, frame->size))
			return false;
		peer_pong(a->peer, pong.number, a->pipe->id);
		return true;
	case MSG_PEER_MEMBERS:
		return msg_peer_members_get(&members, frame->body, frame->size) &&
		       peers_learn(a->peerd, &members);
	default:
		if (!msg_is_raft(frame->number))
			return false;
		peerd_serve_deliver(a->peerd, &a->peer->member.id, frame);
		return true;
	}
}

static void
take_frames(struct arrival *a, const uint8_t *at, size_t size)
{
	while (size > 0) {
		struct wire_frame frame;
		if (frame_get(at, size, PEER_FRAME_MAX, &frame) != 1 || !take_frame(a, &frame)) {
			inbound_refuse(a, "it is authenticated and sends a malformed or unknown "
					  "frame: another version?");
			return;
		}
		at += frame.whole.size;
		size -= frame.whole.size;
	}
}

/* A session proves itself by a first message that begins with the sender's start number. */
static bool
begins_with_start(const uint8_t *at, size_t size, uint64_t *start)
{
	struct wire_frame frame;
	struct msg_peer_start m;
	if (frame_get(at, size, PEER_FRAME_MAX, &frame) != 1 || frame.number != MSG_PEER_START ||
	    !msg_peer_start_get(&m, frame.body, frame.size))
		return false;
	*start = m.start;
	return true;
}

static void
take_opened(struct arrival *a, struct incoming *incoming)
{
	enum wire_class class = (enum wire_class)a->envelope.class;
	const uint8_t *frames = a->bytes + a->head;
	size_t size = a->size - a->head - CHANNEL_TAG_SIZE;
	uint64_t start;
	if (incoming != &a->peer->incoming[class].live) {
		if (!begins_with_start(frames, size, &start)) {
			inbound_refuse(a, "its session does not begin with its start number");
			return;
		}
		if (!peer_started(a->peer, start, incoming->born)) {
			incoming->valid = false;
			return;
		}
		peer_promote(a->peer, class, incoming);
	}
	peer_heard(a->peer);
	a->peer->received_bytes += a->size;
	pipes_own(a->peerd->pipes, a->pipe, a->peer, class);
	take_frames(a, frames, size);
}

static void
on_transport(struct arrival *a)
{
	struct incoming *incoming =
	    peer_incoming(a->peer, (enum wire_class)a->envelope.class, a->envelope.session);
	if (incoming == NULL) {
		send_hint(a);
		return;
	}
	switch (channel_open(&incoming->rx, a->envelope.counter, a->bytes, a->head,
	    a->bytes + a->head, a->size - a->head)) {
	case CHANNEL_OPENED:
		take_opened(a, incoming);
		break;
	case CHANNEL_OLD:
		inbound_refuse(a, "a message came again, or was overtaken");
		break;
	case CHANNEL_FORGED:
		refuse_pipe(a, "a message was altered on its way, or is not of this session");
		break;
	}
}

static void
on_hint(struct arrival *a)
{
	route_hint(&a->peer->routes[a->envelope.class], a->envelope.session);
}

/* ------- all --------------------------------------------------------------------------- */

static bool
find_sender(struct arrival *a)
{
	if (raft_id_equal(&a->envelope.sender, &a->peerd->self)) {
		inbound_refuse(a, "it gives this node's own id: a message sent back, or a second "
				  "node of that name");
		return false;
	}
	a->peer = peers_find(a->peerd, &a->envelope.sender);
	if (a->peer == NULL)
		inbound_refuse(a, "no member has that id");
	return a->peer != NULL;
}

void
inbound_message(uint32_t pipe, uint8_t *bytes, size_t size, void *arg)
{
	struct peerd *peerd = arg;
	struct arrival a = {
	    .peerd = peerd, .pipe = pipes_find(peerd->pipes, pipe), .bytes = bytes, .size = size};
	if (a.pipe->closing)
		return;
	enum envelope_error error = envelope_get(&a.envelope, bytes, size, &a.head);
	if (error != ENVELOPE_OK) {
		a.envelope.sender = (struct raft_id){0};
		refuse_pipe(&a, envelope_error_text(error));
		return;
	}
	/*
	 * Nobody can be authenticated before raft-elect has said who is who; they will try again.
	 */
	if (!peerd->have_cluster || !find_sender(&a))
		return;
	switch (a.envelope.kind) {
	case ENVELOPE_HELLO:
		inbound_on_hello(&a);
		break;
	case ENVELOPE_REPLY:
		inbound_on_reply(&a);
		break;
	case ENVELOPE_TRANSPORT:
		on_transport(&a);
		break;
	case ENVELOPE_HINT:
		on_hint(&a);
		break;
	}
}

void
inbound_pipe(uint32_t pipe, bool come, void *arg)
{
	struct peerd *peerd = arg;
	if (come)
		pipes_find(peerd->pipes, pipe);
	else
		pipes_drop(peerd->pipes, pipe);
}
