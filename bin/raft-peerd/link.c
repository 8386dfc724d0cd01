/* SPDX-License-Identifier: ISC */
/*
 * A link's state machine.  All that waits when the connection can take a message goes into one
 * message: while one is being written, the next gathers.
 */
#include "link.h"

#include <inttypes.h>
#include <string.h>

#include "bulk.h"
#include "door.h"
#include "peer.h"
#include "roster.h"

enum {
	HELLO_FIRST_MS = 200, /* then doubled, up to */
	HELLO_LAST_MS = 4000,
	HELLO_HURRY_MS = 1600,
	/* A handshake that has just begun is not begun again. */
	HELLO_FLOOR_MS = 50,
	/* An attempt to connect may hang in the kernel, whose own retries become rare. */
	REDIAL_MS = 2500,
	RECONNECT_MS = 50,
	HASTEN_MS = 100,
	/* Without a session only what is new is worth keeping. */
	WAITING_BYTES_MAX = 256 << 10,
	WAITING_MS = 1000,
	UNANSWERED_MS = 5000,
	/* A message that is being written can't be overtaken: it should not take longer. */
	BATCH_MS = 50,
	BATCH_LEAST = 16 << 10,
	BATCH_FIRST = 256 << 10
};

static const char *const state_names[] = {
#define S(NAME, text) text,
    LINK_STATES(S)
#undef S
};

const char *
link_state_name(enum link_state state)
{
	return state_names[state];
}

static const char *
class_name(enum wire_class class)
{
	return class == WIRE_BULK ? "bulk" : "consensus";
}

/* Whether the change is worth a line: what comes between lost and connected is not. */
static void
log_state(struct link *link, enum link_state state, struct mono_ms now, const char *why)
{
	bool open = state == LINK_OPEN;
	uint64_t muted;
	if ((open || link->state == LINK_OPEN) && throttle_pass(&link->told, now, &muted))
		log_info("peer", "id=%s class=%s state=%s after_ms=%" PRIu64 " muted=%" PRIu64 " why=%s",
		    link->peer->member.id.s, class_name(link->class), open ? "connected" : "lost",
		    now.ms - link->since.ms, muted, log_q(why));
	else
		log_debug("link", "peer=%s class=%s from=%s to=%s after_ms=%" PRIu64 " why=%s", link->peer->member.id.s,
		    class_name(link->class), state_names[link->state], state_names[state], now.ms - link->since.ms,
		    log_q(why));
}

static void
set_state(struct link *link, enum link_state state, const char *why)
{
	struct mono_ms now = mono_now();
	if (link->state == state)
		return;
	log_state(link, state, now, why);
	link->state = state;
	link->since = now;
}

void
link_init(struct link *link, struct peerd *peerd, struct peer *peer, enum wire_class class)
{
	*link = (struct link){
	    .peerd = peerd, .peer = peer, .class = class, .since = mono_now(), .batch_max = BATCH_FIRST};
	queue_init(&link->quick);
	queue_init(&link->queue);
}

/* ------- sessions ------------------------------------------------------------- */

static struct channel_names
names_of(const struct link *link)
{
	struct channel_names names = {
	    .initiator = link->peerd->self,
	    .responder = link->peer->member.id,
	    .class = (uint8_t)link->class,
	};
	memcpy(names.cluster, link->peerd->cluster.b, sizeof names.cluster);
	return names;
}

static void
forget_handshake(struct link *link)
{
	seal_wipe(&link->pending, sizeof link->pending);
	link->pending_valid = false;
}

static void
forget_session(struct link *link)
{
	forget_handshake(link);
	seal_wipe(&link->tx, sizeof link->tx);
	link->session = 0;
	link->fresh = false;
}

void
link_notice(struct link *link, const uint8_t *bytes, size_t size)
{
	must(size <= LINK_NOTICE_SIZE);
	if (link->notices_count == LINK_NOTICES_MAX) {
		memmove(link->notices, link->notices + 1, (LINK_NOTICES_MAX - 1) * sizeof link->notices[0]);
		link->notices_count--;
	}
	struct link_notice *notice = &link->notices[link->notices_count++];
	memcpy(notice->bytes, bytes, size);
	notice->size = size;
}

static void
send_hello(struct link *link, struct mono_ms now)
{
	struct channel_names names = names_of(link);
	struct envelope envelope = {
	    .kind = ENVELOPE_HELLO,
	    .class = (uint8_t)link->class,
	    .sender = link->peerd->self,
	    .receiver = link->peer->member.id,
	    .handshake = seal_random_u64(),
	};
	uint8_t bytes[ENVELOPE_HELLO_SIZE];
	memcpy(envelope.cluster, link->peerd->cluster.b, sizeof envelope.cluster);
	size_t head = envelope_put(bytes, &envelope);
	memcpy(link->greeted_key, peer_key(link->peer, link->hellos++), sizeof link->greeted_key);
	link->greeted = now;
	link->hello_next.ms = now.ms + link->hello_delay_ms;
	link->hello_delay_ms = link->hello_delay_ms * 2 > HELLO_LAST_MS ? HELLO_LAST_MS : link->hello_delay_ms * 2;
	link->pending_valid =
	    channel_hello(&link->pending, &names, &link->peerd->pair, link->greeted_key, bytes + head);
	link->handshake = envelope.handshake;
	if (link->pending_valid)
		link_notice(link, bytes, sizeof bytes);
}

