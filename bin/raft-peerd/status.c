/* SPDX-License-Identifier: ISC */
/* The status as logfmt lines: one for the daemon, one for each peer. */
#include <inttypes.h>
#include <stdio.h>

#include "serve.h"
#include "peer.h"
#include "delivery.h"
#include "peers.h"

static size_t
status_connections(const struct peerd *peerd)
{
	size_t count = 0;
	for (const struct connection *c = peerd->connections; c; c = c->next)
		count++;
	return count;
}

static void
put_peerd(struct peerd *peerd, struct wire_buf *out)
{
	char fingerprint[FINGERPRINT_SIZE], cluster[2 * sizeof peerd->cluster + 1];
	peerd_fingerprint(fingerprint, peerd->pair.public);
	seal_hex(cluster, &peerd->cluster, sizeof peerd->cluster);
	wire_buf_printf(out,
	    "part=peerd id=%s listen=%s up_ms=%" PRIu64
	    " elector=%s cluster=%s peers=%zu connections=%zu refusals=%" PRIu64 " unheard=%" PRIu64
	    " cipher=%s fingerprint=%s\n",
	    peerd->self.s, log_q(peerd->conf->peerd.listen), mono_now().ms - peerd->since.ms,
	    log_yes(peerd->elector != NULL), peerd->have_cluster ? cluster : "unknown",
	    peerd->peers_count, status_connections(peerd), peerd->refusals,
	    delivery_unheard(peerd->delivery), channel_clear() ? "none" : "ChaChaPoly",
	    fingerprint);
}

/* "never", or how long ago. */
static const char *
status_ago(char text[32], struct mono_ms then, struct mono_ms now)
{
	if (then.ms == 0)
		snprintf(text, 32, "never");
	else
		snprintf(text, 32, "%" PRIu64, now.ms - then.ms);
	return text;
}

static void
put_peer(const struct peer *peer, struct wire_buf *out)
{
	char fingerprint[FINGERPRINT_SIZE], heard[32];
	struct mono_ms now = mono_now();
	const struct route *route = &peer->routes[WIRE_CONSENSUS];
	uint64_t sent = 0, received = 0, dropped = 0, queue = 0;
	for (int c = 0; c < WIRE_CLASSES_COUNT; c++) {
		sent += peer->routes[c].sent_bytes;
		received += atomic_load(&peer->routes[c].received_bytes);
		dropped += peer->routes[c].dropped;
		queue += route_queue_size(&peer->routes[c]);
	}
	peerd_fingerprint(fingerprint, route->open ? route->open->key : peer->member.key);
	wire_buf_printf(out,
	    "part=peer id=%s address=%s connected=%s state=%s since_ms=%" PRIu64
	    " heard_ms=%s round_trip_us=%" PRIu64 " sent_bytes=%" PRIu64 " received_bytes=%" PRIu64
	    " queue_bytes=%" PRIu64 " dropped=%" PRIu64 " refusals=%" PRIu64
	    " fingerprint=%s why=%s\n",
	    peer->member.id.s, log_q(peer->member.address), log_yes(route->open != NULL),
	    route_state_name(route), now.ms - route->since.ms,
	    status_ago(heard, (struct mono_ms){atomic_load(&peer->heard_ms)}, now),
	    peer->round_trip_us, sent, received, queue, dropped, peer->refusals, fingerprint,
	    log_q(route->why));
}

void
peerd_status(void *arg, struct wire_buf *out)
{
	struct peerd *peerd = arg;
	put_peerd(peerd, out);
	for (size_t i = 0; i < peerd->members.count; i++) {
		const struct peer *peer = peers_find(peerd, &peerd->members.members[i].id);
		if (peer)
			put_peer(peer, out);
	}
	/* Those that only a peer's newer list has. */
	for (size_t p = 0; p < peerd->peers_count; p++)
		if (raft_config_find(&peerd->members, &peerd->peers[p]->member.id) == NULL)
			put_peer(peerd->peers[p], out);
}
