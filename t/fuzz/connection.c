/* SPDX-License-Identifier: ISC */
/*
 * What comes on a connection that a raft-peerd has accepted, without NNG: stream.h is played here,
 * everything above it is the program's.  The first byte of the input says which of two:
 *
 * any bytes before it is known who sends them: no connection opens and nothing reaches raft-elect;
 *
 * sealed records of a peer, with any kind and any plain bytes, after a real handshake: what reaches
 * raft-elect is what a second decoder finds, which has each record whole.
 *
 * The bytes come in pieces whose sizes are in the input.
 */
#include "../../bin/raft-peerd/connection.h"
#include "../../bin/raft-peerd/delivery.h"
#include "../../bin/raft-peerd/peer.h"
#include "../../bin/raft-peerd/peers.h"
#include "../../bin/raft-peerd/rate.h"
#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	ROOM = 1 << 20,
	RECORDS_MAX = 24,
	STEPS_MAX = 1 << 17,
	FULL = 64 << 10, /* less than a socket takes in any case */
	TURNS = 8
};

/* ------- stream.h ----------------------------------------------------------------- */

struct stream {
	void (*received)(size_t size, void *arg);
	void *arg;
	uint8_t *at; /* where the next bytes go; NULL: none are wanted */
	size_t room;
	unsigned events;
};

#include "../unit/peerd_stub.h"

static struct stream *present; /* the accepted one; NULL: it was closed */
static uint8_t sent[ROOM];     /* by raft-peerd */
static size_t sent_size;

struct stream *
stream_dial(struct streams *streams, const char *url, char *why)
{
	(void)streams, (void)url;
	snprintf(why, 1024, "no network");
	return NULL;
}

void
stream_free(struct stream *stream)
{
	if (stream)
		must(stream == present);
	free(stream);
	present = NULL;
}

bool
stream_dialed(struct stream *stream)
{
	(void)stream;
	return false;
}

void
stream_receive(struct stream *stream, void *at, size_t room)
{
	must(room > 0 && stream->at == NULL);
	stream->at = at;
	stream->room = room;
}

size_t
stream_send(struct stream *stream, const uint8_t *bytes, size_t size)
{
	(void)stream;
	must(sent_size + size <= ROOM);
	memcpy(sent + sent_size, bytes, size);
	sent_size += size;
	return size;
}

void
stream_address(const struct stream *stream, char text[STREAM_ADDRESS_SIZE])
{
	(void)stream;
	snprintf(text, STREAM_ADDRESS_SIZE, "fuzz");
}

struct in6_addr
stream_host(const struct stream *stream)
{
	(void)stream;
	return (struct in6_addr){0};
}

/* ------- names are not looked up, and time does not pass ---------------------------- */

struct resolve *
resolve_start(struct loop *loop, const char *address, resolve_call *call, void *arg)
{
	(void)loop, (void)address, (void)call, (void)arg;
	errno = EAGAIN;
	return NULL;
}

void
resolve_cancel(struct resolve *resolve)
{
	must(resolve == NULL);
}

/* ------- the node n1, and its peer n2 ------------------------------------------------ */

static struct peerd peerd;
static struct conf conf;
static struct seal_pair theirs;
static int elector_end; /* what raft-elect reads */

static void
set_member(struct raft_member *member, const char *id, const uint8_t key[SEAL_KEY_SIZE])
{
	raft_id_parse(&member->id, id);
	member->role = RAFT_VOTER;
	memcpy(member->key, key, SEAL_KEY_SIZE);
}

/* As raft-elect says: who is who. */
static void
set_members(void)
{
	struct raft_config config = {.count = 2};
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	struct msg_peer_config message = {.index = 1};
	set_member(&config.members[0], "n1", peerd.pair.public);
	set_member(&config.members[1], "n2", theirs.public);
	memset(&message.cluster, 5, sizeof message.cluster);
	message.config = (struct wire_bytes){bytes, raft_config_encode(&config, bytes)};
	must(peers_take(&peerd, &message));
}