void
link_greet(struct link *link)
{
	struct mono_ms now = mono_now();
	bool just_now = link->pending_valid && now.ms - link->greeted.ms < HELLO_FLOOR_MS;
	if (link->push == NULL || link->state == LINK_DOWN || just_now)
		return;
	link->hello_delay_ms = HELLO_FIRST_MS;
	link->hellos = 0;
	send_hello(link, now);
	peerd_hurry(link->peerd);
}

/* A peer that was away may know of older addresses only. */
static void
tell_members(struct link *link)
{
	struct wire_buf buf = {0};
	roster_tell(link->peerd, &buf);
	link_send(link, buf.bytes, buf.size);
	wire_buf_free(&buf);
}

bool
link_reply(struct link *link, uint64_t handshake, const uint8_t *message, uint64_t *start)
{
	struct channel_reply reply;
	if (!link->pending_valid || link->handshake != handshake ||
	    !channel_finish(&link->pending, message, &reply, &link->tx))
		return false;
	link->pending_valid = false;
	link->session = reply.session;
	memcpy(link->key, link->greeted_key, sizeof link->key);
	peer_showed(link->peer, link->key);
	link->opened = mono_now();
	link->fresh = true;
	link->unanswered_told = false;
	*start = reply.start;
	set_state(link, LINK_OPEN, "authenticated");
	if (link->class == WIRE_CONSENSUS)
		tell_members(link);
	return true;
}

void
link_hint(struct link *link, uint64_t session)
{
	if (link->state != LINK_OPEN || session != link->session)
		return;
	/* It may be forged: the queue is kept, and a session follows at once. */
	set_state(link, LINK_GREETING, "the peer no longer knows the session");
	forget_session(link);
	peer_lost(link->peer);
	link_greet(link);
}

/* ------- connection ------------------------------------------------------------- */

static void
count_dropped(struct link *link, size_t frames)
{
	link->dropped += frames;
	if (frames > 0)
		peer_lost(link->peer);
}

size_t
link_queue_size(const struct link *link)
{
	return queue_size(&link->quick) + queue_size(&link->queue);
}

static size_t
drop_all(struct link *link)
{
	return queue_clear(&link->quick) + queue_clear(&link->queue);
}

static void
on_opened(void *arg)
{
	struct link *link = arg;
	set_state(link, LINK_GREETING, "connected");
	link_greet(link);
}

static void
go_down(struct link *link, const char *why)
{
	bool was_open = link->state == LINK_OPEN;
	set_state(link, LINK_DOWN, why);
	forget_session(link);
	link->notices_count = 0;
	link->waiting = false;
	link->dialed = mono_now();
	link->overflow = false;
	count_dropped(link, drop_all(link));
	if (was_open)
		peer_lost(link->peer);
}

/* A connection that has ended leaves its push useless: the next one gets a new push. */
static void
on_lost(void *arg)
{
	struct link *link = arg;
	go_down(link, "the connection ended");
	push_free(link->push);
	link->push = NULL;
	link->again = true;
	link->retry_ms = RECONNECT_MS;
	peerd_hurry(link->peerd);
}

static void
on_ready(void *arg)
{
	struct link *link = arg;
	uint64_t took_ms = mono_now().ms - link->sent.ms;
	link->waiting = false;
	if (took_ms > BATCH_MS && link->batch > 0) {
		size_t less = link->batch * BATCH_MS / took_ms;
		link->batch_max = less > BATCH_LEAST ? less : BATCH_LEAST;
	}
	/* The end of the turn sends. */
}

static const struct push_calls calls = {on_opened, on_lost, on_ready};

void
link_use(struct link *link)
{
	char why[1024];
	struct mono_ms now = mono_now();
	bool just_tried = link->dialed.ms != 0 && now.ms - link->dialed.ms < link->retry_ms;
	if (link->push || just_tried || link->peer->member.address[0] == '\0')
		return;
	link->push =
	    push_new(link->peerd->loop, link->peerd->notes, link->peer->member.address, &calls, link, why);
	link->dialed = now;
	link->retry_ms = REDIAL_MS;
	if (link->push && link->class == WIRE_BULK)
		push_pace(link->push, bulk_rate(link->peerd->bulk));
	else if (link->push == NULL)
		log_warn("dial", "peer=%s why=%s", link->peer->member.id.s, log_q(why));
}

