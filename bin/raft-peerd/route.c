/* SPDX-License-Identifier: ISC */
/* Dialling, queueing, sending. */
#include "route.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "peer.h"
#include "peers.h"
#include "rate.h"

enum {
	/* The pause after an attempt that failed is doubled from the first to the last. */
	RETRY_FIRST_MS = 50,
	RETRY_LAST_MS = 1000,
	/* Without a connection only what is new is worth keeping. */
	WAITING_BYTES_MAX = 256 << 10,
	WAITING_MS = 1000,
	/* So long after the peer has dialled this node, its address is tried. */
	PROBE_MS = 1000,
	/* For so long nothing is said of a peer that cannot be reached; then again when the reason
	   changes, or now and then. */
	QUIET_MS = 5000,
	REMIND_MS = 10 * 60 * 1000
};

static const char *class_name(enum wire_class class)
{
	return class == WIRE_BULK ? "bulk" : "consensus";
}

const char *
route_state_name(const struct route *route)
{
	if (route->open)
		return "open";
	return route->dial && route->dial->state == CONNECTION_GREETING ? "greeting" : "down";
}

static void
log_route(struct route *route, const char *state, const char *why)
{
	struct mono_ms now = mono_now();
	uint64_t muted;
	if (throttle_pass(&route->told, now, &muted))
		log_info("peer",
		    "id=%s class=%s state=%s after_ms=%" PRIu64 " muted=%" PRIu64 " why=%s",
		    route->peer->member.id.s, class_name(route->class), state,
		    now.ms - route->since.ms, muted, log_q(why));
}

void
route_init(struct route *route, struct peerd *peerd, struct peer *peer, enum wire_class class)
{
	*route = (struct route){.peerd = peerd,
	    .peer = peer,
	    .class = class,
	    .since = mono_now(),
	    .backoff = {.first_ms = RETRY_FIRST_MS, .last_ms = RETRY_LAST_MS}};
	queue_init(&route->peerd_frames);
	queue_init(&route->urgent);
	queue_init(&route->stream);
}

/* ------- dialling ------------------------------------------------------------------ */

static bool
route_is_dialling(const struct route *route)
{
	return route->dial || route->resolve;
}

/* All addresses have failed. */
static void
route_pause(struct route *route)
{
	/* Half of it is random, so that two that dial each other do not do so in step for ever. */
	uint64_t half_ms = backoff_wait(&route->backoff) / 2;
	route->retry.ms = mono_now().ms + half_ms + seal_random_u64() % (half_ms + 1);
	peerd_hurry(route->peerd);
}

/* An address has failed; the last of them has the last word. */
static void
route_failed(struct route *route, const char *why)
{
	snprintf(route->failure, sizeof route->failure, "%.500s", why);
}

/* All addresses have failed: the reason is logged when it is another one than before. */
static void
route_all_failed(struct route *route)
{
	if (strcmp(route->why, route->failure) != 0)
		log_info("dial", "peer=%s class=%s address=%s why=%s", route->peer->member.id.s,
		    class_name(route->class), log_q(route->peer->member.address),
		    log_q(route->failure));
	memcpy(route->why, route->failure, sizeof route->why);
	if (route->open == NULL)
		route_pause(route);
}

/* The next address, until an attempt begins or there is none left. */
static void
dial_next(struct route *route)
{
	const struct resolve_result *addresses = &route->addresses;
	char why[1024];
	while (route->address < addresses->count) {
		route->keys_left = peer_keys_count(route->peer) - 1;
		route->dial = connection_dial(route->peer, route->class,
		    peer_key(route->peer, route->key), addresses->urls[route->address++], why);
		if (route->dial) {
			route->dial->probe = route->open != NULL;
			return;
		}
		route_failed(route, why);
	}
	route_all_failed(route);
}

/* Of the peer's two keys it has the other one. */
static bool
dial_other_key(struct route *route)
{
	char why[1024];
	if (route->keys_left == 0)
		return false;
	route->keys_left--;
	route->key++;
	route->dial = connection_dial(route->peer, route->class, peer_key(route->peer, route->key),
	    route->addresses.urls[route->address - 1], why);
	return route->dial != NULL;
}

static void
route_on_resolved(const struct resolve_result *result, void *arg)
{
	struct route *route = arg;
	char why[ROUTE_WHY_SIZE];
	route->resolve = NULL;
	route->addresses = *result;
	route->address = 0;
	if (result->count == 0) {
		snprintf(why, sizeof why, "its name cannot be looked up: %s", result->why);
		route_failed(route, why);
	}
	dial_next(route);
}

static void
route_look_up(struct route *route)
{
	if (route_is_dialling(route) || route->peer->member.address[0] == '\0' ||
	    route->peerd->stopping)
		return;
	route->resolve = resolve_start(
	    route->peerd->loop, route->peer->member.address, route_on_resolved, route);
	if (route->resolve)
		return;
	route_failed(route, strerror(errno));
	route_all_failed(route);
}