static void
start(void)
{
	int ends[2], size = 4 * ROOM;
	seal_init();
	seal_pair_new(&peerd.pair);
	seal_pair_new(&theirs);
	raft_id_parse(&peerd.self, "n1");
	peerd.loop = loop_new();
	peerd.conf = &conf;
	conf.peerd.queue = ROOM;
	peerd.renew = peerd.renew_ms = UINT64_MAX;
	peerd.rate = rate_new(peerd.loop, 0);
	peerd.delivery = delivery_new(peerd.loop, on_drained, &peerd);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	must(delivery_attach(peerd.delivery, ends[0]));
	elector_end = ends[1];
}

/* ------- bytes that come ------------------------------------------------------------- */

static void
wake(void)
{
	while (present && present->events)
		connections_woken(&peerd);
	connections_sweep(&peerd);
}

/* In pieces; true while the connection is there. */
static bool
deliver(struct fuzz_input *in, const uint8_t *bytes, size_t size)
{
	for (int step = 0; present && size > 0; step++) {
		size_t piece = fuzz_u8(in);
		must(step < STEPS_MAX);
		/* A piece of no size is all that is wanted. */
		if (piece == 0 || piece > present->room)
			piece = present->room;
		if (piece > size)
			piece = size;
		must(present->at != NULL);
		memcpy(present->at, bytes, piece);
		present->at = NULL;
		present->received(piece, present->arg);
		wake();
		bytes += piece;
		size -= piece;
	}
	return present != NULL;
}

static void
accept_stream(void)
{
	present = calloc(1, sizeof *present);
	must(present != NULL);
	sent_size = 0;
	connection_accepted(present, &peerd);
	must(present && sent_size == CHANNEL_PREAMBLE_SIZE);
}

/* The end of the input is the end of the connection. */
static void
end_stream(void)
{
	while (present) {
		must(present->at != NULL);
		present->at = NULL;
		present->received(0, present->arg);
		wake();
	}
	must(peerd.connections == NULL);
}

/* ------- what reaches raft-elect ------------------------------------------------------- */

static struct wire_buf expected, stream_bytes;

static void
expect_frames(struct wire_buf *out, const struct wire_frame *frame)
{
	struct raft_id from = {"n2"};
	msg_peer_recv_put(out, &(struct msg_peer_recv){.from = from, .frame = frame->whole});
}

/* What raft-elect reads now, but for the losses. */
static void
check_elector(void)
{
	static uint8_t bytes[8 * ROOM];
	size_t at = 0, seen = 0, size = 0;
	ssize_t got;
	/* Where the socket was full, the loop sends the rest in a few turns. */
	for (int idle = 0; idle < TURNS; idle++) {
		while ((got = recv(elector_end, bytes + size, sizeof bytes - size, 0)) > 0) {
			size += (size_t)got;
			idle = 0;
		}
		if (expected.size < FULL)
			break;
		loop_once(peerd.loop, false);
	}
	while (at < size) {
		struct wire_frame frame;
		must(frame_get(bytes + at, size - at, FRAME_SIZE_MAX, &frame) == 1);
		at += frame.whole.size;
		if (frame.number == MSG_PEER_LOST)
			continue;
		must(seen + frame.whole.size <= expected.size);
		must(memcmp(expected.bytes + seen, frame.whole.bytes, frame.whole.size) == 0);
		seen += frame.whole.size;
	}
	must(seen == expected.size);
}

/* Whole raft_* frames from the beginning; -1: one that is none. */
static ssize_t
expect_run(const uint8_t *bytes, size_t size)
{
	size_t at = 0;
	struct wire_frame frame;
	int got = 0;
	while (at < size && (got = frame_get(bytes + at, size - at, PEER_FRAME_MAX, &frame)) == 1) {
		if (!msg_is_raft(frame.number))
			return -1;
		expect_frames(&expected, &frame);
		at += frame.whole.size;
	}
	return got < 0 ? -1 : (ssize_t)at;
}

