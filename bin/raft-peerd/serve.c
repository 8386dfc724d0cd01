/* SPDX-License-Identifier: ISC */
/* Connections on run/peer and what they may ask. */
#include "serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/sock.h"
#include "peer.h"
#include "peers.h"

enum { CLIENTS_MAX = 64, CLIENT_FRAME_MAX = 64 << 10, ELECTOR_FRAME_MAX = PEER_FRAME_MAX + 64 };

struct peerd_client {
	struct peerd_client *next;
	struct peerd_server *server;
	struct conn *conn;
	bool trusted;
	bool greeted;
	uint8_t kind; /* enum wire_kind */
};

struct peerd_server {
	struct peerd *peerd;
	struct listener *listener;
	char path[SOCK_PATH_MAX];
	struct peerd_client *clients;
	size_t clients_count;
	struct peerd_client *elector; /* one of the clients, or NULL */
};

static void
serve_client_free(struct peerd_client *client)
{
	struct peerd_server *server = client->server;
	for (struct peerd_client **at = &server->clients; *at; at = &(*at)->next)
		if (*at == client) {
			*at = client->next;
			break;
		}
	server->clients_count--;
	if (server->elector == client) {
		server->elector = NULL;
		pull_pause(server->peerd->pull, false);
	}
	conn_free(client->conn);
	free(client);
}

static void
serve_refuse(
    struct peerd_client *client, uint64_t request, enum exit_status status, const char *sentence)
{
	struct msg_refusal refusal = {request, (uint16_t)status, wire_text(sentence)};
	msg_refusal_put(conn_out(client->conn), &refusal);
}

static void
serve_refuse_and_close(struct peerd_client *client, enum exit_status status, const char *sentence)
{
	log_warn("client", "why=%s", log_q(sentence));
	serve_refuse(client, 0, status, sentence);
	conn_close_when_flushed(client->conn);
}

/* ------- raft-elect ----------------------------------------------------------------- */

static bool
on_peer_send(struct peerd_client *client, const uint8_t *body, size_t size)
{
	struct msg_peer_send m;
	struct wire_frame frame;
	if (!msg_peer_send_get(&m, body, size) || m.class >= WIRE_CLASSES_COUNT ||
	    !frame_whole(m.frame, PEER_FRAME_MAX, &frame) || !msg_is_raft(frame.number))
		return false;
	struct peer *peer = peers_find(client->server->peerd, &m.to);
	if (peer)
		route_send(&peer->routes[m.class], &frame);
	else
		peerd_serve_lost(client->server, &m.to);
	return true;
}

static bool
on_peer_config(struct peerd_client *client, const uint8_t *body, size_t size)
{
	struct msg_peer_config m;
	return msg_peer_config_get(&m, body, size) && peers_take(client->server->peerd, &m);
}