/* What was connected is connected again, also when there is nothing to send. */
static void
use_again(struct link *link)
{
	if (link->again)
		link_use(link);
}

void
link_close(struct link *link, const char *why)
{
	if (link->push == NULL)
		return;
	push_free(link->push);
	link->push = NULL;
	go_down(link, why);
	link->dialed.ms = 0;
}

void
link_free(struct link *link)
{
	push_free(link->push);
	forget_session(link);
	queue_free(&link->quick);
	queue_free(&link->queue);
}

void
link_hasten(struct link *link)
{
	struct mono_ms now = mono_now();
	use_again(link);
	if (link->push == NULL || link->state != LINK_DOWN || now.ms - link->dialed.ms < HASTEN_MS)
		return;
	link->dialed = now;
	push_redial(link->push);
}

void
link_give_up(struct link *link, const char *why)
{
	if (link->push == NULL || link->state == LINK_DOWN)
		return;
	push_hang_up(link->push);
	go_down(link, why);
}

void
link_check_key(struct link *link)
{
	bool greeted = link->pending_valid && !peer_has_key(link->peer, link->greeted_key);
	bool open = link->state == LINK_OPEN && !peer_has_key(link->peer, link->key);
	if (greeted || open)
		link_give_up(link, "the peer no longer has that key");
}

/* ------- frames ------------------------------------------------------------------- */

/* No session: what has waited for long is dropped for what is new. */
static uint64_t
waiting_limit(struct link *link)
{
	struct mono_ms now = mono_now();
	if (link_queue_size(link) == 0)
		link->queued = now;
	if (now.ms - link->queued.ms > WAITING_MS || link_queue_size(link) > WAITING_BYTES_MAX / 2) {
		count_dropped(link, drop_all(link));
		link->queued = now;
	}
	/* One frame of any size, or several small ones. */
	return link_queue_size(link) == 0 ? PEER_FRAME_MAX : WAITING_BYTES_MAX;
}

