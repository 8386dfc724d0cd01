/* SPDX-License-Identifier: ISC */
/* Clients: who is connected, what each has outstanding, when it is read. */
#include "clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "prog/daemon.h"
#include "client.h"
#include "node.h"
#include "status.h"

static void
set_held(struct elect_client *client, bool held)
{
	if (client->held == held)
		return;
	client->held = held;
	client->clients->held_count += held ? 1 : (size_t)-1;
}

/* It has outlived its connection if the core has still to answer what it asked. */
static void
clients_release(struct elect_client *client)
{
	if (client->conn == NULL && client->tickets_count == 0)
		free(client);
}

static void
clients_gone(struct elect_client *client)
{
	struct elect_clients *clients = client->clients;
	conn_free(client->conn);
	client->conn = NULL;
	set_held(client, false);
	if (client->prev)
		client->prev->next = client->next;
	else
		clients->first = client->next;
	if (client->next)
		client->next->prev = client->prev;
	clients->count--;
	clients_release(client);
}

static void
clients_on_closed(struct conn *conn, const char *why, void *arg)
{
	if (conn_malformed(conn))
		log_warn("client", "state=closed why=%s", log_q(why));
	else
		log_debug("client", "state=closed why=%s", log_q(why));
	clients_gone(arg);
}

static bool
clients_congested(const struct node *node)
{
	return node->raft && raft_congested(node->raft);
}

void
client_hold_if_due(struct elect_client *client, bool proposed)
{
	if (client->held || ((!proposed || !clients_congested(client->clients->node)) &&
				client->entries_count < CLIENT_ENTRIES_MAX &&
				client->size < CLIENT_SIZE_MAX && !conn_choked(client->conn)))
		return;
	set_held(client, true);
	conn_pause(client->conn, true);
}

/* Well below the limits, so that it is not stopped again by its next frame. */
static void
go_on_if_may(struct elect_client *client)
{
	if (!client->held || client->closing || client->clients->node->stopping ||
	    client->entries_count >= CLIENT_ENTRIES_MAX / 2 ||
	    client->size >= CLIENT_SIZE_MAX / 2 || conn_choked(client->conn))
		return;
	set_held(client, false);
	conn_pause(client->conn, false);
}

void
clients_turn(struct elect_clients *clients)
{
	if (clients->held_count == 0 || clients_congested(clients->node))
		return;
	for (struct elect_client *client = clients->first; client; client = client->next)
		go_on_if_may(client);
}

static void
client_tell_state(struct elect_client *client)
{
	struct wire_buf text = {0};
	status_state(&text, client->clients->node);
	client_text_reply(client, client->watch_request, &text);
	client->watch_late = false;
}

static void
clients_on_drained(struct conn *conn, void *arg)
{
	struct elect_client *client = arg;
	(void)conn;
	if (client->watch_late)
		client_tell_state(client);
	if (!clients_congested(client->clients->node))
		go_on_if_may(client);
}

void
clients_tell_state(struct elect_clients *clients)
{
	for (struct elect_client *client = clients->first; client; client = client->next) {
		if (!client->watching || client->closing)
			continue;
		if (conn_choked(client->conn))
			client->watch_late = true;
		else
			client_tell_state(client);
	}
}

/* ------------------------------------------------------------- answers */

static void
clients_answered(struct elect_client *client, uint64_t count, size_t size)
{
	client->entries_count -= count;
	client->size -= size;
}

static void
drop_ticket(struct elect_clients *clients, struct ticket *ticket)
{
	struct elect_client *client = ticket->client;
	clients_answered(client, 0, ticket->size);
	client->tickets_count--;
	tickets_drop(&clients->node->tickets, ticket);
	clients_release(client);
}

