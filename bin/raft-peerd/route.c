/* SPDX-License-Identifier: ISC */
/*
 * A link's state machine.  All that waits when the connection can take a message goes into one
 * message: while one is being written, the next gathers.
 */
#include "route.h"

#include <inttypes.h>
#include <string.h>

#include "rate.h"
#include "serve.h"
#include "peer.h"
#include "peers.h"

enum {
	HELLO_FIRST_MS = 200,
	HELLO_LAST_MS = 4000, /* doubled from one to the other */
	HELLO_HURRY_MS = 1600,
	HELLO_FLOOR_MS = 50, /* a handshake that has just begun is not begun again */
	REDIAL_MS = 2500,    /* an attempt may hang in the kernel, whose own retries become rare */
	RECONNECT_MS = 50,
	HASTEN_MS = 100,
	WAITING_BYTES_MAX = 256 << 10, /* without a session only what is new is worth keeping */
	WAITING_MS = 1000,
	UNANSWERED_MS = 5000,
	BATCH_MS = 50, /* a message that is being written can't be overtaken */
	BATCH_LEAST = 16 << 10,
	BATCH_FIRST = 256 << 10
};

static const char *const state_names[] = {
#define S(NAME, text) text,
    ROUTE_STATES(S)
#undef S
};

const char *
route_state_name(enum route_state state)
{
	return state_names[state];
}

static const char *class_name(enum wire_class class)
{
	return class == WIRE_BULK ? "bulk" : "consensus";
}

/* Without -v nothing is logged of what comes between lost and connected. */
static void
log_state(struct route *route, enum route_state state, struct mono_ms now, const char *why)
{
	bool open = state == ROUTE_OPEN;
	uint64_t muted;
	if ((open || route->state == ROUTE_OPEN) && throttle_pass(&route->told, now, &muted))
		log_info("peer",
		    "id=%s class=%s state=%s after_ms=%" PRIu64 " muted=%" PRIu64 " why=%s",
		    route->peer->member.id.s, class_name(route->class), open ? "connected" : "lost",
		    now.ms - route->since.ms, muted, log_q(why));
	else
		log_debug("link", "peer=%s class=%s from=%s to=%s after_ms=%" PRIu64 " why=%s",
		    route->peer->member.id.s, class_name(route->class), state_names[route->state],
		    state_names[state], now.ms - route->since.ms, log_q(why));
}

static void
set_state(struct route *route, enum route_state state, const char *why)
{
	struct mono_ms now = mono_now();
	if (route->state == state)
		return;
	log_state(route, state, now, why);
	route->state = state;
	route->since = now;
}

void
route_init(struct route *route, struct peerd *peerd, struct peer *peer, enum wire_class class)
{
	*route = (struct route){.peerd = peerd,
	    .peer = peer,
	    .class = class,
	    .since = mono_now(),
	    .batch_max = BATCH_FIRST};
	queue_init(&route->quick);
	queue_init(&route->queue);
}

/* ------- sessions ------------------------------------------------------------- */

static struct channel_names
names_of(const struct route *route)
{
	struct channel_names names = {
	    .initiator = route->peerd->self,
	    .responder = route->peer->member.id,
	    .class = (uint8_t)route->class,
	};
	names.cluster = route->peerd->cluster;
	return names;
}

static void
forget_handshake(struct route *route)
{
	seal_wipe(&route->pending, sizeof route->pending);
	route->pending_valid = false;
}

static void
forget_session(struct route *route)
{
	forget_handshake(route);
	seal_wipe(&route->tx, sizeof route->tx);
	route->session = 0;
	route->fresh = false;
}

void
route_notice(struct route *route, const uint8_t *bytes, size_t size)
{
	must(size <= ROUTE_NOTICE_SIZE);
	if (route->notices_count == ROUTE_NOTICES_MAX) {
		memmove(route->notices, route->notices + 1,
		    (ROUTE_NOTICES_MAX - 1) * sizeof route->notices[0]);
		route->notices_count--;
	}
	struct route_notice_bytes *notice = &route->notices[route->notices_count++];
	memcpy(notice->bytes, bytes, size);
	notice->size = size;
}

