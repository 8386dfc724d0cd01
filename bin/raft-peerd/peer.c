/* SPDX-License-Identifier: ISC */
/* What is known of one peer, and whether it is there. */
#include "peer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "serve.h"

enum {
	/*
	 * A ping goes out when nothing was heard for so long, sooner when something was sent since.
	 */
	PING_IDLE_MS = 5000,
	PING_SENT_MS = 1000,
	/* And now and then in any case, for the round trip in the status. */
	PING_EVERY_MS = 15000,
	/* A ping without a pong, and nothing else heard: the connection is dead. */
	PING_DEAD_MS = 3000
};

static void
wipe_incoming(struct peer *peer)
{
	seal_wipe(peer->incoming, sizeof peer->incoming);
}

struct peer *
peer_new(struct peerd *peerd, const struct raft_member *member)
{
	struct peer *peer = calloc(1, sizeof *peer);
	must(peer != NULL);
	peer->peerd = peerd;
	peer->member = *member;
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_init(&peer->routes[c], peerd, peer, c);
	route_use(&peer->routes[WIRE_CONSENSUS]);
	return peer;
}

void
peer_free(struct peer *peer)
{
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_free(&peer->routes[c]);
	wipe_incoming(peer);
	free(peer);
}

void
peer_move(struct peer *peer, const char *address)
{
	log_info("address", "peer=%s from=%s to=%s", peer->member.id.s, log_q(peer->member.address),
	    log_q(address));
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_close(&peer->routes[c], "another address");
	snprintf(peer->member.address, sizeof peer->member.address, "%s", address);
	route_use(&peer->routes[WIRE_CONSENSUS]);
}

void
peer_lost(struct peer *peer)
{
	if (peer->lost_turn == peer->peerd->turn)
		return;
	peer->lost_turn = peer->peerd->turn;
	peerd_serve_lost(peer->peerd, &peer->member.id);
}

/* ------- keys -------------------------------------------------------------------- */

unsigned
peer_keys_count(const struct peer *peer)
{
	return raft_member_two_keys(&peer->member) ? 2 : 1;
}

const uint8_t *
peer_key(const struct peer *peer, unsigned number)
{
	bool next = peer_keys_count(peer) == 2 && peer->has_next != (number % 2 == 1);
	return next ? peer->member.key_next : peer->member.key;
}

void
peer_showed(struct peer *peer, const uint8_t key[SEAL_KEY_SIZE])
{
	peer->has_next =
	    peer_keys_count(peer) == 2 && memcmp(key, peer->member.key_next, SEAL_KEY_SIZE) == 0;
}

bool
peer_has_key(const struct peer *peer, const uint8_t key[SEAL_KEY_SIZE])
{
	for (unsigned i = 0; i < peer_keys_count(peer); i++)
		if (memcmp(peer_key(peer, i), key, SEAL_KEY_SIZE) == 0)
			return true;
	return false;
}

static void
check_incoming(const struct peer *peer, struct incoming *incoming)
{
	if (incoming->valid && !peer_has_key(peer, incoming->key))
		seal_wipe(incoming, sizeof *incoming);
}

static void
log_keys(const struct peer *peer)
{
	char first[FINGERPRINT_SIZE], second[FINGERPRINT_SIZE] = "none";
	peerd_fingerprint(first, peer->member.key);
	if (peer_keys_count(peer) == 2)
		peerd_fingerprint(second, peer->member.key_next);
	log_info("key", "peer=%s fingerprint=%s next=%s why=%s", peer->member.id.s, first, second,
	    log_q("the members list has other keys for it"));
}

void
peer_rekey(struct peer *peer, const struct raft_member *member)
{
	uint8_t shown[SEAL_KEY_SIZE];
	memcpy(shown, peer_key(peer, 0), sizeof shown);
	memcpy(peer->member.key, member->key, sizeof member->key);
	memcpy(peer->member.key_next, member->key_next, sizeof member->key_next);
	peer_showed(peer, shown);
	log_keys(peer);
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++) {
		check_incoming(peer, &peer->incoming[c].live);
		for (size_t i = 0; i < PEER_WAITING_MAX; i++)
			check_incoming(peer, &peer->incoming[c].waiting[i]);
		route_check_key(&peer->routes[c]);
	}
}

/* ------- start numbers --------------------------------------------------------- */

static bool
was_replaced(const struct peer *peer, uint64_t start)
{
	size_t count = peer->starts_count < PEER_STARTS_MAX ? peer->starts_count : PEER_STARTS_MAX;
	for (size_t i = 0; i < count; i++)
		if (peer->starts[i] == start)
			return true;
	return false;
}

void
peer_twins(struct peer *peer, const char *why)
{
	uint64_t muted;
	peer->refusals++;
	if (throttle_pass(&peer->twins, mono_now(), &muted))
		log_warn("twins", "peer=%s muted=%" PRIu64 " why=%s", peer->member.id.s, muted,
		    log_q(why));
}

static void
peer_replace(struct peer *peer)
{
	peer->starts[peer->starts_count++ % PEER_STARTS_MAX] = peer->start;
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		peer->incoming[c].live.valid = false;
	peer_lost(peer);
	log_info("restarted", "peer=%s", peer->member.id.s);
}

