/* SPDX-License-Identifier: ISC */
/* Records, both ways. */
#include "connection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "handshake.h"
#include "peer.h"
#include "peers.h"
#include "renewal.h"
#include "strangers.h"

enum {
	DIAL_MS = 2500,
	HANDSHAKE_MS = 5000,
	HANDSHAKE_ROOM = 256,
	/* Memory is used as far as bytes have come, or are sent. */
	IN_ROOM = 256 << 10,
	OUT_ROOM = 256 << 10,
	KEEP_ROOM = 1 << 20 /* a larger empty buffer gives its memory back */
};
_Static_assert(CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE <= (int)HANDSHAKE_ROOM, "a hello fits");
_Static_assert(CHANNEL_PREAMBLE_SIZE + CHANNEL_REPLY_SIZE <= (int)HANDSHAKE_ROOM, "a reply fits");
_Static_assert((int)CHANNEL_RECORD_MAX < (int)IN_ROOM, "a record fits");

/* ------- life -------------------------------------------------------------------- */

static void connection_on_received(size_t size, void *arg);

/* stream: it was accepted; NULL: it is dialled next. */
static struct connection *
connection_new(struct peerd *peerd, struct stream *stream)
{
	struct connection *c = calloc(1, sizeof *c);
	must(c != NULL);
	c->peerd = peerd;
	c->stream = stream;
	c->since = mono_now();
	c->in = malloc(HANDSHAKE_ROOM);
	c->out = malloc(HANDSHAKE_ROOM);
	must(c->in != NULL && c->out != NULL);
	c->next = peerd->connections;
	peerd->connections = c;
	stream_use(stream, connection_on_received, c);
	return c;
}

void
connection_close(struct connection *c)
{
	if (c->state == CONNECTION_ENDED)
		return;
	/* Waits for the thread that receives. */
	stream_free(c->stream);
	c->stream = NULL;
	c->state = CONNECTION_ENDED;
}

void
connections_sweep(struct peerd *peerd)
{
	for (struct connection **at = &peerd->connections, *c; (c = *at);) {
		if (c->state != CONNECTION_ENDED) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		wire_buf_free(&c->partial);
		free(c->in);
		free(c->out);
		seal_wipe(c, sizeof *c);
		free(c);
	}
}

/* It has ended, or is given up. */
void
connection_end(struct connection *c, const char *why)
{
	log_debug("connection", "peer=%s class=%d dialer=%d state=ended why=%s",
	    c->peer ? c->peer->member.id.s : "unknown", c->class, c->dialer, log_q(why));
	if (c->peer)
		route_ended(&c->peer->routes[c->class], c, why);
	connection_close(c);
}

void
connections_end(const struct peer *peer, bool all, const char *why)
{
	for (struct connection *c = peer->peerd->connections; c; c = c->next)
		if (c->peer == peer && c->state != CONNECTION_ENDED &&
		    (all || !peer_has_key(peer, c->key)))
			connection_end(c, why);
}

/* Counted, and said in one line now and then. */
void
connection_refused(struct connection *c, const char *why)
{
	char address[STREAM_ADDRESS_SIZE], fingerprint[FINGERPRINT_SIZE] = "none";
	struct peer *peer = c->peer ? c->peer : peers_find(c->peerd, &c->from);
	struct throttle *throttle = peer ? &peer->refused : &c->peerd->refused;
	uint64_t muted;
	c->peerd->refusals++;
	if (peer)
		peer->refusals++;
	if (!throttle_pass(throttle, mono_now(), &muted))
		return;
	stream_address(c->stream, address);
	if (peer)
		peerd_fingerprint(fingerprint, peer->member.key);
	log_warn("refused", "from=%s address=%s fingerprint=%s muted=%" PRIu64 " why=%s",
	    peer           ? peer->member.id.s
	    : c->from.s[0] ? c->from.s
			   : "unknown",
	    address, fingerprint, muted, log_q(why));
}