static void
send_hello(struct route *route, struct mono_ms now)
{
	struct channel_names names = names_of(route);
	struct envelope envelope = {
	    .kind = ENVELOPE_HELLO,
	    .class = (uint8_t)route->class,
	    .sender = route->peerd->self,
	    .receiver = route->peer->member.id,
	    .handshake = seal_random_u64(),
	};
	uint8_t bytes[ENVELOPE_HELLO_SIZE];
	memcpy(envelope.cluster, route->peerd->cluster.b, sizeof envelope.cluster);
	size_t head = envelope_put(bytes, &envelope);
	memcpy(
	    route->greeted_key, peer_key(route->peer, route->hellos++), sizeof route->greeted_key);
	route->greeted = now;
	route->hello_next.ms = now.ms + route->hello_delay_ms;
	route->hello_delay_ms =
	    route->hello_delay_ms * 2 > HELLO_LAST_MS ? HELLO_LAST_MS : route->hello_delay_ms * 2;
	route->pending_valid = channel_hello(
	    &route->pending, &names, &route->peerd->pair, route->greeted_key, bytes + head);
	route->handshake = envelope.handshake;
	if (route->pending_valid)
		route_notice(route, bytes, sizeof bytes);
}

void
route_greet(struct route *route)
{
	struct mono_ms now = mono_now();
	bool just_now = route->pending_valid && now.ms - route->greeted.ms < HELLO_FLOOR_MS;
	if (route->push == NULL || route->state == ROUTE_DOWN || just_now)
		return;
	route->hello_delay_ms = HELLO_FIRST_MS;
	route->hellos = 0;
	send_hello(route, now);
	peerd_hurry(route->peerd);
}

/* A peer that was away may know of older addresses only. */
static void
tell_members(struct route *route)
{
	struct wire_buf buf = {0};
	peers_tell(route->peerd, &buf);
	route_send_own(route, &buf);
}

bool
route_reply(struct route *route, uint64_t handshake, const uint8_t *message, uint64_t *start)
{
	struct channel_reply reply;
	if (!route->pending_valid || route->handshake != handshake ||
	    !channel_finish(&route->pending, message, &reply, &route->tx))
		return false;
	route->pending_valid = false;
	route->session = reply.session;
	memcpy(route->key, route->greeted_key, sizeof route->key);
	peer_showed(route->peer, route->key);
	route->opened = mono_now();
	route->fresh = true;
	route->unanswered_told = false;
	*start = reply.start;
	set_state(route, ROUTE_OPEN, "authenticated");
	if (route->class == WIRE_CONSENSUS)
		tell_members(route);
	return true;
}

void
route_hint(struct route *route, uint64_t session)
{
	if (route->state != ROUTE_OPEN || session != route->session)
		return;
	/* It may be forged: the queue is kept, and a session follows at once. */
	set_state(route, ROUTE_GREETING, "the peer no longer knows the session");
	forget_session(route);
	peer_lost(route->peer);
	route_greet(route);
}

/* ------- connection ------------------------------------------------------------- */

static void
count_dropped(struct route *route, size_t frames)
{
	route->dropped += frames;
	if (frames > 0)
		peer_lost(route->peer);
}

size_t
route_queue_size(const struct route *route)
{
	return queue_size(&route->quick) + queue_size(&route->queue);
}

static size_t
drop_all(struct route *route)
{
	return queue_clear(&route->quick) + queue_clear(&route->queue);
}

static void
route_on_opened(void *arg)
{
	struct route *route = arg;
	set_state(route, ROUTE_GREETING, "connected");
	route_greet(route);
}

static void
route_go_down(struct route *route, const char *why)
{
	bool was_open = route->state == ROUTE_OPEN;
	set_state(route, ROUTE_DOWN, why);
	forget_session(route);
	route->notices_count = 0;
	route->waiting = false;
	route->dialed = mono_now();
	route->overflow = false;
	count_dropped(route, drop_all(route));
	if (was_open)
		peer_lost(route->peer);
}

