/* SPDX-License-Identifier: ISC */
/* Connections on run/peer and what they may ask. */
#include "door.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/unix/sock.h"
#include "peer.h"
#include "roster.h"

enum {
	CLIENTS_MAX = 64,
	CLIENT_FRAME_MAX = 64 << 10,
	ELECTOR_FRAME_MAX = PEER_FRAME_MAX + 64
};

struct client {
	struct client *next;
	struct door *door;
	struct conn *conn;
	bool trusted;
	bool greeted;
	uint8_t kind; /* enum wire_kind */
};

struct door {
	struct peerd *peerd;
	struct listener *listener;
	char path[SOCK_PATH_MAX];
	struct client *clients;
	size_t clients_count;
	struct client *elector; /* one of the clients, or NULL */
};

static void
client_free(struct client *client)
{
	struct door *door = client->door;
	for (struct client **at = &door->clients; *at; at = &(*at)->next)
		if (*at == client) {
			*at = client->next;
			break;
		}
	door->clients_count--;
	if (door->elector == client) {
		door->elector = NULL;
		pull_pause(door->peerd->pull, false);
	}
	conn_free(client->conn);
	free(client);
}

static void
refuse(struct client *client, uint64_t request, enum exit_status status, const char *sentence)
{
	struct msg_refusal refusal = {request, (uint16_t)status, wire_text(sentence)};
	msg_refusal_put(conn_out(client->conn), &refusal);
}

static void
refuse_and_close(struct client *client, enum exit_status status, const char *sentence)
{
	log_warn("client", "why=%s", log_q(sentence));
	refuse(client, 0, status, sentence);
	conn_close_when_flushed(client->conn);
}

/* ------- raft-elect ----------------------------------------------------------------- */

bool
door_is_raft(uint16_t number)
{
	return number >= MSG_RAFT_VOTE && number < MSG_PEER_START && strcmp(msg_name(number), "unknown") != 0;
}

/* Exactly one frame, of a kind that raft-elects exchange. */
static bool
is_raft_frame(struct wire_bytes frame)
{
	uint16_t number;
	const uint8_t *body;
	size_t body_size, frame_size;
	return frame_get(frame.bytes, frame.size, PEER_FRAME_MAX, &number, &body, &body_size, &frame_size) == 1 &&
	    frame_size == frame.size && door_is_raft(number);
}

static bool
on_peer_send(struct client *client, const uint8_t *body, size_t size)
{
	struct msg_peer_send m;
	if (!msg_peer_send_get(&m, body, size) || m.class >= WIRE_CLASSES_COUNT || !is_raft_frame(m.frame))
		return false;
	struct peer *peer = roster_find(client->door->peerd, &m.to);
	if (peer)
		link_send(&peer->links[m.class], m.frame.bytes, m.frame.size);
	else
		door_lost(client->door, &m.to);
	return true;
}

static bool
on_peer_config(struct client *client, const uint8_t *body, size_t size)
{
	struct msg_peer_config m;
	return msg_peer_config_get(&m, body, size) && roster_take(client->door->peerd, &m);
}

static void
become_elector(struct client *client)
{
	struct door *door = client->door;
	if (door->elector) {
		log_info("elector", "state=replaced why=%s", log_q("a newer raft-elect has come"));
		client_free(door->elector);
	} else {
		log_info("elector", "state=connected");
	}
	door->elector = client;
}

void
door_deliver(struct door *door, const struct raft_id *from, const uint8_t *frame, size_t size)
{
	if (door->elector == NULL) {
		door->peerd->unheard++;
		return;
	}
	struct msg_peer_recv m = {.from = *from, .frame = {frame, size}};
	msg_peer_recv_put(conn_out(door->elector->conn), &m);
	if (conn_choked(door->elector->conn))
		pull_pause(door->peerd->pull, true);
}

void
door_lost(struct door *door, const struct raft_id *peer)
{
	struct msg_peer_lost m = {.peer = *peer};
	if (door->elector)
		msg_peer_lost_put(conn_out(door->elector->conn), &m);
}

bool
door_has_elector(const struct door *door)
{
	return door->elector != NULL;
}

/* ------- everybody ------------------------------------------------------------------- */

