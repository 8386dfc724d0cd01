/* SPDX-License-Identifier: ISC */
/* raft-peerd: the transport between nodes.  Sets up, ticks, stops. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rate.h"
#include "serve.h"
#include "delivery.h"
#include "peer.h"
#include "peerd.h"
#include "peers.h"

enum {
	TICK_MS = 1000,
	TICK_HURRY_MS = 100,
	LATE_MS = 2000,
	STOP_MS = 300,
	OPT_RENEW = 0x100,
	OPT_RENEW_AFTER
};
#define RENEW_MESSAGES (UINT64_C(1) << 32)
enum { RENEW_MS = 15 * 60 * 1000 };

static struct peerd self;

void
peerd_fingerprint(char out[FINGERPRINT_SIZE], const uint8_t key[SEAL_KEY_SIZE])
{
	struct raft_hash hash = seal_hash(&(struct seal_part){key, SEAL_KEY_SIZE}, 1);
	seal_hex(out, hash.b, (FINGERPRINT_SIZE - 1) / 2);
}

/* ------- time --------------------------------------------------------------------- */

static void peerd_on_tick(uv_timer_t *timer);

static void
set_tick(struct peerd *peerd, uint64_t ms)
{
	if (peerd->tick_ms == ms || peerd->stopping)
		return;
	peerd->tick_ms = ms;
	uv_timer_start(&peerd->tick, peerd_on_tick, ms, ms);
}

void
peerd_hurry(struct peerd *peerd)
{
	set_tick(peerd, TICK_HURRY_MS);
}

static void
peerd_on_tick(uv_timer_t *timer)
{
	struct peerd *peerd = timer->data;
	struct mono_ms now = mono_now();
	bool blind = now.ms - peerd->ticked.ms > LATE_MS || delivery_choked(peerd->delivery);
	peerd->ticked = now;
	/* Whoever is in a hurry says so again. */
	set_tick(peerd, TICK_MS);
	for (size_t i = 0; i < peerd->peers_count; i++)
		peer_tick(peerd->peers[i], now, blind);
	connections_tick(peerd, now);
}

/* ------- the end of a turn ------------------------------------------------------------ */

static bool
all_idle(const struct peerd *peerd)
{
	for (size_t i = 0; i < peerd->peers_count; i++)
		for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
			if (!route_idle(&peerd->peers[i]->routes[c]))
				return false;
	return true;
}

static void
peerd_on_turn(void *arg)
{
	struct peerd *peerd = arg;
	peerd->turn++;
	connections_sweep(peerd);
	/* Each of them gets to be the first, where there is not enough for all. */
	for (size_t i = 0; i < peerd->peers_count; i++)
		for (enum wire_class c = 0; c < WIRE_CLASSES_COUNT; c++)
			route_flush(
			    &peerd->peers[(i + peerd->turn) % peerd->peers_count]->routes[c]);
	if (peerd->stopping && (all_idle(peerd) || mono_now().ms >= peerd->stop_by.ms))
		loop_stop(peerd->loop);
}

/* ------- start and stop ----------------------------------------------------------------- */

static void
on_stop_tick(uv_timer_t *timer)
{
	(void)timer;
	/* Being woken is all: the end of the turn looks. */
}

/* What raft-elect said last, a leader's farewell perhaps, still goes out. */
static void
peerd_on_stop(void *arg)
{
	struct peerd *peerd = arg;
	peerd->stopping = true;
	server_yield(peerd->server);
	peerd->stop_by.ms = mono_now().ms + STOP_MS;
	uv_timer_start(&peerd->tick, on_stop_tick, 0, 10);
}

static void
read_secret(void *arg)
{
	struct peerd *peerd = arg;
	char why[SEAL_WHY_SIZE];
	if (!seal_pair_read(&peerd->pair, peerd->daemon.conf->peerd.secret, why))
		daemon_die(exit_of_errno(errno), "%s", why);
}

static void
peerd_on_drained(void *arg)
{
	connections_resume(arg);
}

/* At the first of its addresses.  All of IPv6 is all of IPv4 too; where there is no IPv6, all of
 * IPv4. */
