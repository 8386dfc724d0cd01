/* SPDX-License-Identifier: ISC */
/* Connections on run/peer and what they may ask. */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "local/server.h"
#include "peer.h"
#include "peers.h"

enum { CLIENTS_MAX = 64, CLIENT_FRAME_MAX = 64 << 10, ELECTOR_FRAME_MAX = PEER_FRAME_MAX + 64 };

struct peerd_server {
	struct peerd *peerd;
	struct server *server;
	struct server_client *elector; /* one of the clients, or NULL */
};

/* ------- raft-elect ----------------------------------------------------------------- */

static bool
serve_send(struct peerd_server *server, struct server_client *client, const struct msg_peer_send *m)
{
	struct wire_frame frame;
	(void)client;
	if (m->class >= WIRE_CLASSES_COUNT || !frame_whole(m->frame, PEER_FRAME_MAX, &frame) ||
	    !msg_is_raft(frame.number))
		return false;
	struct peer *peer = peers_find(server->peerd, &m->to);
	if (peer)
		route_send(&peer->routes[m->class], &frame);
	else
		peerd_serve_lost(server, &m->to);
	return true;
}

static bool
serve_config(
    struct peerd_server *server, struct server_client *client, const struct msg_peer_config *m)
{
	(void)client;
	return peers_take(server->peerd, m);
}

static void
become_elector(struct peerd_server *server, struct server_client *client)
{
	struct server_client *old = server->elector;
	server->elector = client;
	if (old) {
		log_info("elector", "state=replaced why=%s", log_q("a newer raft-elect has come"));
		server_client_drop(old, "a newer raft-elect has come");
		pull_pause(server->peerd->pull, false);
	} else {
		log_info("elector", "state=connected");
	}
}

void
peerd_serve_deliver(
    struct peerd_server *server, const struct raft_id *from, const struct wire_frame *frame)
{
	if (server->elector == NULL) {
		server->peerd->unheard++;
		return;
	}
	struct msg_peer_recv m = {.from = *from, .frame = frame->whole};
	msg_peer_recv_put(conn_out(server->elector->conn), &m);
	if (conn_choked(server->elector->conn))
		pull_pause(server->peerd->pull, true);
}

void
peerd_serve_lost(struct peerd_server *server, const struct raft_id *peer)
{
	struct msg_peer_lost m = {.peer = *peer};
	if (server->elector)
		msg_peer_lost_put(conn_out(server->elector->conn), &m);
}

bool
peerd_serve_has_elector(const struct peerd_server *server)
{
	return server->elector != NULL;
}

/* ------- the socket --------------------------------------------------------------------- */

/* Message, who may ask, who answers. */
#define REQUESTS(R)                                                                                \
	R(PEER_SEND, peer_send, ELECTOR, serve_send)                                               \
	R(PEER_CONFIG, peer_config, ELECTOR, serve_config)

REQUESTS(SERVER_HANDLER)

static void
serve_status(void *arg, struct wire_buf *text)
{
	struct peerd_server *server = arg;
	peerd_status(server->peerd, text);
}

static const struct server_request requests[] = {REQUESTS(SERVER_REQUEST)};
static const struct server_text texts[] = {{"status", serve_status, NULL}};

static void
serve_hello(struct server_client *client, struct msg_hello_reply *reply)
{
	const struct peerd_server *server = server_arg(client->server);
	reply->node = server->peerd->self;
	reply->cluster = server->peerd->cluster;
	reply->start = server->peerd->start;
}

static void
serve_greeted(struct server_client *client)
{
	if (client->kind == WIRE_ELECTOR)
		become_elector(server_arg(client->server), client);
}

static void
serve_drained(struct server_client *client)
{
	struct peerd_server *server = server_arg(client->server);
	if (client == server->elector)
		pull_pause(server->peerd->pull, false);
}

static void
serve_closed(struct server_client *client, const char *why)
{
	struct peerd_server *server = server_arg(client->server);
	if (client != server->elector)
		return;
	server->elector = NULL;
	pull_pause(server->peerd->pull, false);
	log_info("elector", "state=gone why=%s", log_q(why));
}

struct peerd_server *
peerd_serve_new(struct peerd *peerd, char *why)
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
	    .out_high = ELECTOR_OUT_HIGH,
	    .requests = requests,
	    .requests_count = sizeof requests / sizeof *requests,
	    .texts = texts,
	    .texts_count = sizeof texts / sizeof *texts,
	    .hello = serve_hello,
	    .greeted = serve_greeted,
	    .drained = serve_drained,
	    .closed = serve_closed,
	};
	struct peerd_server *server = calloc(1, sizeof *server);
	must(server != NULL);
	server->peerd = peerd;
	server->server = server_new(peerd->loop, &settings, server, why);
	if (server->server)
		return server;
	int error = errno;
	free(server);
	errno = error;
	return NULL;
}

void
peerd_serve_yield(struct peerd_server *server)
{
	server_yield(server->server);
}

void
peerd_serve_free(struct peerd_server *server)
{
	if (server == NULL)
		return;
	server_free(server->server);
	free(server);
}
