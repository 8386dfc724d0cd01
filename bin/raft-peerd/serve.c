/* SPDX-License-Identifier: ISC */
/* Connections on run/peer and what they may ask. */
#include "serve.h"

#include <errno.h>
#include <string.h>

#include "delivery.h"
#include "peer.h"
#include "peers.h"

enum {
	CLIENTS_MAX = 64,
	CLIENT_FRAME_MAX = 64 << 10,
	CLIENT_OUT_HIGH = 1 << 20,
	ELECTOR_FRAME_MAX = PEER_FRAME_MAX + 64
};

/* ------- raft-elect ----------------------------------------------------------------- */

static bool
serve_send(struct peerd *peerd, struct server_client *client, const struct msg_peer_send *m)
{
	struct wire_frame frame;
	(void)client;
	if (m->class >= WIRE_CLASSES_COUNT || !frame_whole(m->frame, PEER_FRAME_MAX, &frame) ||
	    !msg_is_raft(frame.number))
		return false;
	struct peer *peer = peers_find(peerd, &m->to);
	if (peer)
		route_send(&peer->routes[m->class], &frame);
	else
		delivery_lost(peerd->delivery, &m->to);
	return true;
}

static bool
serve_config(struct peerd *peerd, struct server_client *client, const struct msg_peer_config *m)
{
	(void)client;
	return peers_take(peerd, m);
}

static void
become_elector(struct peerd *peerd, struct server_client *client)
{
	bool replaced = peerd->elector != NULL;
	if (replaced)
		server_client_drop(peerd->elector, "a newer raft-elect has come");
	/* hello_reply goes first, and from here on any thread writes. */
	conn_flush(client->conn);
	peerd->elector = client;
	if (conn_out_size(client->conn) > 0 ||
	    !delivery_attach(peerd->delivery, conn_fd(client->conn)))
		server_refuse_and_close(
		    client, EXIT_RETRY, "raft-peerd is short of descriptors: try again later");
	else if (replaced)
		log_info("elector", "state=replaced why=%s", log_q("a newer raft-elect has come"));
	else
		log_info("elector", "state=connected");
}

/* ------- the socket --------------------------------------------------------------------- */

/* Message, who may ask, who answers. */
#define REQUESTS(R)                                                                                \
	R(PEER_SEND, peer_send, ELECTOR, serve_send)                                               \
	R(PEER_CONFIG, peer_config, ELECTOR, serve_config)

REQUESTS(SERVER_HANDLER)

static const struct server_request requests[] = {REQUESTS(SERVER_REQUEST){0}};
static const struct server_text texts[] = {{"status", peerd_status, NULL}, {0}};

static void
serve_hello(struct server_client *client, struct msg_hello_reply *reply)
{
	const struct peerd *peerd = server_arg(client->server);
	reply->node = peerd->self;
	reply->cluster = peerd->cluster;
	reply->start = peerd->start;
}

static void
serve_greeted(struct server_client *client)
{
	if (client->kind == WIRE_ELECTOR)
		become_elector(server_arg(client->server), client);
}

static void
serve_closed(struct server_client *client, const char *why)
{
	struct peerd *peerd = server_arg(client->server);
	if (client != peerd->elector)
		return;
	peerd->elector = NULL;
	delivery_detach(peerd->delivery);
	log_info("elector", "state=gone why=%s", log_q(why));
}

void
peerd_serve_open(struct peerd *peerd)
{
	const struct server_settings settings = {
	    .program = "raft-peerd",
	    .run = peerd->conf->node.run,
	    .name = "peer",
	    .group = peerd->conf->node.group,
	    .client_size = sizeof(struct server_client),
	    .clients_max = CLIENTS_MAX,
	    .frame_max = ELECTOR_FRAME_MAX,
	    .frame_max_others = CLIENT_FRAME_MAX,
	    .out_high = CLIENT_OUT_HIGH,
	    .requests = requests,
	    .texts = texts,
	    .hello = serve_hello,
	    .greeted = serve_greeted,
	    .closed = serve_closed,
	};
	char why[SOCK_WHY_SIZE];
	peerd->server = server_new(peerd->loop, &settings, peerd, why);
	if (peerd->server == NULL)
		daemon_die(exit_of_errno(errno), "%s", why);
}
