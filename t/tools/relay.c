/* SPDX-License-Identifier: ISC */
/*
 * relay SEED [KEY=VALUE ...] LISTEN:TARGET ...: stands before raft-peerds on loopback, a pair of
 * ports each, and treats the records of both directions badly.
 *
 *   drop=N twice=N swap=N   of a thousand records: lost, sent twice, sent after the next one
 *   delay=MIN-MAX           milliseconds by which a record is delayed; the order is kept
 *   reset=N                 a connection is reset after this many records of one direction
 *
 * It does so between SIGUSR1 and SIGUSR2, and is an honest wire before and after.  SIGUSR2 prints
 * what was done.  What happens to a record depends on the seed and the number of the record on its
 * connection only.
 */
#include <err.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "seal/channel.h"
#include "wire/buf.h"

enum {
	HELD_MAX = 64 << 20, /* bytes held back in one direction; beyond them it is not read */
	LIFE_S = 900,        /* whatever becomes of the test */
	SWAP_ALONE_MS = 20   /* a record to be overtaken waits no longer for one that does it */
};

struct route {
	uv_tcp_t listener;
	int target;
	uint64_t connections;
};

struct held {
	struct held *next;
	uint64_t due_ms;
	uint8_t *bytes;
	size_t size;
};

struct wire;

/* One direction: from one socket to the other. */
struct way {
	struct wire *wire;
	uv_tcp_t tcp; /* what comes from here */
	uv_tcp_t *to; /* goes there */
	size_t first; /* bytes before the first record; 0: they have passed */
	uint8_t room[1 << 16];
	uv_timer_t timer;
	struct wire_buf in;
	bool stopped;
	uint64_t random;
	uint64_t records;
	struct held *held, **held_end;
	size_t held_size;
	struct held *swapped; /* waits for the next one to overtake it */
	uint64_t due_ms;
};

struct wire {
	struct way client, server;
	uv_connect_t connect;
	bool closing;
	unsigned open; /* handles that are not closed yet */
};

static struct {
	uv_loop_t *loop;
	bool on;
	uint64_t seed;
	unsigned drop, twice, swap;
	uint64_t delay_min_ms, delay_max_ms, reset;
	uint64_t records, dropped, doubled, overtaken, delayed, resets;
} relay;

/* splitmix64: a good number from any. */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* The n-th throw for the present record. */
static uint64_t
throw_for(const struct way *way, unsigned n)
{
	return mix(way->random + way->records * 8 + n);
}

static bool
chance(const struct way *way, unsigned n, unsigned in_1000)
{
	return relay.on && throw_for(way, n) % 1000 < in_1000;
}

/* ------- the end of a connection ------------------------------------------------- */

static void
held_free(struct held *held)
{
	if (held)
		free(held->bytes);
	free(held);
}

static void
way_free(struct way *way)
{
	while (way->held) {
		struct held *held = way->held;
		way->held = held->next;
		held_free(held);
	}
	held_free(way->swapped);
	wire_buf_free(&way->in);
}

static void
on_closed(uv_handle_t *handle)
{
	struct way *way = handle->data;
	struct wire *wire = way->wire;
	if (--wire->open > 0)
		return;
	way_free(&wire->client);
	way_free(&wire->server);
	free(wire);
}

static void
way_close(struct way *way, bool reset)
{
	uv_close((uv_handle_t *)&way->timer, on_closed);
	if (!reset || uv_tcp_close_reset(&way->tcp, on_closed) != 0)
		uv_close((uv_handle_t *)&way->tcp, on_closed);
}

static void
wire_close(struct wire *wire, bool reset)
{
	if (wire->closing)
		return;
	wire->closing = true;
	way_close(&wire->client, reset);
	way_close(&wire->server, reset);
}

/* ------- writing -------------------------------------------------------------------- */

static void
on_written(uv_write_t *request, int status)
{
	struct way *way = request->handle->data;
	free(request->data);
	free(request);
	if (status != 0)
		wire_close(way->wire, false);
}

/* Takes the bytes. */
static void
write_take(struct way *way, uint8_t *bytes, size_t size)
{
	uv_write_t *request = malloc(sizeof *request);
	uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)size);
	if (request == NULL)
		err(71, "malloc");
	request->data = bytes;
	if (uv_write(request, (uv_stream_t *)way->to, &buf, 1, on_written) != 0) {
		free(bytes);
		free(request);
		wire_close(way->wire, false);
	}
}

static uint8_t *
copy(const uint8_t *bytes, size_t size)
{
	uint8_t *to = malloc(size);
	if (to == NULL)
		err(71, "malloc");
	return memcpy(to, bytes, size);
}

/* ------- what is under way ------------------------------------------------------------- */

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

static void
on_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct way *way = handle->data;
	(void)size;
	*buf = uv_buf_init((char *)way->room, sizeof way->room);
}