/* Whether the record is one after which raft-peerd may read on; those of others are its own. */
static bool
expect_record(uint8_t kind, const uint8_t *bytes, size_t size)
{
	if (kind == RECORD_FRAMES)
		return expect_run(bytes, size) == (ssize_t)size;
	if (kind != RECORD_STREAM)
		return kind == RECORD_PEERD || kind == RECORD_RENEW || kind == RECORD_SWITCH;
	wire_buf_put(&stream_bytes, bytes, size);
	ssize_t done = expect_run(stream_bytes.bytes, stream_bytes.size);
	if (done > 0)
		wire_buf_drop(&stream_bytes, (size_t)done);
	return done >= 0;
}

/* ------- a peer that has its key -------------------------------------------------------- */

/* False: without the first record, which is empty. */
static bool
shake(struct fuzz_input *in, struct channel *channel)
{
	struct channel_hello clear = {.low = CHANNEL_VERSION_LOW,
	    .high = CHANNEL_VERSION_HIGH,
	    .class = fuzz_u8(in) & 1,
	    .from = {"n2"},
	    .to = {"n1"}};
	struct channel_offer offer = {.start = 7, .id = seal_random_u64()};
	struct channel_answer answer;
	struct noise pending;
	uint8_t hello[CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE], record[CHANNEL_RECORD_EXTRA];
	memcpy(hello, channel_preamble_dialer, CHANNEL_PREAMBLE_SIZE);
	memcpy(clear.tag, peerd.cluster.b, sizeof clear.tag);
	channel_hello_put(hello + CHANNEL_PREAMBLE_SIZE, &clear);
	must(channel_dial(&pending, &peerd.cluster, &theirs, peerd.pair.public, &offer,
	    hello + CHANNEL_PREAMBLE_SIZE));
	must(deliver(in, hello, sizeof hello));
	must(sent_size == CHANNEL_PREAMBLE_SIZE + CHANNEL_REPLY_SIZE);
	must(channel_finish(&pending, sent + CHANNEL_PREAMBLE_SIZE, channel, &answer));
	if (fuzz_u8(in) & 1)
		return false;
	channel_seal(&channel->tx, RECORD_PEERD, NULL, 0, record);
	must(deliver(in, record, sizeof record));
	return true;
}

static bool
is_open(void)
{
	return peerd.peers[0]->routes[0].open || peerd.peers[0]->routes[1].open;
}

/* A few bytes of the input, again and again. */
static size_t
fuzz_plain(struct fuzz_input *in, uint8_t plain[CHANNEL_PLAIN_MAX])
{
	const uint8_t *bytes;
	size_t size = (size_t)fuzz_u8(in) << 8 | fuzz_u8(in);
	size_t some = fuzz_u8(in);
	some = fuzz_bytes(in, &bytes, some);
	if (some == 0)
		return 0;
	for (size_t at = 0; at < size; at++)
		plain[at] = bytes[at % some];
	return size;
}

static void
try_records(struct fuzz_input *in)
{
	static uint8_t record[CHANNEL_RECORD_MAX], plain[CHANNEL_PLAIN_MAX];
	struct channel channel;
	bool proven = shake(in, &channel);
	for (int i = 0; i < RECORDS_MAX && in->left > 0; i++) {
		uint8_t kind = fuzz_u8(in), pieces[8];
		struct fuzz_input cuts = {pieces, sizeof pieces};
		must(is_open() == proven);
		for (size_t p = 0; p < sizeof pieces; p++)
			pieces[p] = fuzz_u8(in);
		size_t size = fuzz_plain(in, plain);
		size_t whole = channel_seal(&channel.tx, kind, plain, size, record);
		bool good = (proven || size == 0) && expect_record(kind, plain, size);
		bool there = deliver(&cuts, record, whole);
		must(good || !there);
		/* What raft-peerd refuses of its own frames and of renewals is its matter. */
		must(there || !good || kind > RECORD_STREAM);
		check_elector();
		expected.size = 0;
		proven = true;
		if (!there)
			return;
	}
}