/* ------- sending -------------------------------------------------------------------- */

/* Before: nothing is being sent. */
static void
connection_flush(struct connection *c)
{
	if (c->out_at < c->out_size)
		c->out_at += stream_send(c->stream, c->out + c->out_at, c->out_size - c->out_at);
	if (c->out_at == c->out_size)
		c->out_at = c->out_size = 0;
}

/* What stream_send could not send at once. */
static void
connection_sent(struct connection *c)
{
	c->out_at += stream_sent(c->stream, c->out_size - c->out_at);
	connection_flush(c);
}

/* `size` bytes more are in `out`. */
static void
connection_append(struct connection *c, size_t size)
{
	bool idle = c->out_size == 0;
	c->out_size += size;
	if (idle)
		connection_flush(c);
}

void
connection_say(struct connection *c, const void *bytes, size_t size)
{
	memcpy(c->out + c->out_size, bytes, size);
	connection_append(c, size);
}

bool
connection_ready(const struct connection *c)
{
	return c->state == CONNECTION_OPEN && c->out_size == 0;
}

bool
connection_send(struct connection *c, enum record_kind kind, const void *bytes, size_t size)
{
	if (c->out_size + size + CHANNEL_RECORD_EXTRA > OUT_ROOM)
		return false;
	size = channel_seal(&c->channel.tx, (uint8_t)kind, bytes, size, c->out + c->out_size);
	c->peer->routes[c->class].sent_bytes += size;
	connection_append(c, size);
	return true;
}

/* ------- records that come ------------------------------------------------------------- */

/* Hands over the whole raft_* frames; returns the bytes that these are, or SIZE_MAX. */
static size_t
deliver_frames(struct connection *c, const uint8_t *bytes, size_t size)
{
	size_t at = 0;
	bool good = true;
	delivery_lock(c->peerd->delivery);
	while (good) {
		struct wire_frame frame;
		int got = frame_get(bytes + at, size - at, PEER_FRAME_MAX, &frame);
		if (got == 0)
			break;
		good = got == 1 && msg_is_raft(frame.number);
		if (!good)
			break;
		delivery_put(c->peerd->delivery, &c->peer->member.id, &frame);
		at += frame.whole.size;
	}
	delivery_unlock(c->peerd->delivery);
	return good ? at : SIZE_MAX;
}

static bool
take_stream(struct connection *c, const uint8_t *bytes, size_t size)
{
	bool whole = c->partial.size == 0;
	if (!whole) {
		wire_buf_put(&c->partial, bytes, size);
		bytes = c->partial.bytes;
		size = c->partial.size;
	}
	size_t done = deliver_frames(c, bytes, size);
	if (done == SIZE_MAX)
		return false;
	if (whole)
		wire_buf_put(&c->partial, bytes + done, size - done);
	else
		wire_buf_drop(&c->partial, done);
	if (c->partial.size == 0 && c->partial.room > KEEP_ROOM)
		wire_buf_free(&c->partial);
	return true;
}

/* A frame may end the connection. */
static bool
take_peerd(struct connection *c, const uint8_t *bytes, size_t size)
{
	struct wire_frame frame;
	for (size_t at = 0; at < size && c->state != CONNECTION_ENDED; at += frame.whole.size)
		if (frame_get(bytes + at, size - at, PEER_FRAME_MAX, &frame) != 1 ||
		    !peer_take(c->peer, &frame))
			return false;
	return true;
}

static bool
take_record(struct connection *c, uint8_t kind, const uint8_t *bytes, size_t size)
{
	switch (kind) {
	case RECORD_FRAMES:
		return deliver_frames(c, bytes, size) == size;
	case RECORD_STREAM:
		return take_stream(c, bytes, size);
	case RECORD_PEERD:
		return take_peerd(c, bytes, size);
	default:
		return renewal_take(c, kind, bytes, size);
	}
}

