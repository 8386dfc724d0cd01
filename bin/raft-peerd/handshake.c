/* SPDX-License-Identifier: ISC */
/* Who is there, and who calls: hello and reply. */
#include "handshake.h"

#include <stdio.h>
#include <string.h>

#include "peer.h"
#include "peers.h"

/* The first thing that the other end says.  False: it is no raft-peerd. */
static bool
check_preamble(const struct connection *c, const uint8_t preamble[CHANNEL_PREAMBLE_SIZE])
{
	size_t size = c->in_size < CHANNEL_PREAMBLE_SIZE ? c->in_size : CHANNEL_PREAMBLE_SIZE;
	return memcmp(c->in, preamble, size) == 0;
}

static void
send_hello(struct connection *c)
{
	uint8_t bytes[CHANNEL_HELLO_SIZE];
	struct channel_hello hello = {.low = CHANNEL_VERSION_LOW,
	    .high = CHANNEL_VERSION_HIGH,
	    .class = (uint8_t)c->class,
	    .from = c->peerd->self,
	    .to = c->peer->member.id};
	memcpy(hello.tag, c->peerd->cluster.b, sizeof hello.tag);
	channel_hello_put(bytes, &hello);
	c->offer = (struct channel_offer){.start = c->peerd->start,
	    .id = seal_random_u64(),
	    .seen = c->peer->routes[c->class].seen};
	if (!channel_dial(
		&c->noise, &c->peerd->cluster, &c->peerd->pair, c->key, &c->offer, bytes)) {
		connection_end(c, "the key that the members list has for it is no key");
		return;
	}
	connection_say(c, channel_preamble_dialer, CHANNEL_PREAMBLE_SIZE);
	connection_say(c, bytes, sizeof bytes);
	connection_receive(c, CHANNEL_PREAMBLE_SIZE + CHANNEL_REPLY_SIZE);
}

void
handshake_dialed(struct connection *c)
{
	bool dialed = stream_dialed(c->stream);
	if (dialed)
		c->state = CONNECTION_GREETING;
	if (!dialed || c->probe)
		connection_end(c, stream_why(c->stream));
	else
		send_hello(c);
}

static void
take_reply(struct connection *c)
{
	const uint8_t *reply = c->in + CHANNEL_PREAMBLE_SIZE;
	struct channel_answer answer;
	unsigned reason;
	if (!check_preamble(c, channel_preamble_acceptor)) {
		connection_end(c, "what answers at its address is no raft-peerd");
		return;
	}
	if (c->in_size < CHANNEL_PREAMBLE_SIZE + CHANNEL_REPLY_SIZE) {
		connection_receive(c, CHANNEL_PREAMBLE_SIZE + CHANNEL_REPLY_SIZE);
		return;
	}
	if (channel_refused(reply, &reason)) {
		c->refused = reason;
		connection_end(c, channel_reason_text(reason));
		return;
	}
	if (!channel_finish(&c->noise, reply, &c->channel, &answer)) {
		connection_end(c, "what answers at its address does not have its key");
		return;
	}
	c->start = answer.start;
	c->in_size = 0;
	if (connection_open(c))
		connection_receive_records(c);
}

/* Says why, and ends it. */
static void
connection_refuse(struct connection *c, enum channel_reason reason, const char *why)
{
	uint8_t reply[CHANNEL_REPLY_SIZE];
	channel_refusal_put(reply, reason);
	connection_say(c, reply, sizeof reply);
	connection_refused(c, why);
	connection_end(c, why);
}

static void
refuse_cluster(struct connection *c, const struct channel_hello *hello)
{
	char why[256], theirs[2 * CHANNEL_TAG_SIZE + 1], ours[2 * CHANNEL_TAG_SIZE + 1];
	seal_hex(theirs, hello->tag, CHANNEL_TAG_SIZE);
	seal_hex(ours, c->peerd->cluster.b, CHANNEL_TAG_SIZE);
	snprintf(why, sizeof why, "it is of another cluster: %s, and this is %s", theirs, ours);
	connection_refuse(c, CHANNEL_REASON_CLUSTER, why);
}