/* ------- anybody ------------------------------------------------------------------------ */

static void
try_anything(struct fuzz_input *in)
{
	uint8_t pieces[8];
	struct fuzz_input cuts = {pieces, sizeof pieces};
	for (size_t p = 0; p < sizeof pieces; p++)
		pieces[p] = fuzz_u8(in);
	deliver(&cuts, in->at, in->left);
	must(sent_size == CHANNEL_PREAMBLE_SIZE ||
	     (sent_size == CHANNEL_PREAMBLE_SIZE + CHANNEL_REPLY_SIZE &&
		 sent[CHANNEL_PREAMBLE_SIZE] == 0));
	must(!is_open());
	check_elector();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = {bytes, size};
	if (peerd.loop == NULL)
		start();
	set_members();
	expected.size = stream_bytes.size = 0;
	accept_stream();
	if (fuzz_u8(&in) & 1)
		try_records(&in);
	else
		try_anything(&in);
	expected.size = 0;
	end_stream();
	/* Another cluster, so that nothing is left of what a peer has said. */
	while (peerd.peers_count > 0)
		peer_free(peerd.peers[--peerd.peers_count]);
	peerd.learned_index = peerd.members_index = 0;
	check_elector();
	return 0;
}

/* ------- seeds --------------------------------------------------------------------------- */

static size_t
seed_record(uint8_t *out, uint8_t kind, uint8_t piece, const void *bytes, size_t size)
{
	out[0] = kind;
	memset(out + 1, piece, 8);
	out[9] = (uint8_t)(size >> 8);
	out[10] = out[11] = (uint8_t)size;
	memcpy(out + 12, bytes, size);
	return size + 12;
}

static void
seeds(void)
{
	uint8_t out[2048] = {0};
	struct channel_hello clear = {.low = 2, .high = 2, .from = {"n2"}, .to = {"n1"}};
	struct wire_buf vote = {0}, ping = {0}, append = {0};
	size_t at = 5; /* mode, class, pieces of the handshake */
	memset(clear.tag, 5, sizeof clear.tag);
	memcpy(out + 9, channel_preamble_dialer, CHANNEL_PREAMBLE_SIZE);
	channel_hello_put(out + 9 + CHANNEL_PREAMBLE_SIZE, &clear);
	fuzz_seed(out, 9 + CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE);
	msg_raft_vote_put(&vote, &(struct msg_raft_vote){.term = 7});
	msg_peer_ping_put(&ping, &(struct msg_peer_ping){.number = 9});
	msg_raft_append_put(
	    &append, &(struct msg_raft_append){.count = 1, .entries = {(uint8_t[200]){1}, 200}});
	memset(out, 0, sizeof out);
	out[0] = 1;
	at += seed_record(out + at, RECORD_FRAMES, 0, vote.bytes, vote.size);
	at += seed_record(out + at, RECORD_PEERD, 5, ping.bytes, ping.size);
	at += seed_record(out + at, RECORD_STREAM, 0, append.bytes, 100);
	at += seed_record(out + at, RECORD_FRAMES, 7, vote.bytes, vote.size);
	/* The end of one frame, and the beginning of the next. */
	wire_buf_put(&append, vote.bytes, vote.size);
	at += seed_record(out + at, RECORD_STREAM, 40, append.bytes + 100, append.size - 110);
	at += seed_record(out + at, RECORD_STREAM, 1, append.bytes + append.size - 10, 10);
	/* The same frame again and again, 60 KiB of it. */
	out[at + 9] = (uint8_t)(60 << 2);
	out[at + 11] = (uint8_t)vote.size;
	out[at] = RECORD_STREAM;
	memcpy(out + at + 12, vote.bytes, vote.size);
	at += 12 + vote.size;
	fuzz_seed(out, at);
	wire_buf_free(&vote);
	wire_buf_free(&ping);
	wire_buf_free(&append);
}
