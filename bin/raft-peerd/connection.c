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
	IN_ROOM = 16 << 10,
	IN_ROOM_MAX = 256 << 10,
	KEEP_ROOM = 1 << 20 /* a larger empty buffer gives its memory back */
};
_Static_assert(CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE <= (int)HANDSHAKE_ROOM, "a hello fits");
_Static_assert((int)CHANNEL_RECORD_MAX < (int)IN_ROOM_MAX, "a record fits");

/* ------- life -------------------------------------------------------------------- */

static struct connection *
connection_new(struct peerd *peerd)
{
	struct connection *c = calloc(1, sizeof *c);
	must(c != NULL);
	c->peerd = peerd;
	c->since = mono_now();
	c->in_room = HANDSHAKE_ROOM;
	c->in = malloc(c->in_room);
	c->out = malloc(HANDSHAKE_ROOM);
	must(c->in != NULL && c->out != NULL);
	c->next = peerd->connections;
	peerd->connections = c;
	return c;
}

void
connection_kill(struct connection *c)
{
	delivery_lock(c->peerd->delivery);
	c->dead = true;
	delivery_unlock(c->peerd->delivery);
}

void
connection_free(struct connection *c)
{
	if (c->busy) {
		c->doomed = true;
		connection_kill(c);
		return;
	}
	for (struct connection **at = &c->peerd->connections; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	stream_free(c->stream);
	wire_buf_free(&c->partial);
	free(c->in);
	free(c->out);
	seal_wipe(c, sizeof *c);
	free(c);
}

/* It has ended, or is given up. */
void
connection_end(struct connection *c, const char *why)
{
	log_debug("connection", "peer=%s class=%d dialer=%d state=ended why=%s",
	    c->peer ? c->peer->member.id.s : "unknown", c->class, c->dialer, log_q(why));
	if (c->peer)
		peer_ended(c->peer, c, why);
	connection_free(c);
}

void
connections_drop_unproven(const struct peer *peer, bool all)
{
	for (struct connection *c = peer->peerd->connections, *next; c; c = next) {
		next = c->next;
		if (c->peer == peer && c->state == CONNECTION_PROVING &&
		    (all || !peer_has_key(peer, c->key)))
			connection_free(c);
	}
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

static void
connection_seal(struct connection *c, enum record_kind kind, const void *bytes, size_t size)
{
	must(c->out_size == 0);
	c->out_size = channel_seal(&c->channel.tx, (uint8_t)kind, bytes, size, c->out);
	c->sent_bytes += c->out_size;
}

/* The step of a renewal that is due.  Both that end a key are the last record under it. */
static void
connection_put_step(struct connection *c)
{
	if (c->step == 0 || c->out_size > 0)
		return;
	connection_seal(c, c->step, c->step_bytes, c->step_size);
	if (c->step != RECORD_RENEW)
		c->channel.tx = c->fresh.tx;
	if (c->step == RECORD_SWITCH)
		renewal_ended(c);
	c->step = 0;
}

/* The end of the connection is noticed by the receiving side. */
static void
connection_flush(struct connection *c)
{
	while (!c->out_pending && c->out_size > 0) {
		ssize_t sent = stream_send(c->stream, c->out + c->out_at, c->out_size - c->out_at);
		c->out_at = sent < 0 ? c->out_size : c->out_at + (size_t)sent;
		if (c->out_at < c->out_size) {
			c->out_pending = true;
			stream_send_rest(c->stream, c->out + c->out_at, c->out_size - c->out_at);
			return;
		}
		c->out_at = c->out_size = 0;
		connection_put_step(c);
	}
}

/* What stream_send_rest was given. */
static void
connection_sent(struct connection *c)
{
	ssize_t sent = c->out_pending ? stream_sent(c->stream) : 0;
	if (sent == 0)
		return;
	c->out_pending = false;
	c->out_at = sent < 0 ? c->out_size : c->out_at + (size_t)sent;
	if (c->out_at == c->out_size) {
		c->out_at = c->out_size = 0;
		connection_put_step(c);
	}
	connection_flush(c);
}

/* One that takes nothing at its very beginning is given up when its time is over. */
void
connection_say(struct connection *c, const void *bytes, size_t size)
{
	if (c->out_pending)
		return;
	memcpy(c->out + c->out_size, bytes, size);
	c->out_size += size;
	connection_flush(c);
}

bool
connection_ready(const struct connection *c)
{
	return c->state == CONNECTION_OPEN && c->out_size == 0;
}

void
connection_send(struct connection *c, enum record_kind kind, const void *bytes, size_t size)
{
	connection_seal(c, kind, bytes, size);
	connection_flush(c);
}

void
connection_step(struct connection *c, enum record_kind kind, size_t size)
{
	c->step = kind;
	c->step_size = size;
	connection_put_step(c);
	connection_flush(c);
}

/* ------- records that come ------------------------------------------------------------- */

enum take {
	TAKE_MORE,  /* all whole records are handled */
	TAKE_LOOP,  /* the next one is for the loop */
	TAKE_WRONG, /* connection.wrong says why */
	TAKE_DOOMED /* the connection is not wanted any more */
};

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
		if (!c->dead)
			delivery_put(c->peerd->delivery, &c->peer->member.id, &frame);
		at += frame.whole.size;
	}
	delivery_unlock(c->peerd->delivery);
	return good ? at : SIZE_MAX;
}