/* It is open: from the next record on, NNG's thread receives. */
bool
connection_open(struct connection *c)
{
	/* What was sent of the handshake has been answered, so it is no longer used. */
	c->out = realloc(c->out, OUT_ROOM);
	c->in = realloc(c->in, IN_ROOM);
	must(c->out != NULL && c->in != NULL);
	stream_limit(c->stream, c->class == WIRE_BULK ? c->peerd->conf->peerd.bulk_rate : 0);
	c->state = CONNECTION_OPEN;
	c->renewed = mono_now();
	atomic_store(&c->peer->heard_ms, c->renewed.ms);
	if (!route_connected(&c->peer->routes[c->class], c)) {
		connection_close(c);
		return false;
	}
	/* It shows the acceptor that the hello was no copy. */
	if (c->dialer)
		connection_send(c, RECORD_PEERD, NULL, 0);
	/* A peer that was away may know of older addresses only. */
	struct wire_buf members = {0};
	peers_tell(c->peerd, &members);
	connection_send(c, RECORD_PEERD, members.bytes, members.size);
	wire_buf_free(&members);
	return true;
}

/* The record at c->in + at. */
static void
take_one(struct connection *c, size_t at, size_t size)
{
	uint8_t kind = c->in[at];
	if (!channel_open(&c->channel.rx, c->in + at, size)) {
		c->wrong =
		    "a record was altered on its way, came again, or is not of this connection";
		return;
	}
	atomic_fetch_add(&c->peer->routes[c->class].received_bytes, size);
	atomic_fetch_add(&c->received_records, 1);
	atomic_store(&c->peer->heard_ms, mono_now().ms);
	/* The first record that is right shows that the hello was no copy.  c->in moves. */
	if (c->state != CONNECTION_OPEN && !connection_open(c))
		return;
	if (!take_record(c, kind, c->in + at + CHANNEL_HEAD_SIZE, size - CHANNEL_RECORD_EXTRA))
		c->wrong =
		    "it is authenticated and sends a malformed or unknown frame: another version?";
}

/* What is wrong with a record by its size; NULL: nothing. */
static const char *
why_impossible(const struct connection *c, size_t size)
{
	if (c->state == CONNECTION_PROVING && size != CHANNEL_RECORD_EXTRA)
		return "its first record is not an empty one";
	return size == 0 ? "a record of an impossible size" : NULL;
}

/*
 * Handles whole records, and leaves the rest for the next time.  False: `wrong` says why, the
 * connection has ended, or, on a thread of NNG's, the next record is for the loop.
 */
static bool
take_records(struct connection *c, bool in_loop)
{
	bool good = true;
	size_t at = 0;
	while (good && c->in_size - at >= CHANNEL_HEAD_SIZE) {
		uint8_t kind = c->in[at];
		size_t size = channel_record_size(c->in + at);
		c->wrong = why_impossible(c, size);
		if (!c->wrong && size > c->in_size - at)
			break;
		good = in_loop || kind == RECORD_FRAMES || kind == RECORD_STREAM;
		if (!c->wrong && good) {
			take_one(c, at, size);
			at += size;
		}
		good = good && !c->wrong && c->state != CONNECTION_ENDED;
	}
	memmove(c->in, c->in + at, c->in_size - at);
	c->in_size -= at;
	return good;
}

/* Sends what was handed over, and receives again, unless raft-elect has enough. */
void
connection_receive_records(struct connection *c)
{
	delivery_lock(c->peerd->delivery);
	c->paused = delivery_flush(c->peerd->delivery);
	bool paused = c->paused;
	delivery_unlock(c->peerd->delivery);
	if (!paused)
		connection_receive(c, IN_ROOM);
}

void
connection_receive(struct connection *c, size_t need)
{
	stream_receive(c->stream, c->in + c->in_size, need - c->in_size);
}