static bool
peerd_listen(struct peerd *peerd, char *why)
{
	struct resolve_result addresses;
	const char *address = peerd->conf->peerd.listen;
	resolve_now(address, &addresses);
	if (addresses.count == 0) {
		snprintf(why, 1024, "%s: cannot listen: %s", address, addresses.why);
		errno = EADDRNOTAVAIL;
		return false;
	}
	if (streams_listen(peerd->streams, addresses.urls[0], why))
		return true;
	/* All of IPv6 is all of IPv4 too, but a host may have no IPv6 at all. */
	const char *any = "tcp://[::]:";
	char url[RESOLVE_URL_SIZE], other[SOCK_WHY_SIZE];
	int error = errno;
	snprintf(url, sizeof url, "tcp://0.0.0.0:%.5s", addresses.urls[0] + strlen(any));
	bool listens = strncmp(addresses.urls[0], any, strlen(any)) == 0 && error != EADDRINUSE &&
		       streams_listen(peerd->streams, url, other);
	errno = error;
	return listens;
}

static void
open_sockets(struct peerd *peerd)
{
	static const struct streams_calls calls = {connection_accepted, connections_woken};
	char why[1024];
	peers_check_clear(peerd->conf->peerd.listen);
	if (!streams_threads())
		daemon_die(EXIT_OS,
		    "no more threads can be made: raise the limit of processes of this user");
	peerd_serve_open(peerd);
	peerd->streams = streams_new(peerd->loop, &calls, peerd);
	if (!peerd_listen(peerd, why)) {
		int error = errno;
		server_free(peerd->server);
		daemon_die(exit_of_errno(error), "%s", why);
	}
}

static const struct option options[] = {
    {"renew", required_argument, NULL, OPT_RENEW},
    {"renew-after", required_argument, NULL, OPT_RENEW_AFTER},
    {0},
};

static void
peerd_on_option(int opt, const char *value)
{
	char *end;
	if (opt == OPT_RENEW_AFTER) {
		if (!conf_parse_duration(&self.renew_ms, value) || self.renew_ms == 0)
			daemon_die(EXIT_USAGE, "--renew-after %s: not a time, such as 15m", value);
		return;
	}
	must(opt == OPT_RENEW);
	errno = 0;
	self.renew = strtoull(value, &end, 10);
	if (errno || *end || end == value || self.renew == 0 || value[0] == '-')
		daemon_die(EXIT_USAGE, "--renew %s: not a number of messages", value);
}

static void
peerd_start(struct peerd *peerd, int argc, char **argv)
{
	peerd->daemon = (struct daemon){
	    .prog = "raft-peerd",
	    .usage = "[-nv] [-c FILE] [-d FD] [--log-time] [--renew MESSAGES] [--renew-after TIME]",
	    .options = options,
	    .found = peerd_on_option,
	    .check = read_secret,
	    .stop = peerd_on_stop,
	    .arg = peerd,
	};
	peerd->renew = RENEW_MESSAGES;
	peerd->renew_ms = RENEW_MS;
	seal_init();
	daemon_start(&peerd->daemon, argc, argv);
	peerd->loop = peerd->daemon.loop;
	peerd->conf = peerd->daemon.conf;
	peerd->self = peerd->conf->node.id;
	peerd->start = seal_random_u64();
	peerd->since = mono_now();
	peerd->delivery = delivery_new(peerd->loop, peerd_on_drained, peerd);
	peerd->rate = rate_new(peerd->loop, peerd->conf->peerd.bulk_rate);
	open_sockets(peerd);
	must(uv_timer_init(loop_uv(peerd->loop), &peerd->tick) == 0);
	peerd->tick.data = peerd;
	set_tick(peerd, TICK_MS);
	loop_on_turn(peerd->loop, peerd_on_turn, peerd);
}

/*
 * NNG's threads are not waited for: one may be inside a callback of ours still.  What was sent is
 * with the kernel, which closes the rest.
 */
_Noreturn static void
peerd_finish(struct peerd *peerd)
{
	server_free(peerd->server);
	seal_wipe(&peerd->pair, sizeof peerd->pair);
	_exit(EXIT_OK);
}

int
main(int argc, char **argv)
{
	char fingerprint[FINGERPRINT_SIZE];
	peerd_start(&self, argc, argv);
	peerd_fingerprint(fingerprint, self.pair.public);
	log_info(
	    "listening", "address=%s fingerprint=%s", log_q(self.conf->peerd.listen), fingerprint);
	daemon_ready(&self.daemon);
	loop_run(self.loop);
	peerd_finish(&self);
}
