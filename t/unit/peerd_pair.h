/* SPDX-License-Identifier: ISC */
/*
 * Two raft-peerds in one process, all but NNG and the names: stream.h is played here, byte by byte
 * in the order that a test chooses.  What a thread of NNG's does at the same time as the loop is
 * done at the one moment at which it matters: inside stream_free.
 */
#ifndef UNIT_PEERD_PAIR_H
#define UNIT_PEERD_PAIR_H

#include "../../bin/raft-peerd/connection.h"
#include "../../bin/raft-peerd/delivery.h"
#include "../../bin/raft-peerd/peer.h"
#include "../../bin/raft-peerd/peers.h"
#include "../../bin/raft-peerd/rate.h"
#include "check.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
	QUEUE = 4 << 20,
	STREAMS_MAX = 80,
	ORDER = 8,
	STEPS_MAX = 10000,
	TURNS = 8,
	SEEDS = 64,
	MEMBER_HOST = 200
};

struct streams {
	unsigned node;
};

struct resolve {
	resolve_call *call; /* NULL: none is in progress */
	void *arg;
};

/* n1 and n2. */
static struct node {
	struct peerd peerd;
	struct streams streams;
	struct resolve resolves[WIRE_CLASSES_COUNT];
	int elector_end; /* what raft-elect reads */
} nodes[2];
static struct conf conf = {.peerd = {.queue = QUEUE}};

/* ------- stream.h ----------------------------------------------------------------- */

struct stream {
	unsigned node;
	struct stream *other; /* NULL: closed */
	void (*received)(size_t size, void *arg);
	void *arg;
	uint8_t *at; /* where the next bytes go; NULL: none are wanted */
	size_t room;
	struct wire_buf in; /* on their way */
	struct in6_addr host;
	unsigned events;
	bool accepted; /* by the other node, or there */
	bool held;     /* its bytes stay on their way */
};

#include "peerd_stub.h"

static struct stream *live[STREAMS_MAX];
/* A thread of NNG's receives while the loop closes the connection; as soon as the loop lets it. */
static bool racing, eager;

static struct stream *
stream_new(unsigned node)
{
	struct stream *stream = calloc(1, sizeof *stream);
	size_t at = 0;
	must(stream != NULL);
	while (live[at])
		must(++at < STREAMS_MAX);
	stream->node = node;
	live[at] = stream;
	return stream;
}

struct stream *
stream_dial(struct streams *streams, const char *url, char *why)
{
	(void)url, (void)why;
	struct stream *here = stream_new(streams->node), *there = stream_new(!streams->node);
	here->other = there;
	there->other = here;
	there->accepted = true;
	return here;
}

/* Some of what has come, or the end. */
static bool
stream_deliver(struct stream *stream)
{
	size_t size = stream->in.size < stream->room ? stream->in.size : stream->room;
	if (stream->at == NULL || stream->held || (size == 0 && stream->other))
		return false;
	if (size > 0)
		memcpy(stream->at, stream->in.bytes, size);
	wire_buf_drop(&stream->in, size);
	stream->at = NULL;
	stream->received(size, stream->arg);
	return true;
}

void
stream_receive(struct stream *stream, void *at, size_t room)
{
	must(room > 0 && stream->at == NULL);
	stream->at = at;
	stream->room = room;
	if (eager)
		stream_deliver(stream);
}

void
stream_free(struct stream *stream)
{
	size_t at = 0;
	if (racing) {
		racing = stream->held = false;
		stream_deliver(stream);
	}
	while (live[at] != stream)
		must(++at < STREAMS_MAX);
	live[at] = NULL;
	if (stream->other)
		stream->other->other = NULL;
	wire_buf_free(&stream->in);
	free(stream);
}

bool
stream_dialed(struct stream *stream)
{
	return stream->other != NULL;
}

size_t
stream_send(struct stream *stream, const uint8_t *bytes, size_t size)
{
	if (stream->other)
		wire_buf_put(&stream->other->in, bytes, size);
	return size;
}

void
stream_address(const struct stream *stream, char text[STREAM_ADDRESS_SIZE])
{
	snprintf(text, STREAM_ADDRESS_SIZE, "n%u", !stream->node + 1);
}

struct in6_addr
stream_host(const struct stream *stream)
{
	return stream->host;
}

/* ------- resolve.h, main.c ---------------------------------------------------------- */

struct resolve *
resolve_start(struct loop *loop, const char *address, resolve_call *call, void *arg)
{
	const struct route *route = arg;
	(void)loop, (void)address;
	struct resolve *resolve = &nodes[route->peerd == &nodes[1].peerd].resolves[route->class];
	must(resolve->call == NULL);
	*resolve = (struct resolve){call, arg};
	return resolve;
}