static bool
take_stream(struct connection *c, const uint8_t *bytes, size_t size)
{
	if (c->partial.size == 0) {
		size_t done = deliver_frames(c, bytes, size);
		if (done == SIZE_MAX)
			return false;
		wire_buf_put(&c->partial, bytes + done, size - done);
		return true;
	}
	wire_buf_put(&c->partial, bytes, size);
	size_t done = deliver_frames(c, c->partial.bytes, c->partial.size);
	if (done == SIZE_MAX)
		return false;
	wire_buf_drop(&c->partial, done);
	if (c->partial.size == 0 && c->partial.room > KEEP_ROOM)
		wire_buf_free(&c->partial);
	return true;
}

static bool
take_peerd(struct connection *c, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		struct wire_frame frame;
		if (frame_get(bytes, size, PEER_FRAME_MAX, &frame) != 1 ||
		    !peer_take(c->peer, &frame))
			return false;
		if (c->doomed)
			return true;
		bytes += frame.whole.size;
		size -= frame.whole.size;
	}
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
	struct mono_ms now = mono_now();
	/* What was sent of the handshake has been answered, so it is no longer used. */
	c->out = realloc(c->out, CHANNEL_RECORD_MAX);
	must(c->out != NULL);
	stream_limit(c->stream, c->class == WIRE_BULK ? c->peerd->conf->peerd.bulk_rate : 0);
	c->state = CONNECTION_OPEN;
	c->opened = c->renewed = now;
	atomic_store(&c->heard_ms, now.ms);
	return peer_connected(c->peer, c);
}

static enum take
take_one(struct connection *c, uint8_t *record, size_t size, bool in_loop)
{
	uint8_t kind = record[0];
	if (!in_loop && kind != RECORD_FRAMES && kind != RECORD_STREAM)
		return TAKE_LOOP;
	if (!channel_open(&c->channel.rx, record, size)) {
		c->wrong =
		    "a record was altered on its way, came again, or is not of this connection";
		return TAKE_WRONG;
	}
	atomic_fetch_add(&c->received_bytes, size);
	atomic_fetch_add(&c->received_records, 1);
	atomic_store(&c->heard_ms, mono_now().ms);
	/* The first record that is right shows that the hello was no copy. */
	if (c->state != CONNECTION_OPEN && !connection_open(c))
		return TAKE_DOOMED;
	if (!take_record(c, kind, record + CHANNEL_HEAD_SIZE, size - CHANNEL_RECORD_EXTRA)) {
		c->wrong =
		    "it is authenticated and sends a malformed or unknown frame: another version?";
		return TAKE_WRONG;
	}
	return c->doomed ? TAKE_DOOMED : TAKE_MORE;
}

/* Makes room for the rest of a record, and more where much comes. */
static void
make_room(struct connection *c, bool filled)
{
	size_t room = c->in_room < IN_ROOM ? IN_ROOM : c->in_room;
	size_t record = c->in_size >= CHANNEL_HEAD_SIZE ? channel_record_size(c->in) : 0;
	if (filled || record > room)
		room = IN_ROOM_MAX;
	if (room == c->in_room)
		return;
	c->in = realloc(c->in, room);
	must(c->in != NULL);
	c->in_room = room;
}

/* What is wrong with a record by its size; NULL: nothing. */
static const char *
why_impossible(const struct connection *c, size_t size)
{
	if (c->state == CONNECTION_PROVING && size != CHANNEL_RECORD_EXTRA)
		return "its first record is not an empty one";
	return size == 0 ? "a record of an impossible size" : NULL;
}

/* Handles whole records, and leaves the rest for the next time. */
static enum take
take_records(struct connection *c, bool in_loop)
{
	enum take take = TAKE_MORE;
	bool filled = c->in_size == c->in_room;
	size_t at = 0;
	while (take == TAKE_MORE && c->in_size - at >= CHANNEL_HEAD_SIZE) {
		size_t size = channel_record_size(c->in + at);
		c->wrong = why_impossible(c, size);
		if (c->wrong)
			take = TAKE_WRONG;
		if (c->wrong || size > c->in_size - at)
			break;
		take = take_one(c, c->in + at, size, in_loop);
		if (take == TAKE_MORE)
			at += size;
	}
	memmove(c->in, c->in + at, c->in_size - at);
	c->in_size -= at;
	if (take == TAKE_MORE)
		make_room(c, filled);
	return take;
}