/* A connection that has ended leaves its push useless: the next one gets a new push. */
static void
route_on_lost(void *arg)
{
	struct route *route = arg;
	route_go_down(route, "the connection ended");
	push_free(route->push);
	route->push = NULL;
	route->again = true;
	route->retry_ms = RECONNECT_MS;
	peerd_hurry(route->peerd);
}

static void
route_on_ready(void *arg)
{
	struct route *route = arg;
	uint64_t took_ms = mono_now().ms - route->sent.ms;
	route->waiting = false;
	if (took_ms > BATCH_MS && route->batch > 0) {
		size_t less = route->batch * BATCH_MS / took_ms;
		route->batch_max = less > BATCH_LEAST ? less : BATCH_LEAST;
	}
	/* The end of the turn sends. */
}

static const struct push_calls calls = {route_on_opened, route_on_lost, route_on_ready};

void
route_use(struct route *route)
{
	char why[1024];
	struct mono_ms now = mono_now();
	bool just_tried = route->dialed.ms != 0 && now.ms - route->dialed.ms < route->retry_ms;
	if (route->push || just_tried || route->peer->member.address[0] == '\0')
		return;
	route->push = push_new(route->peerd->loop, route->peerd->events,
	    route->peer->member.address, &calls, route, why);
	route->dialed = now;
	route->retry_ms = REDIAL_MS;
	if (route->push && route->class == WIRE_BULK)
		push_pace(route->push, rate_get(route->peerd->rate));
	else if (route->push == NULL)
		log_warn("dial", "peer=%s why=%s", route->peer->member.id.s, log_q(why));
}

/* What was connected is connected again, also when there is nothing to send. */
static void
use_again(struct route *route)
{
	if (route->again)
		route_use(route);
}

void
route_close(struct route *route, const char *why)
{
	if (route->push == NULL)
		return;
	push_free(route->push);
	route->push = NULL;
	route_go_down(route, why);
	route->dialed.ms = 0;
}

void
route_free(struct route *route)
{
	push_free(route->push);
	forget_session(route);
	queue_free(&route->quick);
	queue_free(&route->queue);
}

void
route_hasten(struct route *route)
{
	struct mono_ms now = mono_now();
	use_again(route);
	if (route->push == NULL || route->state != ROUTE_DOWN ||
	    now.ms - route->dialed.ms < HASTEN_MS)
		return;
	route->dialed = now;
	push_redial(route->push);
}

void
route_give_up(struct route *route, const char *why)
{
	if (route->push == NULL || route->state == ROUTE_DOWN)
		return;
	push_hang_up(route->push);
	route_go_down(route, why);
}

void
route_check_key(struct route *route)
{
	bool greeted = route->pending_valid && !peer_has_key(route->peer, route->greeted_key);
	bool open = route->state == ROUTE_OPEN && !peer_has_key(route->peer, route->key);
	if (greeted || open)
		route_give_up(route, "the peer no longer has that key");
}

/* ------- frames ------------------------------------------------------------------- */

/* No session: what has waited for long is dropped for what is new. */
static uint64_t
waiting_limit(struct route *route)
{
	struct mono_ms now = mono_now();
	if (route_queue_size(route) == 0)
		route->queued = now;
	if (now.ms - route->queued.ms > WAITING_MS ||
	    route_queue_size(route) > WAITING_BYTES_MAX / 2) {
		count_dropped(route, drop_all(route));
		route->queued = now;
	}
	/* One frame of any size, or several small ones. */
	return route_queue_size(route) == 0 ? PEER_FRAME_MAX : WAITING_BYTES_MAX;
}

/* What says nothing of the frames before it, such as votes and acknowledgements. */
static bool
is_quick(const struct wire_frame *frame)
{
	switch (frame->number) {
	case MSG_RAFT_VOTE:
	case MSG_RAFT_VOTE_REPLY:
	case MSG_RAFT_APPEND_REPLY:
	case MSG_PEER_PING:
	case MSG_PEER_PONG:
		return true;
	default:
		return false;
	}
}