void
route_use(struct route *route)
{
	if (route->open == NULL && mono_now().ms >= route->retry.ms)
		route_look_up(route);
}

/* The peer has dialled this node, so nothing has shown yet that it can be reached itself. */
static void
route_probe(struct route *route, struct mono_ms now)
{
	if (route->probed || route->open->dialer || route->class != WIRE_CONSENSUS ||
	    now.ms - route->since.ms < PROBE_MS)
		return;
	route->probed = true;
	route_look_up(route);
}

/* The look-up and the dial. */
static void
stop_dialling(struct route *route)
{
	resolve_cancel(route->resolve);
	route->resolve = NULL;
	if (route->dial)
		connection_free(route->dial);
	route->dial = NULL;
}

/* ------- connections ------------------------------------------------------------------ */

size_t
route_queue_size(const struct route *route)
{
	return queue_size(&route->peerd_frames) + queue_size(&route->urgent) +
	       queue_size(&route->stream);
}

static void
count_dropped(struct route *route, size_t frames)
{
	route->dropped += frames;
	if (frames > 0)
		peer_lost(route->peer);
}

static void
drop_all(struct route *route)
{
	queue_clear(&route->peerd_frames);
	count_dropped(route, queue_clear(&route->urgent) + queue_clear(&route->stream));
	route->overflow = false;
}

/* Who dialled it. */
static const struct raft_id *
dialer_of(const struct route *route, const struct connection *c)
{
	return c->dialer ? &route->peerd->self : &route->peer->member.id;
}

/*
 * Both sides know the same of the two, and come to the same answer: a dialer says which connection
 * it had seen open before, so one that was made after the other is told from one that was made
 * beside it.
 */
static bool
takes_over(const struct route *route, const struct connection *c, const struct connection *open)
{
	if (c->start != open->start || c->dialer == open->dialer || c->offer.seen == open->offer.id)
		return true;
	if (open->offer.seen == c->offer.id)
		return false;
	return strcmp(dialer_of(route, c)->s, dialer_of(route, open)->s) < 0;
}

/* What was sent on it may be lost.  It takes no more, and nothing of it goes to raft-elect from
 * here on. */
static void
leave_open(struct route *route)
{
	struct connection *c = route->open;
	route->open = NULL;
	route->sent_bytes += c->sent_bytes;
	route->received_bytes += atomic_load(&c->received_bytes);
	route->since = mono_now();
	peer_note_heard(route->peer, c);
	connection_kill(c);
	peer_lost(route->peer);
	drop_all(route);
}

/* A peer that was away may know of older addresses only. */
static void
tell_members(struct route *route)
{
	struct wire_buf buf = {0};
	peers_tell(route->peerd, &buf);
	route_send_peerd(route, &buf);
}

bool
route_connected(struct route *route, struct connection *c)
{
	struct connection *open = route->open;
	if (c == route->dial)
		route->dial = NULL;
	if (open && !takes_over(route, c, open))
		return false;
	if (open) {
		leave_open(route);
		connection_free(open);
	}
	/* Nobody needs two. */
	stop_dialling(route);
	log_route(route, "connected", "authenticated");
	route->open = c;
	route->seen = c->offer.id;
	route->since = c->opened;
	route->again = true;
	route->probed = false;
	backoff_reset(&route->backoff);
	route->why[0] = route->warned_why[0] = '\0';
	tell_members(route);
	return true;
}

void
route_ended(struct route *route, struct connection *c, const char *why)
{
	if (c == route->open) {
		log_route(route, "lost", why);
		leave_open(route);
		snprintf(route->why, sizeof route->why, "%.500s", why);
		route_pause(route);
	} else if (c == route->dial) {
		bool other_key = c->refused == CHANNEL_REASON_KEY;
		route->dial = NULL;
		if (c->probe && c->state == CONNECTION_GREETING) {
			route->why[0] = '\0';
			return;
		}
		route_failed(route, why);
		if (!(other_key && dial_other_key(route)))
			dial_next(route);
	}
}

void
route_close(struct route *route, const char *why)
{
	struct connection *open = route->open;
	stop_dialling(route);
	if (open) {
		log_route(route, "lost", why);
		leave_open(route);
		connection_free(open);
	}
	drop_all(route);
	route->retry.ms = 0;
	backoff_reset(&route->backoff);
}

void
route_free(struct route *route)
{
	struct connection *open = route->open;
	stop_dialling(route);
	route->open = NULL;
	if (open)
		connection_free(open);
	queue_free(&route->peerd_frames);
	queue_free(&route->urgent);
	queue_free(&route->stream);
}

void
route_check_key(struct route *route)
{
	bool open = route->open && !peer_has_key(route->peer, route->open->key);
	bool dial = route->dial && !peer_has_key(route->peer, route->dial->key);
	if (open || dial)
		route_close(route, "the peer no longer has that key");
	if (open || dial)
		route_use(route);
}

/* ------- frames ------------------------------------------------------------------------- */