static void
become_elector(struct peerd_client *client)
{
	struct peerd_server *server = client->server;
	if (server->elector) {
		log_info("elector", "state=replaced why=%s", log_q("a newer raft-elect has come"));
		serve_client_free(server->elector);
	} else {
		log_info("elector", "state=connected");
	}
	server->elector = client;
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

/* ------- everybody ------------------------------------------------------------------- */

static void
on_query(struct peerd_client *client, const uint8_t *body, size_t size)
{
	struct msg_query_text query;
	if (!msg_query_text_get(&query, body, size)) {
		serve_refuse_and_close(client, EXIT_DATA, "a malformed query");
		return;
	}
	if (query.what.size != 6 || memcmp(query.what.bytes, "status", 6) != 0) {
		serve_refuse(client, query.request, EXIT_USAGE,
		    "raft-peerd answers the query \"status\" only");
		return;
	}
	struct wire_buf lines = {0};
	peerd_status(client->server->peerd, &lines);
	struct msg_text_reply reply = {query.request, {lines.bytes, lines.size}};
	msg_text_reply_put(conn_out(client->conn), &reply);
	wire_buf_free(&lines);
}

static void
serve_on_hello(struct peerd_client *client, const uint8_t *body, size_t size)
{
	struct peerd *peerd = client->server->peerd;
	uint16_t version;
	if (!daemon_hello(client->conn, body, size, &client->kind, &version))
		return;
	if (client->kind == WIRE_ELECTOR && !client->trusted) {
		serve_refuse_and_close(client, EXIT_FENCED,
		    "only raft-elect of this node, as this user or root, may send to peers");
		return;
	}
	struct msg_hello_reply reply = {
	    .version = version,
	    .low = WIRE_VERSION_LOW,
	    .high = WIRE_VERSION_HIGH,
	    .node = peerd->self,
	    .cluster = peerd->cluster,
	    .start = peerd->start,
	};
	msg_hello_reply_put(conn_out(client->conn), &reply);
	client->greeted = true;
	if (client->kind == WIRE_ELECTOR)
		become_elector(client);
}

static void
on_elector_frame(struct peerd_client *client, uint16_t number, const uint8_t *body, size_t size)
{
	bool ok = number == MSG_PEER_SEND ? on_peer_send(client, body, size)
					  : on_peer_config(client, body, size);
	if (!ok)
		serve_refuse_and_close(client, EXIT_DATA, "raft-elect has sent a malformed frame");
}

static void
serve_on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct peerd_client *client = arg;
	bool for_elector = number == MSG_PEER_SEND || number == MSG_PEER_CONFIG;
	(void)conn;
	if (number == MSG_HELLO && !client->greeted)
		serve_on_hello(client, body, size);
	else if (!client->greeted)
		serve_refuse_and_close(client, EXIT_DATA, "the first frame must be a hello");
	else if (for_elector && client == client->server->elector)
		on_elector_frame(client, number, body, size);
	else if (for_elector)
		serve_refuse(
		    client, 0, EXIT_FENCED, "only raft-elect of this node may send to peers");
	else if (number == MSG_QUERY_TEXT)
		on_query(client, body, size);
	else
		serve_refuse(client, frame_request(body, size), EXIT_USAGE,
		    "raft-peerd does not know this request");
}

static void
serve_on_closed(struct conn *conn, const char *why, void *arg)
{
	struct peerd_client *client = arg;
	(void)conn;
	if (client == client->server->elector)
		log_info("elector", "state=gone why=%s", log_q(why));
	serve_client_free(client);
}

static void
serve_on_drained(struct conn *conn, void *arg)
{
	struct peerd_client *client = arg;
	(void)conn;
	if (client == client->server->elector)
		pull_pause(client->server->peerd->pull, false);
}

static const struct conn_calls calls = {serve_on_frame, serve_on_closed, serve_on_drained};

static void
serve_on_accepted(int fd, void *arg)
{
	struct peerd_server *server = arg;
	if (server->clients_count == CLIENTS_MAX) {
		log_warn("client", "why=%s", log_q("too many connections at once: one is closed"));
		close(fd);
		return;
	}
	struct peerd_client *client = calloc(1, sizeof *client);
	must(client != NULL);
	client->server = server;
	client->trusted = sock_peer_trusted(fd);
	client->conn = conn_new(server->peerd->loop, fd,
	    client->trusted ? ELECTOR_FRAME_MAX : CLIENT_FRAME_MAX, ELECTOR_OUT_HIGH, &calls,
	    client);
	client->next = server->clients;
	server->clients = client;
	server->clients_count++;
}

/* ------- the socket --------------------------------------------------------------------- */

struct peerd_server *
peerd_serve_new(struct peerd *peerd, char *why)
{
	struct peerd_server *server = calloc(1, sizeof *server);
	must(server != NULL);
	server->peerd = peerd;
	gid_t gid;
	const char *group = peerd->conf->node.group;
	if (!sock_path(server->path, peerd->conf->node.run, "peer", why) ||
	    !sock_group(group, &gid, why)) {
		free(server);
		return NULL;
	}
	int fd = sock_listen(server->path, group ? 0660 : 0600, gid, why);
	if (fd < 0) {
		free(server);
		return NULL;
	}
	server->listener = listener_new(peerd->loop, fd, serve_on_accepted, server);
	return server;
}

void
peerd_serve_free(struct peerd_server *server)
{
	if (server == NULL)
		return;
	while (server->clients)
		serve_client_free(server->clients);
	listener_free(server->listener);
	unlink(server->path);
	free(server);
}
