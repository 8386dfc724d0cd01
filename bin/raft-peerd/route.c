/* SPDX-License-Identifier: ISC */
/* Dialling, queueing, sending. */
#include "route.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "local/changes.h"
#include "peer.h"
#include "rate.h"

enum {
	/* The pause after an attempt that failed is doubled from the first to the last. */
	RETRY_FIRST_MS = 50,
	RETRY_LAST_MS = 1000,
	/* Without a connection only what is new is worth keeping. */
	WAITING_BYTES_MAX = 128 << 10,
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
log_route(struct route *route, bool up, const char *why)
{
	struct mono_ms now = mono_now();
	uint64_t muted;
	if (throttle_pass(&route->told, now, &muted))
		log_info("peer",
		    "id=%s class=%s state=%s after_ms=%" PRIu64 " muted=%" PRIu64 " why=%s",
		    route->peer->member.id.s, class_name(route->class), up ? "connected" : "lost",
		    now.ms - route->since.ms, muted, log_q(why));
	if (route->class == WIRE_CONSENSUS)
		changes_put(route->peerd->server, "peer", route->peer->member.id.s, why, "state=%s",
		    up ? "up" : "down");
}

void
route_init(struct route *route, struct peerd *peerd, struct peer *peer, enum wire_class class)
{
	*route = (struct route){.peerd = peerd,
	    .peer = peer,
	    .class = class,
	    .since = mono_now(),
	    .backoff = {.first_ms = RETRY_FIRST_MS, .last_ms = RETRY_LAST_MS}};
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

/* All addresses have failed: the reason is logged when it is another one than before. */
static void
route_failed(struct route *route)
{
	if (strcmp(route->why, route->told_why) != 0) {
		log_info("dial", "peer=%s class=%s address=%s why=%s", route->peer->member.id.s,
		    class_name(route->class), log_q(route->peer->member.address),
		    log_q(route->why));
		memcpy(route->told_why, route->why, sizeof route->why);
		route->warned.ms = 0;
	}
	if (route->open == NULL)
		route_pause(route);
}

/* The next address and key, until an attempt begins or there is none left. */
static void
dial_next(struct route *route)
{
	const struct resolve_result *addresses = &route->addresses;
	unsigned keys = peer_keys_count(route->peer);
	while (route->dial == NULL && route->attempt < addresses->count * keys) {
		size_t n = route->attempt++;
		route->dial = connection_dial(route->peer, route->class,
		    peer_key(route->peer, route->key + (unsigned)n % keys),
		    addresses->urls[n / keys], route->why);
	}
	if (route->dial)
		route->dial->probe = route->open != NULL;
	else
		route_failed(route);
}

/* Only a peer that refused one of its keys is tried with the other. */
static void
dial_skip_keys(struct route *route)
{
	while (route->attempt % peer_keys_count(route->peer) != 0)
		route->attempt++;
}

static void
route_on_resolved(const struct resolve_result *result, void *arg)
{
	struct route *route = arg;
	route->resolve = NULL;
	route->addresses = *result;
	route->attempt = 0;
	if (result->count == 0)
		snprintf(
		    route->why, sizeof route->why, "its name cannot be looked up: %s", result->why);
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
	snprintf(route->why, sizeof route->why, "%s", strerror(errno));
	route_failed(route);
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
		connection_close(route->dial);
	route->dial = NULL;
}

/* ------- connections ------------------------------------------------------------------ */

size_t
route_queue_size(const struct route *route)
{
	return queue_size(&route->urgent) + queue_size(&route->stream);
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
	return strcmp(dialer_of(route, c)->s, dialer_of(route, open)->s) < 0;
}

/* Nothing more of it goes to raft-elect, which then reads that what was sent may be lost. */
static void
leave_open(struct route *route)
{
	struct connection *c = route->open;
	route->open = NULL;
	route->since = mono_now();
	connection_close(c);
	peer_lost(route->peer);
	drop_all(route);
}

bool
route_connected(struct route *route, struct connection *c)
{
	if (c == route->dial)
		route->dial = NULL;
	if (!peer_started(route->peer, c->start, c->since) ||
	    (route->open && !takes_over(route, c, route->open)))
		return false;
	if (route->open)
		leave_open(route);
	/* Nobody needs two. */
	stop_dialling(route);
	log_route(route, true, "authenticated");
	route->open = c;
	route->key = memcmp(c->key, route->peer->member.key, sizeof c->key) != 0;
	route->seen = c->offer.id;
	route->since = mono_now();
	route->probed = false;
	backoff_reset(&route->backoff);
	route->why[0] = route->told_why[0] = '\0';
	route->warned.ms = 0;
	return true;
}

void
route_ended(struct route *route, struct connection *c, const char *why)
{
	if (c == route->open) {
		log_route(route, false, why);
		snprintf(route->why, sizeof route->why, "%s", why);
		leave_open(route);
		route_pause(route);
	} else if (c == route->dial) {
		route->dial = NULL;
		bool reached = c->probe && c->state == CONNECTION_GREETING;
		snprintf(route->why, sizeof route->why, "%s", reached ? "" : why);
		if (c->refused != CHANNEL_REASON_KEY)
			dial_skip_keys(route);
		if (!reached)
			dial_next(route);
	}
}

void
route_close(struct route *route, const char *why)
{
	stop_dialling(route);
	if (route->open) {
		log_route(route, false, why);
		leave_open(route);
	}
	drop_all(route);
	route->retry.ms = 0;
	backoff_reset(&route->backoff);
}

void
route_free(struct route *route)
{
	route_close(route, "no longer a member");
	queue_free(&route->urgent);
	queue_free(&route->stream);
}

/* ------- frames ------------------------------------------------------------------------- */

/* No connection: what has waited for long, or is more than size_max, is dropped for what is new. */
static void
drop_old(struct route *route, struct mono_ms now, size_t size_max)
{
	if (now.ms - route->queued.ms > WAITING_MS || route_queue_size(route) > size_max)
		drop_all(route);
	if (route_queue_size(route) == 0)
		route->queued = now;
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
	if (route->open == NULL)
		drop_old(route, mono_now(), WAITING_BYTES_MAX);
	uint64_t limit = route->peerd->conf->peerd.queue;
	bool first = !route->overflow;
	if (queue_put(is_urgent(frame) ? &route->urgent : &route->stream, frame, limit))
		return;
	route->dropped++;
	route->overflow = true;
	/* An append that is dropped while many are is no news; a proposal waits for an answer. */
	if (first || !wire_append(frame->number))
		peer_lost(route->peer);
	if (first && route->open)
		log_warn("queue", "peer=%s class=%s bytes=%zu why=%s", route->peer->member.id.s,
		    class_name(route->class), route_queue_size(route),
		    log_q("the peer takes less than is sent: newest appends are dropped"));
}

void
route_send_peerd(struct route *route, struct wire_buf *frame)
{
	if (route->open)
		connection_send(route->open, RECORD_PEERD, frame->bytes, frame->size);
	wire_buf_free(frame);
}

/* Whole frames in one record. */
static void
send_urgent(struct route *route)
{
	const uint8_t *bytes;
	size_t size = queue_peek_frames(&route->urgent, CHANNEL_PLAIN_MAX, &bytes);
	connection_send(route->open, RECORD_FRAMES, bytes, size);
	queue_drop(&route->urgent, size);
}

static bool
send_stream(struct route *route)
{
	const uint8_t *bytes;
	size_t size = queue_peek(&route->stream, CHANNEL_PLAIN_MAX, &bytes);
	if (route->class == WIRE_BULK && !rate_take(route->peerd->rate, size))
		return false;
	connection_send(route->open, RECORD_STREAM, bytes, size);
	queue_drop(&route->stream, size);
	return true;
}

void
route_flush(struct route *route)
{
	if (route->open == NULL)
		return;
	while (connection_ready(route->open)) {
		if (queue_size(&route->urgent) > 0)
			send_urgent(route);
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
	bool told = route->warned.ms != 0 && now.ms - route->warned.ms < REMIND_MS;
	if (now.ms - route->since.ms < QUIET_MS || route->why[0] == '\0' || told ||
	    route->class != WIRE_CONSENSUS)
		return;
	route->warned = now;
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
	if (route->class == WIRE_CONSENSUS)
		route_use(route);
	if (!route_is_dialling(route))
		peerd_hurry(route->peerd);
	warn_unreachable(route, now);
	drop_old(route, now, SIZE_MAX);
}