/* Sends what was handed over, and receives again, unless raft-elect has enough or another is in its
 * place. */
static void
receive_again(struct connection *c)
{
	delivery_lock(c->peerd->delivery);
	c->paused = delivery_flush(c->peerd->delivery);
	bool stop = c->paused || c->dead;
	delivery_unlock(c->peerd->delivery);
	if (!stop)
		stream_receive(c->stream, c->in + c->in_size, c->in_room - c->in_size);
}

void
connection_receive(struct connection *c, size_t need)
{
	stream_receive(c->stream, c->in + c->in_size, need - c->in_size);
}

void
connection_receive_records(struct connection *c)
{
	c->direct = true;
	make_room(c, false);
	receive_again(c);
}

void
connections_resume(struct peerd *peerd)
{
	for (struct connection *c = peerd->connections; c; c = c->next) {
		delivery_lock(peerd->delivery);
		bool paused = c->paused;
		c->paused = false;
		delivery_unlock(peerd->delivery);
		if (paused)
			stream_receive(c->stream, c->in + c->in_size, c->in_room - c->in_size);
	}
}

/* On a thread of NNG's. */
static void
connection_on_received(size_t size, void *arg)
{
	struct connection *c = arg;
	c->in_size += size;
	c->over = size == 0;
	if (!c->over && c->direct && take_records(c, false) == TAKE_MORE) {
		receive_again(c);
		return;
	}
	delivery_lock(c->peerd->delivery);
	delivery_flush(c->peerd->delivery);
	c->handed = true;
	delivery_unlock(c->peerd->delivery);
	stream_wake(c->stream);
}

/* ------- in the loop --------------------------------------------------------------------- */

static void
receive_records(struct connection *c)
{
	c->busy = true;
	enum take take = take_records(c, true);
	c->busy = false;
	if (take == TAKE_WRONG) {
		connection_refused(c, c->wrong);
		connection_end(c, c->wrong);
	} else if (take == TAKE_DOOMED) {
		connection_free(c);
	} else if (c->state == CONNECTION_OPEN) {
		connection_receive_records(c);
	} else {
		connection_receive(c, CHANNEL_RECORD_EXTRA);
	}
}

static void
connection_received(struct connection *c)
{
	if (c->wrong) {
		connection_refused(c, c->wrong);
		connection_end(c, c->wrong);
	} else if (c->over) {
		connection_end(
		    c, c->in_size >= CHANNEL_PREAMBLE_SIZE && c->state == CONNECTION_GREETING
			   ? "it closed the connection without a reply, as an older raft-peerd does"
			   : stream_why(c->stream));
	} else if (c->state != CONNECTION_GREETING) {
		receive_records(c);
	} else {
		handshake_take(c);
	}
}

static void
connection_on_woken(void *arg)
{
	struct connection *c = arg;
	if (c->state == CONNECTION_DIALING) {
		handshake_dialed(c);
		return;
	}
	connection_sent(c);
	delivery_lock(c->peerd->delivery);
	bool handed = c->handed;
	c->handed = false;
	delivery_unlock(c->peerd->delivery);
	if (handed)
		connection_received(c);
}

static const struct stream_calls calls = {connection_on_received, connection_on_woken};

struct connection *
connection_dial(struct peer *peer, enum wire_class class, const uint8_t key[SEAL_KEY_SIZE],
    const char *url, char *why)
{
	struct connection *c = connection_new(peer->peerd);
	c->peer = peer;
	c->class = class;
	c->dialer = true;
	memcpy(c->key, key, sizeof c->key);
	c->stream = stream_dial(peer->peerd->streams, url, &calls, c, why);
	if (c->stream)
		return c;
	connection_free(c);
	return NULL;
}

void
connection_accepted(struct stream *stream, void *arg)
{
	struct peerd *peerd = arg;
	if (!strangers_admit(peerd, stream)) {
		stream_free(stream);
		return;
	}
	struct connection *c = connection_new(peerd);
	c->stream = stream;
	c->host = stream_host(stream);
	c->state = CONNECTION_GREETING;
	stream_use(stream, &calls, c);
	connection_say(c, channel_preamble_acceptor, CHANNEL_PREAMBLE_SIZE);
	connection_receive(c, CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE);
}

void
connections_tick(struct peerd *peerd, struct mono_ms now)
{
	for (struct connection *c = peerd->connections, *next; c; c = next) {
		next = c->next;
		if (c->state == CONNECTION_OPEN)
			renewal_tick(c, now);
		else if (!c->waits && now.ms - c->since.ms >
					  (c->state == CONNECTION_DIALING ? DIAL_MS : HANDSHAKE_MS))
			connection_end(c, c->state == CONNECTION_DIALING
					      ? "no answer to the attempt to connect"
					      : "the handshake was not finished in time");
	}
}