void
connections_resume(struct peerd *peerd)
{
	for (struct connection *c = peerd->connections; c; c = c->next) {
		delivery_lock(peerd->delivery);
		bool paused = c->paused;
		c->paused = false;
		delivery_unlock(peerd->delivery);
		if (paused && c->state != CONNECTION_ENDED)
			connection_receive(c, IN_ROOM);
	}
}

/* On a thread of NNG's. */
static void
connection_on_received(size_t size, void *arg)
{
	struct connection *c = arg;
	c->in_size += size;
	c->over = size == 0;
	if (!c->over && c->state == CONNECTION_OPEN && take_records(c, false)) {
		connection_receive_records(c);
		return;
	}
	delivery_lock(c->peerd->delivery);
	delivery_flush(c->peerd->delivery);
	delivery_unlock(c->peerd->delivery);
	stream_wake(c->stream, STREAM_RECEIVED);
}

/* ------- in the loop --------------------------------------------------------------------- */

static void
connection_received(struct connection *c)
{
	if (!c->wrong && !c->over && c->state == CONNECTION_GREETING) {
		handshake_take(c);
		return;
	}
	if (!c->wrong && !c->over)
		take_records(c, true);
	if (c->wrong) {
		connection_refused(c, c->wrong);
		connection_end(c, c->wrong);
	} else if (c->over) {
		connection_end(
		    c, c->in_size >= CHANNEL_PREAMBLE_SIZE && c->state == CONNECTION_GREETING
			   ? "it closed the connection without a reply, as an older raft-peerd does"
			   : stream_why(c->stream));
	} else if (c->state == CONNECTION_OPEN) {
		connection_receive_records(c);
	} else if (c->state == CONNECTION_PROVING) {
		connection_receive(c, CHANNEL_RECORD_EXTRA);
	}
}

void
connections_woken(void *arg)
{
	struct peerd *peerd = arg;
	for (struct connection *c = peerd->connections; c; c = c->next) {
		unsigned events = c->state == CONNECTION_ENDED ? 0 : stream_events(c->stream);
		if ((events & STREAM_LATER) && c->state == CONNECTION_DIALING)
			handshake_dialed(c);
		else if (events & STREAM_LATER)
			connection_sent(c);
		if ((events & STREAM_RECEIVED) && c->state != CONNECTION_ENDED)
			connection_received(c);
	}
}

struct connection *
connection_dial(struct peer *peer, enum wire_class class, const uint8_t key[SEAL_KEY_SIZE],
    const char *url, char *why)
{
	struct stream *stream = stream_dial(peer->peerd->streams, url, why);
	if (stream == NULL)
		return NULL;
	struct connection *c = connection_new(peer->peerd, stream);
	c->peer = peer;
	c->class = class;
	c->dialer = true;
	memcpy(c->key, key, sizeof c->key);
	return c;
}

void
connection_accepted(struct stream *stream, void *arg)
{
	struct peerd *peerd = arg;
	if (!strangers_admit(peerd, stream)) {
		stream_free(stream);
		return;
	}
	struct connection *c = connection_new(peerd, stream);
	c->host = stream_host(stream);
	c->state = CONNECTION_GREETING;
	connection_say(c, channel_preamble_acceptor, CHANNEL_PREAMBLE_SIZE);
	connection_receive(c, CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE);
}

void
connections_tick(struct peerd *peerd, struct mono_ms now)
{
	for (struct connection *c = peerd->connections; c; c = c->next) {
		uint64_t age_ms = now.ms - c->since.ms;
		if (c->state == CONNECTION_OPEN)
			renewal_tick(c, now);
		else if (c->state == CONNECTION_DIALING && age_ms > DIAL_MS)
			connection_end(c, "no answer to the attempt to connect");
		else if ((c->state == CONNECTION_GREETING || c->state == CONNECTION_PROVING) &&
			 age_ms > HANDSHAKE_MS)
			connection_end(c, "the handshake was not finished in time");
	}
}