void
route_send(struct route *route, const struct wire_frame *frame)
{
	route_use(route);
	uint64_t limit =
	    route->state == ROUTE_OPEN ? route->peerd->conf->peerd.queue : waiting_limit(route);
	bool first = !route->overflow;
	if (queue_put(is_quick(frame) ? &route->quick : &route->queue, frame, limit))
		return;
	route->dropped++;
	route->overflow = true;
	/* An append that is dropped while many are is no news; a proposal waits for an answer. */
	if (first || frame->number != MSG_RAFT_APPEND)
		peer_lost(route->peer);
	if (first && route->state == ROUTE_OPEN)
		log_warn("queue", "peer=%s class=%s bytes=%zu why=%s", route->peer->member.id.s,
		    class_name(route->class), route_queue_size(route),
		    log_q("the peer takes less than is sent: newest appends are dropped"));
}

void
route_send_own(struct route *route, struct wire_buf *buf)
{
	struct wire_frame frame;
	bool whole =
	    frame_whole((struct wire_bytes){buf->bytes, buf->size}, PEER_FRAME_MAX, &frame);
	must(whole);
	route_send(route, &frame);
	wire_buf_free(buf);
}

static bool
send_bytes(struct route *route, size_t size)
{
	if (!push_send(route->push))
		return false;
	route->sent_bytes += size;
	route->peer->sent = mono_now();
	return true;
}

static void
send_notice(struct route *route)
{
	struct route_notice_bytes *notice = &route->notices[0];
	memcpy(push_message(route->push, notice->size), notice->bytes, notice->size);
	send_bytes(route, notice->size);
	route->notices_count--;
	memmove(route->notices, route->notices + 1, route->notices_count * sizeof *notice);
}

/* The start number goes first in a new session, even alone: it tells the peer that the session is
 * real. */
static size_t
put_start(struct route *route, uint8_t *out)
{
	struct wire_buf buf = {0};
	struct msg_peer_start start = {.start = route->peerd->start};
	msg_peer_start_put(&buf, &start);
	memcpy(out, buf.bytes, buf.size);
	size_t size = buf.size;
	wire_buf_free(&buf);
	return size;
}

enum { START_FRAME_SIZE = FRAME_HEADER_SIZE + 8 };

/* What has to be paid for goes frame by frame. */
static size_t
batch_limit(const struct route *route)
{
	bool limited = route->class == WIRE_BULK && rate_get(route->peerd->rate) > 0;
	return limited ? 1 : route->batch_max;
}

static void
send_frames(struct route *route)
{
	const uint8_t *quick, *frames = NULL;
	size_t quick_count, count = 0, size = 0;
	size_t batch_max = batch_limit(route);
	size_t quick_size = queue_peek(&route->quick, batch_max, &quick, &quick_count);
	if (quick_size < batch_max)
		size = queue_peek(&route->queue, batch_max - quick_size, &frames, &count);
	if (quick_size > 0 && quick_size + size > PEER_FRAME_MAX)
		size = count = 0;
	size_t plain = quick_size + size + (route->fresh ? START_FRAME_SIZE : 0);
	size_t whole = ENVELOPE_HEAD_SIZE + plain + CHANNEL_TAG_SIZE;
	struct envelope envelope = {
	    .kind = ENVELOPE_TRANSPORT,
	    .class = (uint8_t)route->class,
	    .sender = route->peerd->self,
	    .session = route->session,
	    .counter = channel_counter(&route->tx),
	};
	uint8_t *bytes = push_message(route->push, whole);
	uint8_t *at = bytes + envelope_put(bytes, &envelope);
	must(at == bytes + ENVELOPE_HEAD_SIZE);
	if (route->fresh)
		at += put_start(route, at);
	if (quick_size > 0)
		memcpy(at, quick, quick_size);
	if (size > 0)
		memcpy(at + quick_size, frames, size);
	channel_seal(&route->tx, bytes, ENVELOPE_HEAD_SIZE, bytes + ENVELOPE_HEAD_SIZE, plain);
	route->fresh = false;
	bool sent = send_bytes(route, whole);
	if (route->class == WIRE_BULK)
		rate_sent(route->peerd->rate, whole);
	queue_drop(&route->quick, quick_size, quick_count);
	queue_drop(&route->queue, size, count);
	if (!sent)
		count_dropped(route, quick_count + count);
	route->batch = whole;
	route->sent = mono_now();
	if (route_queue_size(route) < route->peerd->conf->peerd.queue / 2)
		route->overflow = false;
}

