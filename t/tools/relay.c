/* SPDX-License-Identifier: ISC */
/*
 * relay SEED [KEY=VALUE ...] LISTEN:TARGET ...: stands before raft-peerds on loopback, a pair of
 * ports each, and treats whole NNG messages badly (SP over TCP: 8 bytes of header each way, then
 * u64 size and the message).
 *
 *   drop=N twice=N swap=N   of a thousand messages: lost, sent twice, sent after the next one
 *   delay=MIN-MAX           milliseconds that a message is under way; the order is kept
 *   reset=N                 a connection is reset after so many messages
 *
 * It does so between SIGUSR1 and SIGUSR2, and is an honest wire before and after.  SIGUSR2 prints
 * what was done. What happens to a message depends on the seed and the number of the message on its
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

#include "wire/buf.h"

enum {
	SP_HEADER_SIZE = 8,
	SIZE_SIZE = 8,
	MESSAGE_MAX = 64 << 20,
	HELD_MAX = 64 << 20, /* bytes under way on one connection; beyond them it is not read */
	LIFE_S = 900,        /* whatever becomes of the test */
	SWAP_ALONE_MS = 20   /* a message to be overtaken waits no longer for one that does it */
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

/*
 * What the one who dialled says is cut into messages; what comes back is a header and nothing more.
 */
struct side {
	uv_tcp_t tcp;
	uint8_t room[1 << 16];
};

struct wire {
	struct side client, server;
	uv_connect_t connect;
	uv_timer_t timer;
	struct wire_buf in;
	bool greeted, closing, stopped;
	unsigned open; /* handles that are not closed yet */
	uint64_t random;
	uint64_t messages;
	struct held *held, **held_end;
	size_t held_size;
	struct held *swapped; /* waits for the next one to overtake it */
	uint64_t due_ms;
};