/* What says nothing of the frames before it: elections and the peer's acknowledgements live on it. */
static bool
is_quick(const uint8_t *frame)
{
	switch (wire_get_u16(frame + 4)) {
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
link_send(struct link *link, const uint8_t *frame, size_t size)
{
	link_use(link);
	uint64_t limit = link->state == LINK_OPEN ? link->peerd->conf->peerd.queue : waiting_limit(link);
	bool first = !link->overflow;
	if (queue_put(is_quick(frame) ? &link->quick : &link->queue, frame, size, limit))
		return;
	link->dropped++;
	link->overflow = true;
	/* An append that is dropped while many are is no news; a proposal waits for an answer. */
	if (first || wire_get_u16(frame + 4) != MSG_RAFT_APPEND)
		peer_lost(link->peer);
	if (first && link->state == LINK_OPEN)
		log_warn("queue", "peer=%s class=%s bytes=%zu why=%s", link->peer->member.id.s, class_name(link->class),
		    link_queue_size(link), log_q("the peer takes less than is sent: newest appends are dropped"));
}

static bool
send_bytes(struct link *link, size_t size)
{
	if (!push_send(link->push))
		return false;
	link->sent_bytes += size;
	link->peer->sent = mono_now();
	return true;
}

static void
send_notice(struct link *link)
{
	struct link_notice *notice = &link->notices[0];
	memcpy(push_message(link->push, notice->size), notice->bytes, notice->size);
	send_bytes(link, notice->size);
	link->notices_count--;
	memmove(link->notices, link->notices + 1, link->notices_count * sizeof *notice);
}

/* The start number goes first in a new session, even alone: it tells the peer that the session is real. */
static size_t
put_start(struct link *link, uint8_t *out)
{
	struct wire_buf buf = {0};
	struct msg_peer_start start = {.start = link->peerd->start};
	msg_peer_start_put(&buf, &start);
	memcpy(out, buf.bytes, buf.size);
	size_t size = buf.size;
	wire_buf_free(&buf);
	return size;
}

enum { START_FRAME_SIZE = FRAME_HEADER_SIZE + 8 };

/* What has to be paid for goes frame by frame. */
static size_t
batch_limit(const struct link *link)
{
	bool limited = link->class == WIRE_BULK && bulk_rate(link->peerd->bulk) > 0;
	return limited ? 1 : link->batch_max;
}

static void
send_frames(struct link *link)
{
	const uint8_t *quick, *frames = NULL;
	size_t quick_count, count = 0, size = 0;
	size_t batch_max = batch_limit(link);
	size_t quick_size = queue_peek(&link->quick, batch_max, &quick, &quick_count);
	if (quick_size < batch_max)
		size = queue_peek(&link->queue, batch_max - quick_size, &frames, &count);
	if (quick_size > 0 && quick_size + size > PEER_FRAME_MAX)
		size = count = 0;
	size_t plain = quick_size + size + (link->fresh ? START_FRAME_SIZE : 0);
	size_t whole = ENVELOPE_HEAD_SIZE + plain + CHANNEL_TAG_SIZE;
	struct envelope envelope = {
	    .kind = ENVELOPE_TRANSPORT,
	    .class = (uint8_t)link->class,
	    .sender = link->peerd->self,
	    .session = link->session,
	    .counter = channel_counter(&link->tx),
	};
	uint8_t *bytes = push_message(link->push, whole);
	uint8_t *at = bytes + envelope_put(bytes, &envelope);
	must(at == bytes + ENVELOPE_HEAD_SIZE);
	if (link->fresh)
		at += put_start(link, at);
	if (quick_size > 0)
		memcpy(at, quick, quick_size);
	if (size > 0)
		memcpy(at + quick_size, frames, size);
	channel_seal(&link->tx, bytes, ENVELOPE_HEAD_SIZE, bytes + ENVELOPE_HEAD_SIZE, plain);
	link->fresh = false;
	bool sent = send_bytes(link, whole);
	if (link->class == WIRE_BULK)
		bulk_sent(link->peerd->bulk, whole);
	queue_drop(&link->quick, quick_size, quick_count);
	queue_drop(&link->queue, size, count);
	if (!sent)
		count_dropped(link, quick_count + count);
	link->batch = whole;
	link->sent = mono_now();
	if (link_queue_size(link) < link->peerd->conf->peerd.queue / 2)
		link->overflow = false;
}

static bool
has_frames(const struct link *link)
{
	return link->state == LINK_OPEN && (link->fresh || link_queue_size(link) > 0);
}

bool
link_idle(const struct link *link)
{
	return link->push == NULL || link->state != LINK_OPEN || (!has_frames(link) && push_ready(link->push));
}

/* The last message went at once, and was a large one: the next may be larger. */
static void
batch_grow(struct link *link)
{
	if (link->batch < link->batch_max / 2 || mono_now().ms - link->sent.ms > BATCH_MS / 2)
		return;
	link->batch = 0;
	link->batch_max = link->batch_max * 2 > PEER_BATCH_MAX ? PEER_BATCH_MAX : link->batch_max * 2;
}

void
link_flush(struct link *link)
{
	if (link->push == NULL || link->state == LINK_DOWN || link->waiting)
		return;
	while (link->notices_count > 0 || has_frames(link)) {
		if (!push_ready(link->push)) {
			link->waiting = true;
			push_wait(link->push);
			return;
		}
		batch_grow(link);
		if (link->notices_count > 0)
			send_notice(link);
		else if (link->class == WIRE_BULK && !bulk_may(link->peerd->bulk))
			return;
		else
			send_frames(link);
	}
}

/* ------- time --------------------------------------------------------------------- */

static void
tick_session(struct link *link, struct mono_ms now)
{
	bool old = now.ms - link->opened.ms > link->peerd->renew_ms || channel_counter(&link->tx) > link->peerd->renew;
	if (old && !link->pending_valid) {
		link->hello_delay_ms = HELLO_FIRST_MS;
		link->hellos = 0;
		send_hello(link, now);
	} else if (link->pending_valid && now.ms >= link->hello_next.ms) {
		send_hello(link, now);
	}
}

static void
tick_greeting(struct link *link, struct mono_ms now)
{
	if (now.ms >= link->hello_next.ms)
		send_hello(link, now);
	if (!link->unanswered_told && now.ms - link->since.ms > UNANSWERED_MS) {
		link->unanswered_told = true;
		log_warn("unanswered", "peer=%s address=%s why=%s", link->peer->member.id.s,
		    log_q(link->peer->member.address),
		    log_q("somebody is there who does not answer the handshake: another cluster, node or key, "
			  "or its raft-elect is not up, or it cannot reach our address; its log may say which"));
	}
	/* The usual tick is fine enough for what is tried rarely. */
	if (link->hello_delay_ms <= HELLO_HURRY_MS)
		peerd_hurry(link->peerd);
}

void
link_tick(struct link *link, struct mono_ms now)
{
	use_again(link);
	if (link->push == NULL)
		return;
	switch (link->state) {
	case LINK_DOWN:
		if (now.ms - link->dialed.ms >= REDIAL_MS) {
			link->dialed = now;
			push_redial(link->push);
		}
		break;
	case LINK_GREETING:
		tick_greeting(link, now);
		break;
	case LINK_OPEN:
		tick_session(link, now);
		break;
	}
	if (link->state != LINK_OPEN && link_queue_size(link) > 0 && now.ms - link->queued.ms > WAITING_MS)
		count_dropped(link, drop_all(link));
}