static bool
has_frames(const struct route *route)
{
	return route->state == ROUTE_OPEN && (route->fresh || route_queue_size(route) > 0);
}

bool
route_idle(const struct route *route)
{
	return route->push == NULL || route->state != ROUTE_OPEN ||
	       (!has_frames(route) && push_ready(route->push));
}

/* The last message went at once, and was a large one: the next may be larger. */
static void
batch_grow(struct route *route)
{
	if (route->batch < route->batch_max / 2 || mono_now().ms - route->sent.ms > BATCH_MS / 2)
		return;
	route->batch = 0;
	route->batch_max =
	    route->batch_max * 2 > PEER_BATCH_MAX ? PEER_BATCH_MAX : route->batch_max * 2;
}

void
route_flush(struct route *route)
{
	if (route->push == NULL || route->state == ROUTE_DOWN || route->waiting)
		return;
	while (route->notices_count > 0 || has_frames(route)) {
		if (!push_ready(route->push)) {
			route->waiting = true;
			push_wait(route->push);
			return;
		}
		batch_grow(route);
		if (route->notices_count > 0)
			send_notice(route);
		else if (route->class == WIRE_BULK && !rate_may_send(route->peerd->rate))
			return;
		else
			send_frames(route);
	}
}

/* ------- time --------------------------------------------------------------------- */

static void
tick_session(struct route *route, struct mono_ms now)
{
	bool old = now.ms - route->opened.ms > route->peerd->renew_ms ||
		   channel_counter(&route->tx) > route->peerd->renew;
	if (old && !route->pending_valid) {
		route->hello_delay_ms = HELLO_FIRST_MS;
		route->hellos = 0;
		send_hello(route, now);
	} else if (route->pending_valid && now.ms >= route->hello_next.ms) {
		send_hello(route, now);
	}
}

static void
tick_greeting(struct route *route, struct mono_ms now)
{
	if (now.ms >= route->hello_next.ms)
		send_hello(route, now);
	if (!route->unanswered_told && now.ms - route->since.ms > UNANSWERED_MS) {
		route->unanswered_told = true;
		log_warn("unanswered", "peer=%s address=%s why=%s", route->peer->member.id.s,
		    log_q(route->peer->member.address),
		    log_q(
			"the handshake is not answered: another cluster, node or key is there, its "
			"raft-elect is not up, or it cannot reach our address; its log may say "
			"which"));
	}
	/* The usual tick is fine enough for what is tried rarely. */
	if (route->hello_delay_ms <= HELLO_HURRY_MS)
		peerd_hurry(route->peerd);
}

void
route_tick(struct route *route, struct mono_ms now)
{
	use_again(route);
	if (route->push == NULL)
		return;
	switch (route->state) {
	case ROUTE_DOWN:
		if (now.ms - route->dialed.ms >= REDIAL_MS) {
			route->dialed = now;
			push_redial(route->push);
		}
		break;
	case ROUTE_GREETING:
		tick_greeting(route, now);
		break;
	case ROUTE_OPEN:
		tick_session(route, now);
		break;
	}
	if (route->state != ROUTE_OPEN && route_queue_size(route) > 0 &&
	    now.ms - route->queued.ms > WAITING_MS)
		count_dropped(route, drop_all(route));
}