static struct {
	uv_loop_t *loop;
	bool on;
	uint64_t seed;
	unsigned drop, twice, swap;
	uint64_t delay_min_ms, delay_max_ms, reset;
	uint64_t messages, dropped, doubled, overtaken, delayed, resets;
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

/* The n-th throw for the present message. */
static uint64_t
throw_for(const struct wire *wire, unsigned n)
{
	return mix(wire->random + wire->messages * 8 + n);
}

static bool
chance(const struct wire *wire, unsigned n, unsigned in_1000)
{
	return relay.on && throw_for(wire, n) % 1000 < in_1000;
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
on_closed(uv_handle_t *handle)
{
	struct wire *wire = handle->data;
	if (--wire->open > 0)
		return;
	while (wire->held) {
		struct held *held = wire->held;
		wire->held = held->next;
		held_free(held);
	}
	held_free(wire->swapped);
	wire_buf_free(&wire->in);
	free(wire);
}

static void
wire_close(struct wire *wire, bool reset)
{
	if (wire->closing)
		return;
	wire->closing = true;
	uv_close((uv_handle_t *)&wire->timer, on_closed);
	if (!reset || uv_tcp_close_reset(&wire->client.tcp, on_closed) != 0)
		uv_close((uv_handle_t *)&wire->client.tcp, on_closed);
	if (!reset || uv_tcp_close_reset(&wire->server.tcp, on_closed) != 0)
		uv_close((uv_handle_t *)&wire->server.tcp, on_closed);
}

/* ------- writing -------------------------------------------------------------------- */

static void
on_written(uv_write_t *request, int status)
{
	struct wire *wire = request->handle->data;
	free(request->data);
	free(request);
	if (status != 0)
		wire_close(wire, false);
}

/* Takes the bytes. */
static void
write_take(struct side *side, uint8_t *bytes, size_t size)
{
	uv_write_t *request = malloc(sizeof *request);
	uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)size);
	if (request == NULL)
		err(71, "malloc");
	request->data = bytes;
	if (uv_write(request, (uv_stream_t *)&side->tcp, &buf, 1, on_written) != 0) {
		free(bytes);
		free(request);
		wire_close(side->tcp.data, false);
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
	struct wire *wire = handle->data;
	struct side *side =
	    handle == (uv_handle_t *)&wire->client.tcp ? &wire->client : &wire->server;
	(void)size;
	*buf = uv_buf_init((char *)side->room, sizeof side->room);
}

static void
read_or_not(struct wire *wire)
{
	bool stop = wire->held_size > HELD_MAX;
	if (stop == wire->stopped || wire->closing)
		return;
	wire->stopped = stop;
	if (stop)
		uv_read_stop((uv_stream_t *)&wire->client.tcp);
	else
		uv_read_start((uv_stream_t *)&wire->client.tcp, on_room, on_read);
}

static void
on_due(uv_timer_t *timer)
{
	struct wire *wire = timer->data;
	uint64_t now_ms = uv_now(relay.loop);
	while (wire->held && (wire->held->due_ms <= now_ms || !relay.on) && !wire->closing) {
		struct held *held = wire->held;
		wire->held = held->next;
		wire->held_size -= held->size;
		write_take(&wire->server, held->bytes, held->size);
		free(held);
	}
	if (wire->held == NULL)
		wire->held_end = &wire->held;
	if (wire->closing)
		return;
	if (wire->held)
		uv_timer_start(timer, on_due, relay.on ? wire->held->due_ms - now_ms : 0, 0);
	read_or_not(wire);
}

/* Takes it.  Behind all that is under way already. */
static void
send_later(struct wire *wire, struct held *held, uint64_t delay_ms)
{
	uint64_t due_ms = uv_now(relay.loop) + delay_ms;
	wire->due_ms = due_ms > wire->due_ms ? due_ms : wire->due_ms;
	held->due_ms = wire->due_ms;
	held->next = NULL;
	*wire->held_end = held;
	wire->held_end = &held->next;
	wire->held_size += held->size;
	on_due(&wire->timer);
}

static void
let_swapped_go(struct wire *wire)
{
	struct held *swapped = wire->swapped;
	wire->swapped = NULL;
	if (swapped)
		send_later(wire, swapped, 0);
}

static uint64_t
delay_of(const struct wire *wire)
{
	if (!relay.on || relay.delay_max_ms == 0)
		return 0;
	relay.delayed++;
	return relay.delay_min_ms +
	       throw_for(wire, 3) % (relay.delay_max_ms - relay.delay_min_ms + 1);
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
on_message(struct wire *wire, const uint8_t *bytes, size_t size)
{
	relay.messages++;
	wire->messages++;
	if (chance(wire, 0, relay.drop)) {
		relay.dropped++;
		return;
	}
	if (wire->swapped == NULL && chance(wire, 1, relay.swap)) {
		wire->swapped = hold(bytes, size);
		return;
	}
	uint64_t delay_ms = delay_of(wire);
	send_later(wire, hold(bytes, size), delay_ms);
	if (chance(wire, 2, relay.twice)) {
		relay.doubled++;
		send_later(wire, hold(bytes, size), delay_ms);
	}
	relay.overtaken += wire->swapped != NULL;
	let_swapped_go(wire);
	if (relay.on && relay.reset && wire->messages % relay.reset == 0) {
		relay.resets++;
		wire_close(wire, true);
	}
}

/* ------- reading ------------------------------------------------------------------------- */

static void
cut_into_messages(struct wire *wire)
{
	size_t done = 0;
	if (!wire->greeted && wire->in.size >= SP_HEADER_SIZE) {
		write_take(&wire->server, copy(wire->in.bytes, SP_HEADER_SIZE), SP_HEADER_SIZE);
		wire->greeted = true;
		done = SP_HEADER_SIZE;
	}
	while (wire->greeted && !wire->closing && wire->in.size - done >= SIZE_SIZE) {
		uint64_t size = bytes_get_u64(wire->in.bytes + done);
		if (size > MESSAGE_MAX) {
			wire_close(wire, true);
			return;
		}
		if (wire->in.size - done < SIZE_SIZE + size)
			break;
		on_message(wire, wire->in.bytes + done, SIZE_SIZE + (size_t)size);
		done += SIZE_SIZE + (size_t)size;
	}
	wire_buf_drop(&wire->in, done);
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
	struct wire *wire = stream->data;
	if (got < 0) {
		wire_close(wire, got == UV_ECONNRESET);
	} else if (stream == (uv_stream_t *)&wire->server.tcp) {
		if (got > 0)
			write_take(
			    &wire->client, copy((uint8_t *)buf->base, (size_t)got), (size_t)got);
	} else {
		wire_buf_put(&wire->in, buf->base, (size_t)got);
		cut_into_messages(wire);
		read_or_not(wire);
	}
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
on_connection(uv_stream_t *listener, int status)
{
	struct route *route = listener->data;
	struct sockaddr_in to;
	struct wire *wire = calloc(1, sizeof *wire);
	if (wire == NULL || status != 0)
		errx(71, "connection: %s", status ? uv_strerror(status) : "no memory");
	uv_tcp_init(relay.loop, &wire->client.tcp);
	uv_tcp_init(relay.loop, &wire->server.tcp);
	uv_timer_init(relay.loop, &wire->timer);
	wire->open = 3;
	wire->client.tcp.data = wire->server.tcp.data = wire->timer.data = wire->connect.data =
	    wire;
	wire->held_end = &wire->held;
	wire->random =
	    mix(mix(relay.seed) + (uint64_t)route->target * 65536 + route->connections++);
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
	struct wire *wire = handle->data;
	if (wire->server.tcp.data && uv_is_writable((uv_stream_t *)&wire->server.tcp)) {
		let_swapped_go(wire);
		on_due(&wire->timer);
	}
}

static void
on_signal(uv_signal_t *signal, int number)
{
	(void)signal;
	relay.on = number == SIGUSR1;
	if (!relay.on)
		uv_walk(relay.loop, let_go, NULL);
	printf("%s messages=%" PRIu64 " dropped=%" PRIu64 " doubled=%" PRIu64 " overtaken=%" PRIu64
	       " delayed=%" PRIu64 " resets=%" PRIu64 "\n",
	    relay.on ? "on" : "off", relay.messages, relay.dropped, relay.doubled, relay.overtaken,
	    relay.delayed, relay.resets);
	fflush(stdout);
}

static void
on_tick(uv_timer_t *timer)
{
	/* A message that nobody overtakes must not wait for ever. */
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