bool
peer_started(struct peer *peer, uint64_t start, struct mono_ms since)
{
	if (peer->start == start)
		return true;
	if (was_replaced(peer, start)) {
		if (since.ms <= peer->started.ms)
			return false;
		/*
		 * Only a process that is alive can begin a handshake after another took its place.
		 */
		peer_twins(peer, "a process came back after another with its key took its place: "
				 "two processes run with this node's key, a copied data directory "
				 "or secret; stop one of them now");
	}
	if (peer->start != 0)
		peer_replace(peer);
	peer->start = start;
	peer->started = mono_now();
	return true;
}

/* ------- sessions ----------------------------------------------------------------- */

struct incoming *
peer_waiting(struct peer *peer, enum wire_class class)
{
	size_t next = peer->incoming[class].next++ % PEER_WAITING_MAX;
	struct incoming *incoming = &peer->incoming[class].waiting[next];
	incoming->valid = false;
	return incoming;
}

struct incoming *
peer_incoming(struct peer *peer, enum wire_class class, uint64_t session)
{
	struct incoming *live = &peer->incoming[class].live;
	if (live->valid && live->session == session)
		return live;
	for (size_t i = 0; i < PEER_WAITING_MAX; i++) {
		struct incoming *waiting = &peer->incoming[class].waiting[i];
		if (waiting->valid && waiting->session == session)
			return waiting;
	}
	return NULL;
}

void
peer_promote(struct peer *peer, enum wire_class class, struct incoming *waiting)
{
	peer->incoming[class].live = *waiting;
	seal_wipe(waiting, sizeof *waiting);
}

/* ------- whether it is there ---------------------------------------------------------- */

void
peer_heard(struct peer *peer)
{
	peer->heard = mono_now();
}

/*
 * One process has one connection of a class at a time: it does not answer on the old one what was
 * asked after it began to call on a new one, however late all of that comes.
 */
static void
end_doubt(struct peer *peer, uint32_t pipe)
{
	char why[256];
	peer->doubt.ping = 0;
	if (pipe != peer->doubt.pipe)
		return;
	snprintf(why, sizeof why,
	    "another process, from %s, calls with its key: two processes run with this node's key, "
	    "a copied data directory or secret; stop one of them now",
	    peer->doubt.address);
	peer_twins(peer, why);
}

void
peer_pong(struct peer *peer, uint64_t number, uint32_t pipe)
{
	if (peer->doubt.ping != 0 && number == peer->doubt.ping)
		end_doubt(peer, pipe);
	if (peer->ping == 0 || number != peer->ping)
		return;
	peer->round_trip_us = uv_hrtime() / 1000 - peer->pinged_us;
	peer->ping = 0;
}

/* Its number. */
static uint64_t
put_ping(struct peer *peer)
{
	struct wire_buf buf = {0};
	struct msg_peer_ping ping = {.number = seal_random_u64()};
	msg_peer_ping_put(&buf, &ping);
	route_send_own(&peer->routes[WIRE_CONSENSUS], &buf);
	return ping.number;
}

void
peer_doubt(struct peer *peer, uint32_t pipe, const char *address)
{
	if (peer->doubt.ping != 0 && peer->doubt.pipe == pipe)
		return;
	peer->doubt.ping = put_ping(peer);
	peer->doubt.pipe = pipe;
	snprintf(peer->doubt.address, sizeof peer->doubt.address, "%s", address);
}

static void
send_ping(struct peer *peer, struct mono_ms now)
{
	peer->ping = put_ping(peer);
	peer->pinged = now;
	peer->pinged_us = uv_hrtime() / 1000;
}

static bool
ping_due(const struct peer *peer, struct mono_ms now)
{
	uint64_t silent_ms = now.ms - peer->heard.ms;
	return silent_ms >= PING_IDLE_MS ||
	       (silent_ms >= PING_SENT_MS && peer->sent.ms > peer->heard.ms) ||
	       now.ms - peer->pinged.ms >= PING_EVERY_MS;
}

/* The peer may have vanished without a word: then only silence tells. */
static void
tick_ping(struct peer *peer, struct mono_ms now)
{
	if (peer->ping == 0) {
		if (ping_due(peer, now))
			send_ping(peer, now);
	} else if (peer->heard.ms > peer->pinged.ms) {
		/* The pong was lost, the peer was not. */
		if (now.ms - peer->pinged.ms >= PING_DEAD_MS)
			peer->ping = 0;
	} else if (now.ms - peer->pinged.ms >= PING_DEAD_MS) {
		peer->ping = 0;
		for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
			route_give_up(&peer->routes[c], "the peer is silent");
	}
}

void
peer_excuse(struct peer *peer)
{
	peer->ping = 0;
}

void
peer_tick(struct peer *peer, struct mono_ms now)
{
	if (peer->routes[WIRE_CONSENSUS].state == ROUTE_OPEN)
		tick_ping(peer, now);
	else
		peer->ping = 0;
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_tick(&peer->routes[c], now);
}
