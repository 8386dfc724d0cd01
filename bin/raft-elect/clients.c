/* SPDX-License-Identifier: ISC */
/* Clients: the socket, what each has outstanding, when it is read. */
#include "clients.h"

#include <errno.h>

#include "prog/daemon.h"
#include "client.h"
#include "grants.h"
#include "node.h"
#include "notice.h"
#include "status.h"

enum {
	CLIENTS_MAX = 1024,
	CLIENT_ENTRIES_MAX = 65536, /* outstanding of one client; a read counts as one */
	CLIENT_SIZE_MAX = 8 << 20,
	CLIENT_OUT_HIGH = 1 << 20,
	/* A frame may be as large as the largest entry and this. */
	CLIENT_FRAME_EXTRA = 8 << 20
};

/* Message, who may ask, who answers. */
#define REQUESTS(R)                                                                                \
	R(PROPOSE, propose, ANYONE, client_propose)                                                \
	R(READ_INDEX, read_index, ANYONE, client_read_index)                                       \
	R(TRANSFER, transfer, ANYONE, client_transfer)                                             \
	R(LEAD, lead, ANYONE, client_lead)                                                         \
	R(WATCH, watch, ANYONE, client_watch)

REQUESTS(SERVER_HANDLER)

static const struct server_request requests[] = {REQUESTS(SERVER_REQUEST){0}};
static const struct server_text texts[] = {
    {"status", status_text, NULL}, {"members", status_members, NULL}, {0}};

struct elect_client *
clients_next(const struct elect_clients *clients, const struct elect_client *client)
{
	return (struct elect_client *)(client ? client->base.next : server_first(clients->server));
}

/* -------------------------------------------------- when they are read */

static void
set_held(struct elect_clients *clients, struct elect_client *client, bool held)
{
	if (client->held == held)
		return;
	client->held = held;
	clients->held_count += held ? 1 : (size_t)-1;
	conn_pause(client->base.conn, held);
}

static bool
clients_congested(const struct node *node)
{
	return node->raft && raft_congested(node->raft);
}

/*
 * Stops reading it when it has too much outstanding, does not take its answers, or has proposed
 * while the core is congested.
 */
static void
hold_if_due(struct server_client *server_client, uint16_t number)
{
	struct node *node = server_arg(server_client->server);
	struct elect_client *client = (struct elect_client *)server_client;
	if ((number == MSG_PROPOSE && clients_congested(node)) ||
	    client->entries_count >= CLIENT_ENTRIES_MAX || client->size >= CLIENT_SIZE_MAX ||
	    conn_choked(client->base.conn))
		set_held(&node->clients, client, true);
}

/* Well below the limits, so that it is not stopped again by its next frame. */
static void
release_if_may(struct elect_clients *clients, struct elect_client *client)
{
	if (client->held && !client->base.closing && !clients->node->stopping &&
	    client->entries_count < CLIENT_ENTRIES_MAX / 2 && client->size < CLIENT_SIZE_MAX / 2 &&
	    !conn_choked(client->base.conn))
		set_held(clients, client, false);
}

void
clients_turn(struct elect_clients *clients)
{
	if (clients->held_count == 0 || clients_congested(clients->node))
		return;
	for (struct elect_client *client = NULL; (client = clients_next(clients, client));)
		release_if_may(clients, client);
}

static void
clients_on_drained(struct server_client *server_client)
{
	struct node *node = server_arg(server_client->server);
	struct elect_client *client = (struct elect_client *)server_client;
	if (client->watch_late)
		client_tell_state(node, client);
	if (!clients_congested(node))
		release_if_may(&node->clients, client);
}

static void
clients_on_closed(struct server_client *client, const char *why)
{
	struct node *node = server_arg(client->server);
	(void)why;
	set_held(&node->clients, (struct elect_client *)client, false);
	grants_closed(&node->clients, (struct elect_client *)client);
}

void
clients_tell_state(struct elect_clients *clients)
{
	for (struct elect_client *client = NULL; (client = clients_next(clients, client));) {
		if (!client->watching || client->base.closing)
			continue;
		if (conn_choked(client->base.conn))
			client->watch_late = true;
		else
			client_tell_state(clients->node, client);
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
	tickets_drop(&clients->node->tickets, ticket);
	server_client_unref(&client->base);
}

void
clients_answer(struct elect_clients *clients, struct ticket *ticket,
    const struct raft_answer *answer, const struct msg_session *session)
{
	struct elect_client *client = ticket->client;
	client_answer(client, ticket->request, answer, session);
	clients_answered(client, ticket_answered(ticket, answer->serial, answer->count), 0);
	if (ticket->count == 0)
		drop_ticket(clients, ticket);
}

void
clients_read_answer(
    struct elect_clients *clients, struct ticket *ticket, const struct raft_read_answer *answer)
{
	struct elect_client *client = ticket->client;
	client_read_answer(client, ticket->request, answer);
	clients_answered(client, ticket->count, 0);
	drop_ticket(clients, ticket);
}

void
clients_answer_unknown(struct elect_clients *clients, enum raft_reason reason)
{
	static const struct msg_session none;
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

/* ---------------------------------------------------------- the socket */

static void
clients_on_hello(struct server_client *client, struct msg_hello_reply *reply)
{
	const struct node *node = server_arg(client->server);
	reply->node = node->conf->node.id;
	reply->cluster = node->cluster;
	reply->start = node->start_number;
	reply->seen = node->commit.index;
}

void
clients_open(struct elect_clients *clients, struct node *node)
{
	const struct conf *conf = node->conf;
	size_t frame_max = conf->elect.entry_max + CLIENT_FRAME_EXTRA;
	const struct server_settings settings = {
	    .program = "raft-elect",
	    .run = conf->node.run,
	    .name = "elect",
	    .group = conf->node.group,
	    .client_size = sizeof(struct elect_client),
	    .clients_max = CLIENTS_MAX,
	    .frame_max = frame_max,
	    .frame_max_others = frame_max,
	    .out_high = CLIENT_OUT_HIGH,
	    .requests = requests,
	    .texts = texts,
	    .hello = clients_on_hello,
	    .served = hold_if_due,
	    .measure = notice_lag,
	    .drained = clients_on_drained,
	    .closed = clients_on_closed,
	};
	char why[SOCK_WHY_SIZE];
	clients->node = node;
	clients->server = server_new(node->loop, &settings, node, why);
	if (clients->server == NULL)
		daemon_die(exit_of_errno(errno), "%s", why);
}

void
clients_close(struct elect_clients *clients)
{
	server_stop(clients->server);
	for (struct elect_client *client = NULL; (client = clients_next(clients, client));)
		conn_pause(client->base.conn, true);
}

void
clients_flush(struct elect_clients *clients)
{
	for (struct elect_client *client = NULL; (client = clients_next(clients, client));)
		conn_flush(client->base.conn);
}