void
resolve_cancel(struct resolve *resolve)
{
	if (resolve)
		resolve->call = NULL;
}

/* ------- what a node does ------------------------------------------------------------ */

static struct route *
route_of(unsigned node)
{
	return &nodes[node].peerd.peers[0]->routes[WIRE_CONSENSUS];
}

/* The names that wait are looked up: the node dials. */
static void
node_dial(unsigned node)
{
	struct resolve_result result = {.hosts = {{{{[15] = MEMBER_HOST}}}}, .count = 1};
	for (size_t c = 0; c < WIRE_CLASSES_COUNT; c++) {
		struct resolve *resolve = &nodes[node].resolves[c];
		resolve_call *call = resolve->call;
		resolve->call = NULL;
		if (call)
			call(&result, resolve->arg);
	}
}

/* After a pause. */
static void
node_dial_again(unsigned node)
{
	route_of(node)->retry.ms = 0;
	route_use(route_of(node));
	node_dial(node);
}

/* The rest of a turn of the loop. */
static void
node_turn(unsigned node)
{
	struct peerd *peerd = &nodes[node].peerd;
	connections_woken(peerd);
	peerd->turn++;
	connections_sweep(peerd);
	for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
		route_flush(&peerd->peers[0]->routes[c]);
}

/* A connection is accepted; both ends know. */
static bool
stream_accept(struct stream *stream)
{
	if (!stream->accepted || stream->received)
		return false;
	if (stream->other)
		stream->other->events |= STREAM_LATER;
	connection_accepted(stream, &nodes[stream->node].peerd);
	return true;
}

/* One step of one connection, by number; false: there was nothing to do. */
static bool
step_one(size_t number)
{
	struct stream *stream = live[number % STREAMS_MAX];
	if (stream == NULL)
		return false;
	unsigned node = stream->node;
	bool done = stream_accept(stream) || stream_deliver(stream) || stream->events;
	if (done)
		node_turn(node);
	return done;
}

/* Until nothing more comes of itself.  The order depends on the seed. */
static void
run_seed(uint64_t seed)
{
	int steps = 0;
	for (size_t idle = 0; idle < STREAMS_MAX; steps++) {
		must(steps < STEPS_MAX);
		seed = seed * 6364136223846793005U + 1442695040888963407U;
		size_t first = (size_t)(seed >> 33) % ORDER;
		for (idle = 0; idle < STREAMS_MAX && !step_one(first + idle); idle++)
			;
	}
}

static void
run(void)
{
	run_seed(0);
}

static void
set_member(struct raft_member *member, unsigned node)
{
	member->id = nodes[node].peerd.self;
	member->role = RAFT_VOTER;
	memcpy(member->key, nodes[node].peerd.pair.public, SEAL_KEY_SIZE);
	snprintf(member->address, sizeof member->address, "tcp://n%u:1", node + 1);
}

/* As raft-elect says. */
static void
node_members(unsigned node)
{
	struct raft_config config = {.count = 2};
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	struct msg_peer_config message = {.index = 1};
	set_member(&config.members[0], 0);
	set_member(&config.members[1], 1);
	message.config = (struct wire_bytes){bytes, raft_config_encode(&config, bytes)};
	memset(&message.cluster, 5, sizeof message.cluster);
	must(peers_take(&nodes[node].peerd, &message));
}

static void
node_start(unsigned node)
{
	struct peerd *peerd = &nodes[node].peerd;
	int ends[2];
	nodes[node].streams.node = node;
	*peerd = (struct peerd){.loop = peerd->loop,
	    .pair = peerd->pair,
	    .rate = peerd->rate,
	    .delivery = peerd->delivery,
	    .conf = &conf,
	    .start = seal_random_u64(),
	    .renew = UINT64_MAX,
	    .renew_ms = UINT64_MAX,
	    .streams = &nodes[node].streams};
	raft_id_parse(&peerd->self, node == 0 ? "n1" : "n2");
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	must(delivery_attach(peerd->delivery, ends[0]));
	nodes[node].elector_end = ends[1];
}

/* This end is closed, and the other does not learn of it. */
static void
stream_part(struct stream *stream)
{
	stream->other->held = true;
	stream->other->other = NULL;
	stream->other = NULL;
}