/* Whether the clear part of the hello is for this node, from a member. */
static bool
hello_fits(struct connection *c, const struct channel_hello *hello)
{
	struct peerd *peerd = c->peerd;
	char why[256];
	if (raft_id_equal(&hello->from, &peerd->self)) {
		connection_refuse(c, CHANNEL_REASON_SELF,
		    "it gives this node's own id: a connection to itself, or a second node of that "
		    "name");
	} else if (peers_find(peerd, &hello->from) == NULL) {
		connection_refuse(c, CHANNEL_REASON_MEMBER, "no member has that id");
	} else if (!raft_id_equal(&hello->to, &peerd->self)) {
		snprintf(why, sizeof why,
		    "it takes this node for %s: a wrong address in its members list", hello->to.s);
		connection_refuse(c, CHANNEL_REASON_RECEIVER, why);
	} else if (memcmp(hello->tag, peerd->cluster.b, CHANNEL_TAG_SIZE) != 0) {
		refuse_cluster(c, hello);
	} else {
		return true;
	}
	return false;
}

/* With whichever key the peer has.  False: with none of them, or not for ours. */
static bool
answer_hello(struct connection *c, struct peer *peer, const uint8_t *hello, uint8_t version)
{
	uint8_t reply[CHANNEL_REPLY_SIZE];
	struct channel_answer answer = {version, c->peerd->start};
	for (unsigned i = 0; i < peer_keys_count(peer); i++) {
		const uint8_t *key = peer_key(peer, i);
		if (!channel_accept(&c->channel, &c->peerd->cluster, &c->peerd->pair, key, hello,
			&c->offer, &answer, reply))
			continue;
		memcpy(c->key, key, sizeof c->key);
		connection_say(c, reply, sizeof reply);
		return true;
	}
	return false;
}

static void
take_hello(struct connection *c)
{
	const uint8_t *bytes = c->in + CHANNEL_PREAMBLE_SIZE;
	size_t need = CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE;
	struct channel_hello hello = {0};
	bool versioned = c->in_size > CHANNEL_PREAMBLE_SIZE + 8;
	if (!check_preamble(c, channel_preamble_dialer)) {
		connection_refuse(c, CHANNEL_REASON_NONE, channel_error_text(CHANNEL_FORM));
		return;
	}
	/* A hello of another version may be shorter. */
	if (c->in_size < need && !(versioned && bytes[8] != CHANNEL_HELLO_VERSION)) {
		connection_receive(c, need);
		return;
	}
	enum channel_error error = channel_hello_get(&hello, bytes);
	c->from = hello.from;
	if (error != CHANNEL_OK) {
		connection_refuse(c,
		    error == CHANNEL_VERSION ? CHANNEL_REASON_VERSION : CHANNEL_REASON_NONE,
		    channel_error_text(error));
		return;
	}
	/* Nobody can be told apart before raft-elect has said who is who. */
	c->state = c->peerd->have_cluster ? CONNECTION_GREETING : CONNECTION_WAITING;
	if (c->state == CONNECTION_WAITING || !hello_fits(c, &hello))
		return;
	struct peer *peer = peers_find(c->peerd, &hello.from);
	c->class = (enum wire_class)hello.class;
	uint8_t version = hello.high < CHANNEL_VERSION_HIGH ? hello.high : CHANNEL_VERSION_HIGH;
	if (!answer_hello(c, peer, bytes, version)) {
		connection_refuse(c, CHANNEL_REASON_KEY,
		    "its handshake is not made with the key that the members list has for it, or "
		    "not for ours");
		return;
	}
	c->peer = peer;
	c->start = c->offer.start;
	c->in_size = 0;
	c->state = CONNECTION_PROVING;
	connection_receive(c, CHANNEL_RECORD_EXTRA);
}

void
handshakes_members(struct peerd *peerd)
{
	for (struct connection *c = peerd->connections; c; c = c->next)
		if (c->state == CONNECTION_WAITING)
			take_hello(c);
}

void
handshake_take(struct connection *c)
{
	if (c->dialer)
		take_reply(c);
	else
		take_hello(c);
}
