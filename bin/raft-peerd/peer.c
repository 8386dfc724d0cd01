/* SPDX-License-Identifier: ISC */
/* What is known of one peer, and whether it is there. */
#include "peer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "peers.h"

enum {
	/* A ping goes out when nothing was heard for this long, */
	PING_SILENT_MS = 1000,
	/* and in any case this often, for the round trip in the status. */
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
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_free(&peer->routes[c]);
	connections_end(peer, true, "no longer a member");
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
	connections_end(peer, false, "the peer no longer has that key");
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

/* ------- whether it is there ---------------------------------------------------------- */

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

/* The peer may have vanished without a word: then only silence tells. */
static void
tick_ping(struct peer *peer, struct mono_ms now)
{
	uint64_t heard_ms = atomic_load(&peer->heard_ms), pinged_ms = peer->pinged.ms;
	if (now.ms - pinged_ms < PING_DEAD_MS)
		return;
	if (peer->ping != 0 && heard_ms <= pinged_ms) {
		peer->ping = 0;
		for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
			route_close(&peer->routes[c], "the peer is silent");
	} else if (now.ms - heard_ms >= PING_SILENT_MS || now.ms - pinged_ms >= PING_EVERY_MS) {
		send_ping(peer, now);
	}
}

void
peer_tick(struct peer *peer, struct mono_ms now, bool blind)
{
	bool open = peer->routes[WIRE_CONSENSUS].open != NULL;
	/* Another ping is waited for, and shows the peer that this node is there. */
	if (open && blind)
		send_ping(peer, now);
	else if (open)
		tick_ping(peer, now);
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_tick(&peer->routes[c], now);
}