/* Its connections are gone, and the other node does not learn of that when it is `silent`. */
static void
node_stop(unsigned node, bool silent)
{
	struct peerd *peerd = &nodes[node].peerd;
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (silent && live[i] && live[i]->node == node && live[i]->other)
			stream_part(live[i]);
	while (peerd->peers_count > 0)
		peer_free(peerd->peers[--peerd->peers_count]);
	connections_sweep(peerd);
	delivery_detach(peerd->delivery);
	close(nodes[node].elector_end);
	loop_once(peerd->loop, false);
}

static void
start(void)
{
	for (unsigned node = 0; node < 2; node++) {
		struct peerd *peerd = &nodes[node].peerd;
		if (peerd->loop == NULL) {
			peerd->loop = loop_new();
			peerd->rate = rate_new(peerd->loop, 0);
			peerd->delivery = delivery_new(peerd->loop, on_drained, peerd);
			seal_pair_new(&peerd->pair);
		}
		node_start(node);
	}
	node_members(0);
	node_members(1);
}

static void
stop(void)
{
	node_stop(0, false);
	node_stop(1, false);
	for (size_t i = 0; i < STREAMS_MAX; i++)
		must(live[i] == NULL || live[i]->received == NULL);
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (live[i])
			stream_free(live[i]);
}

/* ------- what raft-elect sends and reads ------------------------------------------------ */

static void
send_vote(unsigned node, uint64_t term)
{
	struct wire_buf buf = {0};
	struct wire_frame frame;
	msg_raft_vote_put(&buf, &(struct msg_raft_vote){.term = term});
	must(frame_whole((struct wire_bytes){buf.bytes, buf.size}, PEER_FRAME_MAX, &frame));
	route_send(route_of(node), &frame);
	wire_buf_free(&buf);
	node_turn(node);
}

static void
send_append(unsigned node, size_t size)
{
	struct wire_buf buf = {0};
	struct wire_frame frame;
	uint8_t *records = calloc(1, size);
	msg_raft_append_put(
	    &buf, &(struct msg_raft_append){.term = 1, .count = 1, .entries = {records, size}});
	must(frame_whole((struct wire_bytes){buf.bytes, buf.size}, PEER_FRAME_MAX, &frame));
	route_send(route_of(node), &frame);
	wire_buf_free(&buf);
	free(records);
	node_turn(node);
}

static size_t heard_frames; /* by raft-elect, the words of losses too */

/* All that has come, in order: "lost", the term of a vote, "append". */
static const char *
heard(unsigned node)
{
	static uint8_t bytes[32 << 20];
	static char text[512];
	ssize_t got = 0;
	size_t size = 0, at = 0;
	struct wire_frame frame, inner;
	struct msg_peer_recv m;
	struct msg_raft_vote v;
	text[0] = '\0';
	/* Where the socket was full, the loop sends the rest in a few turns. */
	for (int idle = 0; idle < TURNS; idle++) {
		while ((got = recv(nodes[node].elector_end, bytes + size, sizeof bytes - size, 0)) >
		       0) {
			size += (size_t)got;
			idle = 0;
		}
		loop_once(nodes[node].peerd.loop, false);
	}
	for (; at < size; at += frame.whole.size) {
		size_t end = strlen(text);
		must(frame_get(bytes + at, size - at, FRAME_SIZE_MAX, &frame) == 1);
		heard_frames++;
		if (frame.number == MSG_PEER_LOST) {
			snprintf(text + end, sizeof text - end, " lost");
			continue;
		}
		must(
		    frame.number == MSG_PEER_RECV && msg_peer_recv_get(&m, frame.body, frame.size));
		must(frame_whole(m.frame, PEER_FRAME_MAX, &inner));
		if (inner.number == MSG_RAFT_VOTE && msg_raft_vote_get(&v, inner.body, inner.size))
			snprintf(text + end, sizeof text - end, " %d", (int)v.term);
		else
			snprintf(text + end, sizeof text - end, " append");
	}
	return text;
}

static bool
heard_is(unsigned node, const char *expected)
{
	const char *text = heard(node);
	if (strcmp(text, expected) != 0)
		printf("# n%u reads \"%s\", not \"%s\"\n", node + 1, text, expected);
	return strcmp(text, expected) == 0;
}

/* Whether both use the same connection, and there is no other. */
static bool
is_one(void)
{
	const struct connection *a = route_of(0)->open, *b = route_of(1)->open;
	size_t count = 0;
	for (unsigned node = 0; node < 2; node++)
		for (const struct connection *c = nodes[node].peerd.connections; c; c = c->next)
			count += c->state != CONNECTION_ENDED;
	return a && b && a->stream->other == b->stream && count == 2;
}

#endif