static void
on_query(struct client *client, const uint8_t *body, size_t size)
{
	struct msg_query_text query;
	if (!msg_query_text_get(&query, body, size)) {
		refuse_and_close(client, EXIT_DATA, "a malformed query");
		return;
	}
	if (query.what.size != 6 || memcmp(query.what.bytes, "status", 6) != 0) {
		refuse(client, query.request, EXIT_USAGE, "raft-peerd answers the query \"status\" only");
		return;
	}
	struct wire_buf lines = {0};
	peerd_status(client->door->peerd, &lines);
	struct msg_text_reply reply = {query.request, {lines.bytes, lines.size}};
	msg_text_reply_put(conn_out(client->conn), &reply);
	wire_buf_free(&lines);
}

static void
on_hello(struct client *client, const uint8_t *body, size_t size)
{
	struct peerd *peerd = client->door->peerd;
	uint16_t version;
	if (!daemon_hello(client->conn, body, size, &client->kind, &version))
		return;
	if (client->kind == WIRE_ELECTOR && !client->trusted) {
		refuse_and_close(client, EXIT_FENCED, "only raft-elect of this node, as this user or root, may send to peers");
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
on_elector_frame(struct client *client, uint16_t number, const uint8_t *body, size_t size)
{
	bool ok = number == MSG_PEER_SEND ? on_peer_send(client, body, size) : on_peer_config(client, body, size);
	if (!ok)
		refuse_and_close(client, EXIT_DATA, "raft-elect has sent a malformed frame");
}

static void
on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct client *client = arg;
	bool for_elector = number == MSG_PEER_SEND || number == MSG_PEER_CONFIG;
	(void)conn;
	if (number == MSG_HELLO && !client->greeted)
		on_hello(client, body, size);
	else if (!client->greeted)
		refuse_and_close(client, EXIT_DATA, "the first frame must be a hello");
	else if (for_elector && client == client->door->elector)
		on_elector_frame(client, number, body, size);
	else if (for_elector)
		refuse(client, 0, EXIT_FENCED, "only raft-elect of this node may send to peers");
	else if (number == MSG_QUERY_TEXT)
		on_query(client, body, size);
	else
		refuse(client, frame_request(body, size), EXIT_USAGE, "raft-peerd does not know this request");
}

static void
on_closed(struct conn *conn, const char *why, void *arg)
{
	struct client *client = arg;
	(void)conn;
	if (client == client->door->elector)
		log_info("elector", "state=gone why=%s", log_q(why));
	client_free(client);
}

static void
on_drained(struct conn *conn, void *arg)
{
	struct client *client = arg;
	(void)conn;
	if (client == client->door->elector)
		pull_pause(client->door->peerd->pull, false);
}

static const struct conn_calls calls = {on_frame, on_closed, on_drained};

static void
on_accepted(int fd, void *arg)
{
	struct door *door = arg;
	if (door->clients_count == CLIENTS_MAX) {
		log_warn("client", "why=%s", log_q("too many connections at once: one is closed"));
		close(fd);
		return;
	}
	struct client *client = calloc(1, sizeof *client);
	must(client != NULL);
	client->door = door;
	client->trusted = sock_peer_trusted(fd);
	client->conn = conn_new(door->peerd->loop, fd, client->trusted ? ELECTOR_FRAME_MAX : CLIENT_FRAME_MAX,
	    ELECTOR_OUT_HIGH, &calls, client);
	client->next = door->clients;
	door->clients = client;
	door->clients_count++;
}

/* ------- the socket --------------------------------------------------------------------- */

struct door *
door_new(struct peerd *peerd, char *why)
{
	struct door *door = calloc(1, sizeof *door);
	must(door != NULL);
	door->peerd = peerd;
	gid_t gid;
	const char *group = peerd->conf->node.group;
	if (!sock_path(door->path, peerd->conf->node.run, "peer", why) || !sock_group(group, &gid, why)) {
		free(door);
		return NULL;
	}
	int fd = sock_listen(door->path, group ? 0660 : 0600, gid, why);
	if (fd < 0) {
		free(door);
		return NULL;
	}
	door->listener = listener_new(peerd->loop, fd, on_accepted, door);
	return door;
}

void
door_free(struct door *door)
{
	if (door == NULL)
		return;
	while (door->clients)
		client_free(door->clients);
	listener_free(door->listener);
	unlink(door->path);
	free(door);
}