static void
read_or_not(struct way *way)
{
	bool stop = way->held_size > HELD_MAX;
	if (stop == way->stopped || way->wire->closing)
		return;
	way->stopped = stop;
	if (stop)
		uv_read_stop((uv_stream_t *)&way->tcp);
	else
		uv_read_start((uv_stream_t *)&way->tcp, on_room, on_read);
}

static void
on_due(uv_timer_t *timer)
{
	struct way *way = timer->data;
	uint64_t now_ms = uv_now(relay.loop);
	while (way->held && (way->held->due_ms <= now_ms || !relay.on) && !way->wire->closing) {
		struct held *held = way->held;
		way->held = held->next;
		way->held_size -= held->size;
		write_take(way, held->bytes, held->size);
		free(held);
	}
	if (way->held == NULL)
		way->held_end = &way->held;
	if (way->wire->closing)
		return;
	if (way->held)
		uv_timer_start(timer, on_due, relay.on ? way->held->due_ms - now_ms : 0, 0);
	read_or_not(way);
}

/* Takes it.  Behind all that is under way already. */
static void
send_later(struct way *way, struct held *held, uint64_t delay_ms)
{
	uint64_t due_ms = uv_now(relay.loop) + delay_ms;
	way->due_ms = due_ms > way->due_ms ? due_ms : way->due_ms;
	held->due_ms = way->due_ms;
	held->next = NULL;
	*way->held_end = held;
	way->held_end = &held->next;
	way->held_size += held->size;
	on_due(&way->timer);
}

static void
let_swapped_go(struct way *way)
{
	struct held *swapped = way->swapped;
	way->swapped = NULL;
	if (swapped)
		send_later(way, swapped, 0);
}

static uint64_t
delay_of(const struct way *way)
{
	if (!relay.on || relay.delay_max_ms == 0)
		return 0;
	relay.delayed++;
	return relay.delay_min_ms +
	       throw_for(way, 3) % (relay.delay_max_ms - relay.delay_min_ms + 1);
}

static struct held *
hold(const uint8_t *bytes, size_t size)
{
	struct held *held = calloc(1, sizeof *held);
	if (held == NULL)
		err(71, "calloc");
	held->bytes = copy(bytes, size);
	held->size = size;
	return held;
}

static void
on_record(struct way *way, const uint8_t *bytes, size_t size)
{
	relay.records++;
	way->records++;
	if (chance(way, 0, relay.drop)) {
		relay.dropped++;
		return;
	}
	if (way->swapped == NULL && chance(way, 1, relay.swap)) {
		way->swapped = hold(bytes, size);
		return;
	}
	uint64_t delay_ms = delay_of(way);
	send_later(way, hold(bytes, size), delay_ms);
	if (chance(way, 2, relay.twice)) {
		relay.doubled++;
		send_later(way, hold(bytes, size), delay_ms);
	}
	relay.overtaken += way->swapped != NULL;
	let_swapped_go(way);
	if (relay.on && relay.reset && way->records % relay.reset == 0) {
		relay.resets++;
		wire_close(way->wire, true);
	}
}

/* ------- reading ------------------------------------------------------------------------- */

/* What comes before the first record is passed on as it comes. */
static size_t
pass_first(struct way *way)
{
	size_t size = way->in.size < way->first ? way->in.size : way->first;
	if (size > 0)
		write_take(way, copy(way->in.bytes, size), size);
	way->first -= size;
	return size;
}

static void
cut_into_records(struct way *way)
{
	size_t done = pass_first(way);
	while (!way->wire->closing && way->in.size - done >= CHANNEL_HEAD_SIZE) {
		size_t size = channel_record_size(way->in.bytes + done);
		if (size == 0) {
			wire_close(way->wire, true);
			return;
		}
		if (way->in.size - done < size)
			break;
		on_record(way, way->in.bytes + done, size);
		done += size;
	}
	wire_buf_drop(&way->in, done);
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
	struct way *way = stream->data;
	if (got < 0) {
		wire_close(way->wire, got == UV_ECONNRESET);
		return;
	}
	wire_buf_put(&way->in, buf->base, (size_t)got);
	cut_into_records(way);
	read_or_not(way);
}

/* ------- connections ------------------------------------------------------------------------ */

static void
on_connected(uv_connect_t *request, int status)
{
	struct wire *wire = request->data;
	if (status != 0) {
		wire_close(wire, true);
		return;
	}
	uv_read_start((uv_stream_t *)&wire->client.tcp, on_room, on_read);
	uv_read_start((uv_stream_t *)&wire->server.tcp, on_room, on_read);
}