/* No connection: what has waited for long is dropped for what is new. */
static uint64_t
waiting_limit(struct route *route)
{
	struct mono_ms now = mono_now();
	if (route_queue_size(route) == 0)
		route->queued = now;
	if (now.ms - route->queued.ms > WAITING_MS ||
	    route_queue_size(route) > WAITING_BYTES_MAX / 2) {
		drop_all(route);
		route->queued = now;
	}
	/* One frame of any size, or several small ones. */
	return route_queue_size(route) == 0 ? PEER_FRAME_MAX : WAITING_BYTES_MAX;
}

/* What says nothing of the frames before it: elections and the peer's acknowledgements live on it.
 */
static bool
is_urgent(const struct wire_frame *frame)
{
	switch (frame->number) {
	case MSG_RAFT_VOTE:
	case MSG_RAFT_VOTE_REPLY:
	case MSG_RAFT_APPEND_REPLY:
		return frame->whole.size <= CHANNEL_PLAIN_MAX;
	default:
		return false;
	}
}

void
route_send(struct route *route, const struct wire_frame *frame)
{
	route_use(route);
	uint64_t limit = route->open ? route->peerd->conf->peerd.queue : waiting_limit(route);
	bool first = !route->overflow;
	if (queue_put(is_urgent(frame) ? &route->urgent : &route->stream, frame, limit))
		return;
	route->dropped++;
	route->overflow = true;
	/* An append that is dropped while many are is no news; a proposal waits for an answer. */
	if (first || frame->number != MSG_RAFT_APPEND)
		peer_lost(route->peer);
	if (first && route->open)
		log_warn("queue", "peer=%s class=%s bytes=%zu why=%s", route->peer->member.id.s,
		    class_name(route->class), route_queue_size(route),
		    log_q("the peer takes less than is sent: newest appends are dropped"));
}

void
route_send_peerd(struct route *route, struct wire_buf *buf)
{
	struct wire_frame frame;
	bool whole =
	    frame_whole((struct wire_bytes){buf->bytes, buf->size}, CHANNEL_PLAIN_MAX, &frame);
	must(whole);
	if (route->open)
		queue_put(&route->peerd_frames, &frame, UINT64_MAX / 2);
	wire_buf_free(buf);
}

/* Whole frames in one record. */
static void
send_frames(struct route *route, enum record_kind kind, struct queue *queue)
{
	const uint8_t *bytes;
	size_t size = queue_peek_frames(queue, CHANNEL_PLAIN_MAX, &bytes);
	connection_send(route->open, kind, bytes, size);
	queue_drop(queue, size);
	route->peer->sent = mono_now();
}

static bool
send_stream(struct route *route)
{
	const uint8_t *bytes;
	bool limited = route->class == WIRE_BULK;
	if (limited && !rate_may_send(route->peerd->rate))
		return false;
	size_t size = queue_peek(&route->stream, CHANNEL_PLAIN_MAX, &bytes);
	connection_send(route->open, RECORD_STREAM, bytes, size);
	queue_drop(&route->stream, size);
	route->peer->sent = mono_now();
	if (limited)
		rate_sent(route->peerd->rate, size);
	return true;
}

void
route_flush(struct route *route)
{
	if (route->open == NULL)
		return;
	while (connection_ready(route->open)) {
		if (queue_size(&route->peerd_frames) > 0)
			send_frames(route, RECORD_PEERD, &route->peerd_frames);
		else if (queue_size(&route->urgent) > 0)
			send_frames(route, RECORD_FRAMES, &route->urgent);
		else if (queue_size(&route->stream) == 0 || !send_stream(route))
			break;
	}
	if (queue_size(&route->stream) < route->peerd->conf->peerd.queue / 2)
		route->overflow = false;
}

bool
route_idle(const struct route *route)
{
	return route->open == NULL ||
	       (connection_ready(route->open) && route_queue_size(route) == 0);
}

/* ------- time ------------------------------------------------------------------------------ */

/* A peer that cannot be reached, and why. */
static void
warn_unreachable(struct route *route, struct mono_ms now)
{
	bool quiet = now.ms - route->since.ms < QUIET_MS || route->why[0] == '\0';
	bool said =
	    strcmp(route->why, route->warned_why) == 0 && now.ms - route->warned.ms < REMIND_MS;
	if (quiet || said || route->class != WIRE_CONSENSUS)
		return;
	route->warned = now;
	memcpy(route->warned_why, route->why, sizeof route->why);
	log_warn("unreachable", "peer=%s address=%s down_ms=%" PRIu64 " why=%s",
	    route->peer->member.id.s, log_q(route->peer->member.address), now.ms - route->since.ms,
	    log_q(route->why));
}

void
route_tick(struct route *route, struct mono_ms now)
{
	if (route->open) {
		route_probe(route, now);
		return;
	}
	if (route->again || route->class == WIRE_CONSENSUS)
		route_use(route);
	if (!route_is_dialling(route))
		peerd_hurry(route->peerd);
	warn_unreachable(route, now);
	if (route_queue_size(route) > 0 && now.ms - route->queued.ms > WAITING_MS)
		drop_all(route);
}