void
clients_answer(struct elect_clients *clients, struct ticket *ticket,
    const struct raft_answer *answer, const struct raft_hash *digest)
{
	struct elect_client *client = ticket->client;
	if (client->conn)
		client_answer(client, ticket->request, answer, digest);
	clients_answered(client, ticket_answered(ticket, answer->serial, answer->count), 0);
	if (ticket->count == 0)
		drop_ticket(clients, ticket);
}

void
clients_read_answer(
    struct elect_clients *clients, struct ticket *ticket, const struct raft_read_answer *answer)
{
	struct elect_client *client = ticket->client;
	if (client->conn)
		client_read_answer(client, ticket->request, answer);
	clients_answered(client, ticket->count, 0);
	drop_ticket(clients, ticket);
}

void
clients_answer_unknown(struct elect_clients *clients, enum raft_reason reason)
{
	static const struct raft_hash none;
	struct tickets *tickets = &clients->node->tickets;
	for (struct ticket *t = NULL; (t = tickets_next(tickets, t));) {
		struct raft_answer answer = {.verdict = RAFT_UNKNOWN,
		    .reason = reason,
		    .serial = t->serial,
		    .count = t->count};
		if (t->read)
			clients_read_answer(
			    clients, t, &(struct raft_read_answer){.reason = reason});
		else
			clients_answer(clients, t, &answer, &none);
	}
}

/* --------------------------------------------------------- connections */

static void
refused_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	(void)conn, (void)number, (void)body, (void)size, (void)arg;
}

static void
refused_closed(struct conn *conn, const char *why, void *arg)
{
	(void)why, (void)arg;
	conn_free(conn);
}

/* One more than the limit: it is told, and nothing of it is kept. */
static void
turn_away(struct elect_clients *clients, int fd)
{
	static const struct conn_calls calls = {refused_frame, refused_closed, NULL};
	struct conn *conn =
	    conn_new(clients->node->loop, fd, FRAME_HEADER_SIZE, CLIENT_OUT_HIGH, &calls, NULL);
	msg_refusal_put(conn_out(conn),
	    &(struct msg_refusal){
		.exit_status = EXIT_RETRY,
		.sentence = wire_text("raft-elect has as many clients as it serves at a time"),
	    });
	conn_close_when_flushed(conn);
}

static void
clients_on_accepted(int fd, void *arg)
{
	static const struct conn_calls calls = {
	    client_frame, clients_on_closed, clients_on_drained};
	struct elect_clients *clients = arg;
	const struct conf *conf = clients->node->conf;
	if (clients->count == CLIENTS_MAX) {
		turn_away(clients, fd);
		return;
	}
	struct elect_client *client = calloc(1, sizeof *client);
	must(client != NULL);
	client->clients = clients;
	client->conn = conn_new(clients->node->loop, fd, conf->elect.entry_max + CLIENT_FRAME_EXTRA,
	    CLIENT_OUT_HIGH, &calls, client);
	client->next = clients->first;
	if (client->next)
		client->next->prev = client;
	clients->first = client;
	clients->count++;
}

void
clients_open(struct elect_clients *clients, struct node *node)
{
	char why[SOCK_WHY_SIZE];
	const struct conf *conf = node->conf;
	gid_t gid;
	clients->node = node;
	if (!sock_path(clients->path, conf->node.run, "elect", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	int fd = sock_group(conf->node.group, &gid, why)
		     ? sock_listen(clients->path, conf->node.group ? 0660 : 0600, gid, why)
		     : -1;
	if (fd < 0)
		daemon_die(exit_of_errno(errno), "%s", why);
	clients->listener = listener_new(node->loop, fd, clients_on_accepted, clients);
}

void
clients_close(struct elect_clients *clients)
{
	listener_free(clients->listener);
	clients->listener = NULL;
	unlink(clients->path);
	for (struct elect_client *client = clients->first; client; client = client->next)
		conn_pause(client->conn, true);
}

void
clients_flush(struct elect_clients *clients)
{
	for (struct elect_client *client = clients->first; client; client = client->next)
		conn_flush(client->conn);
}