static void
way_init(struct way *way, struct wire *wire, struct way *to, size_t first, uint64_t seed)
{
	way->wire = wire;
	way->to = &to->tcp;
	way->first = first;
	way->random = mix(seed);
	way->held_end = &way->held;
	uv_tcp_init(relay.loop, &way->tcp);
	uv_timer_init(relay.loop, &way->timer);
	way->tcp.data = way->timer.data = way;
	wire->open += 2;
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct route *route = listener->data;
	struct sockaddr_in to;
	struct wire *wire = calloc(1, sizeof *wire);
	if (wire == NULL || status != 0)
		errx(71, "connection: %s", status ? uv_strerror(status) : "no memory");
	uint64_t seed = mix(relay.seed) + (uint64_t)route->target * 65536 + route->connections++;
	way_init(
	    &wire->client, wire, &wire->server, CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE, seed);
	way_init(
	    &wire->server, wire, &wire->client, CHANNEL_PREAMBLE_SIZE + CHANNEL_REPLY_SIZE, ~seed);
	wire->connect.data = wire;
	uv_ip4_addr("127.0.0.1", route->target, &to);
	if (uv_accept(listener, (uv_stream_t *)&wire->client.tcp) != 0 ||
	    uv_tcp_connect(
		&wire->connect, &wire->server.tcp, (struct sockaddr *)&to, on_connected) != 0) {
		wire_close(wire, false);
		return;
	}
	uv_tcp_nodelay(&wire->client.tcp, 1);
	uv_tcp_nodelay(&wire->server.tcp, 1);
}

/*
 * ------- orders ---------------------------------------------------------------------------------
 */

static void
let_go(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (handle->type != UV_TIMER || uv_is_closing(handle) || handle->data == NULL)
		return;
	struct way *way = handle->data;
	if (uv_is_writable((uv_stream_t *)way->to)) {
		let_swapped_go(way);
		on_due(&way->timer);
	}
}

static void
on_signal(uv_signal_t *signal, int number)
{
	(void)signal;
	relay.on = number == SIGUSR1;
	if (!relay.on)
		uv_walk(relay.loop, let_go, NULL);
	printf("%s records=%" PRIu64 " dropped=%" PRIu64 " doubled=%" PRIu64 " overtaken=%" PRIu64
	       " delayed=%" PRIu64 " resets=%" PRIu64 "\n",
	    relay.on ? "on" : "off", relay.records, relay.dropped, relay.doubled, relay.overtaken,
	    relay.delayed, relay.resets);
	fflush(stdout);
}

static void
on_tick(uv_timer_t *timer)
{
	/* A record that nobody overtakes must not wait for ever. */
	(void)timer;
	uv_walk(relay.loop, let_go, NULL);
}

static void
add_route(const char *text)
{
	struct route *route = calloc(1, sizeof *route);
	struct sockaddr_in at;
	int port, end = 0;
	if (route == NULL || sscanf(text, "%d:%d%n", &port, &route->target, &end) != 2 ||
	    text[end] != '\0')
		errx(64, "%s: not LISTEN:TARGET", text);
	uv_tcp_init(relay.loop, &route->listener);
	route->listener.data = route;
	uv_ip4_addr("127.0.0.1", port, &at);
	int rv = uv_tcp_bind(&route->listener, (struct sockaddr *)&at, 0);
	if (rv == 0)
		rv = uv_listen((uv_stream_t *)&route->listener, 64, on_connection);
	if (rv != 0)
		errx(71, "port %d: %s", port, uv_strerror(rv));
}

static void
set_key(const char *text)
{
	if (sscanf(text, "drop=%u", &relay.drop) == 1 ||
	    sscanf(text, "twice=%u", &relay.twice) == 1 ||
	    sscanf(text, "swap=%u", &relay.swap) == 1 ||
	    sscanf(text, "reset=%" SCNu64, &relay.reset) == 1)
		return;
	if (sscanf(text, "delay=%" SCNu64 "-%" SCNu64, &relay.delay_min_ms, &relay.delay_max_ms) !=
		2 ||
	    relay.delay_max_ms < relay.delay_min_ms)
		errx(64, "%s: what is that?", text);
}

int
main(int argc, char **argv)
{
	static uv_signal_t on, off;
	static uv_timer_t tick;
	if (argc < 3)
		errx(64, "usage: relay SEED [KEY=VALUE ...] LISTEN:TARGET ...");
	signal(SIGPIPE, SIG_IGN);
	alarm(LIFE_S);
	relay.loop = uv_default_loop();
	relay.seed = strtoull(argv[1], NULL, 10);
	for (int i = 2; i < argc; i++)
		if (strchr(argv[i], '='))
			set_key(argv[i]);
		else
			add_route(argv[i]);
	uv_signal_init(relay.loop, &on);
	uv_signal_start(&on, on_signal, SIGUSR1);
	uv_signal_init(relay.loop, &off);
	uv_signal_start(&off, on_signal, SIGUSR2);
	uv_timer_init(relay.loop, &tick);
	uv_timer_start(&tick, on_tick, SWAP_ALONE_MS, SWAP_ALONE_MS);
	printf("ready\n");
	fflush(stdout);
	return uv_run(relay.loop, UV_RUN_DEFAULT);
}
