/* SPDX-License-Identifier: ISC */
/* What is known of one peer, and whether it is there. */
#include "peer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "peers.h"

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
	connections_drop_unproven(peer, true);
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_free(&peer->routes[c]);
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
	delivery_lost(peer->peerd->delivery, &peer->member.id);
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
	return number % peer_keys_count(peer) == 0 ? peer->member.key : peer->member.key_next;
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
	memcpy(peer->member.key, member->key, sizeof member->key);
	memcpy(peer->member.key_next, member->key_next, sizeof member->key_next);
	log_keys(peer);
	connections_drop_unproven(peer, false);
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_check_key(&peer->routes[c]);
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

static void
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
	log_info("restarted", "peer=%s", peer->member.id.s);
}

/*
 * The start number of its raft-peerd, on a connection that was begun at `since`.  False: of a
 * process that has been replaced since then.
 */
static bool
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

/* ------- connections -------------------------------------------------------------- */

bool
peer_connected(struct peer *peer, struct connection *c)
{
	bool wanted =
	    peer_started(peer, c->start, c->since) && route_connected(&peer->routes[c->class], c);
	if (!wanted && peer->routes[c->class].dial == c)
		peer->routes[c->class].dial = NULL;
	return wanted;
}

void
peer_ended(struct peer *peer, struct connection *c, const char *why)
{
	route_ended(&peer->routes[c->class], c, why);
}

/* ------- whether it is there ---------------------------------------------------------- */

void
peer_note_heard(struct peer *peer, const struct connection *c)
{
	uint64_t ms = atomic_load(&c->heard_ms);
	if (ms > peer->heard.ms)
		peer->heard.ms = ms;
}

struct mono_ms
peer_heard(const struct peer *peer)
{
	struct mono_ms heard = peer->heard;
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++) {
		const struct connection *open = peer->routes[c].open;
		uint64_t ms = open ? atomic_load(&open->heard_ms) : 0;
		if (ms > heard.ms)
			heard.ms = ms;
	}
	return heard;
}

static void
peer_pong(struct peer *peer, uint64_t number)
{
	if (peer->ping == 0 || number != peer->ping)
		return;
	peer->round_trip_us = uv_hrtime() / 1000 - peer->pinged_us;
	peer->ping = 0;
}

static void
send_pong(struct peer *peer, uint64_t number)
{
	struct wire_buf buf = {0};
	msg_peer_pong_put(&buf, &(struct msg_peer_pong){.number = number});
	route_send_peerd(&peer->routes[WIRE_CONSENSUS], &buf);
}

static void
send_ping(struct peer *peer, struct mono_ms now)
{
	struct wire_buf buf = {0};
	peer->ping = seal_random_u64();
	peer->pinged = now;
	peer->pinged_us = uv_hrtime() / 1000;
	msg_peer_ping_put(&buf, &(struct msg_peer_ping){.number = peer->ping});
	route_send_peerd(&peer->routes[WIRE_CONSENSUS], &buf);
}

bool
peer_take(struct peer *peer, const struct wire_frame *frame)
{
	struct msg_peer_ping ping;
	struct msg_peer_pong pong;
	struct msg_peer_members members;
	switch (frame->number) {
	case MSG_PEER_PING:
		if (!msg_peer_ping_get(&ping, frame->body, frame->size))
			return false;
		send_pong(peer, ping.number);
		return true;
	case MSG_PEER_PONG:
		if (!msg_peer_pong_get(&pong, frame->body, frame->size))
			return false;
		peer_pong(peer, pong.number);
		return true;
	case MSG_PEER_MEMBERS:
		return msg_peer_members_get(&members, frame->body, frame->size) &&
		       peers_learn(peer->peerd, &members);
	default:
		return false;
	}
}

static bool
ping_due(const struct peer *peer, struct mono_ms now)
{
	uint64_t heard_ms = peer_heard(peer).ms, silent_ms = now.ms - heard_ms;
	return silent_ms >= PING_IDLE_MS ||
	       (silent_ms >= PING_SENT_MS && peer->sent.ms > heard_ms) ||
	       now.ms - peer->pinged.ms >= PING_EVERY_MS;
}

/* The peer may have vanished without a word: then only silence tells. */
static void
tick_ping(struct peer *peer, struct mono_ms now)
{
	if (peer->ping == 0) {
		if (ping_due(peer, now))
			send_ping(peer, now);
	} else if (peer_heard(peer).ms > peer->pinged.ms) {
		/* The pong was lost, the peer was not. */
		if (now.ms - peer->pinged.ms >= PING_DEAD_MS)
			peer->ping = 0;
	} else if (now.ms - peer->pinged.ms >= PING_DEAD_MS) {
		peer->ping = 0;
		for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
			route_close(&peer->routes[c], "the peer is silent");
	}
}

void
peer_excuse(struct peer *peer)
{
	peer->ping = 0;
}

/* Nothing is received, since raft-elect does not read. */
static bool
peer_is_paused(struct peer *peer, const struct connection *open)
{
	delivery_lock(peer->peerd->delivery);
	bool paused = open->paused;
	delivery_unlock(peer->peerd->delivery);
	return paused;
}

void
peer_tick(struct peer *peer, struct mono_ms now)
{
	struct connection *open = peer->routes[WIRE_CONSENSUS].open;
	/* While nothing is received the peer cannot be judged, and is shown that this node is
	 * there. */
	if (open && peer_is_paused(peer, open))
		send_ping(peer, now);
	else if (open)
		tick_ping(peer, now);
	else
		peer->ping = 0;
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_tick(&peer->routes[c], now);
}
